// What is wrong with how the page stands on the screen, as sentences. Run inside the page by test_every_page.py.
async () => {
  // What a ResizeObserver changes stands after the next frame.
  for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
  const faults = [];
  const root = document.documentElement;
  const told = (element) => `<${element.tagName.toLowerCase()} class="${element.getAttribute("class") ?? ""}"> ${(element.textContent ?? "").trim().replace(/\s+/g, " ").slice(0, 40)}`;
  const fault = (text, element) => faults.push(element ? `${text}: ${told(element)}` : text);
  const style = (element) => getComputedStyle(element);

  if (root.scrollWidth !== root.clientWidth) {
    const wide = [...document.body.querySelectorAll("*")].filter((each) => each.getBoundingClientRect().right > root.clientWidth + 1);
    fault(`the page is ${root.scrollWidth} px wide on a screen of ${root.clientWidth}`, wide.at(-1));
  }

  // What of the element its scrollers and clipped ancestors let be seen; null when that is nothing.
  const visible = (box, element) => {
    if (!element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) return null;
    let [left, top, right, bottom] = [box.left, box.top, box.right, box.bottom];
    for (let each = element; each && each !== document.body; each = each.parentElement) {
      const look = style(each);
      if (look.clipPath === "inset(50%)" || look.clip === "rect(0px, 0px, 0px, 0px)") return null;
      if (look.overflowX === "visible" && look.overflowY === "visible") continue;
      const clip = each.getBoundingClientRect();
      [left, top, right, bottom] = [Math.max(left, clip.left), Math.max(top, clip.top), Math.min(right, clip.right), Math.min(bottom, clip.bottom)];
    }
    return right - left < 2 || bottom - top < 2 ? null : { left, top, right, bottom };
  };

  // A table may scroll in its box, but its cards don't; and a choice says all that it says.
  for (const box of innerWidth < 768 ? document.querySelectorAll(".wide:has(> .rows)") : []) {
    if (box.scrollWidth > box.clientWidth) fault("the cards are wider than the screen", box);
  }
  const pen = document.createElement("canvas").getContext("2d");
  for (const select of document.querySelectorAll(".sort select")) {
    const look = style(select);
    pen.font = look.font;
    const room = select.clientWidth - parseFloat(look.paddingLeft) - parseFloat(look.paddingRight);
    if (visible(select.getBoundingClientRect(), select) && Math.max(...[...select.options].map((each) => pen.measureText(each.text).width)) > room) fault("a choice is cut off", select);
  }

  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (!node.data.trim() || ["SCRIPT", "STYLE", "OPTION", "TEXTAREA"].includes(parent.tagName)) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) {
      const seen = visible(box, parent);
      if (!seen) continue;
      const panel = parent.closest(".panel, .pop, .bar");
      if (panel && seen.right > panel.getBoundingClientRect().right + 1) fault("text stands out of its panel", parent);
      const target = parent.closest("a, button, summary, .state, .tag");
      if (target && style(target).display !== "inline" && seen.right > target.getBoundingClientRect().right + 1) fault("text stands out of its target", parent);
      const [x, y] = [(seen.left + seen.right) / 2, (seen.top + seen.bottom) / 2];
      if (x < 0 || y < 0 || x >= innerWidth || y >= innerHeight) continue;
      const top = document.elementFromPoint(x, y);
      // A popover may lie over the page, and the open menu over all of it.
      if (top && !top.contains(parent) && !parent.contains(top) && !top.closest(".pop, .side") && !top.closest("label, summary, a, button")?.contains(parent)) {
        fault(`text is covered by ${told(top)}`, parent);
      }
    }
    const lines = new Set([...range.getClientRects()].map((each) => Math.round(each.top))).size;
    if (lines > 2 && node.data.trim().length / lines < 3 && visible(parent.getBoundingClientRect(), parent)) fault("text is squeezed", parent);
    const cell = parent.closest("td, th");
    if (cell && innerWidth >= 768) {
      for (const word of node.data.matchAll(/[ァ-ヶー]{2,12}|[A-Za-z0-9][A-Za-z0-9.,]{1,11}/g)) {
        if (/[A-Za-z0-9_/.,-]/.test(node.data[word.index + word[0].length] ?? "") || /[A-Za-z0-9_/.,-]/.test(node.data[word.index - 1] ?? "")) continue;
        range.setStart(node, word.index);
        range.setEnd(node, word.index + word[0].length);
        const lines = new Set([...range.getClientRects()].map((each) => Math.round(each.top)));
        if (lines.size > 1) fault(`the word ${word[0]} is broken`, cell);
      }
    }
  }

  for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
    const seen = visible(field.getBoundingClientRect(), field);
    if (!seen || seen.bottom > innerHeight || seen.right > innerWidth) continue;
    for (const x of [seen.left + 4, (seen.left + seen.right) / 2, seen.right - 4]) {
      const top = document.elementFromPoint(x, (seen.top + seen.bottom) / 2);
      if (top && top !== field && !top.contains(field) && !top.closest(".pop, .side, label")) fault(`a field is covered by ${told(top)}`, field);
    }
  }

  for (const element of document.querySelectorAll("a[href], button, summary, input:not([type=hidden]), select, textarea")) {
    const target = element.matches("[type=checkbox], [type=radio]") ? element.closest("label") ?? element : element;
    const box = target.getBoundingClientRect();
    if (!visible(box, target) || element.classList.contains("skip")) continue;
    const inSentence = element.tagName === "A" && style(element).display === "inline" && element.closest("p, li, dd, .notice") && element.parentElement.textContent.trim() !== element.textContent.trim();
    if ((box.width < 23.9 || box.height < 23.9) && !inSentence) fault(`the target is ${Math.round(box.width)} × ${Math.round(box.height)} px`, element);
  }

  for (const each of document.querySelectorAll("main *, .bar *")) {
    const look = style(each);
    if (each.closest(".visually-hidden, .rows thead, .cards thead, canvas, svg") || each.tagName === "INPUT" || each.tagName === "SELECT") continue;
    if (["hidden", "clip"].includes(look.overflowX) && look.textOverflow !== "ellipsis" && each.scrollWidth > each.clientWidth + 1) fault("text is cut off", each);
  }
  return [...new Set(faults)];
};
