// The picture of a post: a description, four pictures of it, one that is taken.

import { fill, h } from "../dom.js";
import { actor, empty, field, runOnce, say } from "../parts.js";
import { send } from "../server.js";

/** `…/images` */
export async function picturesPanel({ session, path, signal }) {
  const place = h("div", {});
  const found = h("div", {});
  const taken = h("div", {});
  const prompt = h("textarea", { name: "prompt", rows: 3, required: true, maxlength: 1000 });
  const submit = h("button", { class: "button button-main" }, "Make four pictures");
  const suggest = async () => {
    const said = await send("POST", `${path}/generate-image-prompt`, {}, { signal });
    prompt.value = said.prompt ?? "";
  };
  const take = async (url) => {
    const now = await send("POST", `${path}/select-image`, { imageUrl: url }, { signal });
    showTaken(taken, now.featuredImageUrl ?? url);
    say("This picture goes with the post.");
  };
  const make = async () => {
    const body = { prompt: prompt.value.trim() };
    const said = await send("POST", `${path}/generate-images`, body, { signal });
    fill(
      found,
      gallery(said.images, session, { take, place }),
      said.note ? h("p", { class: "hint" }, said.note) : null,
    );
  };
  showTaken(taken, session.featuredImageUrl);
  const form = h(
    "form",
    {
      class: "narrow",
      "data-keep": true,
      onsubmit: (event) => {
        event.preventDefault();
        runOnce(submit, { act: make, meanwhile: "Drawing…", place });
      },
    },
    field("What it shows", prompt, { hint: "Up to 1000 characters." }),
    place,
    h("div", { class: "row" }, submit, actor("Suggest it", {
      act: suggest, meanwhile: "Thinking…", place,
    })),
  );
  return { node: h("div", { class: "stack" }, taken, form, found) };
}

/** The writer says an image's whole address; this page shows it from wherever it is itself. */
function here(url) {
  const at = String(url).indexOf("/api/images/");
  return at < 0 ? url : String(url).slice(at);
}

function showTaken(node, url) {
  fill(
    node,
    url
      ? h(
          "figure",
          { class: "taken" },
          h("img", { src: here(url), alt: "The picture of this post" }),
          h("figcaption", { class: "soft" }, "The picture of this post"),
        )
      : h("p", { class: "soft" }, "This post has no picture yet. It does not need one."),
  );
}

function gallery(images, session, { take, place }) {
  const urls = images.map(({ url }) => url);
  if (urls.length === 0) return empty("No picture came of it", "Describe it in other words.");
  return h(
    "fieldset",
    { class: "images" },
    h("legend", {}, "Take one"),
    urls.map((url, i) => {
      const choice = h("input", {
        type: "radio",
        name: "image",
        value: url,
        checked: url === session.featuredImageUrl,
        onchange: () => runOnce(choice, { act: () => take(url), meanwhile: "", place }),
      });
      return h(
        "label",
        { class: "image" },
        h("img", { src: here(url), alt: `Picture ${i + 1}`, loading: "lazy" }),
        h("span", {}, choice, `Picture ${i + 1}`),
      );
    }),
  );
}
