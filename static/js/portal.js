// Popovers: Esc closes, a click elsewhere closes, one is open at a time. Everything works without this file.
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

document.querySelector("[data-focus]")?.focus();
