// The pieces that every view is made of.

import { drawing, fill, h, link } from "./dom.js";
import { relative, sentence, whole } from "./words.js";

/** A time, said from now; the whole date is its title. It is said anew as time passes. */
export function when(seconds, before = "") {
  if (!seconds) return null;
  return h(
    "time",
    {
      datetime: new Date(seconds * 1000).toISOString(),
      title: whole(seconds),
      "data-at": seconds,
      "data-before": before,
    },
    before + relative(seconds),
  );
}

/** Say all times anew. */
export function refreshTimes() {
  for (const node of document.querySelectorAll("time[data-at]")) {
    node.textContent = node.dataset.before + relative(Number(node.dataset.at));
  }
}

/** A state in a word: `new`, `promoted`, `failed`. */
export function chip(word, kind = word) {
  return h("span", { class: `chip chip-${String(kind).replace(/[^a-z-]/g, "")}` }, word);
}

/** What stands where there is nothing yet. */
export function empty(title, words, ...actions) {
  return h(
    "div",
    { class: "empty" },
    h("p", { class: "empty-title" }, title),
    words ? h("p", {}, words) : null,
    actions.length > 0 ? h("div", { class: "row" }, actions) : null,
  );
}

/** What stands where something is on its way. */
export function loading(words = "Loading…") {
  return h(
    "div",
    { class: "loading", role: "status" },
    h("span", { class: "unseen" }, words),
    h("div", { class: "bone bone-title", "aria-hidden": "true" }),
    h("div", { class: "bone", "aria-hidden": "true" }),
    h("div", { class: "bone", "aria-hidden": "true" }),
  );
}

/** What stands where something failed; `again` is offered as a button. */
export function failure(error, again) {
  const absent = error?.status === 404;
  return h(
    "div",
    { class: "failure", role: "alert" },
    h("p", { class: "empty-title" }, absent ? "There is nothing here" : "That did not work"),
    h("p", {}, sentence(error?.message)),
    again ? h("div", { class: "row" }, button("Try again", { onclick: again })) : null,
  );
}

/** A small failure beside what was tried. */
export function note(error) {
  return h("p", { class: "note note-bad", role: "alert" }, sentence(error?.message ?? error));
}

/** A button. */
export function button(label, given = {}) {
  return h("button", { type: "button", class: "button", ...given }, label);
}

/**
 * A button that does one thing at a time: while `act` is under way it says `meanwhile` and takes
 * no click; a failure is shown in `place`.
 */
export function actor(label, { act, meanwhile = label, place, ...given }) {
  const node = button(label, {
    ...given,
    onclick: () => runOnce(node, { act, meanwhile, place }),
  });
  return node;
}

/** Do what a button or a form does, once at a time; answers whether it went well. */
export async function runOnce(node, { act, meanwhile, place }) {
  if (node.getAttribute("aria-disabled") === "true") return false;
  const before = [...node.childNodes];
  node.setAttribute("aria-disabled", "true");
  node.replaceChildren(meanwhile);
  if (place) fill(place);
  try {
    await act();
    return true;
  } catch (error) {
    if (error.name !== "AbortError" && place) fill(place, note(error));
    return false;
  } finally {
    node.setAttribute("aria-disabled", "false");
    node.replaceChildren(...before);
  }
}

/** A labelled field: `control` gets an id, its hint and its error are said with it. */
export function field(label, control, { hint, optional = false, id = control.name } = {}) {
  control.id = `field-${id}`;
  const hintNode = hint ? h("p", { class: "hint", id: `hint-${id}` }, hint) : null;
  if (hintNode) control.setAttribute("aria-describedby", hintNode.id);
  return h(
    "div",
    { class: "field" },
    h("label", { for: control.id }, label, optional ? h("span", { class: "soft" }, " optional") : null),
    control,
    hintNode,
  );
}

/** Choices of which one is taken, as real radio buttons. */
export function choices(legend, { name, options, chosen, onchange }) {
  return h(
    "fieldset",
    { class: "choices" },
    h("legend", {}, legend),
    options.map(({ value, label, hint }) =>
      h(
        "label",
        { class: "choice" },
        h("input", { type: "radio", name, value, checked: value === chosen, onchange }),
        h("span", {}, h("strong", {}, label), hint ? h("span", { class: "soft" }, ` ${hint}`) : null),
      ),
    ),
  );
}

/** Links of which one is where we are. */
export function tabs(label, entries) {
  return h(
    "nav",
    { class: "tabs", "aria-label": label },
    entries.map(({ href, text, count, here }) =>
      h(
        "a",
        { href, "aria-current": here ? "page" : null, "data-key": `tab ${href}` },
        text,
        count === undefined ? null : h("span", { class: "count" }, String(count)),
      ),
    ),
  );
}

/** The head of a view: what it is, what is said below it, and what can be done. */
export function heading(title, { back, below, actions } = {}) {
  return h(
    "header",
    { class: "heading" },
    back ? h("a", { class: "back", href: back.href }, drawing("M15 5l-7 7 7 7"), back.text) : null,
    h(
      "div",
      { class: "heading-row" },
      h("h1", { tabindex: -1 }, title),
      actions ? h("div", { class: "row" }, actions) : null,
    ),
    below ? h("div", { class: "below" }, below) : null,
  );
}

/** Links to the sources of an idea or a draft. */
export function sources(list) {
  const known = (list ?? []).filter((source) => source?.url);
  if (known.length === 0) return null;
  return h(
    "ul",
    { class: "sources", "aria-label": "Sources" },
    known.map((source) => h("li", {}, link(source.url, {}, source.title || source.url))),
  );
}

const SAID_MS = 5_000;
const UNDO_MS = 8_000;
const FRESH_MS = 1_000;

let statusTimer;
let saidAt = 0;

/** Say what was done, to eye and ear; `undo` is offered for as long as it is said. */
export function say(words, undo) {
  const node = document.getElementById("status");
  clearTimeout(statusTimer);
  saidAt = performance.now();
  const back = undo
    ? button("Undo", {
        class: "button button-quiet",
        onclick: () => {
          fill(node);
          undo();
        },
      })
    : null;
  fill(node, h("p", {}, words), back);
  statusTimer = setTimeout(() => fill(node), undo ? UNDO_MS : SAID_MS);
}

/** Somebody has moved on: what was said before that is said no more. */
export function hush() {
  if (performance.now() - saidAt > FRESH_MS) fill(document.getElementById("status"));
}

/** Ask before what cannot be taken back; answers whether it is wanted. */
export function confirmed(question, { words, yes }) {
  return new Promise((resolve) => {
    const dialog = h(
      "dialog",
      { "aria-labelledby": "dialog-title" },
      h("h2", { id: "dialog-title" }, question),
      h("p", {}, words),
      h(
        "form",
        { method: "dialog", class: "row row-end" },
        h("button", { class: "button", value: "no", autofocus: true }, "Keep it"),
        h("button", { class: "button button-bad", value: "yes" }, yes),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
