"use strict";
// Draws the charts of the page from the list "drawings". Whatever comes from
// the data (names, labels, units) is set as text content, never as HTML.

const scheme = matchMedia("(prefers-color-scheme: dark)");

function colours(dark) {
  return dark
    ? { ink: "#e6e9ed", soft: "#9aa4af", rule: "#30363d", grid: "#2a3036", card: "#181c21", rim: "#e6e9ed" }
    : { ink: "#1f2328", soft: "#59636e", rule: "#8b949e", grid: "#e6e9ec", card: "#ffffff", rim: "#222222" };
}

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

// labelPlacer returns an ECharts labelLayout callback that keeps the labels of a
// scatter clear of one another and of all dots: the first free of 16 places
// around the dot is taken, and a label that finds none is moved out of sight
// (its dot still has the tooltip). ECharts' own hideOverlap knows no dots.
function labelPlacer(chart, series, shown) {
  const taken = new Map();
  const overlap = (a, b) =>
    a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
  const around = (x, y, width, height) => ({ x: x - width / 2, y: y - height / 2, width, height });

  function dots() {
    return series.flatMap((s, i) => (s.type === "scatter" && shown(i) ? s.data || [] : [])).map((d) => {
      const [x, y] = chart.convertToPixel({ xAxisIndex: 0, yAxisIndex: 0 }, d.value);
      return around(x, y, 14, 14);
    });
  }

  function place(params) {
    const key = params.seriesIndex + "/" + params.dataIndex;
    taken.delete(key);
    const value = series[params.seriesIndex].data[params.dataIndex].value;
    const [x, y] = chart.convertToPixel({ xAxisIndex: 0, yAxisIndex: 0 }, value);
    const obstacles = [...dots(), ...taken.values()];
    // The height that ECharts measures is below that of the digits.
    const width = params.labelRect.width, height = 11;
    for (const distance of [8, 16]) {
      for (const [dx, dy] of [[1, -1], [-1, -1], [0, -1], [1, 0], [-1, 0], [1, 1], [-1, 1], [0, 1]]) {
        const box = around(x + dx * (distance + width / 2), y + dy * (distance + height / 2 - 2), width, height);
        const inside = box.x > 0 && box.y > 0 && box.x + width < chart.getWidth() && box.y + height < chart.getHeight();
        if (inside && !obstacles.some((o) => overlap(box, o))) {
          taken.set(key, box);
          return { x: box.x + width / 2, y: box.y + box.height / 2, align: "center", verticalAlign: "middle" };
        }
      }
    }
    return { x: -1000, y: -1000 };
  }
  return { place, reset: () => taken.clear() };
}

// drawBar draws [x, low, high] as a line with a cap at each end: it is an ECharts renderItem.
function drawBar(colour) {
  return (params, api) => {
    const x = api.coord([api.value(0), 0])[0];
    const [low, high] = [1, 2].map((i) => api.coord([api.value(0), api.value(i)])[1]);
    const line = (x1, y1, x2, y2) => ({ type: "line", shape: { x1, y1, x2, y2 }, style: { stroke: colour, lineWidth: 1.5 } });
    return { type: "group", children: [line(x, low, x, high), line(x - 6, low, x + 6, low), line(x - 6, high, x + 6, high)] };
  };
}

// A figure is one chart with its legend.
function draw(drawing) {
  const figure = document.getElementById(drawing.id);
  const plot = figure.querySelector(".plot");
  const buttons = [...figure.querySelectorAll(".legend button")];
  plot.replaceChildren();
  const chart = echarts.init(plot, null, { renderer: "svg" });
  chart.setOption(drawing.option);

  const indexOf = (param) => Number(param.seriesName.slice("series-".length));
  const nameOf = (param) => buttons[indexOf(param)].querySelector(".name").textContent;
  const markOf = (param) => buttons[indexOf(param)].querySelector("svg").cloneNode(true);

  function lineTip(params) {
    const table = element("table");
    const points = params.filter((p) => p.seriesType === "line");
    for (const p of points) {
      const name = element("td", "", markOf(p), nameOf(p));
      const bar = params.find((b) => b.seriesType === "custom" && b.seriesName === p.seriesName && b.value[0] === p.value[0]);
      const interval = bar ? ` [${formatted(bar.value[1])}, ${formatted(bar.value[2])}]` : "";
      table.append(element("tr", "", name, element("td", measured(p.value[1], drawing.yLabel) + interval)));
    }
    const head = unitOf(drawing.xLabel)[0] + " " + measured(points[0].value[0], drawing.xLabel);
    return [element("b", head), element("div", unitOf(drawing.yLabel)[0]), table];
  }

  function dotTip(p) {
    const rows = [[drawing.xLabel, p.value[0]], [drawing.yLabel, p.value[1]]].map(([label, value]) =>
      element("tr", "", element("td", unitOf(label)[0]), element("td", measured(value, label))));
    const head = element("b", "", markOf(p), nameOf(p) + (p.name ? " · " + p.name : ""));
    return [head, element("table", "", ...rows)];
  }

  function tip(params) {
    const node = element("div", "", ...(Array.isArray(params) ? lineTip(params) : dotTip(params)));
    node.className = "tip";
    return node;
  }

  const isShown = (i) => buttons[i].getAttribute("aria-pressed") === "true";
  const labels = labelPlacer(chart, drawing.option.series, isShown);

  // All labels look for their places anew.
  function relaid(change) {
    labels.reset();
    change();
  }

  function theme(dark) {
    const c = colours(dark);
    const axis = {
      nameTextStyle: { color: c.ink, fontSize: 13 },
      axisLabel: { color: c.ink, fontSize: 12 },
      axisLine: { show: true, lineStyle: { color: c.rule } },
      axisTick: { show: true, lineStyle: { color: c.rule } },
      splitLine: { show: true, lineStyle: { color: c.grid } },
    };
    chart.setOption({
      textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
      xAxis: [axis],
      yAxis: [axis],
      tooltip: {
        trigger: drawing.lines ? "axis" : "item",
        confine: true,
        backgroundColor: c.card,
        borderColor: c.rule,
        textStyle: { color: c.ink },
        axisPointer: { type: "line", snap: true, lineStyle: { color: c.soft } },
        formatter: tip,
      },
      series: drawing.option.series.map((s) => s.type === "custom" ? { renderItem: drawBar(s.itemStyle.color) } : ({
        ...(drawing.lines ? {} : s.type === "line" ? { silent: true, z: 1 } : { label: { color: c.ink }, labelLayout: labels.place }),
        itemStyle: { borderColor: drawing.lines ? c.card : c.rim },
      })),
    });
  }

  for (const button of buttons) {
    const name = "series-" + button.dataset.series;
    button.addEventListener("click", () => {
      const shown = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(shown));
      relaid(() => chart.dispatchAction({ type: shown ? "legendSelect" : "legendUnSelect", name }));
    });
    button.addEventListener("mouseenter", () => chart.dispatchAction({ type: "highlight", seriesName: name }));
    button.addEventListener("mouseleave", () => chart.dispatchAction({ type: "downplay", seriesName: name }));
  }

  theme(scheme.matches);
  scheme.addEventListener("change", () => relaid(() => theme(scheme.matches)));
  new ResizeObserver(() => relaid(() => chart.resize())).observe(plot);
  // Paper is white, and its width is known only while printing.
  addEventListener("beforeprint", () => relaid(() => { theme(false); chart.resize({ width: 640, height: 300 }); }));
  addEventListener("afterprint", () => relaid(() => { theme(scheme.matches); chart.resize(); }));
  figure.dataset.state = "drawn";
}

for (const drawing of drawings) {
  try {
    draw(drawing);
  } catch (error) {
    const figure = document.getElementById(drawing.id);
    figure.dataset.state = "failed";
    figure.querySelector(".plot").replaceChildren(element("p", "This chart cannot be drawn: " + error));
  }
}
