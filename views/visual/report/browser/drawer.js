// The drawer: all there is to say of one video.
const drawer = document.getElementById("drawer");
let openNow = null;
let mesh = null;

function openVideo(i) {
  const isFresh = !drawer.open;
  openNow = i;
  history.replaceState(null, "", `#${encodeURIComponent(corpus.id[i])}`);
  const found = detail(i) ?? {};
  mesh = found.mesh ? new Mesh(found.mesh, found.billboard) : null;
  drawer.replaceChildren(heading(i), el("div", { class: "body" }, ...[
    why(i),
    pictures(i, found),
    found.total ? el("div", { class: "columns" }, el("div", {}, ...plots(found)), mesh?.element) : null,
    numbers(i),
    facts(i, found),
    ...commands(i),
  ].filter(Boolean)));
  if (isFresh) drawer.show();
  drawer.focus({ preventScroll: true });
  drawer.scrollTop = 0;
  videoTable.draw(true);
}

function closeVideo() {
  const at = videoTable.rows.indexOf(openNow);
  openNow = null;
  drawer.close();
  history.replaceState(null, "", location.pathname + location.search);
  if (at < 0) return videoTable.draw(true);
  videoTable.go(at);
  videoTable.button(at)?.focus({ preventScroll: true });
}

// To the next video of the table as it stands.
function step(by) {
  const at = videoTable.rows.indexOf(openNow) + by;
  if (at < 0 || at >= videoTable.rows.length) return;
  videoTable.go(at);
  openVideo(videoTable.rows[at]);
}

function heading(i) {
  const button = (text, label, onclick) => el("button", { type: "button", class: "plain", "aria-label": label, title: label, onclick }, text);
  return el("header", {},
    badge(corpus.results[resultOf[i]]),
    el("h2", { id: "drawer-title" }, el("bdi", {}, corpus.id[i])),
    button("↑", "Previous video", () => step(-1)),
    button("↓", "Next video", () => step(1)),
    button("✕", "Close", closeVideo));
}

function why(i) {
  const reasons = corpus.reason[i];
  if (!reasons.length) return null;
  const kind = isAccepted(i) ? "why accepted" : "why";
  return el("ul", { class: kind }, ...reasons.map(([, text]) => el("li", {}, el("bdi", {}, text))));
}

const hasFrames = (i) => corpus.state[i][corpus.stages.indexOf("normalize")] === String(corpus.states.indexOf("done"));

function pictures(i, found) {
  if (found.sheet) {
    const frames = found.frames.join(", ");
    const first = found.source ? "The source with the square that was taken, then frames" : "Frames";
    const image = el("img", { src: found.sheet, alt: `Frames ${frames} of ${corpus.id[i]}` });
    return el("figure", { class: "sheet" }, image, el("figcaption", {}, `${first} ${frames} of ${count(found.total)}: landmarks (eyes yellow, lips pink), shoulders (green: seen, orange: filled), axes of the head (red: right, green: down, blue: out of the face).`));
  }
  if (drawn.has(i)) return el("p", { class: "notice soft" }, document.readyState === "loading" ? "The page is still being read." : "No frame of it can be read.");
  return el("p", { class: "notice soft" }, hasFrames(i) ? "Not among the videos that have pictures on this page; the command below adds it." : "There are no frames of it.");
}

const ranks = new Map();
function rank(measure, value) {
  if (!ranks.has(measure.key)) ranks.set(measure.key, measure.values.filter((one) => !Number.isNaN(one)).sort());
  const ascending = ranks.get(measure.key);
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle] < value) low = middle + 1;
    else high = middle;
  }
  let same = 0;
  while (ascending[low + same] === value) same += 1;
  return (low + (same - 1) / 2) / Math.max(ascending.length - 1, 1);
}

// Its measures, each with its place among those of all videos.
function numbers(i) {
  const cells = measures.filter(({ values }) => !Number.isNaN(values[i])).map((measure) => {
    const value = measure.values[i];
    const share = rank(measure, value);
    const dot = el("i");
    dot.style.left = `${100 * share}%`;
    const place = `above ${Math.round(100 * share)} % of all videos`;
    return el("div", { title: `${measure.told}\n${place}` },
      el("dt", {}, measure.title),
      el("dd", { class: isBeyond(measure, value) ? "beyond" : null }, measure.key === "normalize.seconds" ? clock(value) : told(measure, value)),
      el("span", { class: "rank", role: "img", "aria-label": place }, dot));
  });
  return cells.length ? el("section", {}, el("h3", {}, "Measures"), el("dl", { class: "facts" }, ...cells)) : null;
}

function facts(i, { source: from, text: said }) {
  const link = (path, text) => el("a", { href: `../${path.split("/").map(encodeURIComponent).join("/")}` }, text);
  const files = [link(`manifests/${corpus.id[i]}.json`, "manifest")];
  if (hasFrames(i)) {
    files.push(" · ", link(`media/${corpus.id[i]}.mp4`, "mp4"), " · ", link(`media/${corpus.id[i]}.wav`, "wav"));
  }
  const notes = (name(corpus.note, i) ?? "").split("\n");
  const states = corpus.stages.map((stage, at) => [stage, corpus.states[Number(corpus.state[i][at])], notes[at]]).filter(([, state]) => state !== "done");
  const rows = [
    ["Subject", name(corpus.subject, i)],
    ...corpus.facets.map((facet) => [titleOf(facet.key), name(facet, i)]),
    ["Text", said ?? null],
    ["Defect", name(corpus.defect, i)],
    ["Source", source(i)],
    from ? ["As it came", `${from.width} × ${from.height} px, ${Number(from.fps.toFixed(3))} frames/s, ${from.codec}${from.rotation ? `, turned by ${from.rotation}°` : ""}`] : null,
    from ? ["Square taken", `${from.crop_w} px at ${from.crop_x}, ${from.crop_y} (${from.framing})${from.crop_w < 512 ? `, scaled up by ${(512 / from.crop_w).toFixed(1)}` : ""}`] : null,
    ["Shard", name(corpus.shard, i)],
    ["Stages", states.length ? states.map(([stage, state, note]) => `${stage} ${state}${note ? ` (${note})` : ""}`).join("; ") : "all done"],
  ];
  return el("section", {}, el("h3", {}, "Facts"), el("dl", { class: "told" },
    ...rows.filter((row) => row && row[1] !== null).flatMap(([term, text]) => [el("dt", {}, term), el("dd", {}, el("bdi", {}, text))]),
    el("dt", {}, "Files"), el("dd", {}, ...files)));
}

// Only commands that do something for this video.
function commands(i) {
  const id = /^[\w.-]+$/.test(corpus.id[i]) ? corpus.id[i] : `'${corpus.id[i].replaceAll("'", "'\\''")}'`;
  const failed = [...corpus.state[i]].some((state) => ["failed", "blocked"].includes(corpus.states[Number(state)]));
  const retried = corpus.reason[i].some(([, text]) => text.includes("--retry-failed"));
  const lines = [
    hasFrames(i) && `portrait-prep overlay ${id}`,
    retried && `portrait-prep run --retry-failed --only ${id}`,
    !failed && `portrait-prep review ${isAccepted(i) ? "reject" : "accept"} ${id} --why "…"`,
    hasFrames(i) && !drawn.has(i) && `portrait-prep report --show ${id}`,
    `portrait-prep manifest ${id}`,
  ].filter(Boolean);
  return [el("h3", {}, "In the workspace's folder"), el("pre", { class: "commands" }, lines.join("\n"))];
}

document.addEventListener("keydown", (event) => {
  if (openNow === null || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, canvas")) return;
  const actions = { Escape: closeVideo, ArrowDown: () => step(1), ArrowUp: () => step(-1), j: () => step(1), k: () => step(-1) };
  if (!(event.key in actions) || event.defaultPrevented) return;
  event.preventDefault();
  actions[event.key]();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => mesh?.draw());
