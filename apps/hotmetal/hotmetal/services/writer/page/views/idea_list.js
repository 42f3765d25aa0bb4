// Ideas as cards, with what can be decided about each.

import { fill, h } from "../dom.js";
import { decide } from "../decisions.js";
import { actor, note, say, sources, when } from "../parts.js";
import { send } from "../server.js";

/** A list of ideas; `changed(idea)` is told of each that has another status now. */
export function ideaList(ideas, { topics = new Map(), publications, changed }) {
  return h(
    "ul",
    { class: "ideas" },
    ideas.map((idea) => ideaCard(idea, { topics, publications, changed })),
  );
}

function ideaCard(idea, { topics, publications, changed }) {
  const place = h("div", {});
  return h(
    "li",
    { class: `idea idea-${idea.status}`, "data-idea": idea.id },
    h("h3", {}, idea.title),
    idea.angle ? h("p", { class: "angle" }, idea.angle) : null,
    h("p", {}, idea.summary),
    h(
      "p",
      { class: "facts" },
      publications
        ? h(
            "a",
            { href: `#/publications/${encodeURIComponent(idea.publicationId)}` },
            publications.get(idea.publicationId) ?? "Publication",
          )
        : null,
      topics.has(idea.topicId) ? h("span", {}, topics.get(idea.topicId)) : null,
      relevance(idea.relevanceScore),
      when(idea.createdAt, "found "),
    ),
    sources(idea.sources),
    h("div", { class: "row" }, ideaActions(idea, { place, changed })),
    place,
  );
}

function relevance(score) {
  if (score === null || score === undefined) return null;
  const percent = Math.round(score * 100);
  return h("span", { title: "How relevant the scout found it" }, `${percent} % relevant`);
}

function ideaActions(idea, { place, changed }) {
  const key = (what) => `${what} ${idea.id}`;
  if (idea.status === "promoted") {
    return idea.sessionId ? openSession(idea.sessionId) : null;
  }
  const move = (status) => () => moveIdea(idea, status, changed);
  if (idea.status === "dismissed") {
    return actor("Bring it back", {
      act: move("new"), place, "data-key": key("back"), "aria-label": `Bring back: ${idea.title}`,
    });
  }
  return [
    actor("Write it", {
      class: "button button-main",
      meanwhile: "Opening a session…",
      act: () => promote(idea, { place, changed }),
      place,
      "data-key": key("promote"),
      "aria-label": `Write it: ${idea.title}`,
    }),
    idea.status === "new"
      ? actor("Keep for later", {
          act: move("reviewed"), place, "data-key": key("keep"),
          "aria-label": `Keep for later: ${idea.title}`,
        })
      : null,
    actor("Dismiss", {
      class: "button button-quiet", act: move("dismissed"), place, "data-key": key("dismiss"),
      "aria-label": `Dismiss: ${idea.title}`,
    }),
  ];
}

function openSession(id) {
  return h("a", { class: "button", href: sessionAddress(id) }, "Open the session");
}

function sessionAddress(id) {
  return `#/sessions/${encodeURIComponent(id)}`;
}

async function moveIdea(idea, status, changed) {
  const before = idea.status;
  const path = `/api/ideas/${encodeURIComponent(idea.id)}`;
  const now = await send("PATCH", path, { status });
  dispatchEvent(new Event("ideas-changed"));
  changed(now);
  const words = { dismissed: "Dismissed", reviewed: "Kept for later", new: "Brought back" }[status];
  say(`${words}: “${idea.title}”.`, async () => {
    changed(await send("PATCH", path, { status: before }));
    dispatchEvent(new Event("ideas-changed"));
  });
}

async function promote(idea, { place, changed }) {
  const path = `/api/ideas/${encodeURIComponent(idea.id)}/promote`;
  try {
    const session = await decide(`promote:${idea.id}`, null, (key) =>
      send("POST", path, {}, { key }),
    );
    location.hash = sessionAddress(session.id);
  } catch (error) {
    if (error.status !== 409 || !error.body.sessionId) throw error;
    changed({ ...idea, status: "promoted", sessionId: error.body.sessionId });
    fill(place, note("Somebody has already begun to write it"), openSession(error.body.sessionId));
  }
}
