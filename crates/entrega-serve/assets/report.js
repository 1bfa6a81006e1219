// Draws the report's charts with Observable Plot.
(() => {
  "use strict";
  const { data, style, thousands } = charts;
  const day = 86400000;
  const first = Date.parse(data.first);
  const last = Date.parse(data.last);
  const date = (index) => new Date(first + index * day);
  const colours = ["var(--main)", "var(--second)"];
  const units = {
    count: thousands,
    reais: (value) => `R$ ${thousands(value)}`,
    share: d3.format(".1%"),
    days: (value) => `${d3.format(".1f")(value)} d`,
    score: d3.format(".2f"),
  };
  const ticks = { count: thousands, reais: thousands, share: d3.format(".0%"), days: d3.format(".0f"), score: d3.format(".1f") };
  const dayName = d3.utcFormat("%a %-d %b");

  function spark(element) {
    if (!element.clientWidth) return;
    const { days, low, high, tone } = data.sparks[element.dataset.spark];
    const points = days.map((value, index) => ({ index, value }));
    const seen = points.filter((point) => point.value !== null);
    if (seen.length < 2) return;
    const now = points.length - 1;
    const values = seen.map((point) => point.value).concat(low === null ? [] : [low, high]);
    const [bottom, top] = d3.extent(values);
    const room = (top - bottom || 1) * 0.08;
    const accent = tone === "worse" ? "var(--worse)" : tone === "better" ? "var(--better)" : "var(--ink)";
    element.replaceChildren(Plot.plot({
      width: element.clientWidth, height: 40, margin: 3, marginRight: 5, axis: null, style,
      x: { domain: [0, now] }, y: { domain: [bottom - room, top + room] },
      marks: [
        low === null ? null : Plot.rect([0], { x1: 0, x2: now, y1: low, y2: high, fill: "var(--band)" }),
        Plot.lineY(seen, { x: "index", y: "value", stroke: "var(--soft)", strokeWidth: 1.3 }),
        Plot.dot(seen.filter((point) => point.index === now), { x: "index", y: "value", r: 3.2, fill: accent }),
      ],
    }));
  }

  function trend(element) {
    const chart = data.charts.find((one) => one.id === element.dataset.chart);
    const unit = chart.lines[0].unit;
    const dots = chart.lines.flatMap((line, index) => line.day.map((value, at) => ({
      x: date(at), value, index,
      title: `${dayName(date(at))}: ${line.label.toLowerCase()} ${value === null ? "–" : units[line.unit](value)}${line.n[at] ? ` of ${thousands(line.n[at])} ${line.base}` : ""}`,
    }))).filter((point) => point.value !== null);
    const weeks = chart.lines.map((line) => line.week.map((value, at) => ({ x: date(at), value })));
    const ends = chart.lines.length < 2 ? [] : chart.lines.map((line, index) => ({
      x: new Date(last), index, label: line.label, value: line.week[line.week.length - 1],
    })).filter((end) => end.value !== null);
    if (dots.length < 2) {
      element.textContent = "Too few days to draw yet.";
      return;
    }
    const zero = unit !== "score";
    const top = d3.quantile(dots.map((point) => point.value), 0.99) ?? 1;
    const upper = d3.max(ends, (end) => end.value);
    const peak = Math.max(top, d3.max(weeks.flat(), (point) => point.value) ?? 0);
    element.replaceChildren(Plot.plot({
      width: element.clientWidth, height: 190, marginLeft: 40, marginRight: 12, marginTop: 14, marginBottom: 24, style,
      x: { type: "utc", domain: [new Date(first), new Date(last)], label: null },
      y: { label: null, grid: true, ticks: 4, tickFormat: ticks[unit], zero, nice: true, clamp: true,
        domain: zero ? [0, peak] : undefined },
      marks: [
        zero ? Plot.ruleY([0], { stroke: "var(--soft)" }) : null,
        Plot.axisX({ ticks: element.clientWidth < 320 ? 3 : 4, tickFormat: "%-d %b", tickSize: 4 }),
        Plot.dot(dots, { x: "x", y: "value", r: 1.6, fill: (point) => colours[point.index], fillOpacity: 0.4 }),
        ...weeks.map((week, index) => Plot.lineY(week, { x: "x", y: "value", stroke: colours[index], strokeWidth: 2.4,
          strokeDasharray: index ? "6 3" : undefined })),
        ...ends.map((end) => Plot.text([end], { x: "x", y: "value", text: "label", textAnchor: "end", fontWeight: 600,
          dy: end.value < upper && upper - end.value < peak / 4 ? 13 : -11,
          fill: colours[end.index], stroke: "var(--paper)", strokeWidth: 4 })),
        Plot.tip(dots, Plot.pointer({ x: "x", y: "value", title: "title", fill: "var(--panel)", stroke: "var(--line)" })),
      ],
    }));
  }

  function tiles(element) {
    const mean = data.rate || 0.01;
    const steps = [0.5, 1, 1.5, 2.5].map((factor) => factor * mean);
    const heat = d3.scaleThreshold(steps, [0, 1, 2, 3, 4].map((step) => `var(--heat${step})`));
    const few = 30;
    const rows = data.tiles.map((tile) => ({ ...tile, rate: tile.delivered ? tile.late / tile.delivered : null }));
    const fill = (tile) => (tile.delivered < few ? "var(--none)" : heat(tile.rate));
    const strong = (tile) => tile.delivered >= few && tile.rate >= steps[2];
    const ink = (tile) => (strong(tile) ? "var(--heat-ink-strong)" : "var(--heat-ink)");
    const at = { x: "column", y: "row" };
    const width = Math.min(element.clientWidth, 380);
    element.replaceChildren(Plot.plot({
      width, height: width * 1.43, margin: 1, style, axis: null, padding: 0.05,
      x: { type: "band", domain: d3.range(6) }, y: { type: "band", domain: d3.range(9) },
      marks: [
        Plot.cell(rows, { ...at, fill, rx: 4, stroke: "var(--line)", title: (tile) => tile.delivered
          ? `${tile.name}: ${thousands(tile.late)} late of ${thousands(tile.delivered)} deliveries (${units.share(tile.rate)}), ${tile.above > 0 ? "+" : ""}${tile.above} against the average`
          : `${tile.name}: no deliveries` }),
        Plot.text(rows, { ...at, text: "code", dy: -14, fontWeight: 700, fontSize: 11.5, fill: ink }),
        Plot.text(rows, { ...at, text: (tile) => (tile.rate === null ? "–" : units.share(tile.rate)), fontSize: 12.5, fill: ink }),
        Plot.text(rows, { ...at, text: (tile) => `n ${thousands(tile.delivered)}`, dy: 14, fontSize: 9.5, fill: ink }),
        legend(heat, steps),
      ],
    }));
  }

  // The key to the tile map, in its empty lower right corner.
  function legend(heat, steps) {
    const share = d3.format(".0%");
    const labels = [`under ${share(steps[0])}`, ...steps.slice(1).map((step, index) => `${share(steps[index])} – ${share(step)}`),
      `over ${share(steps[3])}`, "fewer than 30"];
    const fills = [0, 1, 2, 3, 4].map((step) => `var(--heat${step})`).concat("var(--none)");
    return (index, scales, values, { width, height }) => {
      const key = d3.create("svg:g").attr("transform", `translate(${width * 0.55},${height * 0.69})`);
      fills.forEach((fill, row) => {
        key.append("rect").attr("y", row * 18).attr("width", 14).attr("height", 13).attr("rx", 2).attr("fill", fill).attr("stroke", "var(--line)");
        key.append("text").attr("x", 21).attr("y", row * 18 + 10.5).attr("fill", "currentColor").attr("text-anchor", "start").text(labels[row]);
      });
      return key.node();
    };
  }

  charts.draw(() => {
    document.querySelectorAll("[data-spark]").forEach(spark);
    document.querySelectorAll("[data-chart]").forEach(trend);
    document.querySelectorAll("[data-tiles]").forEach(tiles);
  });
})();
