/** As a page has it: none of Node's own globals, and an address relative to the page's. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import type * as Client from "./clients/kiosk.js";
import { key, url } from "./place.js";

const text = readFileSync(new URL("./clients/kiosk.js", import.meta.url), "utf8");
assert.doesNotMatch(text, /^import |globalThis\.process|"node:/m);

// The module with Node's names hidden; Node's own `fetch` needs them, so they cannot be deleted.
const own = ["process", "Buffer", "global", "setImmediate", "clearImmediate", "require", "module"];
const body = text
  .replace(/^export (?=class|const|function)/gm, "")
  .replace(/^export \{[^}]*\};?$/gm, "");
const load = new Function(...own, `"use strict"; ${body}; return { Kiosk, NotFound, connect };`);
Reflect.set(globalThis, "location", { href: `${url}/a/page?of=it` });
const { Kiosk, NotFound, connect } = load() as typeof Client;

const dal = connect(Kiosk, "/", key);
const item = await dal.addItem("of a page", { amount: 2 });
const [, same] = await dal.transaction((t) => [t.take(item.id, 1), t.getItem(item.id)]);
assert.equal(same?.amount, 1);
assert.ok((await dal.take("nobody", 1).catch((reason: unknown) => reason)) instanceof NotFound);
