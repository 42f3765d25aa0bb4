// Where else posts can go: the connection to LinkedIn.

import { fill, h } from "../dom.js";
import { actor, chip, failure, heading } from "../parts.js";
import { get } from "../server.js";

/** `#/connections` */
export async function connectionsView({ query, signal, again }) {
  const body = h("div", {});
  const place = h("div", {});
  try {
    const state = await get("/api/oauth/linkedin/status", { signal });
    fill(body, linkedin(state, place));
  } catch (error) {
    if (signal.aborted || error.status !== 502) throw error;
    fill(body, failure(error, again));
  }
  return {
    title: "Connections",
    node: h(
      "div",
      { class: "narrow" },
      heading("Connections", { below: "Where else a published post can go." }),
      query.get("linkedin") === "connected"
        ? h("p", { class: "note note-good" }, "LinkedIn is connected.")
        : null,
      body,
    ),
  };
}

function linkedin({ connected }, place) {
  return h(
    "section",
    { class: "panel", "aria-labelledby": "linkedin" },
    h(
      "div",
      { class: "card-head" },
      h("h2", { id: "linkedin" }, "LinkedIn"),
      connected ? chip("connected", "success") : chip("not connected", "none"),
    ),
    h(
      "p",
      {},
      connected
        ? "Published posts can be shared there. Connect again to use another account."
        : "Connect an account, and published posts can be shared there.",
    ),
    place,
    h(
      "div",
      { class: "row" },
      actor(connected ? "Connect again" : "Connect LinkedIn", {
        class: connected ? "button" : "button button-main",
        meanwhile: "Asking LinkedIn…",
        act: async () => {
          const { authorizeUrl } = await get("/api/oauth/linkedin");
          if (!/^https?:\/\//.test(authorizeUrl)) throw new Error("That is no address to go to");
          location.assign(authorizeUrl);
        },
        place,
      }),
    ),
  );
}
