// Traces over time: raw with its model above, residual below; zoom by wheel, move by dragging.
class TraceView {
  constructor(canvas, { onTime } = {}) {
    Object.assign(this, { canvas, onTime });
    this.roi = null;
    this.range = [0, 1];
    this.nFrames = 1;
    this.kept = new Map();
    this.shown = null;
    this.cursor = null;
    this.redraw = onceAFrame(() => this.draw());
    fitCanvas(canvas, () => (this.roi === null ? 0 : this.ask()));
    canvas.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.onDown(event));
    canvas.addEventListener("dblclick", () => this.setRange(0, this.nFrames));
  }

  forget() {
    this.kept.clear();
  }

  get bins() {
    return Math.max(50, Math.min(2000, this.canvas.clientWidth));
  }

  load(roi) {
    const key = `${roi} ${this.bins}`;
    if (!this.kept.has(key)) {
      const found = askArrays("/api/trace", { roi, bins: this.bins });
      found.catch(() => this.kept.delete(key));
      this.kept.set(key, found);
      if (this.kept.size > 60) this.kept.delete(this.kept.keys().next().value);
    }
    return this.kept.get(key);
  }

  async setRoi(roi) {
    this.roi = roi;
    const found = await this.load(roi);
    if (this.roi !== roi) return null;
    this.shown = found;
    this.redraw();
    if (this.range[1] - this.range[0] < this.nFrames) this.ask();
    return found;
  }

  setRange(start, stop) {
    const width = Math.min(this.nFrames, Math.max(20, stop - start));
    const first = Math.min(this.nFrames - width, Math.max(0, start));
    this.range = [first, first + width];
    this.redraw();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), 60);
  }

  async ask() {
    const [start, stop] = this.range.map(Math.round);
    const { roi } = this;
    const isWhole = stop - start >= this.nFrames;
    const query = { roi, start, stop, bins: this.bins };
    const found = await (isWhole ? this.load(roi) : askArrays("/api/trace", query)).catch(() => null);
    if (found && this.roi === roi && this.range.every((edge, i) => Math.round(edge) === [start, stop][i])) {
      this.shown = found;
      this.redraw();
    }
  }

  frameAt(event) {
    const box = this.canvas.getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    return this.range[0] + share * (this.range[1] - this.range[0]);
  }

  timeAt(frame) {
    const { time_s: times, start, stop } = this.shown;
    const place = ((frame - start) / Math.max(1, stop - start)) * times.length;
    return times[Math.min(times.length - 1, Math.max(0, Math.floor(place)))];
  }

  onWheel(event) {
    event.preventDefault();
    const frame = this.frameAt(event);
    const factor = Math.exp((event.deltaY || event.deltaX) / 300);
    this.setRange(frame - (frame - this.range[0]) * factor, frame + (this.range[1] - frame) * factor);
  }

  onDown(event) {
    const from = event.clientX;
    const range = [...this.range];
    let hasMoved = false;
    this.canvas.setPointerCapture(event.pointerId);
    const move = (later) => {
      hasMoved ||= Math.abs(later.clientX - from) > 3;
      if (!hasMoved) return;
      const step = ((later.clientX - from) / this.canvas.clientWidth) * (range[1] - range[0]);
      this.setRange(range[0] - step, range[1] - step);
    };
    const up = (last) => {
      this.canvas.removeEventListener("pointermove", move);
      this.canvas.removeEventListener("pointerup", up);
      if (!hasMoved && this.shown) this.onTime?.(this.timeAt(this.frameAt(last)));
    };
    this.canvas.addEventListener("pointermove", move);
    this.canvas.addEventListener("pointerup", up);
  }

  draw() {
    const context = this.canvas.getContext("2d");
    const { width, height } = this.canvas;
    context.clearRect(0, 0, width, height);
    if (!this.shown) return;
    const ratio = devicePixelRatio || 1;
    const axis = 18 * ratio;
    const split = (height - axis) * 0.7;
    this.drawAxis(context, width, height, axis, ratio);
    const { limits } = this.shown;
    const low = Math.min(limits.raw[0], 0);
    const high = Math.max(limits.raw[1], low + 1e-6);
    const y = (value) => split - 4 * ratio - ((value - low) / (high - low)) * (split - 16 * ratio);
    const scale = (split - 16 * ratio) / (high - low);
    const middle = split + (height - axis - split) / 2;
    this.drawBand(context, this.shown.raw, y, colour("trace"), 0.9 * ratio);
    this.drawBand(context, this.shown.denoised, y, colour("calcium"), 1.4 * ratio);
    const yRest = (value) => middle - value * Math.min(scale, (height - axis - split) / 2 / Math.max(1e-9, limits.residual[1]));
    this.drawBand(context, this.shown.residual, yRest, colour("muted"), 0.8 * ratio);
    this.drawEvents(context, ratio);
    this.drawLabels(context, split, ratio);
  }

  xOf(frame) {
    return ((frame - this.range[0]) / (this.range[1] - this.range[0])) * this.canvas.width;
  }

  drawBand(context, values, y, stroke, lineWidth) {
    const { start, stop } = this.shown;
    const count = values.length / 2;
    context.strokeStyle = stroke;
    context.lineWidth = lineWidth;
    context.lineJoin = "round";
    context.beginPath();
    for (let i = 0; i < count; i++) {
      const x = this.xOf(start + ((i + 0.5) / count) * (stop - start));
      const least = values[2 * i];
      const greatest = values[2 * i + 1];
      context.lineTo(x, y(i % 2 ? greatest : least));
      if (least !== greatest) context.lineTo(x, y(i % 2 ? least : greatest));
    }
    context.stroke();
  }

  frameOfTime(time) {
    const { time_s: times, start, stop } = this.shown;
    let [low, high] = [0, times.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (times[middle] < time) low = middle + 1;
      else high = middle;
    }
    const part = low > 0 ? (time - times[low - 1]) / Math.max(1e-9, times[low] - times[low - 1]) - 1 : 0;
    return start + ((low + part) / times.length) * (stop - start);
  }

  drawEvents(context, ratio) {
    const { events_s: events, time_s: times } = this.shown;
    context.fillStyle = colour("event");
    for (const time of events) {
      if (time < times[0] || time > times[times.length - 1]) continue;
      const x = this.xOf(this.frameOfTime(time));
      context.beginPath();
      context.moveTo(x - 3 * ratio, 2 * ratio);
      context.lineTo(x + 3 * ratio, 2 * ratio);
      context.lineTo(x, 8 * ratio);
      context.fill();
    }
    if (this.cursor !== null && this.cursor >= times[0]) {
      const x = this.xOf(this.frameOfTime(this.cursor));
      context.fillRect(x, 0, ratio, this.canvas.height - 18 * ratio);
    }
  }

  drawAxis(context, width, height, axis, ratio) {
    const { time_s: times } = this.shown;
    const first = this.timeAt(this.range[0]);
    const last = this.timeAt(this.range[1]);
    const step = niceStep((last - first) / Math.max(3, width / (110 * ratio)));
    context.font = `${11 * ratio}px ${getComputedStyle(document.body).fontFamily}`;
    context.fillStyle = colour("muted");
    context.strokeStyle = colour("grid");
    context.textAlign = "center";
    for (let time = Math.ceil(first / step) * step; time <= last && times.length; time += step) {
      const x = this.xOf(this.frameOfTime(time));
      context.lineWidth = ratio;
      context.beginPath();
      context.moveTo(x, 0);
      context.lineTo(x, height - axis);
      context.stroke();
      if (x > 30 * ratio && x < width - 30 * ratio) {
        context.fillText(`${Number(time.toFixed(3))} s`, x, height - 5 * ratio);
      }
    }
  }

  drawLabels(context, split, ratio) {
    context.textAlign = "left";
    context.fillStyle = colour("muted");
    const note = this.shown.is_preview ? "  (preview, until the stale stages have run)" : "";
    const labels = [["fluorescence", "trace", 22], ["model", "calcium", 112]];
    for (const [text, name, x] of labels) {
      context.fillStyle = colour(name);
      context.fillRect((x - 14) * ratio, 15 * ratio, 10 * ratio, 2.5 * ratio);
      context.fillStyle = colour("muted");
      context.fillText(text, x * ratio, 20 * ratio);
    }
    if (note) context.fillText(note, 160 * ratio, 20 * ratio);
    context.fillText("residual", 8 * ratio, split + 12 * ratio);
  }
}

function niceStep(rough) {
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1e-6)));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough);
}
