// Sharing a published post on LinkedIn, also when nobody can tell whether it is there already.

import { fill, h } from "../dom.js";
import { decide } from "../decisions.js";
import { actor, field, loading, note, runOnce, say } from "../parts.js";
import { get, send } from "../server.js";
import { sentence } from "../words.js";

/** The panel; `audit` is loaded anew after each attempt. */
export function linkedinPanel(postId, { audit, signal }) {
  const body = h("div", { class: "stack-tight" }, loading("Loading…"));
  const load = async () => {
    try {
      const [state, attempts] = await Promise.all([
        get("/api/oauth/linkedin", { signal }),
        get(`/api/publish/attempts?postId=${encodeURIComponent(postId)}`, { signal }),
      ]);
      const unsure = attempts.data.find(({ outlet }) => outlet === "linkedin");
      const tried = { settled, audit };
      fill(body, unsure ? unsureForm(unsure, settled) : share(postId, state, tried));
    } catch (error) {
      if (!signal.aborted) fill(body, note(error));
    }
  };
  const settled = async () => {
    audit.load();
    await load();
  };
  load();
  return body;
}

function share(postId, { connected, configured }, { settled, audit }) {
  if (configured === false || !connected) {
    return h(
      "p",
      {},
      configured === false ? "LinkedIn is not set up here. " : "No account is connected. ",
      h("a", { href: "#/connections" }, "Connections"),
    );
  }
  const place = h("div", {});
  const act = async () => {
    const body = { postId };
    try {
      const said = await decide(`linkedin:${postId}`, body, (key) =>
        send("POST", "/api/publish/linkedin", body, { key }),
      );
      if (said.status === "needs_check") await settled();
      else say("It is on LinkedIn.");
    } catch (error) {
      if (!error.body?.needsConnection) throw error;
      fill(place, note(error), h("p", {}, h("a", { href: "#/connections" }, "Connect LinkedIn")));
    } finally {
      audit.load();
    }
  };
  return [
    h("p", { class: "soft" }, "Share it with the account that is connected."),
    h(
      "div",
      { class: "row" },
      actor("Publish on LinkedIn", { act, meanwhile: "Publishing…", place }),
    ),
    place,
  ];
}

/** The person looks, and says what they saw; only then can it be tried again. */
function unsureForm(attempt, settled) {
  const place = h("div", {});
  const address = h("input", { name: "externalUrl", type: "url", required: true });
  const there = h("button", { class: "button button-main" }, "It is there");
  const resolve = async (body) => {
    await send("POST", `/api/publish/attempts/${encodeURIComponent(attempt.id)}/resolve`, body);
    say("Noted.");
    await settled();
  };
  return h(
    "form",
    {
      "data-keep": true,
      onsubmit: (event) => {
        event.preventDefault();
        const act = () => resolve({ outcome: "published", externalUrl: address.value.trim() });
        runOnce(there, { act, meanwhile: "Noting…", place });
      },
    },
    h("p", {}, "Nobody can tell whether the post is on LinkedIn. Look there, and say what you see."),
    attempt.error ? h("p", { class: "hint" }, sentence(attempt.error)) : null,
    field("Its address there", address),
    place,
    h(
      "div",
      { class: "row" },
      there,
      actor("It is not there", { act: () => resolve({ outcome: "not_published" }), place }),
    ),
  );
}
