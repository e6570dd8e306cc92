// The table of videos.
const THUMB = 44; // pixels of the picture in a row
let videoTable = null;

function thumbnail(i) {
  const frame = el("span", { class: "thumb" });
  const found = detail(i);
  if (!found?.sheet) return frame;
  const tile = (found.source ? 1 : 0) + Math.floor(found.frames.length / 2);
  const image = el("img", { src: found.sheet, alt: "", decoding: "async" });
  image.style.marginLeft = `${-THUMB * tile}px`;
  frame.append(image);
  return frame;
}

function videoCell(i) {
  const open = el("button", { type: "button", class: "link", onclick: () => openVideo(i) }, el("bdi", {}, corpus.id[i]));
  return el("span", { class: "video" }, thumbnail(i), el("span", {}, open, el("small", { title: source(i) }, el("bdi", {}, source(i)))));
}

function verdictCell(i) {
  const reasons = corpus.reason[i].map(([, text]) => text);
  const more = reasons.length > 1 ? ` (and ${reasons.length - 1} more)` : "";
  return el("span", { title: reasons.join("\n") || null }, badge(corpus.results[resultOf[i]]), reasons.length ? el("small", {}, el("bdi", {}, reasons[0]), more) : null);
}

function statesCell(i) {
  const states = [...corpus.state[i]].map((state) => corpus.states[state]);
  const text = states.map((state, at) => `${corpus.stages[at]}: ${state}`).join(", ");
  return el("span", { class: "states", role: "img", "aria-label": text, title: text.replaceAll(", ", "\n") }, ...states.map((state) => el("i", { class: state })));
}

function measureColumn(measure) {
  return {
    key: measure.key,
    title: measure.title + (measure.unit && measure.unit !== "s" ? ` (${measure.unit})` : ""),
    hint: measure.told,
    width: 112,
    number: true,
    descending: true,
    value: (i) => measure.values[i],
    cell: (i) => {
      const value = measure.values[i];
      const text = measure.key === "normalize.seconds" && !Number.isNaN(value) ? clock(value) : told(measure, value, false);
      return isBeyond(measure, value) ? el("span", { class: "beyond", title: "beyond the threshold" }, text) : text;
    },
  };
}

function drawVideos() {
  const named = (key, title, width, column) => ({ key, title, width, value: (i) => name(column, i), cell: (i) => el("bdi", {}, name(column, i) ?? "–") });
  const wide = document.documentElement.clientWidth > 740;
  const columns = [
    { key: "id", title: "Video", width: wide ? 300 : 215, pinned: true, value: (i) => corpus.id[i], cell: videoCell },
    { key: "result", title: "Verdict", width: 300, value: (i) => resultOf[i], cell: verdictCell },
    named("subject", "Subject", 150, corpus.subject),
    ...(splits ? [named("split", "Split", 110, splits)] : []),
    { key: "stages", title: "Stages", width: 130, value: (i) => corpus.state[i], cell: statesCell, hint: corpus.stages.join(", ") },
    ...measures.map(measureColumn),
  ];
  videoTable = new Table(document.getElementById("video-table"), {
    label: "Videos",
    columns,
    rowHeight: 56,
    order: { key: "result", direction: 1 },
    isActive: (i) => i === openNow,
    most: "80vh",
  });
  const heading = document.getElementById("videos");
  const show = () => {
    heading.textContent = `Videos (${count(passing.length)})`;
    videoTable.show(passing);
  };
  onChoice(show);
  show();
}
