// The checklist under a new password: each condition is ticked while it holds. Without this file it is a plain list.
"use strict";

for (const list of document.querySelectorAll("[data-checks]")) {
  const field = document.getElementById(list.dataset.checks);
  const checks = [...list.children].map((item) => [item, new RegExp(`^(?:${item.dataset.pattern})$`, "s")]);
  const show = () => {
    for (const [item, pattern] of checks) {
      item.classList.toggle("holds", field.value !== "" && pattern.test(field.value));
      item.classList.toggle("fails", field.value !== "" && !pattern.test(field.value));
    }
  };
  field.addEventListener("input", show);
  show();
}
