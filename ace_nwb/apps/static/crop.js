// A rectangle over projections of the raw movie: rows and columns, half-open.
const ids = ["row_start", "row_stop", "column_start", "column_stop"];
const state = { box: [0, 1, 0, 1], recorded: null, shape: [1, 1], analysed: null };
const field = new FieldView(element("field"), { paint, onDrag: startDrag });

function paint(context, pixel) {
  const [top, bottom, left, right] = state.box;
  const [rows, columns] = state.shape;
  context.fillStyle = "rgb(0 0 0 / 55%)";
  context.beginPath();
  context.rect(-0.5, -0.5, columns, rows);
  context.rect(left - 0.5, top - 0.5, right - left, bottom - top);
  context.fill("evenodd");
  context.lineWidth = 2 * pixel * (devicePixelRatio || 1);
  context.strokeStyle = colour("accepted");
  context.strokeRect(left - 0.5, top - 0.5, right - left, bottom - top);
}

function startDrag(start) {
  const box = [...state.box];
  const [row, column] = start;
  const near = 7 / field.scale * (devicePixelRatio || 1);
  const isInside = row > box[0] - near && row < box[1] + near && column > box[2] - near && column < box[3] + near;
  const edges = [row, row, column, column].map((at, edge) => isInside && Math.abs(at - (box[edge] - 0.5)) < near);
  const isWhole = box[1] - box[0] === state.shape[0] && box[3] - box[2] === state.shape[1];
  const isEdge = !isWhole && edges.some(Boolean);
  return {
    move: ([r, c]) => {
      if (isEdge) setBox(box.map((limit, edge) => (edges[edge] ? Math.round((edge < 2 ? r : c) + 0.5) : limit)));
      else setBox([row + 0.5, r + 0.5, column + 0.5, c + 0.5].map(Math.round));
    },
  };
}

function setBox(wanted) {
  const [rows, columns] = state.shape;
  const clip = (value, most) => Math.min(most, Math.max(0, Math.round(value)));
  const along = [clip(wanted[0], rows), clip(wanted[1], rows)].sort((a, b) => a - b);
  const across = [clip(wanted[2], columns), clip(wanted[3], columns)].sort((a, b) => a - b);
  state.box = [...along, ...across];
  ids.forEach((id, index) => (element(id).value = state.box[index]));
  const [height, width] = [along[1] - along[0], across[1] - across[0]];
  const share = Math.round((100 * height * width) / (rows * columns));
  element("size").textContent = `${height} rows x ${width} columns, ${share} % of the field`;
  element("record").disabled = !height || !width;
  const isRecorded = state.recorded?.join() === state.box.join();
  element("saved").textContent = isRecorded ? "recorded" : "not recorded yet";
  element("saved").className = isRecorded ? "good" : "muted";
  field.redraw();
}

async function showImage(name) {
  for (const button of element("images").children) button.setAttribute("aria-pressed", button.dataset.image === name);
  const { image } = await askArrays("/api/image", { name });
  field.setImage(image, image.shape);
}

async function record() {
  element("saved").textContent = "recording ...";
  const { box } = await tell("/api/crop", { box: state.box });
  state.recorded = box;
  setBox(box);
  element("result").textContent = "Recorded. It is used by the next ace-nwb run.";
}

async function begin() {
  const session = await askJson("/api/session");
  Object.assign(state, { shape: session.field_shape, recorded: session.box });
  element("file").textContent = session.file;
  element("images").replaceChildren(
    ...session.images.map((name) => make("button", { "data-image": name, text: name, onclick: () => showImage(name) })),
  );
  for (const id of ids) {
    element(id).onchange = () => setBox(ids.map((one) => Number(element(one).value)));
  }
  element("whole").onclick = () => setBox([0, state.shape[0], 0, state.shape[1]]);
  element("record").onclick = () => record().catch((problem) => toast(problem.message, true));
  await showImage(session.images.includes("max") ? "max" : session.images[0]);
  setBox(session.box);
  document.body.dataset.ready = "yes";
}

begin().catch((problem) => toast(problem.message, true));
globalThis.cropping = { state, field };
