// The recordings: a list of them, and the one that is open with its totals, its timeline and a chosen stretch.
const SEGMENT = "segment=";
let openFilm = null;

const secondsOf = (recording) => Object.values(recording.seconds).reduce((sum, one) => sum + one, 0);

class Film {
  constructor(number) {
    this.stretches = new Stretches(number);
    this.hidden = new Set();
    this.timeline = new Timeline(this.stretches, {
      isShown: (i) => !this.hidden.has(this.stretches.kind(i)),
      choose: (i) => this.choose(i, true),
      hover: (i, event) => this.hover(i, event),
    });
    this.tip = el("div", { class: "tip", hidden: true });
    this.panel = el("aside", { class: "stretch", "aria-live": "polite" });
    this.legend = el("ul", { class: "kinds", "aria-label": "What became of it" });
    this.kinds = this.totals();
    this.element = el("article", { class: "film card" },
      this.heading(), this.legend, this.timeline.overview, this.controls(), this.timeline.reel, this.panel, this.tip);
    this.fillLegend();
    this.choose(null);
  }

  heading() {
    const { stretches } = this;
    const { facts } = stretches;
    const kept = Object.keys(stretches.stills).filter((i) => stretches.kind(i) === KEPT).length;
    const told = [
      facts.source,
      clock(stretches.length / 1000),
      `${count(facts.kept)} segment${facts.kept === 1 ? "" : "s"} of ${count(facts.people)} person${facts.people === 1 ? "" : "s"}`,
      kept < facts.kept && facts.address ? `${count(kept)} of them with a picture: portrait-prep report --pictures N shows more` : "",
    ];
    return el("header", {},
      el("h3", {}, el("bdi", {}, facts.name)),
      el("p", { class: "soft" }, el("bdi", {}, told.filter(Boolean).join(" · "))),
      facts.note ? el("p", { class: "notice" }, el("bdi", {}, facts.note)) : null);
  }

  // Seconds and number of stretches of each kind, the kept ones first, then the longest.
  totals() {
    const found = new Map();
    for (const i of this.stretches.all) {
      const kind = this.stretches.kind(i);
      const total = found.get(kind) ?? { kind, seconds: 0, stretches: 0 };
      total.seconds += (this.stretches.end[i] - this.stretches.start[i]) / 1000;
      total.stretches += 1;
      found.set(kind, total);
    }
    return [...found.values()].sort((a, b) => (b.kind === KEPT) - (a.kind === KEPT) || b.seconds - a.seconds);
  }

  fillLegend() {
    const buttons = this.kinds.map(({ kind, seconds: length, stretches }) => el("li", {}, el("button", {
      type: "button",
      "aria-pressed": String(!this.hidden.has(kind)),
      title: `${TOLD.get(kind) ?? "one person is seen and speaks"}\nClick: hide or show. Double-click: this alone.`,
      onclick: () => this.toggle(kind),
      ondblclick: () => this.only(kind),
    }, swatch(kind), el("bdi", {}, kind), el("b", {}, clock(length)), el("span", { class: "soft" }, `${count(stretches)} ×`))));
    const all = this.hidden.size ? [el("li", {}, el("button", { type: "button", class: "all", onclick: () => this.only(null) }, "Show all"))] : [];
    this.legend.replaceChildren(...buttons, ...all);
  }

  toggle(kind) {
    if (!this.hidden.delete(kind)) this.hidden.add(kind);
    this.filtered();
  }

  only(kind) {
    this.hidden = new Set(kind === null ? [] : this.kinds.map((one) => one.kind).filter((one) => one !== kind));
    this.filtered();
  }

  filtered() {
    this.fillLegend();
    const { scrollTop } = this.timeline.reel;
    this.timeline.draw();
    this.timeline.reel.scrollTop = scrollTop;
  }

  controls() {
    const usual = el("option", { value: "" }, "as fits");
    const lengths = MINUTES.map((minutes) => el("option", { value: minutes }, minutes < 1 ? `${minutes * 60} s` : `${minutes} min`));
    const zoom = el("select", { "aria-label": "Length of a row", onchange: () => this.zoomed(Number(zoom.value) || null) }, usual, ...lengths);
    const step = (text, label, key) => el("button", { type: "button", class: "plain", title: label, "aria-label": label, onclick: () => this.timeline.key(new KeyboardEvent("keydown", { key })) }, text);
    return el("p", { class: "controls soft" },
      el("label", {}, "A row is ", zoom), step("←", "Stretch before", "ArrowLeft"), step("→", "Next stretch", "ArrowRight"),
      el("span", {}, "From above: pictures, what became of it, shots, faces (green: a person of a segment), how sure a voice is."));
  }

  zoomed(minutes) {
    const { timeline } = this;
    const middle = ((timeline.reel.scrollTop + timeline.reel.clientHeight / 2) / timeline.height) * timeline.rowSpan;
    timeline.minutes = minutes;
    timeline.draw();
    timeline.go(timeline.chosen === null ? middle : this.stretches.start[timeline.chosen]);
  }

  choose(i, seek = false) {
    this.timeline.show(i, seek);
    this.panel.replaceChildren(...(i === null
      ? [el("p", { class: "soft" }, "Click a stretch, or go through them with the arrow keys: its picture, its reason and its id appear here.")]
      : stretchFacts(this.stretches, i)));
    if (i !== null) history.replaceState(null, "", `#${SEGMENT}${encodeURIComponent(this.stretches.id[i])}`);
  }

  hover(i, event) {
    this.tip.hidden = i === null;
    if (i === null) return;
    if (this.tip.dataset.i !== String(i)) {
      this.tip.dataset.i = i;
      this.tip.replaceChildren(...glimpse(this.stretches, i));
    }
    const [width, height] = [this.tip.offsetWidth, this.tip.offsetHeight];
    const left = Math.min(event.clientX + 14, document.documentElement.clientWidth - width - 8);
    const below = event.clientY + 18;
    this.tip.style.left = `${Math.max(left, 4)}px`;
    this.tip.style.top = `${below + height < innerHeight ? below : Math.max(event.clientY - height - 12, 4)}px`;
  }
}

function openRecording(number) {
  openFilm?.timeline.sized.disconnect();
  const host = document.getElementById("film");
  const isThere = document.getElementById(`timeline-${number}`);
  openFilm = isThere ? new Film(number) : null;
  const { name: called, note } = film.recordings[number];
  const word = note || "It has no timeline on this page; portrait-prep report --show with its name adds it.";
  host.replaceChildren(openFilm?.element ?? el("p", { class: "notice" }, el("bdi", {}, `${called}: ${word}`)));
  openFilm?.timeline.draw();
  return openFilm;
}

// A bar with the share of each kind in a recording.
function shares(recording) {
  const whole = secondsOf(recording) || 1;
  let at = 0;
  const parts = Object.entries(recording.seconds).map(([reason, length]) => [reason || KEPT, length]).sort(([a, one], [b, other]) => (b === KEPT) - (a === KEPT) || other - one);
  return svg("svg", { class: "shares", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" }, ...parts.map(([kind, length]) => {
    const width = (100 * length) / whole;
    const part = svg("rect", { class: kindClass(kind), x: at.toFixed(2), width: width.toFixed(2), height: 10 }, svg("title", {}, `${kind} ${clock(length)}`));
    at += width;
    return part;
  }));
}

function recordingList(host) {
  const list = film.recordings;
  let active = -1;
  const open = (i) => {
    active = i;
    openRecording(i);
    table.draw(true);
  };
  const table = new Table(host, {
    label: "Recordings",
    columns: [
      { key: "name", title: "Recording", width: 260, pinned: true, value: (i) => list[i].name, cell: (i) => el("button", { type: "button", class: "link", onclick: () => open(i) }, el("bdi", {}, list[i].name)) },
      { key: "length", title: "Length", width: 110, number: true, descending: true, value: (i) => secondsOf(list[i]), cell: (i) => clock(secondsOf(list[i])) },
      { key: "kept", title: "Kept", width: 110, number: true, descending: true, value: (i) => list[i].seconds[""] ?? 0, cell: (i) => clock(list[i].seconds[""] ?? 0) },
      { key: "share", title: "Share kept", width: 220, descending: true, value: (i) => (list[i].seconds[""] ?? 0) / (secondsOf(list[i]) || 1), cell: (i) => shares(list[i]) },
      { key: "segments", title: "Segments", width: 100, number: true, descending: true, value: (i) => list[i].kept, cell: (i) => count(list[i].kept) },
      { key: "people", title: "Persons", width: 100, number: true, descending: true, value: (i) => list[i].people, cell: (i) => count(list[i].people) },
      { key: "note", title: "Note", width: 360, value: (i) => list[i].note, cell: (i) => el("bdi", {}, list[i].note) },
    ],
    rowHeight: 36,
    order: { key: "name", direction: 1 },
    isActive: (i) => i === active,
    most: "15rem",
  });
  table.show(list.map((_, i) => i));
  return open;
}

// The number of the recording that a segment is of, by the beginning of its id.
function recordingOf(id) {
  const fitting = film.recordings.map(({ name: called }, i) => [called, i]).filter(([called]) => id.startsWith(`${called}-`));
  return fitting.sort(([a], [b]) => b.length - a.length)[0]?.[1] ?? -1;
}

function drawRecordings() {
  const view = document.getElementById("recordings-view");
  const host = el("div", { id: "recording-table" });
  view.append(patterns(), host, el("div", { id: "film" }));
  document.getElementById("recordings-title").textContent = `Recordings (${count(film.recordings.length)})`;
  view.parentElement.hidden = false;
  const open = film.recordings.length > 1 ? recordingList(host) : openRecording;
  const asked = location.hash.startsWith(`#${SEGMENT}`) ? decodeURIComponent(location.hash.slice(SEGMENT.length + 1)) : "";
  const found = asked ? recordingOf(asked) : -1;
  open(found >= 0 ? found : film.drawn[0] ?? 0);
  const i = openFilm && asked ? openFilm.stretches.id.indexOf(asked) : -1;
  if (i < 0) return;
  openFilm.choose(i, true);
  openFilm.element.scrollIntoView();
}

// Hatches, by which kinds differ whatever the colours of a screen or an eye.
function patterns() {
  const hatch = (id, turn, width, ...marks) => svg("pattern", { id, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: `rotate(${turn})` },
    svg("rect", { class: `${id}-ground`, width: 6, height: 6 }), svg("rect", { class: `${id}-ink`, width, height: 6 }), ...marks);
  return svg("svg", { class: "hidden", width: 0, height: 0, "aria-hidden": "true" }, svg("defs", {},
    hatch("hatch-small", 0, 1.6), hatch("hatch-still", 45, 2.6), hatch("hatch-two", 45, 2), hatch("hatch-crowded", 135, 2), hatch("hatch-unreadable", 45, 3, svg("rect", { class: "hatch-unreadable-ink", width: 6, height: 2 }))));
}
