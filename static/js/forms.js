// Forms: no second click while sending; what was written outlives the session, in this tab; a password that becomes due
// is marked. Everything works without this file.
"use strict";

// Sending: the buttons rest until the answer comes, at most so many milliseconds (somebody may have stopped it), or until
// the page is shown again from the browser's memory.
const LONGEST = 10000;
for (const form of document.querySelectorAll("form[method=post]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sending) return event.preventDefault();
    form.dataset.sending = "1";
    // After this event: a disabled button would not be sent along.
    setTimeout(() => rest(form, true));
    setTimeout(() => wake(form), LONGEST);
  });
}
addEventListener("pageshow", () => document.querySelectorAll("form[data-sending]").forEach(wake));

function rest(form, resting) {
  form.setAttribute("aria-busy", resting);
  for (const button of form.querySelectorAll("button")) button.disabled = resting;
}

function wake(form) {
  delete form.dataset.sending;
  rest(form, false);
}

// Keeping: the changed fields of a form marked data-keep="<the person's id>" stay in the tab until they were stored, the
// person signs out, or somebody else opens the form. Passwords and hidden fields are never kept.
const KEPT = "kept:";
const SENT = "kept-sent";
const kept = document.querySelector("form[data-keep]");

const keepable = (form) =>
  [...form.elements].filter((field) => field.name && !["hidden", "password", "submit", "file"].includes(field.type));
const changed = (field) =>
  field.type === "checkbox" ? field.checked !== field.defaultChecked
  : field.options ? [...field.options].some((option) => option.selected !== option.defaultSelected)
  : field.value !== (field.dataset.was ?? field.defaultValue);
const valueOf = (field) => (field.type === "checkbox" ? field.checked : field.value);

function forget() {
  for (const name of Object.keys(sessionStorage)) if (name.startsWith("kept")) sessionStorage.removeItem(name);
}

for (const form of document.querySelectorAll("form[action$='/logout/']")) form.addEventListener("submit", forget);

// The page after a form that was stored says so; any other (sign-in, an error) leaves what was written where it is.
if (document.querySelector(".notice.success")) sessionStorage.removeItem(sessionStorage.getItem(SENT));
sessionStorage.removeItem(SENT);

if (kept) {
  const place = KEPT + location.pathname + location.search;
  const refused = kept.querySelector("[aria-invalid=true]") || document.querySelector("[data-focus]");
  const before = JSON.parse(sessionStorage.getItem(place) || "null");
  // A refused form comes back as it was typed: what had changed before counts on.
  const earlier = refused && before?.whose === kept.dataset.keep ? before.fields : {};
  const write = () => {
    const now = Object.fromEntries(keepable(kept).filter(changed).map((field) => [field.name, valueOf(field)]));
    const fields = { ...earlier, ...now };
    if (Object.keys(fields).length) sessionStorage.setItem(place, JSON.stringify({ whose: kept.dataset.keep, fields }));
    else sessionStorage.removeItem(place);
  };
  if (before && before.whose !== kept.dataset.keep) forget();
  else if (before && !refused) {
    for (const field of keepable(kept)) {
      if (!(field.name in before.fields)) continue;
      if (field.type === "checkbox") field.checked = before.fields[field.name];
      else field.value = before.fields[field.name];
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
    const notice = document.querySelector("[data-kept-notice]");
    notice.hidden = false;
    notice.querySelector("button").addEventListener("click", () => {
      kept.reset();
      sessionStorage.removeItem(place);
      notice.hidden = true;
    });
  }
  kept.addEventListener("input", write);
  kept.addEventListener("submit", () => {
    write();
    sessionStorage.setItem(SENT, place);
  });
}

// A field marked data-due-with="a b" is required as soon as one of these fields of its form differs from what it was.
for (const field of document.querySelectorAll("[data-due-with]")) {
  const causes = field.dataset.dueWith.split(" ").map((name) => field.form.elements[name]);
  const mark = document.createElement("span");
  mark.className = "required";
  mark.textContent = "*";
  mark.ariaHidden = "true";
  field.labels[0].append(" ", mark);
  const show = () => {
    field.required = causes.some(changed);
    mark.hidden = !field.required;
  };
  field.form.addEventListener("input", show);
  field.form.addEventListener("reset", () => setTimeout(show));
  show();
}
