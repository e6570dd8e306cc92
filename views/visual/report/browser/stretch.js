// Stretches of a recording: how each is called and drawn, and all there is to say of one.
const KEPT = "kept";
const film = document.getElementById("recordings") && JSON.parse(document.getElementById("recordings").textContent);
const REASONS = film?.reasons.map(({ name }) => name) ?? [];
const QUIET = new Set(film?.reasons.filter(({ quiet }) => quiet).map(({ name }) => name));
const TOLD = new Map(film?.reasons.map(({ name, told }) => [name, told]));

// A reason of a hand that wrote the table is drawn as any other.
const kindClass = (kind) => `kind ${kind === KEPT || REASONS.includes(kind) ? slug(kind) : "other"}`;

// Moments to hundredths of a second, as players count: 0:08.04, 1:02:03.50.
function moment(ms, decimals = 2) {
  const steps = Math.round((ms / 1000) * 10 ** decimals);
  const all = Math.floor(steps / 10 ** decimals);
  const [hours, minutes, rest] = [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60];
  const two = (number) => String(number).padStart(2, "0");
  const fraction = decimals ? `.${String(steps % 10 ** decimals).padStart(decimals, "0")}` : "";
  return `${hours ? `${hours}:${two(minutes)}` : minutes}:${two(rest)}${fraction}`;
}

// The timeline of a recording, parsed once: stretch i of every column.
class Stretches {
  constructor(number) {
    this.facts = film.recordings[number];
    Object.assign(this, JSON.parse(document.getElementById(`timeline-${number}`).textContent));
    this.all = this.start.map((_, i) => i);
    this.length = this.end.reduce((most, end) => Math.max(most, end), 0);
    this.slots = slotted(this.faces);
    this.segmented = new Set(this.all.filter((i) => this.kind(i) === KEPT).map((i) => this.person.of[i]));
  }

  kind(i) {
    return name(this.reason, i) ?? KEPT;
  }

  // The stretch that a moment lies in.
  at(ms) {
    let [low, high] = [0, this.start.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.start[middle] <= ms) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  // First and last stretch, and one more, of those that an interval touches.
  between(from, to) {
    const first = this.at(from);
    let last = first;
    while (last < this.start.length && this.start[last] < to) last += 1;
    return [first, last];
  }

  // Of whom, in short: the number of the person within the recording.
  who(number) {
    const person = this.person.names[number];
    return person?.startsWith(`${this.facts.name}-`) ? person.slice(this.facts.name.length + 1) : person;
  }

  facesIn(i) {
    return this.faces.filter(([begin, end]) => begin < this.end[i] && end > this.start[i]);
  }

  title(i) {
    const kind = this.kind(i);
    return kind === KEPT ? `kept: person ${this.who(this.person.of[i])}` : kind;
  }

  times(i) {
    return `${moment(this.start[i])} – ${moment(this.end[i])} (${clock((this.end[i] - this.start[i]) / 1000)})`;
  }
}

// The line in which each face is drawn: faces of one time lie in different ones.
function slotted(faces) {
  const ends = [];
  return faces.map(([begin, end]) => {
    let slot = ends.findIndex((last) => last <= begin);
    if (slot < 0) slot = ends.length;
    ends[slot] = end;
    return slot;
  });
}

const swatch = (kind) => svg("svg", { class: "swatch", viewBox: "0 0 14 14", "aria-hidden": "true" }, svg("rect", { class: kindClass(kind), width: 14, height: 14, rx: 2 }));

// What stands beside the pointer.
function glimpse(stretches, i) {
  const picture = stretches.stills[i];
  return [
    picture ? el("img", { src: picture, alt: "" }) : null,
    el("div", {},
      el("strong", {}, swatch(stretches.kind(i)), el("bdi", {}, stretches.title(i))),
      el("div", { class: "number" }, stretches.times(i)),
      el("div", { class: "soft" }, facesTold(stretches, i), ` · voice ${stretches.share[i]} %`)),
  ].filter(Boolean);
}

function facesTold(stretches, i) {
  if (stretches.voice === undefined) return "faces unknown";
  const faces = stretches.facesIn(i);
  const sizes = faces.map(([, , size]) => `${size} px`);
  return faces.length ? `${count(faces.length)} face${faces.length === 1 ? "" : "s"}, ${sizes.slice(0, 4).join(", ")}${sizes.length > 4 ? ", …" : ""}` : "no face";
}

// All there is to say of the stretch that was chosen.
function stretchFacts(stretches, i) {
  const kind = stretches.kind(i);
  const id = stretches.id[i];
  const still = stretches.stills[i];
  const of = stretches.person.names[stretches.person.of[i]];
  const rows = [
    ["Time", stretches.times(i)],
    ["Why", kind === KEPT ? null : TOLD.get(kind) ?? null],
    ["Person", of ?? null],
    ["Voice", `heard in ${stretches.share[i]} % of the frames`],
    ["Faces", facesTold(stretches, i)],
    ["Region", stretches.crop[i] ? `${stretches.crop[i][2]} × ${stretches.crop[i][3]} px at ${stretches.crop[i][0]}, ${stretches.crop[i][1]}` : null],
    ["Shot", stretches.shot[i] < 0 ? null : String(stretches.shot[i])],
  ];
  return [
    still ? el("img", { src: still, alt: `The middle of ${id}` }) : el("p", { class: "blank soft" }, "no picture"),
    el("div", {},
      el("h4", {}, swatch(kind), el("bdi", {}, kind === KEPT ? "kept" : `not kept: ${kind}`)),
      el("dl", { class: "told" }, ...rows.filter(([, text]) => text !== null).flatMap(([term, text]) => [el("dt", {}, term), el("dd", {}, el("bdi", {}, text))]),
        el("dt", {}, "Id"), el("dd", {}, el("code", { class: "id" }, id), " ", copyButton(id))),
      el("p", { class: "links" }, ...links(stretches, i))),
  ];
}

function copyButton(text) {
  const button = el("button", { type: "button", class: "plain", onclick: () => navigator.clipboard?.writeText(text).then(() => { button.textContent = "copied"; }) }, "copy");
  return button;
}

function links(stretches, i) {
  const video = corpus.id.indexOf(stretches.id[i]);
  const until = [stretches.start[i], stretches.end[i]].map((ms) => (ms / 1000).toFixed(3)).join(",");
  return [
    stretches.facts.address ? el("a", { href: `${stretches.facts.address}#t=${until}`, target: "_blank", rel: "noopener" }, "Play it") : null,
    video < 0 ? null : el("button", { type: "button", class: "link", onclick: () => openVideo(video) }, "Its video"),
  ].filter(Boolean);
}
