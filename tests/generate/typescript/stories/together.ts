/** Several calls, one transaction: references, results, all or nothing. */
import assert from "node:assert/strict";

import { InvalidArgument, OutOfStock, type Item, type Ref } from "./clients/kiosk.js";
import { ending, kiosk } from "./place.js";

const dal = kiosk();

const [first, second, count, page] = await dal.transaction((t) => {
  const one = t.addItem("t1", { amount: 3 });
  const two = t.addItem("t2", { firstId: one.ref.id });
  t.take(one.ref.id, 2);
  t.changeItem(two.ref.id, { name: one.ref.name });
  return [one, two, t.countNamed("t1"), t.listItems({ limit: 1 })];
});
assert.equal(second.firstId, first.id);
assert.equal(count, 2);
assert.equal(page.items.length, 1);
assert.equal((await dal.getItem(first.id))?.amount, 1);
assert.equal((await dal.getItem(second.id))?.name, "t1");

// One step, none, nothing at all.
const alone = await dal.transaction((t) => t.addItem("alone"));
assert.equal(alone.name, "alone");
const before = dal.seq;
assert.equal(await dal.transaction((t) => void t.addItem("silent")), undefined);
assert.equal(dal.seq, before + 1);
assert.deepEqual(await dal.transaction(() => []), []);
assert.equal(dal.seq, before + 1);

// Into lists, and only reading.
const [again] = await dal.transaction((t) => {
  const items = t.listItems();
  return [t.getItem(items.ref.items.at(0).id)];
});
assert.equal(again?.id, (await dal.listItems()).items[0]?.id);

// All or nothing; the error says which call it was.
const refusal = await ending(
  dal.transaction((t) => {
    const made = t.addItem("undone", { amount: 1 });
    return t.take(made.ref.id, 2);
  }),
);
assert.ok(refusal instanceof OutOfStock);
assert.deepEqual([refusal.data["call"], refusal.left], [1, 1]);
assert.equal(await dal.countNamed("undone"), 0);

// A reference of another transaction would mean another result; a step is no result yet.
let kept: Ref<Item> | undefined;
await dal.transaction((t) => {
  kept = t.addItem("kept").ref;
});
const foreign = await ending(dal.transaction((t) => t.getItem(kept?.id ?? "")));
assert.ok(foreign instanceof InvalidArgument);
assert.match(foreign.message, /another transaction/);

// Data is never taken for a reference.
const injected = await ending(
  dal.transaction((t) => {
    t.addItem("victim");
    return t.echoAny({ note: { $result: [0, "secret"] } });
  }),
);
assert.ok(injected instanceof InvalidArgument);
assert.equal(injected.path, "value.note");
const plain = { note: { $result: [0, "secret"] } };
assert.equal(JSON.stringify(await dal.echoAny(plain)), JSON.stringify(plain));
