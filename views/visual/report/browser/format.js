// How numbers are told, and how elements are made: text is only ever set as text.
const SVG = "http://www.w3.org/2000/svg";

function make(parent, tag, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) parent.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) parent.setAttribute(key, value === true ? "" : value);
  }
  parent.append(...children.filter((child) => child !== null && child !== undefined));
  return parent;
}

const el = (tag, attributes = {}, ...children) => make(document.createElement(tag), tag, attributes, children);
const svg = (tag, attributes = {}, ...children) => make(document.createElementNS(SVG, tag), tag, attributes, children);

const whole = new Intl.NumberFormat("en-US");
const count = (number) => whole.format(number);
const videos = (number) => `${count(number)} video${number === 1 ? "" : "s"}`;

function clock(length) {
  if (length < 59.995) return `${length.toFixed(length < 10 ? 2 : 1)} s`;
  const minutes = Math.floor(Math.round(length) / 60);
  if (minutes < 60) return `${minutes} min ${String(Math.round(length) % 60).padStart(2, "0")} s`;
  return `${count(Math.floor(minutes / 60))} h ${String(minutes % 60).padStart(2, "0")} min`;
}

const plain = (value, decimals) => (Object.is(Number(value.toFixed(decimals)), -0) ? 0 : value).toFixed(decimals).replace("-", "−");

function told(measure, value, unit = true) {
  if (Number.isNaN(value)) return "–";
  const tight = measure.unit === "°" || measure.unit === "%" ? "" : " ";
  return plain(value, measure.decimals) + (unit && measure.unit ? tight + measure.unit : "");
}

const slug = (text) => text.replaceAll(" ", "-");
const badge = (result) => el("span", { class: `badge ${slug(result)}` }, result);

// The value below which `share` of the ascending numbers lie.
const quantile = (ascending, share) => ascending[Math.min(ascending.length - 1, Math.floor(share * ascending.length))];
