// Stages that decisions made stale: shown, run, followed.
function planStages() {
  clearTimeout(view.stageTimer);
  view.stageTimer = setTimeout(async () => showStale((await model.refresh(true).catch(() => ({}))).stale), 900);
}

function showStale(stale) {
  if (!stale || view.isRunning) return;
  const button = element("run");
  button.disabled = !stale.length;
  button.textContent = stale.length ? `Run ${stale.length} stale stages` : "Nothing is stale";
  button.className = stale.length ? "main" : "";
  button.title = stale.map(({ stage, reason }) => `${stage}: ${reason}`).join("\n");
}

async function runStages() {
  if (model.waiting.length) return toast("Wait until everything is saved.");
  view.isRunning = true;
  element("run").disabled = true;
  await tell("/api/run", {}).catch((problem) => toast(problem.message, true));
  followRun();
}

async function followRun() {
  const state = await askJson("/api/run").catch(() => null);
  const button = element("run");
  if (state?.state === "running") {
    view.isRunning = true;
    button.disabled = true;
    const count = state.stages ? `${state.done.length + 1} of ${state.stages.length}: ` : "";
    button.textContent = `${count}${state.stage || "starting"} ${Math.round(100 * (state.share ?? 0))} %`;
    return setTimeout(followRun, 500);
  }
  view.isRunning = false;
  if (state?.state === "failed") toast(state.error, true);
  if (state?.state === "done") toast(`Done: ${state.done.join(", ")}`);
  await look();
  planStages();
}

async function look() {
  const { hasNewFile } = await model.refresh().catch(() => ({}));
  if (!hasNewFile) return;
  model.setTable((await askJson("/api/rois")).columns);
  list.setColumns(tableColumns());
  view.outlines.clear();
  traces.forget();
  await loadOutlines();
  refreshAll();
  if (model.active.includes(view.current)) select(view.current);
}
