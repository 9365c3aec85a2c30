// Popovers: Esc closes, a click elsewhere closes, one is open at a time. Tables: their heads stay in sight where nothing
// scrolls sideways. Everything works without this file.
"use strict";

const popovers = () => document.querySelectorAll("details.menu[open]");

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const open of popovers()) {
    open.open = false;
    open.querySelector("summary").focus();
  }
  document.querySelector(".user")?.classList.add("closed");
});

document.addEventListener("click", (event) => {
  for (const open of popovers()) if (!open.contains(event.target)) open.open = false;
});

const user = document.querySelector(".user");
for (const name of ["mouseenter", "focusin"]) user?.addEventListener(name, () => user.classList.remove("closed"));

// A box that scrolls would hold the sticky head down by the bar's height, over its first rows; and only a box that
// scrolls has to take the focus.
const measured = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const box = target.closest(".wide");
    const fits = box.scrollWidth <= box.clientWidth;
    box.classList.toggle("sticks", fits);
    if (fits) box.removeAttribute("tabindex");
    else box.tabIndex = 0;
  }
});
for (const table of document.querySelectorAll(".wide > table")) {
  measured.observe(table);
  measured.observe(table.parentElement);
}

document.querySelector("[data-focus]")?.focus();
