/** Errors of the server, and what is refused before it is sent. */
import assert from "node:assert/strict";

import {
  CallError, Conflict, Internal, InvalidArgument, Kiosk, NotFound, OutOfStock, Unauthenticated,
  Unavailable, type EverythingGiven,
} from "./clients/kiosk.js";
import { ending, kiosk, Stranger, url } from "./place.js";

const dal = kiosk();

const item = await dal.addItem("errors", { amount: 1 });
const refusal = await ending(dal.take(item.id, 5));
assert.ok(refusal instanceof OutOfStock && refusal instanceof Conflict);
assert.ok(refusal instanceof CallError);
assert.deepEqual(
  [refusal.name, refusal.code, refusal.status, refusal.retryable, refusal.outcome],
  ["OutOfStock", "conflict", 409, false, "failed"],
);
assert.deepEqual([refusal.name_, refusal.left, refusal.everMade], ["errors", 1, 2n ** 60n]);
assert.deepEqual(refusal.first, { page: 1, text: "soon" });
assert.equal(refusal.message, "there are only 1 of 'errors'. Take fewer.");

const missing = await ending(dal.take("nobody", 1));
assert.ok(missing instanceof NotFound);

const defect = await ending(dal.broken());
assert.ok(defect instanceof Internal);
assert.doesNotMatch(defect.message, /stays on the server/);

const stranger = await ending(new Kiosk({ url, key: "fh_wrong" }).countNamed("x"));
assert.ok(stranger instanceof Unauthenticated);

const long = await ending(dal.listItems({ limit: 100_000 }));
assert.ok(long instanceof InvalidArgument);

// What only the server refuses.
for (const text of ["\ud800", "nul \0"]) {
  assert.ok((await ending(dal.addItem(text))) instanceof InvalidArgument);
}

// Nobody there: a mutation that was never sent has not happened.
const gone = await new Stranger({ body: "" }).open();
gone.close();
const nobody = await ending(new Kiosk({ url: gone.url }).addItem("nobody"));
assert.ok(nobody instanceof Unavailable);
assert.equal(nobody.retryable, true);
assert.match(nobody.message, /no data layer at http:.* Start it with `freehold dev`/);

// What JSON would silently change is refused here, and named as the server would.
const sent: string[] = [];
const quiet = kiosk({ fetch: (...args) => (sent.push("x"), fetch(...args)) });
const value: EverythingGiven = {
  text: "t", whole: 1, big: 1n, real: 1, flag: true, raw: new Uint8Array(), kind: "a", level: 1,
  tags: [], amounts: {}, mark: null, marks: [], anything: null, where: 1, at: 1, atMs: 1,
};
const circle: unknown[] = [];
circle.push(circle);
const wrong: [Partial<Record<keyof EverythingGiven, unknown>>, string][] = [
  [{ whole: 2 ** 53 }, "value.whole"],
  [{ whole: 1.5 }, "value.whole"],
  [{ at: Number.NaN }, "value.at"],
  [{ real: Number.POSITIVE_INFINITY }, "value.real"],
  [{ big: 2n ** 63n }, "value.big"],
  [{ big: 1 }, "value.big"],
  [{ raw: "AAA=" }, "value.raw"],
  [{ tags: ["a", undefined] }, "value.tags[1]"],
  [{ marks: [{ page: 1, pages: 2 }] }, "value.marks[0].pages"],
  [{ kind: "z" }, "value.kind"],
  [{ amounts: { a: 1n, b: 2 } }, "value.amounts.b"],
  [{ anything: { id: 2 ** 53 } }, "value.anything.id"],
  [{ anything: [new Date()] }, "value.anything[0]"],
  [{ anything: new Map() }, "value.anything"],
  [{ anything: 5n }, "value.anything"],
  [{ where: true }, "value.where"],
];
for (const [part, path] of wrong) {
  const error = await ending(quiet.echo({ ...value, ...part } as EverythingGiven));
  assert.ok(error instanceof InvalidArgument, path);
  assert.equal(error.path, path);
}
assert.ok((await ending(quiet.echoAny(circle))) instanceof InvalidArgument);
assert.deepEqual(sent, []);

// What cannot be an option.
for (const options of [
  { url: "8791" }, { url: "unix:/x" }, { url: "http://user:pass@h" }, { url: "http://h/?a=b" },
  { url, key: "a b" }, { url, key: "" }, { url, timeoutMs: 0 }, { url, timeoutMs: Number.NaN },
]) {
  assert.throws(() => new Kiosk(options), InvalidArgument);
}
assert.throws(() => dal.withOptions({ idempotencyKey: "ü" }), InvalidArgument);
