// Publishing a session's draft: how it is found, where it stands, and each attempt.

import { h, link } from "../dom.js";
import { decide } from "../decisions.js";
import { actor, empty, field, runOnce, say } from "../parts.js";
import { get, send } from "../server.js";
import { slugOf } from "../words.js";
import { auditOf } from "./audit.js";
import { linkedinPanel } from "./linkedin.js";

/** `…/publish` */
export async function publishPanel(at) {
  const { session, path, base, signal } = at;
  if (session.cmsPostId) return { node: await published(at) };
  const drafts = (await get(`${path}/drafts`, { signal })).data;
  if (drafts.length === 0) {
    return {
      node: empty(
        "There is nothing to publish yet",
        "The writer makes a draft when you ask for one.",
        h("a", { class: "button", href: base }, "Talk to the writer"),
      ),
    };
  }
  return { node: form(at) };
}

function form({ session, path, publication, signal, again }) {
  const place = h("div", {});
  const submit = h("button", { class: "button button-main" }, "Publish");
  const fields = {
    slug: h("input", {
      name: "slug", type: "text", required: true, maxlength: 80, spellcheck: "false",
      pattern: "[a-z0-9]+(-[a-z0-9]+)*", title: "Lower-case letters, digits and single hyphens",
      value: slugOf(session.title) || "untitled",
    }),
    author: h("input", { name: "author", type: "text", value: publication?.defaultAuthor ?? "" }),
    seoTitle: h("input", { name: "seoTitle", type: "text", maxlength: 120 }),
    seoDescription: h("textarea", { name: "seoDescription", rows: 2, maxlength: 320 }),
    excerpt: h("textarea", { name: "excerpt", rows: 2, maxlength: 500 }),
    hook: h("textarea", { name: "hook", rows: 2, maxlength: 500 }),
  };
  const suggest = async () => {
    const said = await send("POST", `${path}/generate-seo`, {}, { signal });
    const { title: seoTitle, description: seoDescription, ...more } = said;
    for (const [name, words] of Object.entries({ seoTitle, seoDescription, ...more })) {
      if (name in fields && words) fields[name].value = words;
    }
    say("Filled in. Change what you like.");
  };
  const publish = async () => {
    const body = {};
    for (const [name, control] of Object.entries(fields)) {
      if (control.value.trim()) body[name] = control.value.trim();
    }
    const made = await decide(`publish:${session.id}`, body, (key) =>
      send("POST", `${path}/publish`, body, { key }),
    );
    say(`“${made.title ?? session.title ?? "The post"}” is published.`);
    again();
  };
  const node = h(
    "form",
    {
      class: "narrow",
      "data-keep": true,
      onsubmit: (event) => {
        event.preventDefault();
        runOnce(submit, { act: publish, meanwhile: "Publishing…", place });
      },
    },
    h(
      "div",
      { class: "row" },
      h("p", { class: "soft grow" }, "The newest draft becomes the post."),
      actor("Suggest the texts", { act: suggest, meanwhile: "Thinking…", place }),
    ),
    field("Address", fields.slug, { hint: "The last part of the post's address." }),
    field("Author", fields.author, { optional: true }),
    field("Title for search engines", fields.seoTitle, { optional: true }),
    field("Description for search engines", fields.seoDescription, { optional: true }),
    field("Excerpt", fields.excerpt, { optional: true }),
    field("Opening line for social networks", fields.hook, { optional: true }),
    place,
    h("div", { class: "row" }, submit),
  );
  return node;
}

async function published({ session, path, signal }) {
  const audit = auditOf(session.cmsPostId, { signal });
  return h(
    "div",
    { class: "stack" },
    h(
      "section",
      { class: "published", "aria-labelledby": "published" },
      h("h2", { id: "published" }, "Published"),
      await whereItStands(path, session, signal),
    ),
    h("section", { "aria-labelledby": "share" }, h("h2", { id: "share" }, "LinkedIn"),
      linkedinPanel(session.cmsPostId, { audit, signal })),
    h("section", { "aria-labelledby": "attempts" }, h("h2", { id: "attempts" }, "Attempts"),
      audit.node),
  );
}

async function whereItStands(path, session, signal) {
  const address = session.postUrl ?? (await addressOf(session.cmsPostId, signal));
  return address
    ? h("p", {}, link(address, { class: "post" }, "Read the post"))
    : h("p", {}, `It is post ${session.cmsPostId} of the CMS.`);
}

async function addressOf(postId, signal) {
  try {
    const { data } = await get(`/api/audit?postId=${encodeURIComponent(postId)}`, { signal });
    const done = data.find(({ outlet, status }) => outlet === "blog" && status === "success");
    return done ? JSON.parse(done.resultData ?? "{}").externalUrl : null;
  } catch (error) {
    if (signal.aborted || error.status === 401) throw error;
    return null;
  }
}
