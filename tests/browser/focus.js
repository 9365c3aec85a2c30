// What is wrong with the ring around what has the focus: a sentence, "" when it is well, null when nothing has it.
() => {
  const element = document.activeElement;
  if (!element || element === document.body) return null;
  if (!window.seenStops) window.seenStops = new Set();
  if (window.seenStops.has(element)) return null;
  window.seenStops.add(element);
  const numbers = (colour) => (colour.match(/[\d.]+/g) ?? []).map(Number);
  const luminance = (colour) => {
    const [red, green, blue] = numbers(colour).map((part) => (part / 255 <= 0.03928 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const behind = () => {
    for (let each = element.parentElement; each; each = each.parentElement) {
      const colour = getComputedStyle(each).backgroundColor;
      if ((numbers(colour)[3] ?? 1) > 0.5) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const what = `<${element.tagName.toLowerCase()} class="${element.getAttribute("class") ?? ""}"> ${(element.textContent ?? "").trim().replace(/\s+/g, " ").slice(0, 30)}`;
  const look = getComputedStyle(element);
  if (look.outlineStyle === "none" || parseFloat(look.outlineWidth) < 2) return `no ring of 2 px around ${what}`;
  const [light, dark] = [luminance(look.outlineColor), luminance(behind())].sort((one, other) => other - one);
  const ratio = (light + 0.05) / (dark + 0.05);
  return ratio < 3 ? `the ring has ${ratio.toFixed(1)}:1 around ${what}` : "";
};
