// The page: finds the view for an address, shows it, and keeps it when the server goes away.

import { drawing, fill, h } from "./dom.js";
import { failure, hush, loading, refreshTimes, say } from "./parts.js";
import { get, isSignedIn, news, signOut } from "./server.js";
import { activityView } from "./views/activity.js";
import { connectionsView } from "./views/connections.js";
import { ideasView } from "./views/ideas.js";
import { newPublicationView, publicationView } from "./views/publication.js";
import { publicationsView } from "./views/publications.js";
import { sessionView } from "./views/session.js";
import { sessionsView } from "./views/sessions.js";
import { signInView } from "./views/sign_in.js";

const VIEWS = [
  [/^$/, publicationsView, "publications"],
  [/^publications\/new$/, newPublicationView, "publications"],
  [/^publications\/([^/]+)(?:\/(topics|settings))?$/, publicationView, "publications"],
  [/^ideas$/, ideasView, "ideas"],
  [/^sessions$/, sessionsView, "sessions"],
  [/^sessions\/([^/]+)(?:\/(chat|publish|images|drafts)(?:\/(\d+))?)?$/, sessionView, "sessions"],
  [/^activity$/, activityView, "activity"],
  [/^connections$/, connectionsView, "connections"],
];

const NAV = [
  ["publications", "#/", "Publications"],
  ["ideas", "#/ideas", "Ideas"],
  ["sessions", "#/sessions", "Sessions"],
  ["activity", "#/activity", "Activity"],
];

// A view that is not there after this long shows its bones; before, the last view stays.
const PATIENCE_MS = 200;
const TIMES_MS = 30_000;

const main = h("main", { id: "main", tabindex: -1 });
const banner = h("div", { class: "banner", role: "alert", hidden: true });
const nav = h("nav", { class: "places", "aria-label": "Main" });
const scrolls = new Map();

let leave = new AbortController();
let shown = null;
let signedOut = false;

function addressNow() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  return { path: path.replace(/\/$/, ""), query: new URLSearchParams(query) };
}

function viewFor(path) {
  for (const [pattern, view, place] of VIEWS) {
    const found = pattern.exec(path);
    if (found) return { view, place, parts: found.slice(1).map((p) => p && decodeURIComponent(p)) };
  }
  return { view: absentView, place: "", parts: [] };
}

async function absentView() {
  const error = Object.assign(new Error("This address leads nowhere"), { status: 404 });
  return { title: "Not found", node: failure(error) };
}

/** Show the view of the address; `moved` when a person went there, and the focus goes with them. */
async function show({ moved }) {
  const { path, query } = addressNow();
  const { view, place, parts } = viewFor(path);
  leave.abort();
  leave = new AbortController();
  const { signal } = leave;
  const again = () => show({ moved: false });
  paintNav(place);
  const impatient = setTimeout(() => fill(main, loading()), shown === null ? 0 : PATIENCE_MS);
  try {
    const made = await view({ parts, query, signal, again });
    if (signal.aborted) return;
    settle(made, { moved, impatient, hash: location.hash });
  } catch (error) {
    if (signal.aborted || error.status === 401) return;
    settle({ title: "Error", node: failure(error, again), failed: true }, { moved, impatient });
  } finally {
    clearTimeout(impatient);
  }
}

function settle(made, { moved, hash }) {
  shown = made;
  document.title = made.title ? `${made.title} · HotMetal` : "HotMetal";
  fill(main, made.node);
  made.shown?.();
  if (!moved) return;
  main.querySelector("h1")?.focus({ preventScroll: true });
  window.scrollTo(0, scrolls.get(hash) ?? 0);
}

function paintNav(place) {
  fill(
    nav,
    NAV.map(([name, href, text]) =>
      h(
        "a",
        { href, "data-key": name, "aria-current": name === place ? "page" : null },
        text,
        name === "ideas" ? h("span", { class: "count", id: "new-ideas", hidden: true }) : null,
      ),
    ),
  );
  countNewIdeas();
}

async function countNewIdeas() {
  try {
    const { count } = await get("/api/ideas/new-count");
    const node = document.getElementById("new-ideas");
    if (!node) return;
    node.hidden = !count;
    fill(node, String(count), h("span", { class: "unseen" }, " new"));
  } catch {
    // The view says what is wrong; a number beside a word need not.
  }
}

function shell() {
  const skip = h("button", { class: "skip", type: "button", onclick: () => main.focus() });
  skip.textContent = "Skip to the content";
  return [
    skip,
    h(
      "header",
      { class: "masthead" },
      h("a", { class: "brand", href: "#/" }, mark(), "HotMetal"),
      nav,
      h(
        "div",
        { class: "aside" },
        h("a", { href: "#/connections" }, "Connections"),
        h("button", { type: "button", class: "plain", onclick: goAway }, "Sign out"),
      ),
    ),
    h("div", { class: "column" }, banner, main),
  ];
}

function mark() {
  return drawing("M3 3h18v18H3zM7.5 7v10M16.5 7v10M7.5 12h9");
}

async function goAway() {
  await signOut();
  askForKey("You are signed out.");
}

function askForKey(words) {
  leave.abort();
  signedOut = true;
  document.title = "Sign in · HotMetal";
  fill(document.getElementById("app"), signInView({ words, onSignedIn: begin }));
  document.getElementById("field-key").focus();
}

async function start() {
  const { signedIn } = await isSignedIn().catch(() => ({ signedIn: true }));
  if (signedIn) begin();
  else askForKey();
}

function begin() {
  signedOut = false;
  shown = null;
  banner.hidden = true;
  fill(document.getElementById("app"), shell());
  show({ moved: false });
}

/** Whether somebody is in the middle of filling in a form, which a fresh view would empty. */
function isFilling() {
  return main.querySelector("form[data-touched]") !== null;
}

news.addEventListener("lost", ({ detail }) => {
  fill(banner, h("span", { class: "spinner", "aria-hidden": "true" }), h("p", {}, detail), " ",
    h("p", { class: "soft" }, "Trying again until it is back. Nothing that you typed is lost."));
  banner.hidden = false;
});

news.addEventListener("back", () => {
  banner.hidden = true;
  fill(banner);
  if (signedOut) return;
  say("The writer is back.");
  if (shown?.back) shown.back();
  else if (!isFilling()) show({ moved: false });
});

news.addEventListener("stranger", () => {
  if (!signedOut) askForKey();
});

addEventListener("hashchange", ({ oldURL }) => {
  scrolls.set(new URL(oldURL).hash, window.scrollY);
  hush();
  if (!signedOut) show({ moved: true });
});

addEventListener("ideas-changed", countNewIdeas);
addEventListener("input", ({ target }) => {
  target.closest?.("form[data-keep]")?.setAttribute("data-touched", "");
});
setInterval(refreshTimes, TIMES_MS);
start();
