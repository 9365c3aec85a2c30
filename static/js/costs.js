// The charts of 費用分析 and ホーム; the tables beside them say the same.
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
  const totals = chart.labels.map((_, place) => chart.series.reduce((sum, each) => sum + each.values[place], 0));
  const writeTotals = {
    id: "totals",
    afterDatasetsDraw({ ctx, scales }) {
      if (scales.x.width / totals.length < 64) return;
      ctx.save();
      ctx.fillStyle = token("ink");
      ctx.font = `12px ${getComputedStyle(document.body).fontFamily}`;
      ctx.textAlign = "center";
      totals.forEach((total, place) => {
        if (total) ctx.fillText(yen(total), scales.x.getPixelForValue(place), scales.y.getPixelForValue(total) - 6);
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
  const writeShares = {
    id: "shares",
    afterDraw(drawn) {
      const { ctx } = drawn;
      ctx.save();
      ctx.fillStyle = token("surface");
      ctx.font = `700 12px ${getComputedStyle(document.body).fontFamily}`;
      ctx.textAlign = "center";
      ctx.textBaseline = "middle";
      drawn.getDatasetMeta(0).data.forEach((part, place) => {
        if (Number(chart.shares[place]) < 7) return;
        const { x, y } = part.tooltipPosition();
        ctx.fillText(`${chart.shares[place]}%`, x, y);
      });
      ctx.restore();
    },
  };
  new Chart(canvas, {
    type: "pie",
    data: {
      labels: chart.labels,
      datasets: [{ data: chart.values, backgroundColor: chart.colours.map(token), borderColor: token("surface"), borderWidth: 1.5 }],
    },
    options: {
      animation: calm ? false : { duration: 200 },
      maintainAspectRatio: false,
      plugins: { legend: { display: false }, tooltip: { callbacks: { label: (item) => `${item.label}  ${yen(item.raw)}` } } },
    },
    plugins: [writeShares],
  });
}

Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
const chart = data("chart-data");
if (chart) bars(document.getElementById("chart"), chart);
(data("pie-data") ?? []).forEach((each, place) => {
  const canvas = document.getElementById(`pie-${place}`);
  if (canvas) pie(canvas, each); // a month without invoices has a sentence in its place
});
