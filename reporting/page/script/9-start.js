// What the page does when it is opened, printed, or seen in another scheme.

document.querySelectorAll("table.sortable").forEach(makeSortable);
document.querySelectorAll(".swatch").forEach((swatch) => { swatch.style.background = swatch.dataset.color; });
document.querySelectorAll("[popovertarget]").forEach(addHelp);

const data = document.getElementById("drawings");
const drawings = data ? JSON.parse(data.textContent) : [];
const figures = drawings.map(newFigure);

// drawAll draws whatever is not hidden, as for paper.
const drawAll = () => figures.forEach(draw);

addLegend(figures);
addChoice(figures);

// What is jumped to must not lie below the bar that stays at the top.
const bar = document.querySelector(".controls");
if (bar) new ResizeObserver(() => document.documentElement.style.setProperty("--bar", bar.offsetHeight + 12 + "px")).observe(bar);

const near = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const { figure } = entry.target;
    figure.near = entry.isIntersecting;
    if (figure.near) draw(figure);
  }
}, { rootMargin: "600px 0px" });

const resized = new ResizeObserver((entries) => {
  if (page.printing) return;
  for (const entry of entries) {
    const { chart, plot } = entry.target.figure;
    if (chart && (chart.getWidth() !== plot.clientWidth || chart.getHeight() !== plot.clientHeight)) redraw(entry.target.figure);
  }
});

for (const figure of figures) {
  figure.plot.figure = figure.node.figure = figure;
  near.observe(figure.node);
  resized.observe(figure.plot);
}

scheme.addEventListener("change", () => {
  page.dark = scheme.matches;
  figures.forEach(redraw);
});

// setPrinting draws all in black on white, and opens what paper cannot open; then it draws again what the reader sees.
function setPrinting(printing) {
  page.printing = printing;
  figures.forEach(redraw);
  if (printing) drawAll();
  const warnings = document.querySelector("details.warnings");
  if (warnings && printing) warnings.dataset.open = warnings.open;
  if (warnings) warnings.open = printing || warnings.dataset.open === "true";
}

addEventListener("beforeprint", () => setPrinting(true));
addEventListener("afterprint", () => setPrinting(false));
