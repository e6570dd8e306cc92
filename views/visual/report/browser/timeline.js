// The timeline of one recording: an overview of all of it, and rows of some minutes each, drawn to scale.
const MINUTES = [0.5, 1, 2, 5, 10, 30];
const MOST_ROWS = 1500;
const BINS = 420; // steps of the overview
const TILE = 54;
const [TALL, MIDDLE, LOW] = [24, 16, 8]; // of segments, of where a talk may be lost, and of the rest
const LANES = { pictures: 2, stretches: TILE + 7, shots: TILE + 34, faces: TILE + 42, line: 5 };
const VOICE = 15;
const TICKS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600];

class Timeline {
  constructor(stretches, { isShown, choose, hover }) {
    Object.assign(this, { stretches, isShown, choose, hover });
    this.chosen = null;
    this.reel = el("div", { class: "reel", tabindex: 0, role: "region", "aria-label": "Timeline; arrow keys go from stretch to stretch" });
    this.overview = svg("svg", { class: "overview", viewBox: `0 0 ${BINS} 100`, preserveAspectRatio: "none", role: "img", "aria-label": "The whole recording" });
    this.minutes = null;
    this.depth = Math.min(Math.max(1, ...stretches.slots.map((slot) => slot + 1)), 6);
    this.voiceTop = LANES.faces + this.depth * LANES.line + 2;
    this.height = this.voiceTop + VOICE + 15;
    this.reel.addEventListener("scroll", () => this.drawWindow(), { passive: true });
    this.reel.addEventListener("pointermove", (event) => this.pointed(event));
    this.reel.addEventListener("pointerleave", () => hover(null));
    this.reel.addEventListener("click", (event) => this.clicked(event));
    this.reel.addEventListener("keydown", (event) => this.key(event));
    for (const kind of ["pointerdown", "pointermove"]) this.overview.addEventListener(kind, (event) => this.sought(event));
    this.sized = new ResizeObserver(() => {
      if (this.reel.clientWidth && this.reel.clientWidth !== this.width) this.draw();
    });
    this.sized.observe(this.reel);
  }

  // As many minutes to a row as leave a second four pixels, and no more than there are.
  usual() {
    const fitting = MINUTES.filter((minutes) => this.reel.clientWidth / (60 * minutes) >= 4);
    return fitting[fitting.length - 1] ?? MINUTES[0];
  }

  span() {
    return Math.max((this.minutes ?? this.usual()) * 60_000, this.stretches.length / MOST_ROWS);
  }

  draw() {
    this.width = this.reel.clientWidth;
    const span = this.span();
    const rows = Math.max(Math.ceil(this.stretches.length / span), 1);
    const shown = rows === 1 && !this.minutes ? Math.max(this.stretches.length, 1000) : span;
    this.rowSpan = shown;
    this.reel.style.setProperty("--row", `${this.height}px`);
    this.reel.replaceChildren(...Array.from({ length: rows }, (_, number) => this.row(number * shown, (number + 1) * shown)));
    this.drawOverview();
    this.mark();
  }

  row(from, to) {
    const x = (ms) => ((ms - from) / (to - from)) * this.width;
    const [first, last] = this.stretches.between(from, Math.min(to, this.stretches.length));
    const own = Array.from({ length: last - first }, (_, at) => first + at);
    const picture = svg("svg", { class: "strip", width: this.width, height: this.height, "data-from": from, "aria-hidden": "true" },
      ...this.shots(own, x), ...own.map((i) => this.stretch(i, x)), ...this.labels(own, x), ...this.faces(from, to, x), this.voice(from, to, x),
      ...this.axis(from, to, x), ...this.pictures(own, x));
    return picture;
  }

  clipped(i, x) {
    const [left, right] = [Math.max(x(this.stretches.start[i]), 0), Math.min(x(this.stretches.end[i]), this.width)];
    return [left, Math.max(right - left, 0)];
  }

  tall(kind) {
    if (kind === KEPT) return TALL;
    return QUIET.has(kind) ? LOW : MIDDLE;
  }

  stretch(i, x) {
    const kind = this.stretches.kind(i);
    const [left, width] = this.clipped(i, x);
    const tall = this.tall(kind);
    return svg("rect", { class: `${kindClass(kind)}${this.isShown(i) ? "" : " faded"}`, "data-i": i, x: left.toFixed(1), y: LANES.stretches + TALL - tall, width: width.toFixed(2), height: tall });
  }

  // Words where there is room for them.
  labels(own, x) {
    return own.map((i) => {
      const kind = this.stretches.kind(i);
      const text = kind === KEPT ? this.stretches.who(this.stretches.person.of[i]) ?? "" : kind;
      const [left, width] = this.clipped(i, x);
      if (!text || text.length * 6.1 + 6 > width || !this.isShown(i)) return null;
      const tall = this.tall(kind);
      const y = LANES.stretches + (tall === LOW ? 12 : TALL - tall / 2 + 4);
      return svg("text", { class: `label ${slug(kind)}${tall === LOW ? " outside" : ""}`, x: (left + width / 2).toFixed(1), y }, text);
    }).filter(Boolean);
  }

  // Shots lie side by side in two shades, so that each cut is an edge; what shows two of them is left out.
  shots(own, x) {
    const runs = [];
    for (const i of own) {
      const last = runs[runs.length - 1];
      if (last?.shot === this.stretches.shot[i]) last.to = i;
      else runs.push({ shot: this.stretches.shot[i], from: i, to: i });
    }
    return runs.filter(({ shot }) => shot >= 0).map(({ shot, from, to }) => {
      const [left] = this.clipped(from, x);
      const [begin, width] = this.clipped(to, x);
      return svg("rect", { class: `shot ${shot % 2 ? "odd" : "even"}`, x: left.toFixed(1), y: LANES.shots, width: Math.max(begin + width - left - 0.5, 0.3).toFixed(1), height: 5 });
    });
  }

  faces(from, to, x) {
    const { faces, slots } = this.stretches;
    return faces.map((face, at) => [face, slots[at]]).filter(([[begin, end], slot]) => begin < to && end > from && slot < this.depth).map(([[begin, end, size, place, person], slot]) => {
      const left = Math.max(x(begin), 0);
      const told = `face, ${size} px, ${place} % from the left, ${moment(begin)} – ${moment(end)}${person < 0 ? "" : `, person ${this.stretches.who(person)}`}`;
      return svg("rect", { class: this.stretches.segmented.has(person) ? "face known" : "face", x: left.toFixed(1), y: LANES.faces + slot * LANES.line, width: Math.max(Math.min(x(end), this.width) - left - 0.5, 0.5).toFixed(1), height: 3.5 }, svg("title", {}, told));
    });
  }

  // How sure a voice is, as a mountain range; no more points than pixels.
  voice(from, to, x) {
    const { voice = "", step } = this.stretches;
    const first = Math.floor(from / 1000 / step);
    const last = Math.min(Math.ceil(to / 1000 / step), voice.length);
    const stride = Math.max(Math.ceil((last - first) / this.width), 1);
    const bottom = this.voiceTop + VOICE;
    let path = "";
    for (let at = first; at < last; at += stride) {
      const sure = Math.max(...Array.from(voice.slice(at, at + stride), Number));
      const [left, right] = [x(at * step * 1000), x(Math.min(at + stride, last) * step * 1000)];
      if (sure) path += `M${left.toFixed(1)} ${bottom}V${(bottom - (sure / 9) * VOICE).toFixed(1)}H${right.toFixed(1)}V${bottom}Z`;
    }
    return svg("g", {}, svg("path", { class: "voice", d: path }), svg("line", { class: "ground", x1: 0, x2: x(Math.min(to, this.stretches.length)).toFixed(1), y1: bottom, y2: bottom }));
  }

  axis(from, to, x) {
    const room = 58;
    const every = (TICKS.find((seconds) => (seconds * 1000 * this.width) / (to - from) >= room) ?? (to - from) / 10_000) * 1000;
    const marks = [];
    for (let ms = Math.ceil(from / every) * every; ms < Math.min(to, this.stretches.length + every); ms += every) {
      const at = x(ms);
      if (at > this.width - 24 && at < this.width) continue;
      const isFirst = at < 16;
      marks.push(
        svg("line", { class: "grid-line", x1: at.toFixed(1), x2: at.toFixed(1), y1: LANES.stretches, y2: this.height - 11 }),
        svg("text", { class: `time${isFirst ? " first" : ""}`, x: (isFirst ? at + 1 : at).toFixed(1), y: this.height - 2 }, moment(ms, 0)));
    }
    return marks;
  }

  // Of segments first, then of what was not kept, wherever one does not cover another.
  pictures(own, x) {
    const taken = [];
    const { stills } = this.stretches;
    const wanted = own.filter((i) => stills[i] && this.isShown(i)).sort((a, b) => (this.stretches.kind(b) === KEPT) - (this.stretches.kind(a) === KEPT) || a - b);
    return wanted.map((i) => {
      const [left, width] = this.clipped(i, x);
      const begin = Math.min(Math.max(left + width / 2 - TILE / 2, 0), this.width - TILE);
      if (taken.some((other) => Math.abs(other - begin) < TILE + 3)) return null;
      taken.push(begin);
      const kind = this.stretches.kind(i);
      return svg("g", { class: "thumbnail", "data-i": i },
        svg("image", { href: stills[i], x: begin.toFixed(1), y: LANES.pictures, width: TILE, height: TILE, preserveAspectRatio: "xMidYMid slice" }),
        svg("rect", { class: `${kindClass(kind)} frame`, x: begin.toFixed(1), y: LANES.pictures, width: TILE, height: TILE }));
    }).filter(Boolean);
  }

  drawOverview() {
    const { stretches } = this;
    const kinds = [KEPT, ...REASONS.filter((kind) => !QUIET.has(kind)), ...REASONS.filter((kind) => QUIET.has(kind))];
    const bin = Math.max(stretches.length / BINS, 1);
    const sums = kinds.map(() => new Float64Array(BINS));
    for (const i of stretches.all) {
      const row = sums[kinds.indexOf(stretches.kind(i))];
      if (!row || !this.isShown(i)) continue;
      for (let at = Math.floor(stretches.start[i] / bin); at < BINS && at * bin < stretches.end[i]; at += 1) {
        row[at] += Math.max(Math.min(stretches.end[i], (at + 1) * bin) - Math.max(stretches.start[i], at * bin), 0) / bin;
      }
    }
    const bottoms = new Float64Array(BINS);
    const paths = kinds.map((kind, number) => {
      let path = "";
      sums[number].forEach((share, at) => {
        if (share < 0.002) return;
        path += `M${at} ${(100 - 100 * bottoms[at]).toFixed(1)}h1v${(-100 * share).toFixed(1)}h-1z`;
        bottoms[at] += share;
      });
      return path ? svg("path", { class: kindClass(kind), d: path }) : null;
    });
    this.window = svg("rect", { class: "window", y: 0, height: 100 });
    this.overview.replaceChildren(...paths.filter(Boolean), this.window);
    this.drawWindow();
  }

  // Where the rows in sight are.
  drawWindow() {
    if (!this.window) return;
    const scale = (BINS / this.stretches.length) * (this.rowSpan / this.height);
    const begin = Math.min(this.reel.scrollTop * scale, BINS);
    this.window.setAttribute("x", begin);
    this.window.setAttribute("width", Math.max(Math.min(this.reel.clientHeight * scale, BINS - begin), 0));
  }

  sought(event) {
    if (event.type === "pointermove" && !event.buttons) return;
    const box = this.overview.getBoundingClientRect();
    this.go(((event.clientX - box.left) / box.width) * this.stretches.length);
  }

  // Bring a moment to the middle.
  go(ms) {
    const top = (Math.floor(ms / this.rowSpan) + 0.5) * this.height - this.reel.clientHeight / 2;
    this.reel.scrollTo({ top });
  }

  under(event) {
    const own = event.target.closest("[data-i]");
    if (own) return Number(own.dataset.i);
    const strip = event.target.closest(".strip");
    if (!strip) return null;
    const ms = Number(strip.dataset.from) + ((event.clientX - strip.getBoundingClientRect().left) / this.width) * this.rowSpan;
    return ms < this.stretches.length ? this.stretches.at(ms) : null;
  }

  pointed(event) {
    this.hover(this.under(event), event);
  }

  clicked(event) {
    const i = this.under(event);
    if (i !== null) this.choose(i);
  }

  key(event) {
    const shown = this.stretches.all.filter((i) => this.isShown(i));
    if (!shown.length || event.ctrlKey || event.metaKey || event.altKey) return;
    const at = this.chosen === null ? -1 : shown.indexOf(this.chosen);
    const to = { ArrowRight: at + 1, ArrowLeft: Math.max(at - 1, 0), Home: 0, End: shown.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.choose(shown[Math.min(to, shown.length - 1)]);
  }

  // Show which stretch is chosen; `seek`: bring it into sight.
  show(i, seek = false) {
    this.chosen = i;
    this.mark();
    if (i === null || !seek) return;
    const top = Math.floor(this.stretches.start[i] / this.rowSpan) * this.height;
    const isSeen = top >= this.reel.scrollTop && top + this.height <= this.reel.scrollTop + this.reel.clientHeight;
    if (!isSeen) this.go(this.stretches.start[i]);
  }

  mark() {
    for (const old of this.reel.querySelectorAll(".marked")) old.remove();
    if (this.chosen === null) return;
    const [from, to] = [this.stretches.start[this.chosen], this.stretches.end[this.chosen]];
    for (const strip of this.reel.children) {
      const begin = Number(strip.dataset.from);
      if (from >= begin + this.rowSpan || to <= begin) continue;
      const x = (ms) => Math.min(Math.max(((ms - begin) / this.rowSpan) * this.width, 0), this.width);
      strip.append(svg("rect", { class: "marked", x: x(from) - 1, y: LANES.stretches - 3, width: Math.max(x(to) - x(from) + 2, 3), height: this.voiceTop + VOICE - LANES.stretches + 5, rx: 3 }));
    }
  }
}
