// The figures: each is drawn when the reader comes near, and again when what it shows has changed.

const scheme = matchMedia("(prefers-color-scheme: dark)");
const page = { hidden: new Set(), printing: false, dark: scheme.matches };
const keyOf = (i, name) => i + "/" + name;

// A newFigure is a drawing with its place in the page.
function newFigure(drawing) {
  const node = document.getElementById(drawing.id);
  const figure = {
    drawing, node, plot: node.querySelector(".plot"), chart: null, stale: true, near: false,
    log: { x: drawing.kind === "lines", y: false },
    shown: (i) => !page.hidden.has(keyOf(i, drawing.names[i])),
  };
  if (drawing.bandNames && drawing.kind === "lines") {
    figure.remark = element("p", `Bands are filled for at most ${mostBands} benchmarks: hide some of those above the charts. The table below has all.`);
    figure.remark.className = "caption";
    node.append(figure.remark);
  }
  addTools(figure);
  addData(figure);
  return figure;
}

// Dots, and whatever has many points, are drawn as pixels.
const isLarge = (drawing) => drawing.kind === "dots" || drawing.option.series.reduce((n, series) => n + series.data.length, 0) > 4000;

function draw(figure) {
  if (figure.node.hidden || !figure.stale) return;
  figure.stale = false;
  try {
    if (!figure.chart) {
      figure.plot.replaceChildren();
      figure.chart = echarts.init(figure.plot, null, { renderer: isLarge(figure.drawing) ? "canvas" : "svg" });
    }
    fit(figure);
    const view = { shown: figure.shown, dark: page.dark && !page.printing, log: figure.log, chart: figure.chart };
    figure.chart.setOption(optionFor(figure.drawing, view), true);
    const shown = figure.drawing.names.filter((_, i) => figure.shown(i)).length;
    if (figure.remark) figure.remark.hidden = banded(figure.drawing, shown);
    figure.node.dataset.state = "drawn";
  } catch (error) {
    figure.node.dataset.state = "failed";
    figure.plot.replaceChildren(element("p", "This chart cannot be drawn: " + error));
    console.error(figure.drawing.id, error);
  }
}

// fit gives a chart the size of its place; paper's is known only while it is printed on.
function fit({ chart, plot }) {
  const [width, height] = page.printing ? [640, 240] : [plot.clientWidth, plot.clientHeight];
  if (chart.getWidth() !== width || chart.getHeight() !== height) chart.resize({ width, height });
}

function redraw(figure) {
  figure.stale = true;
  if (figure.near) draw(figure);
}

// addTools adds the switches of the axes, and places the help.
function addTools(figure) {
  const tools = figure.node.querySelector(".tools");
  for (const axis of ["y", "x"]) {
    if (!canLog(figure.drawing, axis)) continue;
    const tool = button("log " + axis, `Logarithmic ${axis} axis: ${figure.drawing.title}`);
    tool.className = "tool";
    tool.dataset.axis = axis;
    tool.setAttribute("aria-pressed", String(figure.log[axis]));
    tool.addEventListener("click", () => {
      figure.log[axis] = !figure.log[axis];
      tool.setAttribute("aria-pressed", String(figure.log[axis]));
      figure.stale = true;
      draw(figure);
    });
    tools.prepend(tool);
  }
}

// addHelp shows a popover below its button, also while the pointer is on it. Clicks, keys and fingers are the browser's.
function addHelp(opener) {
  const popover = document.getElementById(opener.getAttribute("popovertarget"));
  if (!popover.showPopover) return;
  popover.addEventListener("toggle", () => {
    const at = opener.getBoundingClientRect();
    const left = Math.min(at.right - popover.offsetWidth, innerWidth - popover.offsetWidth - 8);
    const below = at.bottom + 6;
    popover.style.left = Math.max(8, left) + "px";
    popover.style.top = (below + popover.offsetHeight < innerHeight ? below : Math.max(8, at.top - 6 - popover.offsetHeight)) + "px";
  });
  let hovered = false;
  opener.addEventListener("pointerenter", (event) => {
    if (event.pointerType !== "mouse" || popover.matches(":popover-open")) return;
    hovered = true;
    popover.showPopover();
  });
  opener.addEventListener("pointerleave", () => {
    if (hovered) popover.hidePopover();
    hovered = false;
  });
  opener.addEventListener("click", () => { hovered = false; });
}

const mostRows = 1000;

// addData adds the table of what a figure shows, made when it is opened, and its CSV.
function addData(figure) {
  const details = element("details", "", element("summary", "Data"));
  details.className = "data";
  figure.fill = () => {
    if (!details.open) return;
    const data = dataOf(figure.drawing, figure.shown);
    const table = tableOf(data);
    const scroll = element("div", "", table);
    scroll.className = "scroll";
    scroll.tabIndex = 0;
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", "Data of " + figure.drawing.title);
    const download = button("Download CSV", "Download the data of " + figure.drawing.title + " as CSV");
    download.className = "tool";
    download.addEventListener("click", () => save((figure.drawing.file || figure.drawing.id) + ".csv", csvOf(dataOf(figure.drawing, figure.shown))));
    const bar = element("div", "", download);
    if (data.rows.length > mostRows) bar.append(` The first ${formatted(mostRows)} of ${formatted(data.rows.length)} rows; the CSV has all.`);
    details.replaceChildren(details.firstElementChild, bar, scroll);
    makeSortable(table);
  };
  details.addEventListener("toggle", figure.fill);
  figure.node.append(details);
}

function tableOf({ columns, rows }) {
  const cell = (tag, text, column) => {
    const node = element(tag, text);
    if (column.text) node.className = "text";
    return node;
  };
  const head = element("tr", "", ...columns.map((column) => {
    const node = cell("th", column.name, column);
    node.scope = "col";
    return node;
  }));
  const body = rows.slice(0, mostRows).map((cells) => element("tr", "", ...cells.map((value, k) =>
    cell("td", typeof value === "number" ? formatted(value) : value ?? "", columns[k]))));
  return element("table", "", element("thead", "", head), element("tbody", "", ...body));
}

function save(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv;charset=utf-8" }));
  link.download = name.replace(/[^\w.-]+/g, "_");
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
