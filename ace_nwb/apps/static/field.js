// The field of view: an image with outlines over it, zoom by wheel, move by dragging.
class FieldView {
  constructor(canvas, { onClick, onDrag, paint } = {}) {
    Object.assign(this, { canvas, onClick, onDrag, paint });
    this.shape = [1, 1];
    this.zoom = 1;
    this.middle = [0, 0];
    this.picture = null;
    this.redraw = onceAFrame(() => this.draw());
    fitCanvas(canvas, this.redraw);
    canvas.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.onDown(event));
    canvas.addEventListener("dblclick", () => this.reset());
  }

  setImage(bytes, shape) {
    const [rows, columns] = shape;
    const picture = make("canvas", { width: columns, height: rows });
    const context = picture.getContext("2d");
    const data = context.createImageData(columns, rows);
    for (let i = 0; i < bytes.length; i++) {
      data.data[4 * i] = data.data[4 * i + 1] = data.data[4 * i + 2] = bytes[i];
      data.data[4 * i + 3] = 255;
    }
    context.putImageData(data, 0, 0);
    this.picture = picture;
    if (this.shape[0] !== rows || this.shape[1] !== columns) {
      this.shape = [rows, columns];
      this.reset();
    }
    this.redraw();
  }

  reset() {
    this.zoom = 1;
    this.middle = [this.shape[0] / 2 - 0.5, this.shape[1] / 2 - 0.5];
    this.redraw();
  }

  get scale() {
    return this.zoom * Math.min(this.canvas.height / this.shape[0], this.canvas.width / this.shape[1]);
  }

  toScreen(row, column) {
    return [
      this.canvas.width / 2 + (column - this.middle[1]) * this.scale,
      this.canvas.height / 2 + (row - this.middle[0]) * this.scale,
    ];
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const ratio = this.canvas.width / box.width;
    return [
      this.middle[0] + ((event.clientY - box.top) * ratio - this.canvas.height / 2) / this.scale,
      this.middle[1] + ((event.clientX - box.left) * ratio - this.canvas.width / 2) / this.scale,
    ];
  }

  show(row, column) {
    if (this.zoom > 1.05) this.middle = [row, column];
    this.redraw();
  }

  zoomBy(factor, [row, column] = this.middle) {
    const zoom = Math.min(40, Math.max(1, this.zoom * factor));
    const kept = this.zoom / zoom;
    this.middle = [row + (this.middle[0] - row) * kept, column + (this.middle[1] - column) * kept];
    this.zoom = zoom;
    if (zoom === 1) this.reset();
    this.redraw();
  }

  onWheel(event) {
    event.preventDefault();
    this.zoomBy(Math.exp(-event.deltaY / 400), this.place(event));
  }

  onDown(event) {
    if (event.button !== 0) return;
    const start = this.place(event);
    const from = [event.clientX, event.clientY];
    const middle = [...this.middle];
    let hasMoved = false;
    const own = this.onDrag?.(start, event);
    this.canvas.setPointerCapture(event.pointerId);
    const move = (later) => {
      hasMoved ||= Math.hypot(later.clientX - from[0], later.clientY - from[1]) > 3;
      if (!hasMoved) return;
      if (own) own.move(this.place(later));
      else if (this.zoom > 1) {
        const ratio = devicePixelRatio || 1;
        this.middle = [
          middle[0] - ((later.clientY - from[1]) * ratio) / this.scale,
          middle[1] - ((later.clientX - from[0]) * ratio) / this.scale,
        ];
      }
      this.redraw();
    };
    const up = (last) => {
      this.canvas.removeEventListener("pointermove", move);
      this.canvas.removeEventListener("pointerup", up);
      if (own && hasMoved) own.end?.(this.place(last));
      else if (!hasMoved) this.onClick?.(start, last);
    };
    this.canvas.addEventListener("pointermove", move);
    this.canvas.addEventListener("pointerup", up);
  }

  draw() {
    const context = this.canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    if (!this.picture) return;
    const [left, top] = this.toScreen(-0.5, -0.5);
    context.imageSmoothingEnabled = this.scale < 3;
    context.globalAlpha = this.brightness ?? 1;
    context.drawImage(this.picture, left, top, this.shape[1] * this.scale, this.shape[0] * this.scale);
    context.globalAlpha = 1;
    // from here on in pixels of the field: x = column, y = row
    const [x, y] = this.toScreen(0, 0);
    context.setTransform(this.scale, 0, 0, this.scale, x, y);
    this.paint?.(context, 1 / this.scale);
    context.setTransform(1, 0, 0, 1, 0, 0);
  }
}
