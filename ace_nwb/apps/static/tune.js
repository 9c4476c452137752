// Thresholds and the seeds they give, at once: the candidates are here, the sliders only choose.
const tune = {
  session: null, seeds: null, shown: 0, mode: "", box: null, ruler: null, rois: null, image: "",
};
const field = new FieldView(element("field"), { paint, onDrag: startDrag });
const number = (id) => Number(element(id).value);

function values() {
  const isAutomatic = element("automatic").checked;
  return {
    cell_diameter_px: number("diameter"),
    min_correlation: isAutomatic ? null : number("correlation"),
    min_peak_to_noise: isAutomatic ? null : number("noise"),
  };
}

function paint(context, pixel) {
  const ratio = devicePixelRatio || 1;
  const radius = number("diameter") / 2;
  if (tune.rois) {
    context.lineWidth = 1.6 * pixel * ratio;
    context.strokeStyle = colour("unsure");
    context.stroke(tune.rois);
  }
  if (tune.seeds) {
    const { place, correlation, peak_to_noise: noise } = tune.seeds;
    const [least, height] = [number("correlation"), number("noise")];
    context.lineWidth = 1.3 * pixel * ratio;
    context.strokeStyle = colour("accepted");
    context.beginPath();
    tune.shown = 0;
    for (let i = 0; i < correlation.length; i++) {
      if (correlation[i] < least || noise[i] < height) continue;
      tune.shown++;
      context.moveTo(place[2 * i + 1] + radius, place[2 * i]);
      context.arc(place[2 * i + 1], place[2 * i], radius, 0, 2 * Math.PI);
    }
    context.stroke();
    element("count").textContent = tune.shown;
  }
  context.lineWidth = 2 * pixel * ratio;
  if (tune.box) {
    context.strokeStyle = colour("rejected");
    context.setLineDash([6 * pixel, 4 * pixel]);
    const [top, bottom, left, right] = tune.box;
    context.strokeRect(left - 0.5, top - 0.5, right - left, bottom - top);
    context.setLineDash([]);
  }
  if (tune.ruler) {
    context.strokeStyle = "#ff4f81";
    context.beginPath();
    context.moveTo(tune.ruler[1], tune.ruler[0]);
    context.lineTo(tune.ruler[3], tune.ruler[2]);
    context.stroke();
  }
  if (element("quilt").checked) paintQuilt(context, pixel * ratio);
}

// Patches of 2 * radius + 1 pixels that begin every 2 * radius - overlap.
function paintQuilt(context, line) {
  const [rows, columns] = tune.session.field_shape;
  const side = 2 * number("radius") + 1;
  const step = Math.max(1, side - 1 - number("overlap"));
  context.fillStyle = "rgb(242 227 92 / 9%)";
  context.strokeStyle = "rgb(242 227 92 / 80%)";
  context.lineWidth = line;
  const starts = (size) => {
    const found = [];
    for (let at = 0; at === 0 || at + side - step < size; at += step) found.push(at);
    return found;
  };
  for (const row of starts(rows)) {
    for (const column of starts(columns)) {
      const [height, width] = [Math.min(side, rows - row), Math.min(side, columns - column)];
      context.fillRect(column - 0.5, row - 0.5, width, height);
      context.strokeRect(column - 0.5, row - 0.5, width, height);
    }
  }
}

function setMode(mode) {
  tune.mode = tune.mode === mode ? "" : mode;
  element("ruler").setAttribute("aria-pressed", tune.mode === "ruler");
  element("draw").setAttribute("aria-pressed", tune.mode === "draw");
  const hints = { ruler: "Drag from edge to edge of a cell.", draw: "Drag the rectangle of the trial." };
  element("hint").textContent = hints[tune.mode] ?? "";
}

function startDrag(start) {
  if (tune.mode === "ruler") {
    return {
      move: (place) => {
        tune.ruler = [...start, ...place];
        const length = Math.hypot(place[0] - start[0], place[1] - start[1]);
        element("diameter").value = Math.max(4, Math.round(2 * length) / 2);
        showTexts();
      },
      end: () => {
        setMode("");
        loadSeeds();
      },
    };
  }
  if (tune.mode === "draw") {
    return { move: (place) => setBox([start[0], place[0], start[1], place[1]]), end: () => setMode("") };
  }
  return null;
}

function setBox([row, otherRow, column, otherColumn]) {
  const [rows, columns] = tune.session.field_shape;
  const clip = (value, most) => Math.min(most, Math.max(0, Math.round(value + 0.5)));
  const along = [clip(row, rows), clip(otherRow, rows)].sort((a, b) => a - b);
  const across = [clip(column, columns), clip(otherColumn, columns)].sort((a, b) => a - b);
  tune.box = [...along, ...across];
  field.redraw();
}

function showTexts() {
  element("diameter-text").textContent = `${number("diameter")} px`;
  element("correlation-text").textContent = number("correlation").toFixed(3);
  element("noise-text").textContent = number("noise").toFixed(1);
  const made = tune.session.image_diameter_px;
  const isOther = made && Math.abs(made - number("diameter")) > 0.26;
  element("stale-images").textContent = isOther ? `The images shown were made for ${made} px.` : "";
  for (const id of ["correlation", "noise"]) element(id).disabled = element("automatic").checked;
  field.redraw();
}

async function loadSeeds() {
  if (!tune.session.images.includes("correlation")) return;
  tune.seeds = await askArrays("/api/seeds", { diameter: number("diameter") });
  showTexts();
}

async function showImage(name) {
  tune.image = name;
  for (const button of element("images").children) button.setAttribute("aria-pressed", button.dataset.image === name);
  const { image } = await askArrays("/api/image", { name });
  if (tune.image === name) field.setImage(image, image.shape);
}

function useProposal() {
  const { proposed } = tune.session;
  if (!proposed || !element("automatic").checked) return;
  element("correlation").value = proposed.min_correlation;
  element("noise").value = proposed.min_peak_to_noise;
}

async function loadSession() {
  tune.session = await askJson("/api/session");
  const { session } = tune;
  const names = ["correlation", "peak_to_noise", "max", "mean"].filter((name) => session.images.includes(name));
  element("images").replaceChildren(
    ...names.map((name) => make("button", { "data-image": name, text: name.replaceAll("_", " "), onclick: () => showImage(name) })),
  );
  if (!names.length) element("hint").textContent = "There are no images yet: compute them for a diameter.";
  useProposal();
  await Promise.all([names.length ? showImage(names[0]) : null, loadSeeds()]);
}

// Start a calculation and follow it to its end.
async function work(path, body, box) {
  await tell(path, body);
  const began = performance.now();
  for (;;) {
    await new Promise((resume) => setTimeout(resume, 300));
    const state = await askJson("/api/task");
    if (state.state === "failed") throw new Error(state.error);
    if (state.state === "done") return (performance.now() - began) / 1000;
    box.textContent = `${state.name}: ${Math.round(100 * state.share)} %`;
  }
}

async function computeImages() {
  await work("/api/images", { diameter: number("diameter"), seconds: number("seconds") }, element("stale-images"));
  await loadSession();
  showTexts();
}

async function tryExtraction() {
  const [rows, columns] = tune.session.field_shape;
  tune.box ??= [0, rows, 0, columns];
  const box = element("trial");
  const body = { box: tune.box, seconds: number("seconds"), params: values() };
  const took = await work("/api/extract", body, box);
  const found = await askArrays("/api/rois");
  const path = new Path2D();
  let at = 0;
  for (const length of found.lengths) {
    for (let i = 0; i < length; i++, at++) path[i ? "lineTo" : "moveTo"](found.points[2 * at + 1], found.points[2 * at]);
    path.closePath();
  }
  tune.rois = path;
  box.textContent = `${found.n_rois} ROIs in ${took.toFixed(0)} s`;
  field.redraw();
}

async function record() {
  element("saved").textContent = "recording ...";
  const patches = { caiman_patch_radius_px: number("radius"), caiman_patch_overlap_px: number("overlap") };
  const before = tune.session.params;
  const params = { ...values() };
  for (const [name, value] of Object.entries(patches)) if (value !== before[name]) params[name] = value;
  const { recorded } = await tell("/api/record", { params });
  const rows = Object.entries(recorded).map(([name, value]) =>
    make("tr", {}, make("td", { text: name }), make("td", { text: value })),
  );
  element("result").replaceChildren("Recorded for the next ace-nwb run:", make("table", {}, ...rows));
  element("saved").textContent = "recorded";
  element("saved").className = "good";
}

async function begin() {
  const guarded = (action) => () => action().catch((problem) => toast(problem.message, true));
  tune.session = await askJson("/api/session");
  const { params } = tune.session;
  element("file").textContent = tune.session.file;
  element("diameter").value = params.cell_diameter_px;
  element("automatic").checked = params.min_correlation === null && params.min_peak_to_noise === null;
  element("correlation").value = params.min_correlation ?? tune.session.proposed?.min_correlation ?? 0.6;
  element("noise").value = params.min_peak_to_noise ?? tune.session.proposed?.min_peak_to_noise ?? 8;
  element("radius").value = params.caiman_patch_radius_px ?? 40;
  element("overlap").value = params.caiman_patch_overlap_px ?? 20;
  element("seconds").value = Math.min(60, Math.floor(tune.session.duration_s));
  const changed = () => {
    element("saved").textContent = "not recorded yet";
    element("saved").className = "muted";
    showTexts();
  };
  for (const id of ["correlation", "noise"]) element(id).oninput = changed;
  for (const id of ["quilt", "radius", "overlap"]) element(id).oninput = () => field.redraw();
  element("diameter").oninput = changed;
  element("diameter").onchange = guarded(loadSeeds);
  element("automatic").onchange = () => {
    useProposal();
    changed();
  };
  element("ruler").onclick = () => setMode("ruler");
  element("draw").onclick = () => setMode("draw");
  element("compute").onclick = guarded(computeImages);
  element("try").onclick = guarded(tryExtraction);
  element("record").onclick = guarded(record);
  await loadSession();
  showTexts();
  document.body.dataset.ready = "yes";
}

begin().catch((problem) => toast(problem.message, true));
globalThis.tuning = { tune, field };
