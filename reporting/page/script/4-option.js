// optionFor completes the option of a drawing by what depends on the reader.
// view: { shown(i), dark, log: { x, y }, chart }.

function colours(dark) {
  return dark
    ? { ink: "#e8eaed", soft: "#9aa3ad", rule: "#3a414a", grid: "#262c33", card: "#171b20", rim: "#e8eaed" }
    : { ink: "#1c2127", soft: "#5b6570", rule: "#aab2bb", grid: "#e9ecef", card: "#ffffff", rim: "#30363c" };
}

const indexOf = (name) => Number(name.slice("series-".length));

// canLog reports whether all values of a drawing on an axis are positive, so that a logarithmic one leaves out none.
function canLog(drawing, axis) {
  const k = axis === "x" ? 0 : 1;
  if (drawing.kind === "stacks") return false;
  const values = drawing.option.series.flatMap((series) => series.data.map((point) => valueOf(point)[k]));
  return values.every((v) => v > 0) && new Set(values).size > 1;
}

function optionFor(drawing, view) {
  const c = colours(view.dark);
  const series = drawing.option.series.filter((s) => view.shown(indexOf(s.name))).map((s) => looks(drawing, s, c, view.chart.getWidth() < 500));
  const all = [...series, ...series.flatMap((s) => besides(drawing, s, banded(drawing, series.length))), ...front(drawing, series, c)];
  if (drawing.kind === "scatter") {
    const place = labelPlacer(view.chart, all);
    for (const s of series) s.labelLayout = place;
  }
  addSpans(drawing, series, c);
  return {
    ...drawing.option,
    animation: false,
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
    grid: [{ left: 4, right: 20, top: 14, bottom: 4 }],
    xAxis: [axisFor(drawing, "x", view, c, all)],
    yAxis: [axisFor(drawing, "y", view, c, all)],
    tooltip: tooltipFor(drawing, view, c),
    series: all,
  };
}

// looks are those of a series in the scheme; on a phone its markers are smaller.
function looks(drawing, series, c, small) {
  const colour = series.itemStyle.color;
  const s = { ...series, itemStyle: { ...series.itemStyle }, data: series.data.map((point) => (point.hollow
    ? { ...point, itemStyle: { color: "transparent", borderColor: colour, borderWidth: 2 } } : point)) };
  switch (drawing.kind) {
    case "lines":
      s.itemStyle.borderColor = c.card;
      if (small) s.symbolSize = 6;
      break;
    case "curves":
      s.lineStyle = { ...s.lineStyle, width: 1.75, join: "round" };
      break;
    case "scatter":
      s.itemStyle.borderColor = c.rim;
      s.label = { show: true, formatter: "{b}", color: c.ink, fontWeight: 600, fontSize: small ? 10 : 11 };
      if (small) s.symbolSize = 8;
      break;
    case "stacks":
      s.barMaxWidth = 26;
      s.itemStyle.borderColor = drawing.option.series.find((first) => first.name === series.name).itemStyle.color;
      s.itemStyle.borderWidth = 0.75;
  }
  return s;
}

// banded reports whether bands are filled: of more series than these nobody could tell which is whose.
const mostBands = 4;
const banded = (drawing, shown) => drawing.kind === "lines" && shown <= mostBands;

// besides is what is drawn from the data of a series beside it, under its name: bands, intervals, and the faint line that guides from level to level.
function besides(drawing, series, filled) {
  const common = { name: series.name, silent: true, z: 1, emphasis: { focus: "series" } };
  const colour = series.itemStyle.color;
  const added = [];
  if (drawing.kind === "scatter") {
    added.push({ ...common, type: "line", data: series.data.map(valueOf), symbol: "none", lineStyle: { color: colour, width: 1.25, opacity: 0.35 } });
  }
  if (drawing.kind !== "lines") return added;
  const segments = filled ? bandSegments(series.data) : [];
  if (segments.length > 0) {
    added.push({ ...common, type: "custom", clip: true, data: segments, encode: { x: [0, 1], y: [2, 3, 4, 5] }, renderItem: drawBand(colour) });
  }
  const bars = series.data.filter((point) => point.bar).map((point) => [valueOf(point)[0], ...point.bar]);
  if (bars.length > 0) {
    added.push({ ...common, type: "custom", clip: true, z: 3, data: bars, encode: { x: 0, y: [1, 2] }, renderItem: drawBar(colour) });
  }
  return added;
}

// bandSegments are the quadrilaterals between neighbours: [x1, x2, low1, low2, high1, high2, band]. A single point has one without width.
function bandSegments(points) {
  const edge = (point, band) => (band < 0 ? valueOf(point)[1] : (point.bands || [])[band]);
  const segments = [];
  for (let k = 0; k < Math.max(1, points.length - 1); k++) {
    const a = points[k], b = points[k + 1] || a;
    for (let band = 0; a && edge(a, band) !== undefined && edge(b, band) !== undefined; band++) {
      segments.push([valueOf(a)[0], valueOf(b)[0], edge(a, band - 1), edge(b, band - 1), edge(a, band), edge(b, band), band]);
    }
  }
  return segments;
}

// drawBand fills one of bandSegments: an ECharts renderItem. Higher bands are fainter.
function drawBand(colour) {
  return (params, api) => {
    const v = (i) => api.value(i);
    const points = [[v(0), v(2)], [v(1), v(3)], [v(1), v(5)], [v(0), v(4)]].map((at) => api.coord(at));
    const opacity = [0.26, 0.16, 0.09][Math.min(2, v(6))];
    const alone = v(0) === v(1);
    return { type: "polygon", shape: { points }, style: { fill: colour, opacity, stroke: alone ? colour : null, lineWidth: alone ? 12 : 0 } };
  };
}

// drawBar draws [x, low, high] as a line with a cap at each end: an ECharts renderItem.
function drawBar(colour) {
  return (params, api) => {
    const x = api.coord([api.value(0), api.value(1)])[0];
    const [low, high] = [1, 2].map((i) => api.coord([api.value(0), api.value(i)])[1]);
    const line = (x1, y1, x2, y2) => ({ type: "line", shape: { x1, y1, x2, y2 }, style: { stroke: colour, lineWidth: 1.5 } });
    return { type: "group", children: [line(x, low, x, high), line(x - 5, low, x + 5, low), line(x - 5, high, x + 5, high)] };
  };
}

// front is the line over the points of all series that no other one beats in both directions.
function front(drawing, series, c) {
  if (!drawing.front) return [];
  return [{
    type: "line", id: "front", name: "front", silent: true, z: 1, symbol: "none", data: paretoOf(series.flatMap((s) => s.data.filter((point) => !point.hollow).map(valueOf))),
    lineStyle: { color: c.ink, width: 1.5, type: [6, 4], opacity: 0.7 },
  }];
}

// paretoOf keeps the points that no other one beats, where more is better in both directions, by ascending x.
function paretoOf(points) {
  const kept = [];
  let highest = -Infinity;
  for (const point of [...points].sort((a, b) => b[0] - a[0] || b[1] - a[1])) {
    if (point[1] > highest) {
      kept.unshift(point);
      highest = point[1];
    }
  }
  return kept;
}

// addSpans shades parts of the x axis. One has its name beside it; where several lie over each other the note below says what they are.
function addSpans(drawing, series, c) {
  const spansOf = (s) => (drawing.spans || []).filter((span) => "series-" + span.series === s.name);
  const marked = series.filter((s) => spansOf(s).length > 0);
  for (const s of marked) {
    const colour = s.itemStyle.color;
    s.markArea = {
      silent: true, itemStyle: { color: colour, opacity: 0.12 / Math.sqrt(marked.length) },
      label: { show: marked.length === 1, color: c.soft, fontSize: 11, position: "insideBottom", backgroundColor: c.card, padding: [1, 5], borderRadius: 3 },
      data: spansOf(s).map((span) => [{ xAxis: span.from, name: span.label }, { xAxis: span.to }]),
    };
  }
}

// inTwo breaks the name of an axis that is longer than it into two lines, at the blank nearest to its middle.
function inTwo(name, length) {
  const perCharacter = 6.2;
  if (!name || name.length * perCharacter <= length) return name;
  const middle = name.length / 2;
  const blanks = [...name.matchAll(/ /g)].map((blank) => blank.index);
  if (blanks.length === 0) return name;
  const at = blanks.reduce((best, k) => (Math.abs(k - middle) < Math.abs(best - middle) ? k : best));
  return name.slice(0, at) + "\n" + name.slice(at + 1);
}

function axisFor(drawing, axis, view, c, series) {
  const given = drawing.option[axis + "Axis"][0];
  const length = axis === "x" ? view.chart.getWidth() - 90 : view.chart.getHeight() - 60;
  const common = {
    name: inTwo(given.name, length), nameLocation: "middle", nameGap: axis === "x" ? 30 : 46, type: given.type === "category" ? "category" : "value",
    nameTextStyle: { color: c.soft, fontSize: 12, lineHeight: 14 },
    axisLabel: { color: c.soft, fontSize: 11, hideOverlap: true, formatter: (value) => formatted(value) },
    axisLine: { show: axis === "x", lineStyle: { color: c.rule } },
    axisTick: { show: axis === "x", lineStyle: { color: c.rule } },
    splitLine: { show: axis === "y" || given.type !== "category", lineStyle: { color: c.grid } },
  };
  if (given.type === "category") {
    return { ...common, data: drawing.categories || [], axisLabel: { ...common.axisLabel, formatter: undefined }, axisTick: { show: false } };
  }
  if (!view.log[axis]) return { ...common, splitNumber: axis === "x" ? Math.max(2, Math.min(5, Math.floor(length / 60))) : 5, dataMax: given.max };
  const range = axis === "x" && drawing.ticks ? { min: given.min, max: given.max, ticks: drawing.ticks } : logRange(series, axis);
  return {
    ...common, type: "log", min: range.min, max: range.max,
    axisLabel: { ...common.axisLabel, customValues: range.ticks }, axisTick: { ...common.axisTick, customValues: range.ticks },
  };
}

// logRange is the range of a logarithmic axis over all that is shown, bands and intervals too, with ticks at 1, 2 and 5 times the powers of ten.
function logRange(series, axis) {
  const values = series.flatMap((s) => s.data.flatMap((point) => {
    if (s.type !== "custom") return [valueOf(point)[axis === "x" ? 0 : 1]];
    const places = [s.encode[axis]].flat();
    return places.map((k) => point[k]);
  })).filter((v) => v > 0);
  if (values.length === 0) return { min: 1, max: 10, ticks: [1, 10] };
  let min = Infinity, max = -Infinity;
  for (const v of values) {
    min = Math.min(min, v);
    max = Math.max(max, v);
  }
  const air = Math.max(1.05, Math.pow(max / min, 0.05));
  [min, max] = [min / air, max * air];
  const decades = Math.log10(max / min);
  const ticks = [];
  for (let power = Math.floor(Math.log10(min)); power <= Math.ceil(Math.log10(max)); power++) {
    for (const factor of decades > 4 ? [1] : decades > 0.7 ? [1, 2, 5] : [1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9]) {
      const tick = Number((factor * Math.pow(10, power)).toPrecision(12));
      if (tick >= min && tick <= max) ticks.push(tick);
    }
  }
  return { min, max, ticks };
}
