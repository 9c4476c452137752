// The field of the page curate: outlines, what a click or a drag means, images.
function paint(context, pixel) {
  if (!view.hasOutlines) return;
  const shown = new Set(view.shown);
  for (const roi of model.active) {
    const outline = view.outlines.get(roi);
    if (!outline) continue;
    const isPicked = view.selected.has(roi);
    const kind = model.vote(roi) ?? model.outcome(roi);
    const isProposed = model.value(roi, "accepted") ?? true;
    context.lineWidth = (isPicked ? 2.6 : 1.2) * pixel * (devicePixelRatio || 1);
    context.globalAlpha = isPicked ? 1 : !shown.has(roi) ? 0.15 : kind ? 0.95 : isProposed ? 0.75 : 0.28;
    context.setLineDash(kind === "reject" ? [3.5 * pixel, 2.5 * pixel] : []);
    const name = { accept: "accepted", reject: "rejected", unsure: "unsure" }[kind] ?? "undecided";
    context.strokeStyle = isPicked ? colours.picked : colours[name];
    context.stroke(outline.path);
    if (isPicked && kind) {
      context.lineWidth /= 2;
      context.strokeStyle = colours[name];
      context.stroke(outline.path);
    }
  }
  context.globalAlpha = 1;
  context.setLineDash([]);
  if (view.split) {
    const [r0, c0, r1, c1] = view.split;
    context.lineWidth = 2.2 * pixel * (devicePixelRatio || 1);
    context.strokeStyle = "#ff4f81";
    context.beginPath();
    context.moveTo(c0, r0);
    context.lineTo(c1, r1);
    context.stroke();
  }
}
const colours = {};
function readColours() {
  for (const name of ["accepted", "rejected", "unsure", "undecided", "picked"]) colours[name] = colour(name);
}

function roiAt(row, column) {
  const context = element("field").getContext("2d");
  let best = null;
  for (const roi of model.active) {
    const outline = view.outlines.get(roi);
    if (!outline || outline.box[0] > row || outline.box[1] < row || outline.box[2] > column || outline.box[3] < column) continue;
    if (!context.isPointInPath(outline.path, column, row)) continue;
    const size = (outline.box[1] - outline.box[0]) * (outline.box[3] - outline.box[2]);
    if (!best || size < best.size) best = { roi, size };
  }
  return best?.roi ?? null;
}

function clickField([row, column], event) {
  if (view.split) return;
  const roi = roiAt(row, column);
  if (roi !== null) pick(roi, event);
}

function dragField(start) {
  if (!view.split) return null;
  return {
    move: (place) => (view.split = [...start, ...place]),
    end: (place) => {
      view.split = [...start, ...place];
      field.redraw();
    },
  };
}

async function showImage(name) {
  if (!name) return;
  view.image = name;
  for (const button of element("images").children) {
    if (button.dataset.image) button.setAttribute("aria-pressed", button.dataset.image === name);
  }
  if (!view.images.has(name)) view.images.set(name, askArrays("/api/image", { name }));
  const { image } = await view.images.get(name);
  if (view.image === name) field.setImage(image, image.shape);
}

async function loadOutlines(rois) {
  const query = rois ? { rois: rois.join(",") } : null;
  if (query) return takeOutlines(await askArrays("/api/outlines", query));
  let count = Infinity;
  for (let from = 0; from < count; from += 200) {
    const part = await askArrays("/api/outlines", { first: from, count: 200 });
    count = part.n_rois;
    takeOutlines(part);
  }
}

function takeOutlines({ roi, centre, owner, length, points }) {
  let at = 0;
  roi.forEach((number, index) => {
    view.centres.set(number, [centre[2 * index], centre[2 * index + 1]]);
    view.outlines.set(number, { path: new Path2D(), points: [], box: [Infinity, -Infinity, Infinity, -Infinity] });
  });
  owner.forEach((index, part) => {
    const outline = view.outlines.get(roi[index]);
    for (let i = 0; i < length[part]; i++, at++) {
      const [row, column] = [points[2 * at], points[2 * at + 1]];
      if (i === 0) outline.path.moveTo(column, row);
      else outline.path.lineTo(column, row);
      outline.points.push([row, column]);
      const box = outline.box;
      outline.box = [Math.min(box[0], row), Math.max(box[1], row), Math.min(box[2], column), Math.max(box[3], column)];
    }
    outline.path.closePath();
  });
  clip.outline = view.outlines.get(view.current)?.path ?? null;
  field.redraw();
}
