// The charts of 費用分析; the tables beside them say the same, and without this file they stand alone.
"use strict";

const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const data = (id) => JSON.parse(document.getElementById(id)?.textContent ?? "null");
const yen = (value) => value.toLocaleString("ja-JP");
const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;

function hatched(colour) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const pen = tile.getContext("2d");
  pen.strokeStyle = colour;
  pen.lineWidth = 2;
  for (const from of [-4, 0, 4, 8]) {
    pen.moveTo(from, 8);
    pen.lineTo(from + 8, 0);
  }
  pen.stroke();
  return pen.createPattern(tile, "repeat");
}

function bars(canvas, chart) {
  const sum = (place, count) => chart.series.reduce((total, each) => total + count(each.values[place]), 0);
  const totals = chart.labels.map((_, place) => sum(place, (value) => value));
  const tops = chart.labels.map((_, place) => sum(place, (value) => Math.max(0, value))); // a discount hangs below zero
  const writeTotals = {
    id: "totals",
    afterDatasetsDraw({ ctx, scales }) {
      ctx.save();
      ctx.fillStyle = token("ink");
      ctx.font = `12px ${getComputedStyle(document.body).fontFamily}`;
      const widest = Math.max(...totals.map((total) => ctx.measureText(yen(total)).width));
      if (widest + 8 > scales.x.width / totals.length) return ctx.restore();
      ctx.textAlign = "center";
      totals.forEach((total, place) => {
        if (total) ctx.fillText(yen(total), scales.x.getPixelForValue(place), scales.y.getPixelForValue(tops[place]) - 6);
      });
      ctx.restore();
    },
  };
  new Chart(canvas, {
    type: "bar",
    data: {
      labels: chart.labels,
      datasets: chart.series.map((each) => {
        const colour = token(each.colour);
        return {
          label: each.label,
          data: each.values,
          backgroundColor: chart.provisional.map((provisional) => (provisional ? hatched(colour) : colour)),
          borderColor: token("surface"),
          borderWidth: 0.75,
          maxBarThickness: 56,
        };
      }),
    },
    options: {
      animation: calm ? false : { duration: 200 },
      maintainAspectRatio: false,
      layout: { padding: { top: 20 } },
      interaction: { mode: "index", intersect: false },
      plugins: {
        legend: { display: false },
        tooltip: { callbacks: { label: (item) => `${item.dataset.label}  ${yen(item.raw)}` } },
      },
      scales: {
        x: { stacked: true, grid: { display: false }, ticks: { color: token("ink-2") } },
        y: { stacked: true, grid: { color: token("line") }, border: { display: false }, ticks: { color: token("ink-2"), callback: yen } },
      },
    },
    plugins: [writeTotals],
  });
}

function pie(canvas, chart) {
  const family = getComputedStyle(document.body).fontFamily;
  const writeShares = {
    id: "shares",
    afterDraw(drawn) {
      const { ctx } = drawn;
      ctx.save();
      ctx.textAlign = "center";
      ctx.textBaseline = "middle";
      const { x: middle, y: centre, innerRadius } = drawn.getDatasetMeta(0).data[0];
      ctx.fillStyle = token("ink");
      ctx.font = `700 13px ${family}`;
      if (ctx.measureText(chart.total).width < 1.8 * innerRadius) ctx.fillText(chart.total, middle, centre);
      ctx.fillStyle = token("surface");
      ctx.font = `700 12px ${family}`;
      drawn.getDatasetMeta(0).data.forEach((part, place) => {
        const text = `${chart.shares[place]}%`;
        const radius = (part.innerRadius + part.outerRadius) / 2;
        const room = 2 * radius * Math.sin(Math.min(part.circumference, Math.PI) / 2);
        const width = ctx.measureText(text).width + 8;
        if (room < Math.max(width, 20) || part.outerRadius - part.innerRadius < width) return; // it would cross a border
        const { x, y } = part.tooltipPosition();
        ctx.fillText(text, x, y);
      });
      ctx.restore();
    },
  };
  new Chart(canvas, {
    type: "doughnut",
    data: {
      labels: chart.labels,
      datasets: [{ data: chart.values, backgroundColor: chart.colours.map(token), borderColor: token("surface"), borderWidth: 1.5 }],
    },
    options: {
      animation: calm ? false : { duration: 200 },
      maintainAspectRatio: false,
      cutout: "50%",
      plugins: { legend: { display: false }, tooltip: { callbacks: { label: (item) => `${item.label}  ${yen(item.raw)}` } } },
    },
    plugins: [writeShares],
  });
}

Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
for (const box of document.querySelectorAll("[data-chart]")) box.hidden = false;
const chart = data("chart-data");
if (chart) bars(document.getElementById("chart"), chart);
(data("pie-data") ?? []).forEach((each, place) => {
  const canvas = document.getElementById(`pie-${place}`);
  if (canvas) pie(canvas, each); // a month of nothing but credits has only its table
});
