// The corpus, parsed once: row i of every column is video i of the catalogue.
const corpus = JSON.parse(document.getElementById("corpus").textContent);
const everyone = Array.from({ length: corpus.count }, (_, i) => i);
const resultOf = Uint8Array.from(corpus.result, Number);
const drawn = new Set(corpus.drawn);
const measures = corpus.measures
  .filter((measure) => measure.values.length)
  .map((measure) => ({ ...measure, values: measured(measure) }));
const byKey = new Map(measures.map((measure) => [measure.key, measure]));
const ACCEPTED = corpus.results.indexOf("accepted");
const LEFT_OUT = corpus.results.indexOf("left out");

// Whole steps of the last decimal back to numbers; NaN where there is none.
function measured({ values, decimals }) {
  return Float64Array.from(values, (step) => (step === null ? NaN : step / 10 ** decimals));
}

// What column `column` of names says of video i; null where it says nothing.
function name(column, i) {
  return column.of[i] < 0 ? null : column.names[column.of[i]];
}

function source(i) {
  const folder = name(corpus.folder, i);
  return folder && folder !== "." ? `${folder}/${corpus.file[i]}` : corpus.file[i];
}

function seconds(i) {
  const length = byKey.get("normalize.seconds");
  return length && resultOf[i] !== LEFT_OUT ? length.values[i] || 0 : 0;
}

const isBeyond = ({ limits }, value) => value < limits.min || value > limits.max;

// The detail of a drawn video; null where it has none, or the page is still being read.
const details = new Map();
function detail(i) {
  if (!details.has(i)) {
    const element = drawn.has(i) && document.getElementById(`detail-${i}`);
    if (!element) return null;
    details.set(i, JSON.parse(element.textContent));
  }
  return details.get(i);
}

// Base64 of little-endian numbers.
function unpacked(text, Kind = Uint8Array) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return new Kind(bytes.buffer);
}
