// Curves over the frames of a video, which share one cursor.
const FPS = 25;

// The least and the greatest value of each stretch, NaN for nothing. One frame a stretch: both are the same.
function curve({ low, high, bytes }, stretches) {
  const levels = unpacked(bytes);
  const value = (level) => (level ? low + ((level - 1) / 254) * (high - low) : NaN);
  const least = Array.from(levels.subarray(0, stretches), value);
  const most = levels.length > stretches ? Array.from(levels.subarray(stretches), value) : least;
  return { low, high, least, most, stretches };
}

// The runs of stretches that hold a value, as lists of their numbers.
function runs(values) {
  const found = [];
  values.forEach((value, at) => {
    if (Number.isNaN(value)) return;
    if (at === 0 || Number.isNaN(values[at - 1])) found.push([]);
    found[found.length - 1].push(at);
  });
  return found;
}

class Plot {
  // `lines`: {name, title, colour, unit, decimals, curve, filled, scale}; those of one `scale` share a vertical axis.
  constructor(title, lines, { total, marks }) {
    Object.assign(this, { lines, total });
    const scales = Map.groupBy ? Map.groupBy(lines, ({ scale }) => scale) : grouped(lines);
    for (const group of scales.values()) {
      const low = Math.min(...group.map((line) => line.curve.low));
      const high = Math.max(...group.map((line) => line.curve.high));
      const half = 0.56 * Math.max(high - low, group[0].least);
      for (const line of group) line.range = [(low + high) / 2 - half, (low + high) / 2 + half];
    }
    this.values = lines.map(() => el("span"));
    this.stretches = lines[0].curve.stretches;
    this.cursor = svg("line", { class: "cursor", y1: 0, y2: 100, visibility: "hidden" });
    const ticks = marks.map((frame) => svg("line", { class: "tick", x1: this.x(frame), x2: this.x(frame), y1: 0, y2: 100 }));
    const summary = lines.map((line) => `${line.title} ${line.curve.low.toFixed(line.decimals)} to ${line.curve.high.toFixed(line.decimals)} ${line.unit}`).join(", ");
    this.picture = svg("svg", { viewBox: `0 0 ${this.stretches} 100`, preserveAspectRatio: "none", role: "img", "aria-label": `${title}: ${summary}` },
      ...ticks, ...lines.flatMap((line) => this.drawn(line)), this.cursor);
    this.element = el("div", { class: "plot" },
      el("header", {}, el("h3", {}, title), ...lines.map((line, at) => keyed(line, this.values[at]))),
      this.picture,
      el("div", { class: "axis" }, el("span", {}, "0 s"), this.time = el("span"), el("span", {}, `${(total / FPS).toFixed(2)} s`)));
    this.tell(null);
  }

  x(frame) {
    return ((frame + 0.5) / this.total) * this.stretches;
  }

  drawn({ curve: { least, most }, range: [low, high], colour, filled, zero }) {
    const y = (value) => (100 - (100 * (value - low)) / (high - low)).toFixed(2);
    const shapes = runs(least).map((run) => {
      const there = run.map((at) => `${at + 0.5},${y(most[at])}`);
      if (filled) return svg("path", { d: `M${run[0]},100 L${there.join(" ")} L${run[run.length - 1] + 1},100 Z`, fill: `var(--${colour})`, "fill-opacity": 0.75 });
      const back = [...run].reverse().map((at) => `${at + 0.5},${y(least[at])}`);
      const middle = run.map((at) => `${at + 0.5},${y((least[at] + most[at]) / 2)}`);
      return svg("g", {},
        least === most ? null : svg("path", { class: "extent", fill: `var(--${colour})`, d: `M${[...there, ...back].join(" ")} Z` }),
        svg("polyline", { class: "curve", stroke: `var(--${colour})`, points: middle.length > 1 ? middle.join(" ") : `${run[0]},${y(most[run[0]])} ${run[0] + 1},${y(most[run[0]])}` }));
    });
    const line = zero && low < 0 && high > 0 ? svg("line", { class: "zero", x1: 0, x2: this.stretches, y1: y(0), y2: y(0) }) : null;
    return [line, ...shapes].filter(Boolean);
  }

  // Tell the values at a stretch; null: the range over the whole video.
  tell(at) {
    this.lines.forEach(({ curve: { low, high, least, most }, decimals, unit }, number) => {
      const [bottom, top] = at === null ? [low, high] : [least[at], most[at]];
      const number2 = (value) => plain(value, decimals);
      const text = Number.isNaN(bottom) ? "–" : number2(bottom) === number2(top) ? number2(top) : `${number2(bottom)} … ${number2(top)}`;
      this.values[number].textContent = ` ${text}${Number.isNaN(bottom) ? "" : unit}`;
    });
    const frame = at === null ? null : Math.floor((at * this.total) / this.stretches);
    this.time.textContent = frame === null ? "" : `frame ${frame}, ${(frame / FPS).toFixed(2)} s`;
    this.cursor.setAttribute("visibility", at === null ? "hidden" : "visible");
    if (at !== null) for (const end of ["x1", "x2"]) this.cursor.setAttribute(end, at + 0.5);
  }
}

function keyed({ title, colour }, value) {
  const patch = el("i");
  patch.style.setProperty("--dot", `var(--${colour})`);
  return el("span", { class: "value" }, patch, title, value);
}

function grouped(lines) {
  const groups = new Map();
  for (const line of lines) groups.set(line.scale, [...(groups.get(line.scale) ?? []), line]);
  return groups;
}

// Of each curve that may be there: how it is told. `least`: the smallest range that its axis shows.
const ANGLES = [
  { name: "yaw", title: "yaw", colour: "yaw" },
  { name: "pitch", title: "pitch", colour: "pitch" },
  { name: "roll", title: "roll", colour: "roll" },
].map((line) => ({ ...line, unit: "°", decimals: 1, scale: "angle", least: 20, zero: line.name === "yaw" }));
const SPEECH = [
  { name: "voice", title: "voice", colour: "voice", unit: " dBFS", decimals: 0, scale: "level", least: 20, filled: true },
  { name: "lips", title: "lip opening", colour: "lips", unit: " px", decimals: 1, scale: "px", least: 4 },
];

function plots(found) {
  const stretches = Math.min(found.total, 240);
  const pictures = [["Head pose", ANGLES], ["Lips and voice", SPEECH]].flatMap(([title, lines]) => {
    const there = lines.filter((line) => found.curves?.[line.name]).map((line) => ({ ...line, curve: curve(found.curves[line.name], stretches) }));
    return there.length ? [new Plot(title, there, { total: found.total, marks: found.frames })] : [];
  });
  for (const plot of pictures) {
    const at = (event) => {
      const box = plot.picture.getBoundingClientRect();
      return Math.min(Math.max(Math.floor(((event.clientX - box.left) / box.width) * stretches), 0), stretches - 1);
    };
    plot.picture.addEventListener("pointermove", (event) => pictures.forEach((one) => one.tell(at(event))));
    plot.picture.addEventListener("pointerleave", () => pictures.forEach((one) => one.tell(null)));
  }
  return pictures.map(({ element }) => element);
}
