// What the reader chose: named filters, each a test of a video; and who is told when the choice changes.
const filters = new Map();
const listeners = [];
let passing = everyone;
let fails = new Uint8Array(corpus.count);
let failsOnly = new Array(corpus.count).fill(null);

// Set (or, without a test, clear) the filter of this key. `label` stands on the chip that takes it back.
function choose(key, label = "", test = null) {
  if (test) filters.set(key, { label, test });
  else if (!filters.delete(key)) return;
  chosen();
}

function chooseOnly(key, label, test) {
  filters.clear();
  choose(key, label, test);
}

function clearAll() {
  filters.clear();
  chosen();
}

// A video that fails one filter only is still shown in the chart that the filter belongs to.
function chosen() {
  fails = new Uint8Array(corpus.count);
  failsOnly = new Array(corpus.count).fill(null);
  for (const [key, { test }] of filters) {
    for (const i of everyone) {
      if (test(i)) continue;
      failsOnly[i] = fails[i] ? null : key;
      fails[i] = Math.min(fails[i] + 1, 255);
    }
  }
  passing = everyone.filter((i) => !fails[i]);
  for (const listener of listeners) listener();
}

// The videos that pass all filters but the one of this key.
const passingBut = (key) => (filters.has(key) ? everyone.filter((i) => !fails[i] || failsOnly[i] === key) : passing);

const onChoice = (listener) => listeners.push(listener);

let haystacks = null;
function haystack(i) {
  haystacks ??= new Array(corpus.count);
  haystacks[i] ??= [
    corpus.id[i],
    name(corpus.subject, i),
    source(i),
    name(corpus.shard, i),
    name(corpus.defect, i),
    corpus.results[resultOf[i]],
    ...corpus.facets.map((facet) => name(facet, i)),
    ...corpus.reason[i].map(([, text]) => text),
  ].join("\n").toLowerCase();
  return haystacks[i];
}

// Every word must be found somewhere in what is told of a video.
function search(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  choose("search", `“${text.trim()}”`, words.length ? (i) => words.every((word) => haystack(i).includes(word)) : null);
}

function chooseResults(results) {
  const numbers = new Set(results.map((result) => corpus.results.indexOf(result)));
  choose("result", results.join(" or "), numbers.size ? (i) => numbers.has(resultOf[i]) : null);
}

function chooseHeading(text) {
  const number = corpus.headings.indexOf(text);
  chooseOnly("reason", text, (i) => corpus.reason[i].some(([heading]) => heading === number));
}

function chooseState(stage, state) {
  const at = corpus.stages.indexOf(stage);
  const wanted = String(corpus.states.indexOf(state));
  chooseOnly("state", `${stage} ${state}`, (i) => corpus.state[i][at] === wanted);
}

function chooseName(key, title, column, number) {
  choose(key, `${title}: ${column.names[number]}`, (i) => column.of[i] === number);
}

function chooseRange(measure, low, high) {
  const key = `range:${measure.key}`;
  if (low === null && high === null) return choose(key);
  const bounds = [low === null ? "" : `≥ ${told(measure, low)}`, high === null ? "" : `≤ ${told(measure, high)}`];
  const within = (value) => (low === null || value >= low) && (high === null || value <= high);
  return choose(key, `${measure.title} ${bounds.filter(Boolean).join(" and ")}`, Object.assign((i) => within(measure.values[i]), { low, high }));
}

const rangeOf = (measure) => filters.get(`range:${measure.key}`)?.test ?? { low: null, high: null };
