// What the publisher tried for a post, and how each attempt ended.

import { fill, h, link } from "../dom.js";
import { chip, empty, failure, loading, when } from "../parts.js";
import { get } from "../server.js";
import { sentence } from "../words.js";

const OUTLETS = { blog: "Blog", linkedin: "LinkedIn" };
const STATUS_WORDS = { success: "done", failed: "failed", needs_check: "to be checked" };

/** The attempts for a post, as a table that loads itself. */
export function auditOf(postId, { signal }) {
  const place = h("div", { class: "audit", "aria-live": "polite" }, loading("Loading the attempts…"));
  const load = async () => {
    try {
      const path = `/api/audit?postId=${encodeURIComponent(postId)}`;
      const { data } = await get(path, { signal });
      fill(place, data.length === 0 ? empty("No attempts yet") : attempts(data));
    } catch (error) {
      if (!signal?.aborted) fill(place, failure(error, load));
    }
  };
  load();
  return { node: place, load };
}

function attempts(rows) {
  const head = ["What", "Outcome", "When", "Where to"];
  return h(
    "div",
    { class: "wide", tabindex: 0, role: "group", "aria-label": "Attempts to publish" },
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, head.map((words) => h("th", { scope: "col" }, words)))),
      h("tbody", {}, rows.map(attempt)),
    ),
  );
}

function attempt(row) {
  const { outlet, action, status, createdAt, errorMessage } = row;
  const where = resultOf(row);
  return h(
    "tr",
    { "data-audit": status },
    h("td", {}, `${OUTLETS[outlet] ?? outlet}: ${action}`),
    h("td", {}, chip(STATUS_WORDS[status] ?? status, status)),
    h("td", {}, when(createdAt)),
    h(
      "td",
      {},
      where.externalUrl ? link(where.externalUrl, {}, "Open") : null,
      errorMessage ? h("span", { class: "soft" }, sentence(errorMessage)) : null,
    ),
  );
}

function resultOf({ resultData }) {
  try {
    return JSON.parse(resultData ?? "{}") ?? {};
  } catch {
    return {};
  }
}
