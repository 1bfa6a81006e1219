// Draws the comparison's charts with Observable Plot: both shops over each other, the real one as a full line and dots,
// the simulated one dashed and as rings.
(() => {
  "use strict";
  const { data, style, thousands } = charts;
  const sides = [
    { side: "real", colour: "var(--main)", dash: undefined },
    { side: "simulated", colour: "var(--second)", dash: "5 3" },
  ];
  const plain = d3.format("~g");
  const percent = (value) => `${plain(+(100 * value).toPrecision(3))}%`;
  const short = (value) => (Math.abs(value) >= 1000 ? d3.format("~s")(value) : plain(+value.toPrecision(3)));
  const units = {
    count: ["", short], share: ["", percent], reais: ["R$", short], km: ["km", short], g: ["grams", short],
    litres: ["litres", short], hours: ["hours", short], days: ["days", short], stars: ["stars", short], letters: ["letters", short],
  };
  const common = (element, height) => ({ width: element.clientWidth, height, marginTop: 22, marginBottom: 34, marginLeft: 44, marginRight: 12, style });

  function rows(chart, x) {
    return sides.map(({ side }) => chart.x.map((bin, at) => ({ x: x(bin), bin, value: chart[side][at] })));
  }

  // Lines over days, hours of the week, or whatever has an order.
  function lines(element, chart) {
    const [unit, format] = units[chart.unit];
    const time = chart.form === "time";
    const points = rows(chart, time ? (bin) => new Date(bin) : (bin) => bin);
    const few = chart.x.length <= 30;
    const weekdays = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    const axis = time ? Plot.axisX({ ticks: 4, tickFormat: "%b %y", label: null })
      : chart.form === "week" ? Plot.axisX(d3.range(7).map((day) => day * 24 + 12), { tickFormat: (hour) => weekdays[(hour - 12) / 24], tickSize: 0, label: null })
        : Plot.axisX({ ticks: Math.min(8, chart.x.length), tickFormat: plain, label: chart.label, labelAnchor: "center", labelArrow: "none" });
    element.replaceChildren(Plot.plot({
      ...common(element, 190),
      x: { type: time ? "utc" : "linear" },
      y: { label: null, grid: true, ticks: 4, tickFormat: format, zero: chart.unit !== "stars", nice: true },
      marks: [
        chart.unit === "stars" ? null : Plot.ruleY([0], { stroke: "var(--soft)" }),
        axis,
        caption(chart.unit === "share" ? `share of ${element.dataset.of}` : unit),
        ...sides.flatMap(({ colour, dash }, side) => [
          Plot.lineY(points[side], { x: "x", y: "value", stroke: colour, strokeWidth: few ? 2.2 : 1.4, strokeDasharray: few ? dash : undefined, strokeOpacity: few ? 1 : 0.85 }),
          few ? Plot.dot(points[side], { x: "x", y: "value", r: 2.6, fill: side ? "var(--paper)" : colour, stroke: colour, strokeWidth: 1.4 }) : null,
        ]),
      ],
    }));
  }

  // Two distributions over each other.
  function density(element, chart) {
    const [unit, format] = units[chart.unit];
    const points = rows(chart, (bin) => bin);
    if (!chart.x.length) {
      element.textContent = "Too few cases to draw.";
      return;
    }
    element.replaceChildren(Plot.plot({
      ...common(element, 190),
      x: { type: chart.scale },
      y: { label: null, grid: true, ticks: 3, tickFormat: percent, nice: true },
      marks: [
        Plot.ruleY([0], { stroke: "var(--soft)" }),
        Plot.axisX({ ticks: chart.scale === "log" ? 4 : 5, tickFormat: format, label: unit || null, labelAnchor: "center", labelArrow: "none" }),
        caption(`share of ${element.dataset.of}`),
        Plot.areaY(points[0], { x: "x", y: "value", fill: sides[0].colour, fillOpacity: 0.14, curve: "step" }),
        ...sides.map(({ colour, dash }, side) => Plot.lineY(points[side], { x: "x", y: "value", stroke: colour, strokeWidth: 1.9, strokeDasharray: dash, curve: "step" })),
      ],
    }));
  }

  // Dots of both shops in one row for each name.
  function names(element, chart, options) {
    const spread = chart.x.map((bin, at) => ({ bin, real: chart.real[at], simulated: chart.simulated[at] }));
    const known = spread.filter((row) => row.real !== null && row.simulated !== null);
    const width = element.clientWidth;
    const longest = d3.max(chart.x, (bin) => bin.length) ?? 1;
    element.replaceChildren(Plot.plot({
      ...common(element, 40 + 16 * chart.x.length), marginTop: 8, marginLeft: Math.min(longest * 6.2 + 12, width * 0.55),
      x: { grid: true, ticks: width < 300 ? 3 : 4, tickFormat: options.format, label: options.label, labelAnchor: "center", labelArrow: "none", zero: true, nice: true, domain: options.domain },
      y: { type: "band", domain: chart.x, label: null, tickSize: 0 },
      marks: [
        Plot.ruleX([0], { stroke: "var(--soft)" }),
        Plot.ruleY(known, { y: "bin", x1: "real", x2: "simulated", stroke: "var(--soft)", strokeWidth: 1.4 }),
        ...sides.map(({ side, colour }, place) => Plot.dot(spread.filter((row) => row[side] !== null), { y: "bin", x: side, r: 4, fill: place ? "var(--paper)" : colour, fillOpacity: place ? 0.3 : 1, stroke: colour, strokeWidth: 1.8 })),
      ],
    }));
  }

  // What the heights are, above the axis.
  function caption(text) {
    return Plot.text([text], { frameAnchor: "top-left", dx: -40, dy: -18, fill: "var(--soft)", fontSize: 11 });
  }

  function draw(element) {
    const chart = data[element.dataset.chart];
    if (!chart || !element.clientWidth) return;
    const [unit, format] = units[chart.unit] ?? [];
    if (chart.form === "density") density(element, chart);
    else if (chart.form === "names") names(element, chart, { format, label: chart.unit === "share" ? `share of ${element.dataset.of}` : unit });
    else if (chart.form === "relations") names(element, chart, { format: (value) => d3.format("+.1f")(value).replace("+0.0", "0"), label: "correlation", domain: [Math.min(-0.3, d3.min([...chart.real, ...chart.simulated])), 1] });
    else lines(element, chart);
  }

  charts.draw(() => document.querySelectorAll("[data-chart]").forEach(draw));
})();
