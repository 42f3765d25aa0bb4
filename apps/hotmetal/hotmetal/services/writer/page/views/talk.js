// The talk with the writer of a session: what was said, and the answer as it comes.
//
// The writer goes on with an answer whether or not anybody listens. So a reload in the middle finds
// the talk as it stands and looks again until the answer is whole, and a lost server is no reason
// to say anything twice.

import { fill, h } from "../dom.js";
import { decide } from "../decisions.js";
import { markdown } from "../markdown.js";
import { actor, button, chip, note } from "../parts.js";
import { get, Refusal, stream } from "../server.js";

const LOOK_MS = 600;
const NEAR_PX = 80;

const PHASE_WORDS = {
  idle: "not begun",
  interviewing: "asking",
  researching: "researching",
  drafting: "drafting",
  revising: "revising",
  publishing: "publishing",
  published: "published",
};

const TOOL_WORDS = {
  save_note: "Keeping a note…",
  save_draft: "Writing a draft…",
  search_web: "Searching the web…",
  read_draft: "Reading a draft…",
};

/** The pane; `drafted()` is called when a draft has come of what was said. */
export async function talkPane({ session, path, signal }, { drafted }) {
  const talk = new Talk(session, path, { signal, drafted });
  await talk.load();
  return { node: talk.node, shown: () => talk.toEnd(), back: () => talk.afterLoss() };
}

class Talk {
  constructor(session, path, { signal, drafted }) {
    this.session = session;
    this.path = `${path}/chat`;
    this.signal = signal;
    this.drafted = drafted;
    this.turns = [];
    this.phase = "idle";
    // The answer under way: what was said, what has come of it, what the writer is doing.
    this.live = null;
    this.looking = false;
    this.isNext = false;
    this.place = h("div", {});
    this.hints = h("div", { class: "hints" });
    this.phaseNode = h("div", {});
    this.log = h("div", { class: "talk", role: "log", "aria-label": "Talk", tabindex: 0 });
    this.text = this.textarea();
    this.submit = h("button", { class: "button button-main" }, "Send");
    this.node = h(
      "section",
      { class: "pane pane-chat", "aria-label": "Talk with the writer" },
      h("div", { class: "pane-head" }, h("h2", {}, "Talk"), this.phaseNode),
      this.log,
      this.composer(),
    );
  }

  // What is typed outlives a reload.
  textarea() {
    const kept = `typed:${this.session.id}`;
    return h("textarea", {
      name: "message",
      rows: 2,
      maxlength: 20_000,
      value: sessionStorage.getItem(kept) ?? "",
      placeholder: "Tell the writer what you want",
      oninput: ({ target }) => sessionStorage.setItem(kept, target.value),
      onkeydown: (event) => {
        if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
        event.preventDefault();
        this.sayTyped();
      },
    });
  }

  composer() {
    this.text.id = "field-message";
    this.text.setAttribute("aria-describedby", "hint-message");
    return h(
      "form",
      {
        class: "composer",
        onsubmit: (event) => {
          event.preventDefault();
          this.sayTyped();
        },
      },
      this.place,
      this.hints,
      h("label", { class: "unseen", for: "field-message" }, "Message to the writer"),
      this.text,
      h(
        "div",
        { class: "row" },
        h("p", { class: "hint", id: "hint-message" }, "Enter sends, Shift + Enter is a new line."),
        this.submit,
      ),
    );
  }

  async load() {
    const said = await get(this.path, { signal: this.signal });
    this.turns = said.data;
    this.phase = said.phase ?? this.phase;
    this.paint();
    const running = this.turns.at(-1)?.state === "running";
    if (running && this.live === null) this.lookAgain();
  }

  /** An answer that somebody else follows, or that was under way before a reload. */
  async lookAgain() {
    if (this.looking) return;
    this.looking = true;
    try {
      while (this.turns.at(-1)?.state === "running") {
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
        if (this.signal.aborted) return;
        this.turns = (await get(this.path, { signal: this.signal })).data;
      }
      await this.settled();
    } catch (error) {
      if (!this.signal.aborted && error.status !== 0) fill(this.place, note(error));
    } finally {
      this.looking = false;
    }
  }

  async settled() {
    await this.load();
    if (this.isNext) this.sayTyped();
    await this.drafted();
  }

  sayTyped() {
    const message = this.text.value.trim();
    // Said into an answer that still comes: it goes out when that is whole.
    this.isNext = this.isBusy();
    if (message !== "" && !this.isNext) this.send({ message }, message);
  }

  isBusy() {
    return this.live !== null || this.turns.at(-1)?.state === "running";
  }

  /** Send a message, or the retry of a turn, and show the answer as it comes. */
  async send(body, message) {
    if (this.isBusy()) return;
    fill(this.place);
    this.live = { message, retried: body.retry, text: "", doing: "Thinking…" };
    if (body.message !== undefined) this.typed("");
    this.paint();
    this.toEnd();
    this.text.scrollIntoView({ block: "nearest" });
    try {
      await decide(`chat:${this.session.id}`, body, (key) =>
        stream(this.path, body, {
          key,
          signal: this.signal,
          onEvent: (event) => this.heard(event),
        }),
      );
      this.live = null;
      await this.settled();
    } catch (error) {
      await this.failed(error, body);
    }
  }

  heard({ event, data }) {
    if (event === "error") throw new Refusal(data.status ?? 502, data);
    if (event === "text") this.live.text += data.text;
    if (event === "text") this.live.doing = "";
    if (event === "tool") this.live.doing = TOOL_WORDS[data.name] ?? "Working…";
    if (event === "phase") this.phase = data.phase;
    if (event === "draft") this.drafted();
    this.paintSoon();
  }

  async failed(error, body) {
    if (this.signal.aborted) return;
    this.live = null;
    this.unsent = body.message;
    if (error.status === 0) {
      // What came of it is asked when the server is back.
      this.paint();
      return;
    }
    await this.load().catch(() => {});
    this.giveBack();
    if (this.turns.at(-1)?.state !== "failed") fill(this.place, note(error));
  }

  async afterLoss() {
    await this.settled().catch(() => {});
    this.giveBack();
  }

  /** A message that never arrived is in the field again. */
  giveBack() {
    const arrived = this.turns.slice(-1).some(({ message }) => message === this.unsent);
    // Before what was typed meanwhile: neither is lost.
    if (this.unsent !== undefined && !arrived) {
      this.typed([this.unsent, this.text.value].filter(Boolean).join("\n"));
    }
    this.unsent = undefined;
  }

  typed(words) {
    this.text.value = words;
    this.text.dispatchEvent(new Event("input"));
  }

  // Painting

  paintSoon() {
    if (this.waitingFrame) return;
    this.waitingFrame = requestAnimationFrame(() => {
      this.waitingFrame = undefined;
      this.paint();
    });
  }

  paint() {
    const isNear = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < NEAR_PX;
    const busy = this.isBusy();
    // Read out when it is whole, not word by word.
    this.log.setAttribute("aria-busy", String(busy));
    fill(this.log, this.greeting(), this.turns.map((turn) => this.turnNodes(turn)), this.liveNodes());
    fill(this.phaseNode, chip(PHASE_WORDS[this.phase] ?? this.phase, this.phaseKind()));
    fill(this.hints, busy ? null : this.suggestions());
    this.submit.setAttribute("aria-disabled", String(busy));
    if (isNear) this.toEnd();
  }

  phaseKind() {
    return this.phase === "published" ? "completed" : this.phase === "idle" ? "none" : "active";
  }

  toEnd() {
    this.log.scrollTop = this.log.scrollHeight;
  }

  greeting() {
    if (this.turns.length > 0 || this.live) return null;
    return h(
      "p",
      { class: "said-note" },
      "The writer asks a question or two, then writes. Say what you want, or ask for a draft at once.",
    );
  }

  turnNodes(turn) {
    // The one that is followed here is shown as it comes.
    if (this.live && (turn.state === "running" || turn.id === this.live.retried)) return null;
    const nodes = [said("user", turn.message)];
    if (turn.answer) nodes.push(said("writer", turn.answer));
    if (turn.state === "running") nodes.push(doing("The writer is at it…"));
    if (turn.state === "failed" || turn.state === "interrupted") nodes.push(this.broken(turn));
    return nodes;
  }

  broken(turn) {
    const isLast = turn === this.turns.at(-1);
    return h(
      "div",
      { class: "said" },
      note(turn.error ?? "The answer broke off"),
      isLast
        ? h("div", { class: "row" }, actor("Try again", {
            act: () => this.send({ retry: turn.id }, turn.message),
          }))
        : null,
    );
  }

  liveNodes() {
    if (!this.live) return null;
    const { message, text, doing: words } = this.live;
    return [
      said("user", message),
      text ? said("writer", text, "typing") : null,
      words ? doing(words) : null,
    ];
  }

  suggestions() {
    if (this.phase === "published" || this.phase === "publishing") return null;
    const words = this.phase === "revising" ? ["Make it shorter"] : ["Write the draft now"];
    return words.map((message) =>
      button(message, { "data-key": message, onclick: () => this.send({ message }, message) }),
    );
  }
}

function said(who, words, more = "") {
  return h(
    "div",
    { class: `said said-${who}` },
    h("p", { class: "said-by" }, who === "user" ? "You" : "Writer"),
    h("div", { class: `said-words prose ${more}` }, markdown(words, { top: 3 })),
  );
}

function doing(words) {
  return h(
    "p",
    { class: "said-note row" },
    h("span", { class: "spinner", "aria-hidden": "true" }),
    words,
  );
}
