// Names for readers of the screen where Django's admin leaves a field without one: its column's head, or its row's label;
// the key to the search box; a text that isn't sent yet; and pages that wait for a worker.
"use strict";

const text = (element) => element?.textContent.trim().replace(/[:：]$/, "");

function columnHead(field) {
  const cell = field.closest("td");
  const table = cell?.closest("table");
  return cell && text(table.tHead?.rows[0]?.cells[cell.cellIndex]);
}

function nameFields(root) {
  for (const field of root.querySelectorAll("input:not([type=hidden]), select, textarea")) {
    if (field.labels?.length || field.getAttribute("aria-label") || field.getAttribute("aria-labelledby")) continue;
    const name = columnHead(field) || text(field.closest(".form-row")?.querySelector("label, legend"));
    if (name) field.setAttribute("aria-label", name);
  }
  for (const box of root.querySelectorAll(".select2-selection, .select2-selection__rendered")) {
    const field = box.closest(".select2-container").previousElementSibling;
    const name = text(field?.labels?.[0]) || field?.getAttribute("aria-label");
    if (!name) continue;
    box.setAttribute("aria-label", name);
    box.removeAttribute("aria-labelledby");
  }
}

// 「/」 leads to the search box, but from where one types.
document.addEventListener("keydown", (event) => {
  const box = document.querySelector(".find input");
  const typing = event.target.closest?.("input, textarea, select, [contenteditable], .select2-container");
  if (!box || typing || event.key !== "/" || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  box.focus();
  box.select();
});

// A text that was begun isn't lost unasked when a link or another form of the page leads away: the browser asks.
let sent = null;
document.addEventListener("submit", (event) => {
  sent = event.target;
});
addEventListener("beforeunload", (event) => {
  const texts = [...document.querySelectorAll("#content textarea")];
  if (texts.some((field) => field.form !== sent && field.value !== field.defaultValue)) event.preventDefault();
});

// What waits for a worker looks again by itself, as long as somebody looks at it; without scripts the page's head does it.
const waiting = document.querySelector("[data-look-again]");
if (waiting) setInterval(() => document.hidden || location.reload(), waiting.dataset.lookAgain * 1000);

// Alt+S (where the browser has it so) is 「保存」.
document.querySelector(".submit-row [name=_save]")?.setAttribute("accesskey", "s");

// Where there are fields to complete, their boxes are made when jQuery is ready: behind them in its queue.
const ready = window.django?.jQuery ?? ((run) => run());
ready(() => nameFields(document));
document.addEventListener("formset:added", (event) => setTimeout(() => nameFields(event.target)));
