// All publications: what each is, what waits in it, when its scout looks next.

import { h } from "../dom.js";
import { chip, empty, heading, when } from "../parts.js";
import { get } from "../server.js";
import { counted, scheduleWords } from "../words.js";

export const MODES = {
  draft: "You write",
  publish: "Writes and publishes",
  "full-auto": "Fully automatic",
};

/** `#/` */
export async function publicationsView({ signal }) {
  const { data } = await get("/api/publications", { signal });
  const waiting = await Promise.all(data.map((each) => newIdeas(each.id, signal)));
  const add = h("a", { class: "button", href: "#/publications/new" }, "New publication");
  return {
    title: "Publications",
    node: h(
      "div",
      {},
      heading("Publications", {
        below: "Each has its topics, its tone, and a scout that looks for stories.",
        actions: add,
      }),
      data.length === 0
        ? empty(
            "No publication yet",
            "A publication is a blog: its name, its tone, and what its scout looks for.",
            h("a", { class: "button button-main", href: "#/publications/new" }, "Make the first"),
          )
        : h("ul", { class: "cards" }, data.map((each, i) => card(each, waiting[i]))),
    ),
  };
}

async function newIdeas(id, signal) {
  const path = `/api/publications/${encodeURIComponent(id)}/ideas?status=new`;
  return (await get(path, { signal })).data.length;
}

function card(publication, waiting) {
  const { id, name, description, autoPublishMode, scoutSchedule, nextScoutAt } = publication;
  return h(
    "li",
    { class: "card" },
    h(
      "div",
      { class: "card-head" },
      h("h2", {}, h("a", { class: "cover", href: `#/publications/${encodeURIComponent(id)}` }, name)),
      waiting > 0 ? chip(counted(waiting, "new idea"), "new") : null,
    ),
    description ? h("p", {}, description) : h("p", { class: "soft" }, "No description yet."),
    h(
      "p",
      { class: "facts" },
      h("span", {}, MODES[autoPublishMode] ?? autoPublishMode),
      h("span", {}, `Scout ${scheduleWords(scoutSchedule)}`),
      nextScoutAt ? when(nextScoutAt, "next ") : null,
    ),
  );
}
