// Draws a drill: rates and latencies with the faults shaded, and a line of time for each client.
"use strict";

{
  const { series, faults, happenings } = JSON.parse(document.getElementById("data").textContent);
  const style = getComputedStyle(document.documentElement);
  const ink = style.getPropertyValue("--ink").trim();
  const faint = style.getPropertyValue("--faint").trim();
  const line = style.getPropertyValue("--line").trim();
  const COLOURS = ["#3b82c4", "#c8722c", "#4d9a51", "#9a5fb4", "#b5a12b", "#3aa6a0", "#c44f7a", "#7a7f87"];
  const FAULT = "rgba(200, 60, 40, 0.16)";
  const SYNC = "drill";

  // Context

  const axis = (more = {}) => ({ stroke: faint, grid: { stroke: line, width: 1 }, ticks: { stroke: line }, ...more });

  const seconds = axis({ values: (plot, ticks) => ticks.map((tick) => `${tick} s`) });

  function shadeFaults(plot) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.fillStyle = FAULT;
    for (const fault of faults) {
      const from = plot.valToPos(fault.at_s, "x", true);
      const until = plot.valToPos(fault.until_s, "x", true);
      ctx.fillRect(from, bbox.top, Math.max(2, until - from), bbox.height);
    }
    ctx.restore();
  }

  function drawMarks(plot) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.strokeStyle = faint;
    ctx.fillStyle = faint;
    ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
    happenings.forEach((mark, number) => {
      const x = plot.valToPos(mark.at_s, "x", true);
      if (x < bbox.left || x > bbox.left + bbox.width) return;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.fillText(mark.what, x + 3 * devicePixelRatio, bbox.top + (12 + 13 * (number % 3)) * devicePixelRatio);
    });
    ctx.restore();
  }

  function plot(id, title, height, columns, data, more = {}) {
    const place = document.getElementById(id);
    const { hooks = {}, ...rest } = more;
    const chart = new uPlot(
      {
        title,
        width: place.clientWidth,
        height,
        cursor: { sync: { key: SYNC } },
        series: [{ label: "time", value: (chart, at) => (at === null ? "–" : `${at.toFixed(2)} s`) }, ...columns],
        axes: [seconds, axis({ size: 64 })],
        scales: { x: { time: false } },
        hooks: { drawClear: [shadeFaults], draw: [drawMarks], ...hooks },
        ...rest,
      },
      data,
      place,
    );
    addEventListener("resize", () => chart.setSize({ width: place.clientWidth, height }));
    return chart;
  }

  const drawn = (label, colour, unit, more = {}) => ({
    label,
    stroke: colour,
    width: 1.5,
    value: (chart, value) => (value === null ? "–" : `${Number(value.toPrecision(4))} ${unit}`),
    ...more,
  });

  // Rates and latencies

  plot(
    "rate",
    "Posts a second",
    240,
    [
      drawn("asked for", COLOURS[1], "/s", { dash: [4, 3] }),
      drawn("acknowledged", COLOURS[0], "/s", { fill: "rgba(59, 130, 196, 0.15)" }),
    ],
    [series.at_s, series.attempted, series.acknowledged],
  );

  plot(
    "latency",
    "Milliseconds until acknowledged",
    240,
    [drawn("99 of 100", COLOURS[1], "ms"), drawn("median", COLOURS[0], "ms")],
    [series.at_s, series.p99_ms, series.p50_ms],
    { scales: { x: { time: false }, y: { distr: 3 } } },
  );

  // Clients

  const lanes = series.lanes;
  const nodes = [...new Set(lanes.flatMap((lane) => lane.connections.map(([, node]) => node)))].sort();
  const colourOf = (node) => COLOURS[nodes.indexOf(node) % COLOURS.length];
  const end = series.at_s.at(-1);
  const step = series.at_s.length > 1 ? series.at_s[1] : 1;

  for (const node of nodes) {
    const item = document.createElement("li");
    const swatch = document.createElement("span");
    swatch.style.background = colourOf(node);
    item.append(swatch, node);
    document.getElementById("nodes").append(item);
  }

  function drawLanes(plot) {
    const { ctx } = plot;
    const x = (at) => plot.valToPos(at, "x", true);
    const height = Math.abs(plot.valToPos(0, "y", true) - plot.valToPos(1, "y", true));
    ctx.save();
    lanes.forEach((lane, number) => {
      const middle = plot.valToPos(lanes.length - 1 - number, "y", true);
      lane.connections.forEach(([from, node], which) => {
        const until = which + 1 < lane.connections.length ? lane.connections[which + 1][0] : end;
        ctx.fillStyle = colourOf(node);
        ctx.globalAlpha = 0.25;
        ctx.fillRect(x(from), middle - height * 0.2, x(until) - x(from), height * 0.5);
      });
      lane.shown.forEach((count, at) => {
        if (count === 0) return;
        const here = lane.connections.filter(([from]) => from <= series.at_s[at] + step).at(-1);
        ctx.fillStyle = here === undefined ? faint : colourOf(here[1]);
        ctx.globalAlpha = Math.min(1, 0.4 + count / 20);
        ctx.fillRect(x(series.at_s[at]), middle - height * 0.2, x(step) - x(0) - 1, height * 0.5);
      });
      ctx.fillStyle = ink;
      ctx.globalAlpha = 0.9;
      lane.acknowledged.forEach((count, at) => {
        if (count > 0) ctx.fillRect(x(series.at_s[at]), middle - height * 0.4, x(step) - x(0) - 1, height * 0.12);
      });
    });
    ctx.restore();
    drawMarks(plot);
  }

  plot(
    "lanes",
    "Clients",
    Math.max(160, 80 + lanes.length * 18),
    [{ label: "client", show: true, stroke: "transparent", value: () => "", points: { show: false } }],
    [series.at_s, series.at_s.map(() => null)],
    {
      scales: { x: { time: false }, y: { range: [-0.7, Math.max(0.7, lanes.length - 0.3)] } },
      axes: [
        seconds,
        axis({
          size: 120,
          grid: { show: false },
          splits: () => lanes.map((lane, number) => number),
          values: (plot, splits) => splits.map((split) => lanes[lanes.length - 1 - split].client),
        }),
      ],
      legend: { show: false },
      hooks: { drawClear: [shadeFaults], draw: [drawLanes] },
    },
  );
}
