// What was worked on lately; under what is published, each attempt to publish it.

import { fill, h } from "../dom.js";
import { chip, empty, heading, tabs, when } from "../parts.js";
import { get } from "../server.js";
import { auditOf } from "./audit.js";
import { STATE_WORDS } from "./sessions.js";

const SPANS = [7, 30, 90];

/** `#/activity?days=` */
export async function activityView({ query, signal }) {
  const asked = Number(query.get("days"));
  const days = SPANS.includes(asked) ? asked : 30;
  const { data } = await get(`/api/activity?days=${days}`, { signal });
  return {
    title: "Activity",
    node: h(
      "div",
      {},
      heading("Activity", { below: "What was worked on lately, the last change first." }),
      tabs(
        "How far back",
        SPANS.map((span) => ({
          href: `#/activity?days=${span}`,
          text: `${span} days`,
          here: span === days,
        })),
      ),
      data.length === 0
        ? empty("Nothing yet", "Sessions stand here as soon as they are worked on.")
        : h("ol", { class: "rows timeline" }, data.map((entry) => row(entry, signal))),
    ),
  };
}

function row(entry, signal) {
  return h(
    "li",
    { class: "item" },
    h(
      "div",
      { class: "item-words" },
      h(
        "h2",
        {},
        h("a", { href: `#/sessions/${encodeURIComponent(entry.id)}` }, entry.title || "Untitled"),
      ),
      h(
        "p",
        { class: "facts" },
        h("span", {}, entry.publicationName ?? "No publication"),
        when(entry.updatedAt),
      ),
      entry.cmsPostId ? attemptsOf(entry, signal) : null,
    ),
    chip(STATE_WORDS[entry.status] ?? entry.status, entry.status),
  );
}

/** The attempts are asked for when somebody opens them. */
function attemptsOf(entry, signal) {
  const place = h("div", {});
  return h(
    "details",
    {
      ontoggle: ({ target }) => {
        if (target.open && !place.hasChildNodes()) {
          fill(place, auditOf(entry.cmsPostId, { signal }).node);
        }
      },
    },
    h("summary", {}, "Attempts to publish"),
    place,
  );
}
