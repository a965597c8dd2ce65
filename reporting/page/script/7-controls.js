// The legend and the choice of the level act on all figures at once.

function addLegend(figures) {
  const entries = [...document.querySelectorAll(".legend button")];
  const drawn = () => figures.filter((figure) => figure.chart && !figure.node.hidden);
  const show = (entry, shown) => {
    entry.setAttribute("aria-pressed", String(shown));
    page.hidden[shown ? "delete" : "add"](keyOf(entry.dataset.series, entry.dataset.name));
  };
  const changed = () => {
    for (const figure of figures) {
      redraw(figure);
      figure.fill();
    }
  };
  for (const entry of entries) {
    const { series, name } = entry.dataset;
    const light = (type) => {
      for (const figure of drawn()) {
        if (figure.drawing.names[series] === name) figure.chart.dispatchAction({ type, seriesName: "series-" + series });
      }
    };
    entry.addEventListener("click", () => {
      show(entry, entry.getAttribute("aria-pressed") !== "true");
      changed();
    });
    for (const on of ["mouseenter", "focus"]) entry.addEventListener(on, () => light("highlight"));
    for (const off of ["mouseleave", "blur"]) entry.addEventListener(off, () => light("downplay"));
  }
  const all = document.querySelector(".controls .all");
  if (!all || entries.length < 3) return;
  all.hidden = false;
  for (const tool of all.children) {
    tool.addEventListener("click", () => {
      entries.filter((entry) => !entry.disabled).forEach((entry) => show(entry, tool.dataset.all === "true"));
      changed();
    });
  }
}

function addChoice(figures) {
  const chosen = document.querySelector(".choices input:checked");
  if (chosen) chosen.closest(".choices").scrollLeft = chosen.parentNode.offsetLeft; // of a phone
  for (const input of document.querySelectorAll(".choices input")) {
    input.addEventListener("change", () => {
      for (const node of document.querySelectorAll("figure[data-choice]")) node.hidden = node.dataset.choice !== input.value;
      figures.filter((figure) => figure.near).forEach(draw);
    });
  }
}
