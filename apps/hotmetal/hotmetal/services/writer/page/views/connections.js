// Where else posts can go: the connection to LinkedIn.

import { fill, h, link } from "../dom.js";
import { chip, failure, heading } from "../parts.js";
import { get } from "../server.js";

/** `#/connections` */
export async function connectionsView({ signal, again }) {
  const body = h("div", {});
  try {
    fill(body, linkedin(await get("/api/oauth/linkedin", { signal })));
  } catch (error) {
    if (signal.aborted || error.status !== 502) throw error;
    fill(body, failure(error, again));
  }
  // It is connected in a tab of its own; who comes back sees how it stands.
  const look = () => document.visibilityState === "visible" && again();
  document.addEventListener("visibilitychange", look, { signal });
  return {
    title: "Connections",
    node: h(
      "div",
      { class: "narrow" },
      heading("Connections", { below: "Where else a published post can go." }),
      body,
    ),
  };
}

function linkedin({ connected, configured, connectUrl }) {
  return h(
    "section",
    { class: "panel", "aria-labelledby": "linkedin" },
    h(
      "div",
      { class: "card-head" },
      h("h2", { id: "linkedin" }, "LinkedIn"),
      connected ? chip("connected", "success") : chip("not connected", "none"),
    ),
    configured === false ? notSetUp() : connect(connected, connectUrl),
  );
}

function notSetUp() {
  return [
    h("p", {}, "This HotMetal has no application at LinkedIn yet, so nothing is shared there."),
    h(
      "p",
      { class: "hint" },
      "Set LINKEDIN_CLIENT_ID and LINKEDIN_CLIENT_SECRET and start the publisher again.",
    ),
  ];
}

function connect(connected, connectUrl) {
  return [
    h(
      "p",
      {},
      connected
        ? "Published posts can be shared there. Connect again to use another account."
        : "Connect an account, and published posts can be shared there.",
    ),
    h(
      "div",
      { class: "row" },
      link(
        connectUrl,
        { class: connected ? "button" : "button button-main" },
        connected ? "Connect again" : "Connect LinkedIn",
      ),
    ),
  ];
}
