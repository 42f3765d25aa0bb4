/** A lost answer: the call is sent again under its key, and there is one effect. */
import assert from "node:assert/strict";

import { Conflict, IdempotencyMismatch, OutcomeUnknown, OutOfStock } from "./clients/kiosk.js";
import { ending, key, kiosk, Line } from "./place.js";

const direct = kiosk();

async function over(answersToLose: number, story: (line: Line) => Promise<void>): Promise<void> {
  const line = await new Line(answersToLose).open();
  try {
    await story(line);
  } finally {
    line.close();
  }
}

await over(1, async (line) => {
  const item = await kiosk({ url: line.url, key }).addItem("lost once");
  assert.equal(line.lost, 1);
  assert.equal(await direct.countNamed("lost once"), 1);
  assert.equal((await direct.getItem(item.id))?.name, "lost once");
});

await over(1, async (line) => {
  assert.equal(await kiosk({ url: line.url, key }).countNamed("lost once"), 1);
  assert.equal(line.lost, 1);
});

// A refusal is as certain as a result.
const item = await direct.addItem("few", { amount: 1 });
await over(2, async (line) => {
  const refusal = await ending(kiosk({ url: line.url, key }).take(item.id, 2));
  assert.ok(refusal instanceof OutOfStock && refusal instanceof Conflict);
  assert.equal(line.lost, 2);
});

// Nobody answers any more: the client says that it does not know, and the key finds out.
const idempotencyKey = "the order 4711";
await over(100, async (line) => {
  const dal = kiosk({ url: line.url, key }).withOptions({ idempotencyKey: "order-4711" });
  const unknown = await ending(dal.addItem("order"));
  assert.ok(unknown instanceof OutcomeUnknown);
  assert.equal(unknown.outcome, "unknown");
  assert.equal(line.lost, 4);
  assert.equal(await direct.countNamed("order"), 1);
});
assert.throws(() => direct.withOptions({ idempotencyKey }), /visible ASCII/);
const named = direct.withOptions({ idempotencyKey: "order-4711" });
assert.equal((await named.addItem("order")).name, "order");
assert.equal(await direct.countNamed("order"), 1);
assert.ok((await ending(named.addItem("another"))) instanceof IdempotencyMismatch);

// Several calls, one transaction, one effect too.
await over(1, async (line) => {
  const dal = kiosk({ url: line.url, key });
  await dal.transaction((t) => [t.addItem("pair"), t.addItem("pair")]);
  assert.equal(line.lost, 1);
  assert.equal(await direct.countNamed("pair"), 2);
});
