// What a chart shows, as a table: { columns: [{ name, text }], rows } with numbers as they are.
// shown(i) says whether series i is among it.

function dataOf(drawing, shown) {
  const table = drawing.kind === "stacks" ? barData(drawing, shown) : pointData(drawing, shown);
  // Columns that say nothing are left out: no labels, no intervals, no counts.
  const kept = table.columns.map((_, k) => table.rows.length === 0 || table.rows.some((row) => row[k] !== undefined));
  return {
    columns: table.columns.filter((_, k) => kept[k]),
    rows: table.rows.map((row) => row.filter((_, k) => kept[k])),
  };
}

function pointData(drawing, shown) {
  const bands = drawing.bandNames || [];
  const y = unitOf(drawing.yLabel);
  const ofBand = (name) => (y[1] ? `${y[0]}, ${name} (${y[1]})` : `${y[0]}, ${name}`);
  const columns = [
    { name: "Benchmark", text: true }, { name: "Point", text: true }, { name: drawing.xLabel },
    { name: bands.length > 0 ? ofBand(bands[0]) : drawing.yLabel }, { name: "Interval from" }, { name: "Interval to" },
    ...bands.slice(1).map((name) => ({ name: ofBand(name) })), { name: "Samples" }, { name: "In doubt", text: true },
  ];
  const rows = drawing.option.series.flatMap((series, i) => (shown(i) ? series.data : []).map((point) => {
    const [low, high] = point.bar || [];
    const higher = bands.slice(1).map((_, k) => (point.bands || [])[k]);
    return [drawing.names[i], point.name, ...valueOf(point), low, high, ...higher, point.n || series.n, inDoubt(series, point) ? "yes" : undefined];
  }));
  return { columns, rows };
}

function barData(drawing, shown) {
  const parts = partsOf(drawing);
  const columns = [
    { name: "Benchmark", text: true }, { name: drawing.xLabel, text: true }, ...parts.map((name) => ({ name })), { name: "Sum" }, { name: "Samples" },
  ];
  const rows = [];
  for (const [i, name] of drawing.names.entries()) {
    for (const bar of shown(i) ? barsOf(drawing, i) : []) {
      rows.push([name, bar.category, ...parts.map((part) => bar.parts.get(part)), bar.sum, bar.n]);
    }
  }
  return { columns, rows };
}

const partsOf = (drawing) => [...new Set(drawing.option.series.map((series) => series.part))];

// barsOf lists the bars of series i: { category, parts: name -> value, sum, n }.
function barsOf(drawing, i) {
  const bars = new Map();
  for (const series of drawing.option.series) {
    if (series.name !== "series-" + i) continue;
    for (const point of series.data) {
      const [x, value] = valueOf(point);
      const bar = bars.get(x) || { category: (drawing.categories || [])[x] ?? String(x), parts: new Map(), sum: 0, n: point.n };
      bar.parts.set(series.part, value);
      bar.sum += value;
      bars.set(x, bar);
    }
  }
  return [...bars.keys()].sort((a, b) => a - b).map((x) => bars.get(x));
}

// A text that a spreadsheet would take for a formula gets an apostrophe before it, as in the cell of one.
function csvCell(cell) {
  if (cell === undefined) return "";
  let text = String(cell);
  if (typeof cell === "string" && /^[=+\-@\t\r]/.test(text)) text = "'" + text;
  return /[",\r\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
}

const csvOf = ({ columns, rows }) => [columns.map((c) => c.name), ...rows].map((row) => row.map(csvCell).join(",") + "\r\n").join("");
