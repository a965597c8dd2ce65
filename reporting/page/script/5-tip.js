// Tooltips: what a point says, with its unit, its interval and the number of samples.

function tooltipFor(drawing, view, c) {
  const along = drawing.kind === "lines" || drawing.kind === "curves";
  return {
    trigger: along ? "axis" : "item",
    confine: true,
    backgroundColor: c.card,
    borderColor: c.rule,
    borderWidth: 1,
    padding: [8, 12],
    textStyle: { color: c.ink, fontSize: 12 },
    extraCssText: "box-shadow: 0 4px 14px rgba(0, 0, 0, 0.16); border-radius: 6px; pointer-events: none;",
    axisPointer: { type: "line", snap: drawing.kind === "lines", lineStyle: { color: c.soft, type: "solid" } },
    formatter: (params) => {
      const parts = along ? tipAlong(drawing, view, params) : drawing.kind === "stacks" ? tipOfBar(drawing, params) : tipOfDot(drawing, params);
      const node = element("div", "", ...parts);
      node.className = "tip";
      return node;
    },
  };
}

const markerOf = (i) => document.querySelector(`.legend button[data-series="${i}"] svg`).cloneNode(true);
const named = (drawing, i, text = "") => [markerOf(i), drawing.names[i] + text];
const row = (...cells) => element("tr", "", ...cells.map((cell) => (cell instanceof Node ? cell : element("td", cell))));

function counted(n) {
  const node = element("td", n ? "n = " + formatted(n) : "");
  node.className = "quiet";
  return node;
}

// tipAlong has a line for each series at the place of the pointer: its point there, of curves the nearest.
function tipAlong(drawing, view, params) {
  const at = params[0].axisValue;
  const bands = drawing.bandNames || [];
  const rows = [];
  drawing.option.series.forEach((series, i) => {
    const point = view.shown(i) && pointAt(drawing, series, Number(at));
    if (!point) return;
    const value = element("td", measured(valueOf(point)[1], drawing.yLabel) + (inDoubt(series, point) ? " (in doubt)" : ""));
    const interval = element("td", point.bar ? `[${formatted(point.bar[0])}, ${formatted(point.bar[1])}]` : "");
    interval.className = "quiet";
    const higher = bands.slice(1).map((_, k) => element("td", point.bands && point.bands[k] !== undefined ? formatted(point.bands[k]) : ""));
    rows.push(row(element("td", "", ...named(drawing, i)), value, ...(bands.length > 0 ? higher : [interval]), counted(point.n || series.n)));
  });
  const head = element("b", unitOf(drawing.xLabel)[0] + " " + measured(Number(at), drawing.xLabel));
  const table = element("table", "", ...rows);
  if (bands.length > 0) {
    table.prepend(row(element("td", ""), ...bands.map((name) => element("th", name)), element("td", "")));
  }
  return [head, element("div", unitOf(drawing.yLabel)[0]), table];
}

// pointAt is the point at x; of curves, which end where their data does, the nearest, or of steps the last one.
function pointAt(drawing, series, x) {
  const points = series.data;
  if (drawing.kind === "lines") return points.find((point) => valueOf(point)[0] === x);
  if (points.length === 0 || x < valueOf(points[0])[0] || x > valueOf(points[points.length - 1])[0]) return undefined;
  let low = 0, high = points.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (valueOf(points[middle])[0] <= x) low = middle;
    else high = middle;
  }
  if (x === valueOf(points[high])[0]) return points[high];
  return series.step || x - valueOf(points[low])[0] <= valueOf(points[high])[0] - x ? points[low] : points[high];
}

function tipOfDot(drawing, params) {
  const i = indexOf(params.seriesName);
  const point = params.data;
  const series = drawing.option.series[i];
  const n = point.n || series.n;
  const rows = [drawing.xLabel, drawing.yLabel].map((label, k) => row(unitOf(label)[0], measured(valueOf(point)[k], label)));
  if (n) rows.push(row("Samples", formatted(n)));
  if (inDoubt(series, point)) rows.push(row("In doubt", "yes"));
  return [element("b", "", ...named(drawing, i, point.name ? " · " + point.name : "")), element("table", "", ...rows)];
}

function tipOfBar(drawing, params) {
  const i = indexOf(params.seriesName);
  const category = (drawing.categories || [])[valueOf(params.data)[0]];
  const bar = barsOf(drawing, i).find((b) => b.category === category);
  const rows = [...bar.parts].filter(([, value]) => value !== 0).map(([part, value]) => {
    const share = element("td", bar.sum > 0 ? formatted((100 * value) / bar.sum) + " %" : "");
    share.className = "quiet";
    return row(part, measured(value, drawing.yLabel), share);
  });
  if (bar.n) rows.push(row("Samples", formatted(bar.n), ""));
  return [element("b", "", ...named(drawing, i, " · " + category)), element("table", "", ...rows)];
}
