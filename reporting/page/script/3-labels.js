// labelPlacer returns an ECharts labelLayout callback that keeps the labels of a
// scatter clear of one another and of all dots: the first free of 16 places
// around the dot is taken, and a label that finds none is moved out of sight
// (its dot still has the tooltip). ECharts' own hideOverlap knows no dots.
function labelPlacer(chart, series) {
  const taken = new Map();
  const overlap = (a, b) => a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
  const around = (x, y, width, height) => ({ x: x - width / 2, y: y - height / 2, width, height });
  const pixel = (point) => chart.convertToPixel({ xAxisIndex: 0, yAxisIndex: 0 }, valueOf(point));
  let places, frame;

  // isInside keeps labels off the numbers of the axes.
  function isInside(box) {
    frame ??= chart.getModel().getComponent("grid").coordinateSystem.getRect();
    return box.x > frame.x && box.y > 0 && box.x + box.width < chart.getWidth() && box.y + box.height < frame.y + frame.height + 2;
  }

  function dots() {
    places ??= series.flatMap((s) => (s.type === "scatter" ? s.data : [])).map((point) => around(...pixel(point), 13, 13));
    return places;
  }

  return (params) => {
    const key = params.seriesIndex + "/" + params.dataIndex;
    taken.delete(key);
    const [x, y] = pixel(series[params.seriesIndex].data[params.dataIndex]);
    const obstacles = [...dots(), ...taken.values()];
    // The height that ECharts measures is below that of the digits.
    const width = params.labelRect.width, height = 11;
    for (const distance of [8, 16]) {
      for (const [dx, dy] of [[1, -1], [-1, -1], [0, -1], [1, 0], [-1, 0], [1, 1], [-1, 1], [0, 1]]) {
        const box = around(x + dx * (distance + width / 2), y + dy * (distance + height / 2 - 2), width, height);
        if (isInside(box) && !obstacles.some((o) => overlap(box, o))) {
          taken.set(key, box);
          return { x: box.x + width / 2, y: box.y + box.height / 2, align: "center", verticalAlign: "middle" };
        }
      }
    }
    return { x: -1000, y: -1000 };
  };
}
