// The page: what is shown follows from the model, what is done goes to the model.
const marks = { accept: "\u2713", reject: "\u2717", unsure: "?", conflict: "!", "": "" };
const names = {
  snr: "SNR", r_value: "r", size_px: "size", n_events: "events", compactness: "compact",
  asymmetry: "rise", duplicate_score: "double", decay_time_s: "decay", noise: "noise",
  accepted: "proposed",
};
const first = ["snr", "r_value", "size_px", "compactness", "n_events"];
const view = {
  current: null, selected: new Set(), shown: [], images: new Map(), image: "", hasOutlines: true,
  outlines: new Map(), centres: new Map(), split: null, eventIndex: 0, session: null, isReady: false,
};

const model = new Model({
  onChange: () => refreshAll(),
  onSaved: () => showSaved(),
  onProblem: (message) => toast(message, true),
});
const field = new FieldView(element("field"), { paint, onClick: clickField, onDrag: dragField });
field.brightness = 0.72; // light outlines must show on the brightest cell
const traces = new TraceView(element("trace"), { onTime: (time) => showClip(time) });
const clip = new ClipView(element("clip"), element("caption"));
const list = new RoiList(element("list"), element("head"), {
  columns: [], cell: listCell, onPick: (roi, event) => pick(roi, event), onSort: () => applyFilter(),
});

function tableColumns() {
  const others = model.metrics.filter((name) => !first.includes(name));
  const shown = [...first.filter((name) => model.metrics.includes(name)), ...others];
  return [
    { name: "id", label: "ROI", width: 46 },
    { name: "verdict", label: "you", title: "your verdict", width: 36, kind: "mark" },
    { name: "outcome", label: "all", title: "what all votes come to", width: 36, kind: "mark" },
    ...shown.map((name) => ({ name, label: names[name] ?? name, title: name, width: 56 })),
  ];
}

function listCell(roi, { name }) {
  if (name === "verdict") return { text: marks[model.vote(roi) ?? ""], kind: model.vote(roi) };
  if (name === "outcome") return { text: marks[model.outcome(roi)], kind: model.outcome(roi) };
  return { text: format(model.value(roi, name)) };
}

function format(value) {
  if (value === undefined || value === null) return "\u2013";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Number.isInteger(value)) return String(value);
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

function sortKey(roi, name) {
  if (name === "verdict") return marks[model.vote(roi) ?? ""];
  if (name === "outcome") return marks[model.outcome(roi)];
  return model.value(roi, name);
}

function applyFilter() {
  const box = element("filter");
  let test = () => true;
  try {
    test = parseFilter(box.value, model.metrics);
    box.classList.remove("wrong");
    box.title = "";
  } catch (problem) {
    box.classList.add("wrong");
    box.title = problem.message;
  }
  const { name, isDown } = list.sorted;
  const rank = (roi) => sortKey(roi, name);
  const isMissing = (value) => value === undefined || value === null || Number.isNaN(value);
  view.shown = model.active.filter((roi) => test(roi, model)).sort((a, b) => {
    const [left, right] = [rank(a), rank(b)];
    if (isMissing(left) || isMissing(right)) return isMissing(left) - isMissing(right) || a - b;
    const order = left < right ? -1 : left > right ? 1 : 0;
    return (isDown ? -order : order) || a - b;
  });
  list.setRois(view.shown);
  element("count").textContent = `${view.shown.length} of ${model.active.length} ROIs`;
  field.redraw();
}

function refreshAll() {
  const missing = model.active.filter((roi) => !view.outlines.has(roi));
  if (view.isReady && missing.length) loadOutlines(missing);
  const standing = new Set(model.active);
  if (view.current !== null && !standing.has(view.current)) {
    const heirs = [...model.made].filter(([, made]) => made.sources.includes(view.current));
    const sources = [...view.selected].filter((roi) => standing.has(roi));
    view.selected = new Set();
    const next = heirs.map(([roi]) => roi).find((roi) => standing.has(roi)) ?? sources[0] ?? model.active[0];
    applyFilter();
    select(next);
  }
  applyFilter();
  showProgress();
  showDetails();
}

function showProgress() {
  const decided = model.active.filter((roi) => model.vote(roi)).length;
  const total = model.active.length;
  element("meter").style.width = `${total ? (100 * decided) / total : 0}%`;
  element("progress").textContent = `${decided} of ${total} decided`;
  const count = model.disagreements.size;
  element("chip-conflict").textContent = count ? `conflict (${count})` : "conflict";
  element("undo").disabled = !model.lastOwn();
}

function showSaved() {
  const count = model.waiting.length;
  element("saved").textContent = count ? `saving ${count} ...` : model.decisions.length ? "saved" : "";
  element("saved").className = count ? "muted" : "good";
  if (!count) planStages();
}

// ---- the ROI on show
async function select(roi, { keep = false } = {}) {
  if (roi === undefined || roi === null) return;
  if (!keep) view.selected = new Set();
  view.selected.add(roi);
  view.current = roi;
  view.split = null;
  view.eventIndex = 0;
  list.selected = view.selected;
  list.show(roi);
  list.redraw();
  const centre = view.centres.get(roi);
  if (centre) field.show(...centre);
  field.redraw();
  showDetails();
  const found = await traces.setRoi(roi).catch((problem) => toast(problem.message, true));
  if (!found || view.current !== roi) return;
  document.body.dataset.roi = roi;
  showEvent(0);
  prefetch();
}

function prefetch() {
  const at = view.shown.indexOf(view.current);
  for (const step of [1, 2, -1]) {
    const roi = view.shown[at + step];
    if (at >= 0 && roi !== undefined) traces.load(roi).catch(() => {});
  }
}

function pick(roi, event) {
  if (event.shiftKey || event.ctrlKey || event.metaKey) {
    if (view.selected.has(roi) && view.selected.size > 1) {
      view.selected.delete(roi);
      select([...view.selected].at(-1), { keep: true });
    } else select(roi, { keep: true });
  } else select(roi);
}

function step(by) {
  const at = view.shown.indexOf(view.current);
  const next = at < 0 ? 0 : Math.min(view.shown.length - 1, Math.max(0, at + by));
  select(view.shown[next]);
}

function nextTodo() {
  const at = view.shown.indexOf(view.current);
  const order = [...view.shown.slice(at + 1), ...view.shown.slice(0, at + 1)];
  const next = order.find((roi) => !model.vote(roi));
  if (next === undefined) toast("You have decided on every ROI of the list.");
  else select(next);
}

function showDetails() {
  const roi = view.current;
  if (roi === null) return;
  const isMany = view.selected.size > 1;
  const made = model.made.get(roi);
  const origin = made ? ` (from ${made.sources.join(", ")})` : "";
  element("title").textContent = isMany ? `${view.selected.size} ROIs: ${[...view.selected].join(", ")}` : `ROI ${roi}${origin}`;
  for (const kind of ["accept", "reject", "unsure"]) {
    element(kind).setAttribute("aria-pressed", model.vote(roi) === kind);
  }
  element("merge").disabled = !isMany;
  element("split").disabled = isMany;
  const rows = model.metrics.map((name) => [names[name] ?? name, format(model.value(roi, name))]);
  element("numbers").replaceChildren(
    ...rows.flatMap(([name, value]) => [make("dt", { text: name }), make("dd", { text: value })]),
  );
  const votes = [...(model.votes.get(roi)?.values() ?? [])];
  element("votes").replaceChildren(
    ...votes.map((vote) =>
      make("li", {}, make("span", { class: `says ${vote.action}`, text: `${marks[vote.action]} ${vote.reviewer}` }),
        vote.reason ? ` \u2013 ${vote.reason}` : ""),
    ),
  );
}

// ---- decisions
function ready() {
  const name = element("reviewer").value.trim();
  if (name) return true;
  toast("Type your name first: every decision carries it.", true);
  element("reviewer").focus();
  return false;
}

function verdict(action) {
  if (!ready() || !view.selected.size) return;
  const rois = [...view.selected];
  const shown = view.shown;
  const at = shown.indexOf(view.current);
  const reason = element("reason").value;
  element("reason").value = "";
  model.decide({ action, rois, reason });
  if (!element("advance").checked || rois.length > 1) return;
  // where the decided ROI leaves the list, the next one has moved to its place
  const next = view.shown.includes(view.current) ? shown[at + 1] : shown.slice(at + 1).find((roi) => view.shown.includes(roi));
  if (next !== undefined) select(next);
}

function merge() {
  if (!ready()) return;
  if (view.selected.size < 2) return toast("Select two ROIs or more: shift and click.");
  model.decide({ action: "merge", rois: [...view.selected], reason: element("reason").value });
  element("reason").value = "";
}

function startSplit() {
  if (!ready()) return;
  if (view.selected.size !== 1) return toast("Select one ROI to split.");
  view.split = shortAxis(view.current);
  element("hint").textContent = "Drag a line across the ROI; Enter divides it there, Esc leaves it.";
  field.redraw();
}

function endSplit(isDone) {
  const line = view.split;
  view.split = null;
  element("hint").textContent = "";
  field.redraw();
  if (!isDone || !line) return;
  const [row, column] = view.session.origin;
  const recorded = [line[0] + row, line[1] + column, line[2] + row, line[3] + column];
  model.decide({ action: "split", rois: [view.current], line: recorded, reason: element("reason").value });
  element("reason").value = "";
}

function undo() {
  const last = model.lastOwn();
  if (!ready() || !last) return;
  if (model.waiting.length) return toast("Wait until everything is saved.");
  model.decide({ action: "undo", undoes: last.number, rois: [] });
  const back = last.rois.find((roi) => roi !== undefined);
  toast(`Undone: ${last.action} of ROI ${last.rois.join(", ")}`);
  if (model.active.includes(back)) select(back);
}

// A line across the ROI at right angles to its long axis.
function shortAxis(roi) {
  const points = view.outlines.get(roi)?.points ?? [];
  const [row, column] = view.centres.get(roi) ?? [0, 0];
  let [rr, cc, rc] = [0, 0, 0];
  for (const [r, c] of points) {
    rr += (r - row) ** 2;
    cc += (c - column) ** 2;
    rc += (r - row) * (c - column);
  }
  const long = 0.5 * Math.atan2(2 * rc, rr - cc);
  const reach = Math.max(5, Math.sqrt((rr + cc) / Math.max(1, points.length)) * 1.6);
  const [down, right] = [-Math.sin(long) * reach, Math.cos(long) * reach];
  return [row - down, column - right, row + down, column + right];
}

// ---- the clip
function showEvent(by) {
  const { events_s: events, event_heights: heights } = traces.shown ?? {};
  clip.outline = view.outlines.get(view.current)?.path ?? null;
  if (!events?.length) {
    traces.cursor = null;
    return clip.clear();
  }
  const order = [...events.keys()].sort((a, b) => heights[b] - heights[a]);
  view.eventIndex = (view.eventIndex + by) % order.length;
  return showClip(events[order[view.eventIndex]]);
}

function showClip(time) {
  traces.cursor = time;
  traces.redraw();
  clearTimeout(view.clipTimer);
  const { current } = view;
  view.clipTimer = setTimeout(() => clip.load(current, time).catch(() => {}), 120);
}

// ---- the start
const keys = {
  a: () => verdict("accept"), r: () => verdict("reject"), u: () => verdict("unsure"),
  m: merge, s: startSplit, z: undo, n: nextTodo, e: () => showEvent(1), c: () => element("mode").click(),
  j: () => step(1), k: () => step(-1), arrowdown: () => step(1), arrowup: () => step(-1),
  o: () => element("outlines").click(), f: () => element("filter").focus(), "?": () => element("keys").showModal(),
  "+": () => field.zoomBy(1.4), "-": () => field.zoomBy(1 / 1.4), 0: () => field.reset(),
  enter: () => endSplit(true), escape: () => endSplit(false),
};

function onKey(event) {
  if (typing(event)) {
    if (event.key === "Escape" || event.key === "Enter") event.target.blur();
    return;
  }
  if (event.altKey || element("keys").open) return;
  const isCommand = event.ctrlKey || event.metaKey;
  const key = event.key.toLowerCase();
  if (isCommand && key !== "z") return;
  const number = Number(event.key);
  const images = view.session?.images ?? [];
  if (number >= 1 && number <= images.length) showImage(images[number - 1]);
  else if (key === "enter" && !view.split) return;
  else if (keys[key]) keys[key]();
  else return;
  event.preventDefault();
}

function buildControls() {
  const images = view.session.images.map((name, index) =>
    make("button", { "data-image": name, text: name.replaceAll("_", " "), title: `key ${index + 1}`, onclick: () => showImage(name) }),
  );
  const outlines = make("button", {
    id: "outlines", text: "outlines", "aria-pressed": "true", title: "O",
    onclick: () => {
      view.hasOutlines = !view.hasOutlines;
      outlines.setAttribute("aria-pressed", view.hasOutlines);
      field.redraw();
    },
  });
  element("images").replaceChildren(...images, outlines);
  const chips = ["", "todo", "undecided", "snr<4", "conflict", "made"];
  element("chips").replaceChildren(
    ...chips.map((text) => make("button", {
      id: `chip-${text || "all"}`, text: text || "all",
      onclick: () => {
        element("filter").value = text;
        applyFilter();
      },
    })),
  );
  for (const kind of ["accept", "reject", "unsure"]) element(kind).onclick = () => verdict(kind);
  const others = { merge, split: startSplit, undo, run: runStages, event: () => showEvent(1), help: () => element("keys").showModal() };
  for (const [id, action] of Object.entries(others)) element(id).onclick = action;
  element("mode").onclick = () => {
    clip.mode = clip.mode === "change" ? "movie" : "change";
    element("mode").textContent = clip.mode === "change" ? "change" : "grey levels";
  };
  element("filter").oninput = applyFilter;
  element("reviewer").oninput = () => {
    model.reviewer = element("reviewer").value.trim();
    try {
      localStorage.setItem("reviewer", model.reviewer);
    } catch {
      // a browser that keeps nothing: the name is typed again
    }
    refreshAll();
  };
  addEventListener("keydown", onKey);
  addEventListener("beforeunload", (event) => model.waiting.length && event.preventDefault());
}

async function begin() {
  readColours();
  const [session, table] = await Promise.all([askJson("/api/session"), askJson("/api/rois")]);
  view.session = session;
  model.generation = session.generation;
  element("file").textContent = session.file;
  let name = session.reviewer;
  try {
    name ||= localStorage.getItem("reviewer") ?? "";
  } catch {
    // as above
  }
  element("reviewer").value = model.reviewer = name;
  traces.nFrames = session.n_frames;
  traces.range = [0, session.n_frames];
  buildControls();
  model.setTable(table.columns);
  list.sorted = { name: model.metrics.includes("snr") ? "snr" : "id", isDown: true };
  list.setColumns(tableColumns());
  await model.refresh();
  model.onChange();
  const wanted = ["correlation", "mean"].find((one) => session.images.includes(one));
  await Promise.all([showImage(wanted ?? session.images[0]), select(view.shown[0])]);
  document.body.dataset.first = "yes";
  await loadOutlines();
  view.isReady = true;
  clip.outline = view.outlines.get(view.current)?.path ?? null;
  document.body.dataset.ready = "yes";
  followRun();
  setInterval(() => !document.hidden && !model.waiting.length && look(), 3000);
}

begin().catch((problem) => toast(problem.message, true));
globalThis.curation = { model, view, field, traces };
