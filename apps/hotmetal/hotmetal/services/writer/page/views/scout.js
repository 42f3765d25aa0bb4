// The scout of a publication: let it look, and see how far it is.

import { decide } from "../decisions.js";
import { fill, h } from "../dom.js";
import { actor, note, say, when } from "../parts.js";
import { get, send } from "../server.js";
import { counted } from "../words.js";

const POLL_MS = 500;
const POLL_SLOWER_MS = 2_000;
const QUICK_POLLS = 20;

const STEP_WORDS = {
  "load-context": "Reading the topics",
  "search-content": "Searching",
  "dedupe-stories": "Leaving out what is known",
  "generate-ideas": "Thinking of ideas",
  "store-ideas": "Storing the ideas",
  "auto-write": "Writing",
};

/** The panel; `reload()` is called when a run has ended. */
export function scoutPanel(publication, { signal, reload }) {
  const words = h("div", { class: "scout-words", role: "status" });
  const place = h("div", {});
  const look = async () => {
    const body = { publicationId: publication.id };
    const run = await decide(`scout:${publication.id}`, body, (key) =>
      send("POST", "/api/scout/run", body, { key }),
    );
    fill(words, underWay("The scout is on its way"));
    await follow(run);
  };
  const follow = async (begun) => {
    const ended = await untilEnded(begun, { words, signal });
    fill(words, outcome(ended));
    await reload();
    if (ended.state === "finished") say(foundWords(ended.result));
  };
  const go = actor("Let the scout look", {
    class: "button button-main",
    meanwhile: "Looking…",
    act: look,
    place,
    "data-key": "scout",
  });
  fill(words, h("p", {}, h("strong", {}, "Scout")), h("p", { class: "soft" }, "\u00a0"));
  showLast(publication, { words, signal, follow, place });
  return h("section", { class: "scout", "aria-label": "Scout" }, words, go, place);
}

/** What the last run came to; one that is under way is followed. */
async function showLast(publication, { words, signal, follow, place }) {
  try {
    const path = `/api/scout/status?publicationId=${encodeURIComponent(publication.id)}`;
    const [last] = (await get(path, { signal })).data;
    if (last === undefined) {
      fill(words, line("The scout has not looked yet", "It looks by itself, or when you say so."));
    } else if (isUnderWay(last)) {
      await follow(last);
    } else {
      fill(words, outcome(last));
    }
  } catch (error) {
    if (signal.aborted || error.status === 0) return;
    fill(words, line("Scout", "What it did last cannot be shown."));
    fill(place, note(error));
  }
}

function isUnderWay({ state }) {
  return state === "queued" || state === "running";
}

async function untilEnded(begun, { words, signal }) {
  let run = begun;
  for (let polls = 0; isUnderWay(run); polls += 1) {
    fill(words, underWay(stepWords(run)));
    await waited(polls < QUICK_POLLS ? POLL_MS : POLL_SLOWER_MS, signal);
    run = await get(`/api/scout/status?id=${encodeURIComponent(run.id)}`, { signal });
  }
  return run;
}

function waited(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

function stepWords(run) {
  if (run.state === "queued") return "Waiting for its turn";
  const names = Object.keys(STEP_WORDS);
  const done = (run.steps ?? []).map(({ name }) => name).filter((name) => names.includes(name));
  const next = names[names.indexOf(done.at(-1)) + 1] ?? names[0];
  return STEP_WORDS[next];
}

function line(title, below) {
  return [h("p", {}, h("strong", {}, title)), h("p", { class: "soft" }, below)];
}

function underWay(step) {
  return [
    h("p", {}, h("span", { class: "spinner", "aria-hidden": "true" }), h("strong", {}, "Looking…")),
    h("p", { class: "soft" }, step),
  ];
}

function outcome(run) {
  const at = run.endedAtMs ? when(Math.round(run.endedAtMs / 1000), "Looked ") : "Looked";
  if (run.state === "dead") {
    return line("The last look failed", run.error ?? "The scout has given up on it.");
  }
  if (run.state === "cancelled") return line("The last look was stopped", at);
  return line(foundWords(run.result), at);
}

/** "4 new ideas from 9 stories." */
export function foundWords(result) {
  const { stored = 0, stories = 0, topics = 0, ideas = 0 } = result ?? {};
  if (stored > 0) return `${counted(stored, "new idea")} from ${counted(stories, "story", "stories")}.`;
  if (topics === 0) return "No topic to look for.";
  if (stories === 0) return "No story found.";
  return ideas > 0 ? "Nothing that is not known already." : "Nothing new.";
}
