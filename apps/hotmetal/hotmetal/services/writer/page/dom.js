// How the page is built: elements from data, never markup from text.
//
// Whatever comes from a feed, a model or a person becomes a text node or an attribute of ours.
// Nothing here parses HTML; the page's policy (trusted types) forbids it to everybody else too.

const OUTSIDE = /^(https?:|mailto:)/i;
const INSIDE = /^(#|\/(?!\/))/;
const SVG = "http://www.w3.org/2000/svg";

/** The address if a link may lead there; otherwise null, so that `javascript:` leads nowhere. */
export function safeAddress(address) {
  const said = String(address ?? "").trim();
  return OUTSIDE.test(said) || INSIDE.test(said) ? said : null;
}

/** Whether an address leads out of this page. */
export function leadsOut(address) {
  return /^https?:/i.test(address) && new URL(address).origin !== location.origin;
}

function setAttribute(node, name, value) {
  if (name === "href" || name === "src") {
    const address = safeAddress(value);
    if (address !== null) node.setAttribute(name, address);
  } else {
    node.setAttribute(name, value === true ? "" : String(value));
  }
}

/**
 * An element. `on…` are listeners, `class` is the class, a value of false, null or undefined
 * leaves the attribute out. Children are nodes, text, lists of them, or nothing.
 */
export function h(tag, given, ...children) {
  const node = document.createElement(tag);
  const { value, checked, ...attributes } = given ?? {};
  for (const [name, is] of Object.entries(attributes)) {
    if (is === undefined || is === null || is === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), is);
    else setAttribute(node, name, is);
  }
  append(node, children);
  // After the children: a select takes its value only once its options are there.
  if (value !== undefined && value !== null) node.value = value;
  if (checked !== undefined) node.checked = Boolean(checked);
  return node;
}

function append(node, children) {
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    node.append(child instanceof Node ? child : String(child));
  }
}

/** A link; one that leads out opens a new tab, tells nobody where from, and says so. */
export function link(address, given, ...children) {
  const safe = safeAddress(address);
  if (safe === null) return h("span", {}, ...children);
  if (!leadsOut(safe)) return h("a", { href: safe, ...given }, ...children);
  return h(
    "a",
    { href: safe, target: "_blank", rel: "noopener noreferrer nofollow", ...given },
    ...children,
    h("span", { class: "unseen" }, " (opens a new tab)"),
  );
}

/** A small drawing of one path, 24 wide, that says nothing to who cannot see it. */
export function drawing(path) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [name, value] of [
    ["viewBox", "0 0 24 24"],
    ["aria-hidden", "true"],
    ["class", "drawing"],
  ]) {
    svg.setAttribute(name, value);
  }
  const line = document.createElementNS(SVG, "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

/** Replace what a node holds; what had the focus (by its `data-key`) has it again. */
export function fill(node, ...children) {
  const held = node.contains(document.activeElement)
    ? document.activeElement.closest("[data-key]")?.dataset.key
    : undefined;
  const fresh = document.createDocumentFragment();
  append(fresh, children);
  node.replaceChildren(fresh);
  if (held) {
    node.querySelector(`[data-key="${CSS.escape(held)}"]`)?.focus({ preventScroll: true });
  }
  return node;
}
