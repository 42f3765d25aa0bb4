// Markdown as nodes, of what a model or a person wrote.
//
// The result is built from text nodes: there is no way from a draft to markup of its own. HTML in
// the text is shown as the text that it is; links lead only to http, https and mail; an image of
// another host is a link to it, for this page loads nothing from elsewhere.

import { h, link, safeAddress } from "./dom.js";

const FENCE = /^\s{0,3}(```+|~~~+)\s*([\w-]*)\s*$/;
const HEADING = /^\s{0,3}(#{1,6})\s+(.*?)\s*#*\s*$/;
const RULE = /^\s{0,3}([-*_])(\s*\1){2,}\s*$/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;
const QUOTE = /^\s{0,3}>\s?(.*)$/;
const TABLE_RULE = /^\s*\|?\s*:?-{2,}:?\s*(\|\s*:?-{2,}:?\s*)*\|?\s*$/;
const DEPTH_MAX = 6;

/** The text as a fragment; headings begin at `top`, so that they fit under the page's own. */
export function markdown(text, { top = 2 } = {}) {
  const lines = String(text ?? "").replace(/\r\n?/g, "\n").split("\n");
  const fragment = document.createDocumentFragment();
  fragment.append(...blocks(lines, { top, depth: 0 }));
  return fragment;
}

function blocks(lines, how) {
  const made = [];
  let at = 0;
  while (at < lines.length) {
    if (lines[at].trim() === "") {
      at += 1;
      continue;
    }
    const read =
      fenced(lines, at) ??
      heading(lines, at, how) ??
      rule(lines, at) ??
      quote(lines, at, how) ??
      list(lines, at, how) ??
      table(lines, at) ??
      paragraph(lines, at);
    made.push(read.node);
    at = read.next;
  }
  return made;
}

function fenced(lines, at) {
  const open = FENCE.exec(lines[at]);
  if (!open) return null;
  let end = at + 1;
  while (end < lines.length && !lines[end].trim().startsWith(open[1])) end += 1;
  const code = lines.slice(at + 1, end).join("\n");
  return { node: h("pre", { tabindex: 0 }, h("code", {}, code)), next: end + 1 };
}

function heading(lines, at, { top }) {
  const found = HEADING.exec(lines[at]);
  if (!found) return null;
  const level = Math.min(found[1].length - 1 + top, 6);
  return { node: h(`h${level}`, {}, inline(found[2])), next: at + 1 };
}

function rule(lines, at) {
  return RULE.test(lines[at]) ? { node: h("hr"), next: at + 1 } : null;
}

function quote(lines, at, how) {
  if (!QUOTE.test(lines[at])) return null;
  const inner = [];
  let next = at;
  while (next < lines.length && QUOTE.test(lines[next])) {
    inner.push(QUOTE.exec(lines[next])[1]);
    next += 1;
  }
  return { node: h("blockquote", {}, within(inner, how)), next };
}

function within(lines, how) {
  // Nested deeper than anybody writes: shown as it stands.
  if (how.depth >= DEPTH_MAX) return h("p", {}, lines.join("\n"));
  return blocks(lines, { ...how, depth: how.depth + 1 });
}

function list(lines, at, how) {
  const first = ITEM.exec(lines[at]);
  if (!first) return null;
  const indent = first[1].length;
  const ordered = /\d/.test(first[2]);
  const items = [];
  let next = at;
  while (next < lines.length) {
    const item = ITEM.exec(lines[next]);
    const sameKind = item && /\d/.test(item[2]) === ordered;
    if (item && sameKind && item[1].length <= indent + 1) {
      items.push([item[3]]);
    } else if (lines[next].trim() === "") {
      // A blank line belongs to the list while something of the list follows it.
      const after = lines[next + 1] ?? "";
      if (!ITEM.test(after) && !/^\s{2,}\S/.test(after)) break;
      items.at(-1).push("");
    } else if (/^\s/.test(lines[next])) {
      items.at(-1).push(lines[next].replace(/^\s{1,4}/, ""));
    } else if (!item && !startsBlock(lines[next])) {
      items.at(-1).push(lines[next]);
    } else {
      break;
    }
    next += 1;
  }
  const start = ordered ? Number.parseInt(first[2], 10) : 1;
  const node = h(
    ordered ? "ol" : "ul",
    { start: ordered && start !== 1 ? start : null },
    items.map((item) => h("li", {}, itemContent(item, how))),
  );
  return { node, next };
}

function itemContent(lines, how) {
  while (lines.at(-1) === "") lines.pop();
  if (lines.length === 1) return inline(lines[0]);
  const made = within(lines, how);
  // A tight item is its text, not a paragraph with its margins.
  if (Array.isArray(made) && made[0]?.tagName === "P" && !lines.includes("")) {
    return [...made[0].childNodes, ...made.slice(1)];
  }
  return made;
}

function table(lines, at) {
  if (!lines[at].includes("|") || !TABLE_RULE.test(lines[at + 1] ?? "")) return null;
  const head = cells(lines[at]);
  const rows = [];
  let next = at + 2;
  while (next < lines.length && lines[next].includes("|") && lines[next].trim() !== "") {
    rows.push(cells(lines[next]));
    next += 1;
  }
  const row = (kind, texts) => h("tr", {}, head.map((_, i) => h(kind, {}, inline(texts[i] ?? ""))));
  const node = h(
    "div",
    { class: "wide", tabindex: 0, role: "group", "aria-label": "Table" },
    h("table", {}, h("thead", {}, row("th", head)), h("tbody", {}, rows.map((r) => row("td", r)))),
  );
  return { node, next };
}

function cells(line) {
  return line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());
}

function startsBlock(line) {
  return (
    FENCE.test(line) || HEADING.test(line) || RULE.test(line) || QUOTE.test(line) || ITEM.test(line)
  );
}

function paragraph(lines, at) {
  const taken = [lines[at]];
  let next = at + 1;
  while (next < lines.length && lines[next].trim() !== "" && !startsBlock(lines[next])) {
    taken.push(lines[next]);
    next += 1;
  }
  const parts = taken.flatMap((line, i) => {
    const broken = / {2,}$|\\$/.test(line) && i < taken.length - 1;
    const said = inline(line.trim().replace(/\\$/, ""));
    return broken ? [said, h("br")] : [said, i < taken.length - 1 ? "\n" : null];
  });
  return { node: h("p", {}, parts), next };
}

// Each alternative runs to a fixed end and none repeats a group: reading stays linear.
const SPAN =
  /\\([\\`*_{}[\]()#+.!|>~-])|(`+)([^`]+)\2|!\[([^\]\n]{0,300})\]\(([^()\s]{1,2000})[^)\n]{0,300}\)|\[([^\]\n]{1,600})\]\(([^()\s]{1,2000})[^)\n]{0,300}\)|\*\*([^*\n]{1,2000})\*\*|__([^_\n]{1,2000})__|\*([^*\s][^*\n]{0,2000})\*|(?<![\w])_([^_\s][^_\n]{0,2000})_(?![\w])|~~([^~\n]{1,2000})~~|<(https?:[^\s<>]{1,2000})>|(https?:\/\/[^\s<>()"']{1,2000}[^\s<>()"'.,;:!?])/g;

function inline(text, depth = 0) {
  if (depth > DEPTH_MAX) return [text];
  const made = [];
  let last = 0;
  for (const found of text.matchAll(SPAN)) {
    if (found.index > last) made.push(text.slice(last, found.index));
    made.push(span(found, depth + 1));
    last = found.index + found[0].length;
  }
  if (last < text.length) made.push(text.slice(last));
  return made;
}

function span(found, depth) {
  const [whole, escaped, , code, alt, image, label, address] = found;
  const [strong, strong2, emphasis, emphasis2, struck, bracketed, bare] = found.slice(8);
  if (escaped) return escaped;
  if (code) return h("code", {}, code);
  if (image) return picture(image, alt);
  if (label) return link(address, {}, inline(label, depth));
  if (strong ?? strong2) return h("strong", {}, inline(strong ?? strong2, depth));
  if (emphasis ?? emphasis2) return h("em", {}, inline(emphasis ?? emphasis2, depth));
  if (struck) return h("s", {}, inline(struck, depth));
  if (bracketed ?? bare) return link(bracketed ?? bare, {}, bracketed ?? bare);
  return whole;
}

function picture(address, alt) {
  const safe = safeAddress(address);
  if (safe?.startsWith("/api/images/")) return h("img", { src: safe, alt: alt ?? "" });
  return link(address, {}, `Image: ${alt || address}`);
}
