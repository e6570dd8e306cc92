// The bar in which videos are chosen, the charts, and the counts by split and label.
const bar = document.getElementById("choice");
const query = el("input", { type: "search", placeholder: "Search names, subjects, sources, reasons", "aria-label": "Search", spellcheck: "false", oninput: () => search(query.value) });
const chips = el("div", { class: "chips", "aria-label": "Chosen by" });
const shownCount = el("span", { class: "count", role: "status" });
const resultCounts = corpus.results.map((_, result) => resultOf.reduce((sum, one) => sum + (one === result), 0));
const pressed = new Set();

const toggles = corpus.results.map((result, at) => resultCounts[at] ? el("button", {
  type: "button",
  class: `toggle ${slug(result)}`,
  "aria-pressed": "false",
  onclick: () => {
    if (!pressed.delete(result)) pressed.add(result);
    chooseResults(corpus.results.filter((one) => pressed.has(one)));
  },
}, `${result} ${count(resultCounts[at])}`) : null);

// The videos that have pictures on the page, where not all have.
const pictured = drawn.size && drawn.size < corpus.count ? el("button", {
  type: "button",
  class: "plain",
  "aria-pressed": "false",
  onclick: () => choose("drawn", "with pictures", filters.has("drawn") ? null : (i) => drawn.has(i)),
}, `with pictures ${count(drawn.size)}`) : null;

function saveList() {
  const text = passing.map((i) => `${corpus.id[i]}\n`).join("");
  const address = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  el("a", { href: address, download: "videos.txt" }).click();
  URL.revokeObjectURL(address);
}

bar.append(
  el("div", { class: "line" }, query, el("div", { class: "toggles", role: "group", "aria-label": "What became of them" }, ...[...toggles, pictured].filter(Boolean)), shownCount,
    el("button", { type: "button", class: "plain", title: "Save the ids of the chosen videos, one a line", onclick: saveList }, "Save ids")),
  chips);

onChoice(() => {
  if (!filters.has("result")) pressed.clear();
  if (!filters.has("search") && document.activeElement !== query) query.value = "";
  corpus.results.forEach((result, at) => toggles[at]?.setAttribute("aria-pressed", pressed.has(result)));
  pictured?.setAttribute("aria-pressed", filters.has("drawn"));
  const length = passing.reduce((sum, i) => sum + seconds(i), 0);
  shownCount.textContent = filters.size ? `${count(passing.length)} of ${videos(corpus.count)}, ${clock(length)}` : `${videos(corpus.count)}, ${clock(length)}`;
  const shown = [...filters].map(([key, { label }]) =>
    el("button", { type: "button", class: "chip", "aria-label": `Take back: ${label}`, title: label, onclick: () => choose(key) }, `${label} ×`));
  if (shown.length > 1) shown.push(el("button", { type: "button", class: "chip", onclick: clearAll }, "Take back all"));
  chips.replaceChildren(...shown);
});

for (const button of document.querySelectorAll("[data-result]")) {
  button.addEventListener("click", () => {
    filters.clear();
    pressed.clear();
    pressed.add(button.dataset.result);
    chooseResults([button.dataset.result]);
  });
}
for (const button of document.querySelectorAll("[data-heading]")) button.addEventListener("click", () => chooseHeading(button.dataset.heading));
for (const button of document.querySelectorAll("[data-state]")) button.addEventListener("click", () => chooseState(button.dataset.stage, button.dataset.state));

const isAccepted = (i) => resultOf[i] === ACCEPTED;

const legend = el("ul", { class: "legend" },
  ...[["accepted", "accepted"], ["others", "rejected"]].map(([label, colour]) => {
    const patch = el("i");
    patch.style.setProperty("--dot", `var(--${colour})`);
    return el("li", {}, patch, label);
  }));

function drawCharts() {
  const charts = measures.map((measure) => new Histogram(measure, {
    values: measure.values,
    counts: isAccepted,
    range: () => rangeOf(measure),
    choose: (low, high) => chooseRange(measure, low, high),
  }));
  const host = document.getElementById("charts");
  host.before(legend);
  host.replaceChildren(...charts.map(({ card }) => card));
  const show = () => charts.forEach((chart) => chart.show(passingBut(`range:${chart.measure.key}`)));
  onChoice(show);
  show();
}

// Facets: fields of the catalogue with a handful of values.
const TITLES = { four_class: "Four classes", fold: "Fold", licence: "Licence" };
const titleOf = (key) => TITLES[key] ?? key[0].toUpperCase() + key.slice(1);

function facetCard(facet) {
  const title = titleOf(facet.key);
  const list = el("ul", { class: "counts" });
  const card = el("article", { class: "card" }, el("header", {}, el("h3", {}, title), el("span", {}, `${count(facet.names.length)} values`)), list);
  const show = () => {
    const good = new Array(facet.names.length).fill(0);
    const all = new Array(facet.names.length).fill(0);
    for (const i of passingBut(facet.key)) {
      if (facet.of[i] < 0) continue;
      all[facet.of[i]] += 1;
      good[facet.of[i]] += isAccepted(i);
    }
    const most = Math.max(...all, 1);
    const order = all.map((_, at) => at).sort((a, b) => collator.compare(facet.names[a], facet.names[b]));
    list.replaceChildren(...order.map((at) => {
      const parts = [[good[at], "good"], [all[at] - good[at], "rest"]].map(([part, kind]) => {
        const piece = el("span", { class: kind });
        piece.style.width = `${(100 * part) / most}%`;
        return piece;
      });
      const isChosen = filters.get(facet.key)?.label === `${title}: ${facet.names[at]}`;
      return el("li", {}, el("button", {
        type: "button",
        "aria-pressed": String(isChosen),
        onclick: () => (isChosen ? choose(facet.key) : chooseName(facet.key, title, facet, at)),
      }, el("bdi", { class: "name" }, facet.names[at]), el("span", { class: "number" }, `${count(good[at])} of ${count(all[at])}`), el("span", { class: "track", "aria-hidden": "true" }, ...parts)));
    }));
  };
  onChoice(show);
  show();
  return card;
}

function drawFacets() {
  const cards = corpus.facets.filter((facet) => facet.names.length <= 60).map(facetCard);
  document.getElementById("facets").replaceChildren(...cards);
  return cards.length > 0;
}
