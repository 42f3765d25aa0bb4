// The drafts of a session, one version at a time.

import { fill, h, link } from "../dom.js";
import { markdown } from "../markdown.js";
import { chip, empty, failure, say, when } from "../parts.js";
import { get } from "../server.js";
import { counted } from "../words.js";

/** The pane; `newest()` looks for a newer version, shows it, and tells its title. */
export async function draftPane({ path, base, signal }, { version, titled }) {
  let list = await listOf(path, signal);
  const body = h("div", {});
  const tools = h("div", { class: "row" });
  const node = h(
    "section",
    { class: "pane pane-draft", "aria-label": "Draft" },
    h("div", { class: "pane-head" }, h("h2", {}, "Draft"), tools),
    body,
  );
  const show = async (number) => {
    try {
      const draft = await get(`${path}/drafts/${number}`, { signal });
      fill(tools, versions(list, draft, choose));
      fill(body, article(draft));
    } catch (error) {
      if (!signal.aborted) fill(body, failure(error, () => show(number)));
    }
  };
  const choose = (number) => {
    // The address tells which one, and nothing else of the page is loaded anew for it.
    history.replaceState(null, "", `${base}/drafts/${number}`);
    return show(number);
  };
  const newest = async () => {
    const before = list.at(-1)?.version ?? 0;
    list = await listOf(path, signal);
    const now = list.at(-1)?.version ?? 0;
    if (now === before) return;
    await show(now);
    titled(list.at(-1).title);
    say(`Draft ${now} is there.`);
  };
  if (version !== undefined || list.length > 0) await show(version ?? list.at(-1).version);
  else fill(body, nothing());
  return { node, newest };
}

async function listOf(path, signal) {
  const { data } = await get(`${path}/drafts`, { signal });
  return [...data].sort((a, b) => a.version - b.version);
}

function nothing() {
  return h(
    "div",
    { class: "draft" },
    empty("No draft yet", "Tell the writer what you want, and ask for a draft when you are ready."),
  );
}

function versions(list, draft, choose) {
  return [
    h(
      "label",
      { class: "row" },
      h("span", { class: "unseen" }, "Version"),
      h(
        "select",
        {
          name: "version",
          value: String(draft.version),
          "data-key": "version",
          onchange: ({ target }) => choose(Number(target.value)),
        },
        list.map(({ version }) =>
          h("option", { value: version }, `Version ${version} of ${list.at(-1).version}`),
        ),
      ),
    ),
    draft.isFinal ? chip("final") : null,
  ];
}

function article(draft) {
  const title = draft.title?.trim();
  const content = withoutTitle(draft.content, title);
  return h(
    "article",
    { class: "draft prose", "data-version": draft.version },
    title ? h("h2", {}, title) : null,
    h(
      "p",
      { class: "facts" },
      h("span", {}, counted(draft.wordCount ?? 0, "word")),
      when(draft.createdAt, "written "),
    ),
    markdown(content, { top: 3 }),
    // Where the text ends with its sources they are not said twice.
    /^#+\s*sources\s*$/im.test(content) ? null : citations(draft.citations),
  );
}

/** Models begin with the title as a heading; it already stands above. */
function withoutTitle(content, title) {
  const [first, ...rest] = String(content ?? "").split("\n");
  const isTitle = first.replace(/^#\s+/, "").trim() === title;
  return isTitle && first.startsWith("#") ? rest.join("\n") : content;
}

function citations(said) {
  const list = (typeof said === "string" ? parsed(said) : said) ?? [];
  const known = Array.isArray(list) ? list : [];
  if (known.length === 0) return null;
  return h(
    "section",
    { class: "citations" },
    h("h3", {}, "Sources"),
    h(
      "ol",
      {},
      known.map((each) => {
        const { url, title } = typeof each === "string" ? { url: each } : each;
        return h("li", {}, link(url, {}, title || url));
      }),
    ),
  );
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return [];
  }
}
