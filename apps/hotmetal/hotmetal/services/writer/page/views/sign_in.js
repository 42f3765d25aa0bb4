// The form for the key, for a browser that has no cookie yet.

import { fill, h } from "../dom.js";
import { field, note, runOnce } from "../parts.js";
import { signIn } from "../server.js";

/** The form; calls `onSignedIn` when the key was right. */
export function signInView({ words, onSignedIn }) {
  const place = h("div", {});
  const key = h("input", {
    name: "key",
    type: "password",
    required: true,
    autocomplete: "current-password",
    spellcheck: "false",
  });
  const submit = h("button", { class: "button button-main" }, "Sign in");
  const act = async () => {
    try {
      await signIn(key.value.trim());
    } catch (error) {
      if (error.status !== 401) throw error;
      fill(place, note("That is not the key of this writer"));
      key.focus();
      key.select();
      return;
    }
    onSignedIn();
  };
  return h(
    "main",
    { class: "door" },
    h("h1", {}, "HotMetal"),
    h("p", { class: "lead" }, words ?? "From the news to a published post."),
    h(
      "form",
      {
        onsubmit: (event) => {
          event.preventDefault();
          runOnce(submit, { act, meanwhile: "Signing in…", place });
        },
      },
      field("Key", key, {
        hint: "The writer's API key (WRITER_API_KEY). `freehold dev` prints a link that has it.",
      }),
      place,
      h("div", { class: "row" }, submit),
    ),
  );
}
