/** As a page has it: none of Node's own globals, and an address relative to the page's. */
import assert from "node:assert/strict";

const href = `${process.env["KIOSK_URL"] ?? ""}/a/page?of=it`;
const key = process.env["KIOSK_KEY"] ?? "";
await (await fetch(href)).text(); // Node's fetch itself begins with them.
const own = ["process", "Buffer", "global", "setImmediate", "clearImmediate", "require", "module"];
for (const name of own) Reflect.deleteProperty(globalThis, name);
Reflect.set(globalThis, "location", { href });
assert.deepEqual(own.filter((name) => name in globalThis), []);

const { Kiosk, NotFound, connect } = await import("./clients/kiosk.js");
const dal = connect(Kiosk, "/", key);
const item = await dal.addItem("of a page", { amount: 2 });
const [taken, same] = await dal.transaction((t) => [t.take(item.id, 1), t.getItem(item.id)]);
assert.equal(taken, undefined);
assert.equal(same?.amount, 1);
assert.ok((await dal.take("nobody", 1).catch((reason: unknown) => reason)) instanceof NotFound);
