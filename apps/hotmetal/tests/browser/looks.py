"""
Scripts that look at a page as it is drawn: what cannot be read, what has no name.

They do the part of an audit that a script can do: contrast of text to what is behind it after
WCAG 2 (4.5, or 3 for large text), and a name for everything that can be operated.
"""

from __future__ import annotations

from typing import Final

#: Texts whose contrast is too low, as `text: ratio`.
CONTRAST: Final = """
() => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const over = (color, under) => {
    pen.fillStyle = `rgb(${under.join(" ")})`;
    pen.fillRect(0, 0, 1, 1);
    pen.fillStyle = color;
    pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data.slice(0, 3)];
  };
  const ground = (node) => {
    const chain = [];
    for (let at = node; at; at = at.parentElement) chain.unshift(at);
    return chain.reduce((c, at) => over(getComputedStyle(at).backgroundColor, c), [255, 255, 255]);
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => {
      const c = v / 255;
      return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const bad = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const said = texts.currentNode.textContent.trim();
    const node = texts.currentNode.parentElement;
    if (!said || node.closest("script, noscript, option, .unseen, .skip, datalist")) continue;
    if (!node.checkVisibility()) continue;
    const style = getComputedStyle(node);
    const under = ground(node);
    const [a, b] = [light(over(style.color, under)), light(under)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) bad.push(`${said.slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return bad;
}
"""

#: What can be operated and has no name.
UNLABELLED: Final = """
() => {
  const named = (node) => {
    if (node.getAttribute("aria-label")?.trim()) return true;
    const by = node.getAttribute("aria-labelledby");
    if (by && by.split(" ").every((id) => document.getElementById(id))) return true;
    if (node.labels?.length) return true;
    return !node.matches("input, select, textarea") && node.textContent.trim() !== "";
  };
  const controls = "a[href], button, input, select, textarea, [tabindex='0'], dialog";
  return [...document.querySelectorAll(controls)]
    .filter((node) => node.checkVisibility() && !named(node))
    .map((node) => node.outerHTML.slice(0, 120));
}
"""
