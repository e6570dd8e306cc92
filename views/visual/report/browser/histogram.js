// A histogram of one measure: accepted videos below, the others upon them; dragging over it chooses a range.
const BARS = 28; // at most
const ROOM = 12; // bars that a chart has room for at least: a few bars do not become walls

class Histogram {
  // `measure` as in the corpus; `choose(low, high)` is called with bounds, or nulls; without it there is nothing to drag.
  constructor(measure, { values, choose = null, range = null, noun = videos, counts }) {
    Object.assign(this, { measure, values, choose, range, noun, counts });
    this.bins();
    this.room = Math.max(this.edges.length - 1, ROOM);
    this.left = (this.room - this.edges.length + 1) / 2;
    this.picture = svg("svg", { viewBox: `${-this.left} 0 ${this.room} 100`, preserveAspectRatio: "none", role: "img" });
    this.summary = el("span");
    this.inputs = ["from", "to"].map((word) => el("input", { type: "number", step: "any", "aria-label": `${measure.title} ${word}`, placeholder: word, onchange: () => this.typed() }));
    const asked = Object.entries(measure.limits ?? {}).map(([side, bound]) => `${side === "min" ? "≥" : "≤"} ${String(bound).replace("-", "−")}`);
    this.card = el("article", { class: "card", title: measure.told },
      el("header", {}, el("h3", {}, measure.title), asked.length ? el("span", { title: "asked by [quality]" }, asked.join(", ")) : null),
      this.picture,
      el("div", { class: "ends" }, this.end(0), this.summary, this.end(1)),
      choose && el("div", { class: "range" }, this.inputs[0], "–", this.inputs[1]));
    if (choose) this.listen();
  }

  // Bars of equal width from the 0.5th to the 99.5th percentile; what lies beyond counts in the first or the last.
  // Values are whole steps of their last decimal, and edges lie half-way between two.
  bins() {
    const there = this.values.filter((value) => !Number.isNaN(value)).sort();
    const [least, greatest] = [there[0], there[there.length - 1]];
    const bounds = Object.values(this.measure.limits ?? {}).filter((bound) => bound >= least && bound <= greatest);
    const low = Math.min(quantile(there, 0.005), ...bounds);
    const high = Math.max(quantile(there, 0.995), ...bounds);
    const steps = Math.round((high - low) / this.step()) + 1;
    const width = Math.ceil(steps / BARS);
    this.edges = Array.from({ length: Math.ceil(steps / width) + 1 }, (_, at) => low + (at * width - 0.5) * this.step());
    this.extremes = [least, greatest];
  }

  step() {
    return 10 ** -this.measure.decimals;
  }

  // The least and the greatest value that belong to bars `first` to `last`.
  bounds(first, last) {
    return [this.edges[first] + this.step() / 2, this.edges[last + 1] - this.step() / 2].map((value) => Number(value.toFixed(this.measure.decimals)));
  }

  // What stands below either end; a sign tells that there is more beyond it.
  end(which) {
    const [low, high] = this.bounds(0, this.edges.length - 2);
    const [least, greatest] = this.extremes;
    if (which === 0) return el("span", {}, (least < low ? "≤ " : "") + told(this.measure, Math.max(low, least), false));
    return el("span", {}, (greatest > high ? "≥ " : "") + told(this.measure, Math.min(high, greatest)));
  }

  place(value) {
    const { edges } = this;
    const bar = Math.floor(((value - edges[0]) / (edges[edges.length - 1] - edges[0])) * (edges.length - 1) + 1e-9);
    return Math.min(Math.max(bar, 0), edges.length - 2);
  }

  // Draw these videos (or whatever the values are of).
  show(rows) {
    const bars = this.edges.length - 1;
    const good = new Uint32Array(bars);
    const rest = new Uint32Array(bars);
    const there = [];
    for (const i of rows) {
      const value = this.values[i];
      if (Number.isNaN(value)) continue;
      there.push(value);
      (this.counts(i) ? good : rest)[this.place(value)] += 1;
    }
    const tallest = Math.max(...good.map((number, at) => number + rest[at]), 1);
    this.picture.replaceChildren(...this.bars(good, rest, tallest), ...this.marks());
    const middle = quantile(Float64Array.from(there).sort(), 0.5);
    const median = there.length ? told(this.measure, middle) : null;
    this.summary.textContent = median ? `median ${told(this.measure, middle, false)}` : "no values";
    this.picture.setAttribute("aria-label", `${this.measure.title}: ${this.noun(there.length)}${median ? `, median ${median}` : ""}`);
  }

  bars(good, rest, tallest) {
    return Array.from(good, (number, at) => {
      const [least, greatest] = this.bounds(at, at);
      const title = `${least === greatest ? "" : `${told(this.measure, least, false)} … `}${told(this.measure, greatest)}: ${this.noun(number + rest[at])}`;
      const tall = (part) => (part / tallest) * 96;
      const shares = [[rest[at], "bar-other", 100 - tall(number) - tall(rest[at])], [number, "bar-accepted", 100 - tall(number)]];
      return svg("g", {},
        svg("title", {}, title),
        svg("rect", { x: at, y: 0, width: 1, height: 100, fill: "transparent" }),
        svg("rect", { class: "bar-none", x: at + 0.06, y: 99.2, width: 0.88, height: 0.8 }),
        ...shares.filter(([part]) => part).map(([part, name, y]) => svg("rect", { class: name, x: at + 0.06, y, width: 0.88, height: tall(part) })));
    });
  }

  marks() {
    const scale = (value) => ((value - this.edges[0]) / (this.edges[this.edges.length - 1] - this.edges[0])) * (this.edges.length - 1);
    const clamp = (value) => Math.min(Math.max(scale(value), 0), this.edges.length - 1);
    const lines = Object.values(this.measure.limits ?? {}).filter((bound) => scale(bound) >= 0 && scale(bound) <= this.edges.length - 1)
      .map((bound) => svg("line", { class: "limit", x1: scale(bound), x2: scale(bound), y1: 0, y2: 100 }));
    const { low, high } = this.range?.() ?? { low: null, high: null };
    const isChosen = low !== null || high !== null;
    this.card.classList.toggle("chosen", isChosen);
    this.inputs[0].value = low ?? "";
    this.inputs[1].value = high ?? "";
    if (!isChosen) return lines;
    const [left, right] = [low === null ? 0 : clamp(low), high === null ? this.edges.length - 1 : clamp(high)];
    return [...lines, svg("rect", { class: "brush", x: left, y: 0, width: Math.max(right - left, 0.1), height: 100 })];
  }

  typed() {
    this.choose(...this.inputs.map((input) => (input.value === "" ? null : Number(input.value))));
  }

  listen() {
    let begun = null;
    const at = (event) => {
      const box = this.picture.getBoundingClientRect();
      const place = ((event.clientX - box.left) / box.width) * this.room - this.left;
      return Math.min(Math.max(Math.floor(place), 0), this.edges.length - 2);
    };
    this.picture.addEventListener("pointerdown", (event) => {
      begun = at(event);
      this.picture.setPointerCapture(event.pointerId);
    });
    this.picture.addEventListener("pointerup", (event) => {
      if (begun === null) return;
      const [first, last] = [begun, at(event)].sort((a, b) => a - b);
      begun = null;
      this.pick(first, last);
    });
    this.picture.addEventListener("pointercancel", () => { begun = null; });
  }

  // The bounds of some bars; those at either end reach to whatever lies beyond. The same again takes it back.
  pick(first, last) {
    const bounds = this.bounds(first, last);
    const low = first === 0 ? null : bounds[0];
    const high = last === this.edges.length - 2 ? null : bounds[1];
    const { low: before, high: after } = this.range();
    const isSame = before === low && after === high;
    this.choose(...(isSame ? [null, null] : [low, high]));
  }
}
