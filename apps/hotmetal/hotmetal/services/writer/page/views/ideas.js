// The ideas of all publications, the ones to decide about first.

import { fill, h } from "../dom.js";
import { empty, heading, tabs } from "../parts.js";
import { get } from "../server.js";
import { ideaList } from "./idea_list.js";

export const STATUSES = [
  ["new", "New"],
  ["reviewed", "Kept"],
  ["promoted", "Promoted"],
  ["dismissed", "Dismissed"],
];

/** What is said where no idea has the status. */
export const NO_IDEAS = {
  new: ["Nothing new", "When the scout finds a story, it stands here."],
  reviewed: ["Nothing kept", "Ideas that you keep for later stand here."],
  promoted: ["Nothing promoted", "Ideas that became a session stand here."],
  dismissed: ["Nothing dismissed", "Ideas that you dismiss stand here and can be brought back."],
};

/** The status that an address asks for; new ideas unless it asks for others. */
export function statusOf(query) {
  const asked = query.get("status");
  return STATUSES.some(([status]) => status === asked) ? asked : "new";
}

/** `#/ideas?status=` */
export async function ideasView({ query, signal }) {
  const status = statusOf(query);
  const publications = (await get("/api/publications", { signal })).data;
  const lists = await Promise.all(
    publications.map(({ id }) =>
      get(`/api/publications/${encodeURIComponent(id)}/ideas?status=${status}`, { signal }),
    ),
  );
  const names = new Map(publications.map(({ id, name }) => [id, name]));
  const body = h("div", {});
  let ideas = lists.flatMap(({ data }) => data);
  ideas.sort((a, b) => (b.relevanceScore ?? -1) - (a.relevanceScore ?? -1));
  const paint = () => {
    const shown = ideas.filter((idea) => idea.status === status);
    fill(
      body,
      shown.length === 0
        ? empty(...NO_IDEAS[status])
        : ideaList(shown, { publications: names, changed }),
    );
  };
  const changed = (now) => {
    ideas = ideas.map((idea) => (idea.id === now.id ? now : idea));
    paint();
  };
  paint();
  return {
    title: "Ideas",
    node: h(
      "div",
      {},
      heading("Ideas", { below: "What the scouts found, the most relevant first." }),
      tabs(
        "Status",
        STATUSES.map(([name, text]) => ({
          href: `#/ideas?status=${name}`,
          text,
          here: name === status,
        })),
      ),
      body,
    ),
  };
}
