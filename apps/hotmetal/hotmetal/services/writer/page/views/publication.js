// One publication: its ideas and its scout, its topics, its settings.

import { fill, h } from "../dom.js";
import { decide } from "../decisions.js";
import { actor, confirmed, empty, heading, say, tabs, when } from "../parts.js";
import { get, send } from "../server.js";
import { scheduleWords } from "../words.js";
import { ideaList } from "./idea_list.js";
import { NO_IDEAS, STATUSES, statusOf } from "./ideas.js";
import { publicationForm } from "./publication_form.js";
import { scoutPanel } from "./scout.js";
import { topicsPanel } from "./topics.js";

const HOME = { href: "#/", text: "Publications" };

/** `#/publications/new` */
export async function newPublicationView() {
  const save = async (body) => {
    const made = await decide("publication:new", body, (key) =>
      send("POST", "/api/publications", body, { key }),
    );
    say(`“${made.name}” is there. Give it topics, so that its scout knows where to look.`);
    location.hash = `#/publications/${encodeURIComponent(made.id)}/topics`;
  };
  return {
    title: "New publication",
    node: h(
      "div",
      { class: "narrow" },
      heading("New publication", { back: HOME }),
      publicationForm({}, { save, label: "Make it", meanwhile: "Making it…" }),
    ),
  };
}

/** `#/publications/:id`, `…/topics`, `…/settings` */
export async function publicationView({ parts, query, signal, again }) {
  const [id, tab = "ideas"] = parts;
  const base = `#/publications/${encodeURIComponent(id)}`;
  const publication = await get(`/api/publications/${encodeURIComponent(id)}`, { signal });
  const panel =
    tab === "topics"
      ? topicsPanel(publication)
      : tab === "settings"
        ? settingsPanel(publication, again)
        : await ideasPanel(publication, { status: statusOf(query), signal });
  return {
    title: publication.name,
    back: panel.back,
    node: h(
      "div",
      {},
      heading(publication.name, { back: HOME, below: facts(publication) }),
      tabs("Publication", [
        { href: base, text: "Ideas", here: tab === "ideas" },
        { href: `${base}/topics`, text: "Topics", here: tab === "topics" },
        { href: `${base}/settings`, text: "Settings", here: tab === "settings" },
      ]),
      panel.node,
    ),
  };
}

function facts({ description, scoutSchedule, timezone, nextScoutAt }) {
  return [
    description ? h("p", {}, description) : null,
    h(
      "p",
      { class: "facts" },
      h("span", {}, `Scout ${scheduleWords(scoutSchedule)}, ${timezone}`),
      nextScoutAt ? when(nextScoutAt, "next ") : null,
    ),
  ];
}

async function ideasPanel(publication, { status, signal }) {
  const path = `/api/publications/${encodeURIComponent(publication.id)}/ideas`;
  const topics = new Map(publication.topics.map(({ id, name }) => [id, name]));
  let ideas = (await get(path, { signal })).data;
  const filter = h("div", {});
  const body = h("div", {});
  const paint = () => {
    const shown = ideas.filter((idea) => idea.status === status);
    fill(filter, statusTabs(publication.id, status, ideas));
    fill(
      body,
      shown.length === 0 ? noIdeas(publication, status) : ideaList(shown, { topics, changed }),
    );
  };
  const changed = (now) => {
    ideas = ideas.map((idea) => (idea.id === now.id ? now : idea));
    paint();
  };
  const reload = async () => {
    ideas = (await get(path, { signal })).data;
    dispatchEvent(new Event("ideas-changed"));
    paint();
  };
  paint();
  const known = () => ideas.length;
  return { node: h("div", {}, scoutPanel(publication, { signal, reload, known }), filter, body) };
}

function statusTabs(id, status, ideas) {
  const base = `#/publications/${encodeURIComponent(id)}`;
  return tabs(
    "Status",
    STATUSES.map(([name, text]) => ({
      href: `${base}?status=${name}`,
      text,
      count: ideas.filter((idea) => idea.status === name).length,
      here: name === status,
    })),
  );
}

function noIdeas(publication, status) {
  const [title, words] = NO_IDEAS[status];
  const active = publication.topics.some(({ isActive }) => isActive !== false);
  if (status !== "new" || active) return empty(title, words);
  const href = `#/publications/${encodeURIComponent(publication.id)}/topics`;
  return empty(
    title,
    "The scout looks for topics, and this publication has none that is active.",
    h("a", { class: "button", href }, "Add a topic"),
  );
}

function settingsPanel(publication, again) {
  const path = `/api/publications/${encodeURIComponent(publication.id)}`;
  const place = h("div", {});
  const save = async (body) => {
    await send("PATCH", path, body);
    say("Saved.");
    again();
  };
  const remove = async () => {
    const sure = await confirmed(`Delete “${publication.name}”?`, {
      words: "Its topics and ideas go with it. Sessions and published posts stay.",
      yes: "Delete it",
    });
    if (!sure) return;
    await send("DELETE", path);
    dispatchEvent(new Event("ideas-changed"));
    say(`“${publication.name}” is deleted.`);
    location.hash = "#/";
  };
  return {
    node: h(
      "div",
      { class: "narrow" },
      publicationForm(publication, { save, label: "Save", meanwhile: "Saving…" }),
      h(
        "section",
        { class: "danger", "aria-labelledby": "danger" },
        h("h2", { id: "danger" }, "Delete this publication"),
        h("p", {}, "Its topics and ideas go with it. Sessions and published posts stay."),
        actor("Delete…", { class: "button button-bad", act: remove, place }),
        place,
      ),
    ),
  };
}
