// What the page does when it is opened, printed, or seen in another scheme.

document.querySelectorAll("table.sortable").forEach(makeSortable);
document.querySelectorAll(".swatch").forEach((swatch) => { swatch.style.background = swatch.dataset.color; });
document.querySelectorAll("[popovertarget]").forEach(addHelp);

const figures = (drawings || []).map(newFigure);

// drawAll draws whatever is not hidden, as for paper.
const drawAll = () => figures.forEach(draw);

addLegend(figures);
addChoice(figures);

const near = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const figure = figures.find((f) => f.node === entry.target);
    figure.near = entry.isIntersecting;
    if (figure.near) draw(figure);
  }
}, { rootMargin: "600px 0px" });

const resized = new ResizeObserver((entries) => {
  for (const entry of entries) {
    const figure = figures.find((f) => f.plot === entry.target);
    if (!figure.chart || page.printing || figure.node.hidden) continue;
    if (figure.chart.getWidth() === figure.plot.clientWidth && figure.chart.getHeight() === figure.plot.clientHeight) continue;
    figure.chart.resize();
    redraw(figure);
  }
});

for (const figure of figures) {
  near.observe(figure.node);
  resized.observe(figure.plot);
}

scheme.addEventListener("change", () => {
  page.dark = scheme.matches;
  figures.forEach(redraw);
});

// Paper is white, and its width is known only while printing.
function print(printing) {
  page.printing = printing;
  for (const figure of figures) {
    figure.stale = true;
    if (figure.node.hidden) continue;
    if (printing) draw(figure);
    if (figure.chart) figure.chart.resize(printing ? { width: 640, height: 280 } : { width: "auto", height: "auto" });
    figure.stale = true;
  }
  const warnings = document.querySelector("details.warnings");
  if (warnings && printing) {
    warnings.dataset.open = warnings.open;
    warnings.open = true;
  } else if (warnings) {
    warnings.open = warnings.dataset.open === "true";
  }
  if (printing) drawAll();
  else figures.filter((figure) => figure.near).forEach(draw);
}

addEventListener("beforeprint", () => print(true));
addEventListener("afterprint", () => print(false));
