// A clip of the movie around a ROI and an event, played in a loop.
class ClipView {
  constructor(canvas, caption) {
    Object.assign(this, { canvas, caption });
    this.clip = null;
    this.index = 0;
    this.mode = "change";
    this.outline = null;
    fitCanvas(canvas, () => this.draw());
    setInterval(() => this.step(), 55);
  }

  async load(roi, time) {
    this.wanted = `${roi} ${time}`;
    const clip = await askArrays("/api/clip", { roi, time });
    if (this.wanted !== `${roi} ${time}`) return;
    this.clip = clip;
    this.time = time;
    this.index = 0;
    this.draw();
  }

  clear() {
    this.wanted = "";
    this.clip = null;
    this.caption.textContent = "no event";
    this.draw();
  }

  step() {
    if (!this.clip || document.hidden || this.isPaused) return;
    this.index = (this.index + 1) % this.clip.movie.shape[0];
    this.draw();
  }

  draw() {
    const context = this.canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    if (!this.clip) return;
    const [, rows, columns] = this.clip.movie.shape;
    const size = rows * columns;
    const bytes = this.clip[this.mode].subarray(this.index * size, (this.index + 1) * size);
    const frame = make("canvas", { width: columns, height: rows });
    const image = frame.getContext("2d").createImageData(columns, rows);
    for (let i = 0; i < size; i++) {
      image.data[4 * i] = image.data[4 * i + 1] = image.data[4 * i + 2] = bytes[i];
      image.data[4 * i + 3] = 255;
    }
    frame.getContext("2d").putImageData(image, 0, 0);
    const scale = Math.min(this.canvas.width / columns, this.canvas.height / rows);
    const [left, top] = [(this.canvas.width - columns * scale) / 2, (this.canvas.height - rows * scale) / 2];
    context.imageSmoothingEnabled = false;
    context.drawImage(frame, left, top, columns * scale, rows * scale);
    if (this.outline) {
      context.setTransform(scale, 0, 0, scale, left + (0.5 - this.clip.column) * scale, top + (0.5 - this.clip.row) * scale);
      context.lineWidth = 1.3 / scale;
      context.strokeStyle = colour("accepted");
      context.stroke(this.outline);
    }
    const at = this.clip.time_s[this.index] - this.time;
    const text = `${at < 0 ? "\u2212" : "+"}${Math.abs(at).toFixed(2)} s around ${this.time.toFixed(1)} s`;
    if (this.caption.textContent !== text) this.caption.textContent = text;
  }
}
