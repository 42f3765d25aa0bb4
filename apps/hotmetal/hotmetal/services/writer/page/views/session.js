// One session: the talk with the writer beside the draft, then its picture, then publishing it.

import { h } from "../dom.js";
import { chip, heading, tabs, when } from "../parts.js";
import { get } from "../server.js";
import { draftPane } from "./drafts.js";
import { picturesPanel } from "./pictures.js";
import { publishPanel } from "./publishing.js";
import { STATE_WORDS } from "./sessions.js";
import { talkPane } from "./talk.js";

/** `#/sessions/:id`, `…/drafts/:version`, `…/images`, `…/publish` */
export async function sessionView({ parts, signal, again }) {
  const [id, tab = "chat", version] = parts;
  const path = `/api/sessions/${encodeURIComponent(id)}`;
  const session = await get(path, { signal });
  const publication = await publicationOf(session, signal);
  const at = { session, path, publication, base: `#/sessions/${encodeURIComponent(id)}`, signal };
  const panel =
    tab === "images"
      ? await picturesPanel(at)
      : tab === "publish"
        ? await publishPanel({ ...at, again })
        : await desk(at, { tab, version: version && Number(version) });
  const title = session.title || "Untitled";
  return {
    title,
    back: panel.back,
    shown: panel.shown,
    node: h(
      "div",
      {},
      heading(title, {
        back: { href: "#/sessions", text: "Sessions" },
        below: facts(session, publication),
      }),
      sessionTabs(at.base, tab),
      panel.node,
    ),
  };
}

async function publicationOf({ publicationId }, signal) {
  if (!publicationId) return null;
  try {
    return await get(`/api/publications/${encodeURIComponent(publicationId)}`, { signal });
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

function facts(session, publication) {
  return h(
    "p",
    { class: "facts" },
    chip(STATE_WORDS[session.status] ?? session.status, session.status),
    publication
      ? h("a", { href: `#/publications/${encodeURIComponent(publication.id)}` }, publication.name)
      : h("span", {}, "No publication"),
    when(session.updatedAt, "changed "),
  );
}

/** Talk and draft are beside each other where it is wide, and two tabs where it is not. */
function sessionTabs(base, tab) {
  const writes = tab === "chat" || tab === "drafts";
  const bar = tabs("Session", [
    { href: base, text: "Write", here: writes },
    { href: base, text: "Talk", here: tab === "chat" },
    { href: `${base}/drafts`, text: "Draft", here: tab === "drafts" },
    { href: `${base}/images`, text: "Picture", here: tab === "images" },
    { href: `${base}/publish`, text: "Publish", here: tab === "publish" },
  ]);
  const [write, talk, draft] = bar.children;
  write.classList.add("only-wide");
  talk.classList.add("only-narrow");
  draft.classList.add("only-narrow");
  if (writes) {
    // Between the two nothing is loaded anew: an answer may be on its way.
    for (const [tabNode, pane] of [[talk, "chat"], [draft, "drafts"]]) {
      tabNode.addEventListener("click", (event) => {
        event.preventDefault();
        showPane(bar, pane, tabNode);
      });
    }
  }
  return bar;
}

function showPane(bar, pane, tabNode) {
  document.querySelector(".desk").dataset.pane = pane;
  history.replaceState(null, "", tabNode.getAttribute("href"));
  for (const node of bar.querySelectorAll(".only-narrow")) node.removeAttribute("aria-current");
  tabNode.setAttribute("aria-current", "page");
}

/** The session has the title of its newest draft. */
function titled(title) {
  if (!title) return;
  document.querySelector("main h1").textContent = title;
  document.title = `${title} · HotMetal`;
}

async function desk(at, { tab, version }) {
  const drafts = await draftPane(at, { version, titled });
  const talk = await talkPane(at, { drafted: drafts.newest });
  return {
    node: h("div", { class: "desk", "data-pane": tab }, talk.node, drafts.node),
    shown: talk.shown,
    back: () => {
      talk.back();
      drafts.newest();
    },
  };
}
