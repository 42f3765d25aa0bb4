// All sessions: each is one post on its way.

import { h } from "../dom.js";
import { chip, empty, heading, tabs, when } from "../parts.js";
import { get } from "../server.js";

const STATUSES = [
  ["", "All"],
  ["active", "Being written"],
  ["completed", "Published"],
  ["archived", "Archived"],
];

export const STATE_WORDS = {
  active: "being written",
  completed: "published",
  archived: "archived",
};

/** `#/sessions?status=` */
export async function sessionsView({ query, signal }) {
  const asked = query.get("status");
  const status = STATUSES.some(([name]) => name === asked) ? asked : "";
  const [{ data }, publications] = await Promise.all([
    get(`/api/sessions${status ? `?status=${status}` : ""}`, { signal }),
    get("/api/publications", { signal }),
  ]);
  const names = new Map(publications.data.map(({ id, name }) => [id, name]));
  return {
    title: "Sessions",
    node: h(
      "div",
      {},
      heading("Sessions", { below: "Each is one post on its way from an idea to the blog." }),
      tabs(
        "Status",
        STATUSES.map(([name, text]) => ({
          href: name ? `#/sessions?status=${name}` : "#/sessions",
          text,
          here: name === status,
        })),
      ),
      data.length === 0
        ? empty(
            "No sessions here",
            "A session begins when an idea is promoted.",
            h("a", { class: "button", href: "#/ideas" }, "Look at the ideas"),
          )
        : h("ul", { class: "rows" }, data.map((each) => row(each, names))),
    ),
  };
}

function row(session, names) {
  return h(
    "li",
    { class: "item item-link" },
    h(
      "div",
      { class: "item-words" },
      h(
        "h2",
        {},
        h(
          "a",
          { class: "cover", href: `#/sessions/${encodeURIComponent(session.id)}` },
          session.title || "Untitled",
        ),
      ),
      h(
        "p",
        { class: "facts" },
        h("span", {}, names.get(session.publicationId) ?? "No publication"),
        session.currentDraftVersion ? h("span", {}, `draft ${session.currentDraftVersion}`) : null,
        when(session.updatedAt),
      ),
    ),
    chip(STATE_WORDS[session.status] ?? session.status, session.status),
  );
}
