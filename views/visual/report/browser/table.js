// A table of any length: only the rows in sight are in the document.
const SPARE = 8; // rows drawn above and below those in sight

class Table {
  // `columns`: {key, title, width, cell(i) -> node or text, value(i) -> number or text, number, pinned, hint, descending}.
  constructor(host, { label, columns, rowHeight, order, open, isActive, most }) {
    Object.assign(this, { columns, rowHeight, open, isActive, most, order });
    this.rows = [];
    this.focused = -1;
    this.heads = columns.map((column) => this.head(column));
    this.body = el("tbody");
    this.table = el("table", { "aria-label": label },
      el("colgroup", {}, ...columns.map((column) => sized(el("col"), column.width))),
      el("thead", {}, el("tr", { "aria-rowindex": 1 }, ...this.heads)),
      this.body);
    sized(this.table, columns.reduce((sum, column) => sum + column.width, 0));
    this.host = el("div", { class: "grid", tabindex: 0, role: "region", "aria-label": label }, this.table);
    this.host.addEventListener("scroll", () => this.draw(), { passive: true });
    this.host.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.draw(true)).observe(this.host);
    host.replaceChildren(this.host);
  }

  head(column) {
    const button = el("button", { type: "button", title: column.hint, onclick: () => this.sort(column) }, column.title);
    return el("th", { scope: "col", class: classes(column) }, button);
  }

  sort(column) {
    const first = column.descending ? -1 : 1;
    const direction = this.order.key === column.key ? -this.order.direction : first;
    this.order = { key: column.key, direction };
    this.show(this.rows);
    this.host.scrollTop = 0;
  }

  show(rows) {
    this.rows = this.sorted(rows);
    this.columns.forEach((column, at) => {
      const sort = { 1: "ascending", "-1": "descending" }[column.key === this.order.key ? this.order.direction : 0];
      if (sort) this.heads[at].setAttribute("aria-sort", sort);
      else this.heads[at].removeAttribute("aria-sort");
    });
    this.table.setAttribute("aria-rowcount", this.rows.length + 1);
    const scrollbar = 18;
    const height = this.table.tHead.offsetHeight + this.rowHeight * Math.max(this.rows.length, 1) + scrollbar;
    this.host.style.height = `min(${this.most}, ${height}px)`;
    this.focused = Math.min(this.focused, this.rows.length - 1);
    this.draw(true);
  }

  // What has no value comes last, whichever the direction; equals stay in the order of the catalogue.
  sorted(rows) {
    const { value } = this.columns.find((column) => column.key === this.order.key);
    const keys = new Map(rows.map((row) => [row, value(row)]));
    const missing = (key) => key === null || Number.isNaN(key);
    const compare = (a, b) => (typeof a === "string" ? collator.compare(a, b) : a - b);
    return [...rows].sort((a, b) => {
      const [one, other] = [keys.get(a), keys.get(b)];
      if (missing(one) || missing(other)) return missing(one) - missing(other) || a - b;
      return this.order.direction * compare(one, other) || a - b;
    });
  }

  draw(anew = false) {
    const room = this.host.clientHeight;
    const first = Math.max(Math.floor(this.host.scrollTop / this.rowHeight) - SPARE, 0);
    const last = Math.min(first + Math.ceil(room / this.rowHeight) + 2 * SPARE, this.rows.length);
    if (!anew && first === this.first && last === this.last) return;
    const held = this.host.contains(document.activeElement) && this.body.contains(document.activeElement);
    Object.assign(this, { first, last });
    const rows = this.rows.slice(first, last).map((row, at) => this.row(row, first + at));
    this.body.replaceChildren(this.spacer(first), ...rows, this.spacer(this.rows.length - last));
    if (!this.rows.length) this.body.append(el("tr", {}, el("td", { class: "empty", colspan: this.columns.length }, "Nothing is chosen.")));
    if (held) (this.button(this.focused) ?? this.host).focus({ preventScroll: true });
  }

  row(row, position) {
    const cells = this.columns.map((column) => {
      const tag = column.pinned ? "th" : "td";
      return el(tag, { class: classes(column), scope: column.pinned ? "row" : null }, column.cell(row));
    });
    const line = el("tr", { "aria-rowindex": position + 2, class: this.isActive?.(row) ? "active" : null }, ...cells);
    line.style.height = `${this.rowHeight}px`;
    line.dataset.position = position;
    line.addEventListener("focusin", () => { this.focused = position; });
    return line;
  }

  spacer(rows) {
    const line = el("tr", { class: "spacer", "aria-hidden": "true", hidden: !rows }, el("td", { colspan: this.columns.length }));
    line.style.height = `${rows * this.rowHeight}px`;
    return line;
  }

  button(position) {
    return this.body.querySelector(`[data-position="${position}"] button`);
  }

  key(event) {
    const page = Math.max(Math.floor(this.host.clientHeight / this.rowHeight) - 2, 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (!(event.key in steps) || !this.rows.length || event.target.closest("thead")) return;
    event.preventDefault();
    this.go(this.focused + steps[event.key]);
    this.button(this.focused)?.focus({ preventScroll: true });
  }

  // Bring a row into sight.
  go(position) {
    this.focused = Math.min(Math.max(position, 0), this.rows.length - 1);
    const head = this.heads[0].offsetHeight;
    const top = this.focused * this.rowHeight;
    const room = this.host.clientHeight - head - this.rowHeight - 16;
    this.host.scrollTop = Math.min(Math.max(this.host.scrollTop, top - room), top);
    this.draw(true);
  }
}

const collator = new Intl.Collator("en", { numeric: true });
const classes = ({ number, pinned }) => [number && "number", pinned && "pinned"].filter(Boolean).join(" ") || null;

function sized(element, width) {
  element.style.width = `${width}px`;
  return element;
}
