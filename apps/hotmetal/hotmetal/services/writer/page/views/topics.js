// What the scout of a publication looks for.

import { fill, h } from "../dom.js";
import { decide } from "../decisions.js";
import { actor, empty, field, runOnce, say } from "../parts.js";
import { send } from "../server.js";

const PRIORITIES = [
  [1, "Normal"],
  [2, "High"],
  [3, "Urgent"],
];

/** The topics of a publication, and a form for one more. */
export function topicsPanel(publication) {
  let topics = publication.topics;
  const list = h("div", {});
  const paint = () => {
    fill(
      list,
      topics.length === 0
        ? empty("No topics yet", "The scout looks for what stands here.")
        : h("ul", { class: "rows" }, topics.map((topic) => topicRow(topic, changed, removed))),
    );
  };
  const changed = (now) => {
    topics = topics.map((topic) => (topic.id === now.id ? now : topic));
    paint();
  };
  const removed = (gone) => {
    topics = topics.filter((topic) => topic.id !== gone.id);
    paint();
  };
  const added = (topic) => {
    topics = [...topics, topic];
    paint();
  };
  paint();
  return { node: h("div", { class: "narrow" }, list, newTopic(publication, added)) };
}

function topicRow(topic, changed, removed) {
  const place = h("div", {});
  const path = `/api/topics/${encodeURIComponent(topic.id)}`;
  const isActive = topic.isActive !== false;
  const toggle = async () => changed(await send("PATCH", path, { isActive: !isActive }));
  const remove = async () => {
    await send("DELETE", path);
    removed(topic);
    say(`“${topic.name}” is gone; its ideas stay.`);
  };
  const priority = h(
    "select",
    {
      value: String(topic.priority ?? 1),
      "aria-label": `Priority of ${topic.name}`,
      "data-key": `priority ${topic.id}`,
      onchange: async ({ target }) => {
        changed(await send("PATCH", path, { priority: Number(target.value) }));
      },
    },
    PRIORITIES.map(([value, words]) => h("option", { value }, words)),
  );
  return h(
    "li",
    { class: isActive ? "item" : "item item-off" },
    h(
      "div",
      { class: "item-words" },
      h("h3", {}, topic.name),
      topic.description ? h("p", { class: "soft" }, topic.description) : null,
      place,
    ),
    h(
      "div",
      { class: "row" },
      priority,
      actor(isActive ? "Pause" : "Resume", {
        act: toggle, place, "data-key": `toggle ${topic.id}`,
        "aria-label": `${isActive ? "Pause" : "Resume"} ${topic.name}`,
      }),
      actor("Delete", {
        class: "button button-quiet", act: remove, place, "data-key": `delete ${topic.id}`,
        "aria-label": `Delete ${topic.name}`,
      }),
    ),
  );
}

function newTopic(publication, added) {
  const place = h("div", {});
  const submit = h("button", { class: "button button-main" }, "Add it");
  const name = h("input", { name: "topic", type: "text", required: true, maxlength: 200 });
  const description = h("input", { name: "topic-description", type: "text", maxlength: 500 });
  const priority = h(
    "select",
    { name: "topic-priority" },
    PRIORITIES.map(([value, words]) => h("option", { value }, words)),
  );
  const path = `/api/publications/${encodeURIComponent(publication.id)}/topics`;
  const act = async () => {
    const body = {
      name: name.value.trim(),
      description: description.value.trim() || null,
      priority: Number(priority.value),
    };
    added(
      await decide(`topic:${publication.id}`, body, (key) => send("POST", path, body, { key })),
    );
    form.reset();
    form.removeAttribute("data-touched");
    name.focus();
    say(`The scout looks for “${body.name}” from now on.`);
  };
  const form = h(
    "form",
    {
      class: "panel",
      "data-keep": true,
      "aria-labelledby": "new-topic",
      onsubmit: (event) => {
        event.preventDefault();
        runOnce(submit, { act, meanwhile: "Adding…", place });
      },
    },
    h("h2", { id: "new-topic" }, "Add a topic"),
    field("Name", name),
    field("What to look for", description, { optional: true }),
    field("Priority", priority),
    place,
    h("div", { class: "row" }, submit),
  );
  return form;
}
