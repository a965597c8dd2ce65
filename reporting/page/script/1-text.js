// Whatever comes from the data (names, labels, units) is set as text content, never as HTML.

function formatted(value) {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e15)) return value.toPrecision(4);
  const digits = size >= 1000 ? 1 : size >= 100 ? 2 : size >= 1 ? 3 : 4;
  return new Intl.NumberFormat("en", { maximumFractionDigits: digits }).format(value);
}

// "Latency (ms)" -> ["Latency", "ms"]; a unit is one word, "(1 GPU assumed)" is none.
function unitOf(label) {
  const parts = /^(.*\S)\s*\(([^()\s]+)\)$/.exec(label);
  return parts ? [parts[1], parts[2]] : [label, ""];
}

function measured(value, label) {
  const unit = unitOf(label)[1];
  return formatted(value) + (unit ? " " + unit : "");
}

function element(tag, text, ...children) {
  const node = document.createElement(tag);
  if (text) node.textContent = text;
  node.append(...children);
  return node;
}

function button(text, label) {
  const node = element("button", text);
  node.type = "button";
  if (label) node.setAttribute("aria-label", label);
  return node;
}

// A point is [x, y], or an object with these as its value and more to say.
const valueOf = (point) => (Array.isArray(point) ? point : point.value);

// inDoubt reports whether a value is in doubt; of many points the series says it.
const inDoubt = (series, point) => Boolean(point.hollow || series.hollow);
