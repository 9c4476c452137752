// The list of ROIs: only the rows in view are in the page, so that thousands scroll like ten.
const rowHeight = 26;

class RoiList {
  constructor(box, head, { columns, cell, onPick, onSort }) {
    Object.assign(this, { box, head, columns, cell, onPick, onSort });
    this.rois = [];
    this.selected = new Set();
    this.sorted = { name: "id", isDown: false };
    this.rows = make("div", { class: "rows", role: "presentation" });
    box.append(this.rows);
    this.redraw = onceAFrame(() => this.draw());
    box.addEventListener("scroll", this.redraw);
    new ResizeObserver(this.redraw).observe(box);
    box.addEventListener("scroll", () => (head.scrollLeft = box.scrollLeft));
    this.rows.addEventListener("click", (event) => {
      const row = event.target.closest("[data-roi]");
      if (row) onPick(Number(row.dataset.roi), event);
    });
  }

  setColumns(columns) {
    this.columns = columns;
    const width = columns.reduce((sum, column) => sum + column.width, 0);
    const cells = columns.map((column) => {
      const isSorted = this.sorted.name === column.name;
      const mark = isSorted ? (this.sorted.isDown ? " \u25be" : " \u25b4") : "";
      const made = make("button", {
        class: `cell ${column.kind ?? "number"}`, "data-sort": column.name,
        title: `${column.title ?? column.name}: sort`, text: (column.label ?? column.name) + mark,
        onclick: () => this.sortBy(column.name),
      });
      made.setAttribute("aria-sort", isSorted ? (this.sorted.isDown ? "descending" : "ascending") : "none");
      made.style.width = `${column.width}px`;
      return made;
    });
    const line = make("div", { class: "line" }, ...cells);
    line.style.width = `${width}px`;
    this.head.replaceChildren(line);
    this.rows.style.width = `${width}px`;
    this.redraw();
  }

  sortBy(name) {
    const isDown = this.sorted.name === name ? !this.sorted.isDown : name !== "id";
    this.sorted = { name, isDown };
    this.setColumns(this.columns);
    this.onSort();
  }

  setRois(rois) {
    this.rois = rois;
    this.rows.style.height = `${rois.length * rowHeight}px`;
    this.redraw();
  }

  show(roi) {
    const index = this.rois.indexOf(roi);
    if (index < 0) return;
    const top = index * rowHeight;
    const { scrollTop, clientHeight } = this.box;
    if (top < scrollTop) this.box.scrollTop = top;
    else if (top + rowHeight > scrollTop + clientHeight) this.box.scrollTop = top + rowHeight - clientHeight;
    this.redraw();
  }

  draw() {
    const first = Math.max(0, Math.floor(this.box.scrollTop / rowHeight) - 4);
    const last = Math.min(this.rois.length, first + Math.ceil(this.box.clientHeight / rowHeight) + 8);
    const rows = [];
    for (let index = first; index < last; index++) {
      const roi = this.rois[index];
      const row = make("div", { class: "row", role: "option", "data-roi": roi, id: `roi-${roi}` });
      row.setAttribute("aria-selected", this.selected.has(roi));
      row.style.top = `${index * rowHeight}px`;
      for (const column of this.columns) {
        const { text, kind } = this.cell(roi, column);
        const made = make("span", { class: `cell ${column.kind ?? "number"} ${kind ?? ""}`, text });
        made.style.width = `${column.width}px`;
        row.append(made);
      }
      rows.push(row);
    }
    this.rows.replaceChildren(...rows);
  }
}
