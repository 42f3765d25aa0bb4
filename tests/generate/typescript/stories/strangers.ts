/** Answers that a healthy data layer never gives, and time that runs out. */
import assert from "node:assert/strict";

import {
  AnswerUnreadable, CallError, Conflict, DeadlineExceeded, Internal, InvalidArgument, Kiosk, OutcomeUnknown,
  Overloaded, SeqNotReached, Unavailable,
} from "./clients/kiosk.js";
import { ending, Stranger } from "./place.js";

type Answers = ConstructorParameters<typeof Stranger>;

async function facing(
  answers: Answers, story: (dal: Kiosk, stranger: Stranger) => Promise<void>,
): Promise<void> {
  const stranger = await new Stranger(...answers).open();
  try {
    const dal = new Kiosk({ url: `${stranger.url}/behind/`, key: "k", timeoutMs: 5_000 });
    await story(dal, stranger);
  } finally {
    stranger.close();
  }
}

const problem = (parts: object, status = 409, headers = {}): Answers[0] =>
  ({ status, headers, body: JSON.stringify(parts) });

// The path, the headers, the key that stays the same.
const gateway: Answers[0] = { status: 502, body: "<html>" };
const done: Answers[0] = { body: "null", headers: { "Freehold-Seq": "7" } };
await facing([gateway, done], async (dal, stranger) => {
  await dal.take("i", 1);
  const [one, two] = stranger.asked;
  assert.equal(one?.path, "/behind/rpc/Kiosk/take");
  assert.equal(one?.headers["authorization"], "Bearer k");
  assert.match(String(one?.headers["freehold-contract"]), /^[0-9a-f]{16}$/);
  assert.match(String(one?.headers["idempotency-key"]), /^[0-9a-f]{32}$/);
  assert.equal(one?.headers["idempotency-key"], two?.headers["idempotency-key"]);
  assert.ok(Number(two?.headers["freehold-timeout-ms"]) <= 5_000);
  assert.equal(dal.seq, 7);
  assert.equal(one?.headers["freehold-act-as"], undefined);
  await dal.withOptions({ actAs: "alice" }).take("i", 1);
  assert.equal(stranger.asked.at(-1)?.headers["freehold-act-as"], "alice");
  assert.throws(() => dal.withOptions({ actAs: "a b" }), InvalidArgument);
  assert.notEqual(stranger.asked[2]?.headers["idempotency-key"], one?.headers["idempotency-key"]);
});

// Numbers that JSON has changed, and answers of another shape.
for (const body of ["9007199254740993", "1.5", '"1"', "null"]) {
  await facing([{ body }], async (dal) => {
    const error = await ending(dal.countNamed("x"));
    assert.ok(error instanceof AnswerUnreadable);
    assert.equal(error.outcome, "ok");
    assert.match(error.message, /the answer must be/);
  });
}
await facing([{ body: '{"a": [9007199254740993]}' }], async (dal) => {
  assert.match(String(await ending(dal.echoAny(1))), /the answer\.a\[0\]/);
});
await facing([{ body: '{"items": [{"id": "1"}], "nextCursor": null}' }], async (dal) => {
  assert.match(String(await ending(dal.listItems())), /the answer\.items\[0\]\.name is missing/);
});

// A field that this client does not know is passed over, and pollutes nothing.
const newer = '{"items": [], "nextCursor": null, "__proto__": {"evil": 1}, "new": 1}';
await facing([{ body: newer }], async (dal) => {
  const page = await dal.listItems();
  assert.deepEqual(page, { items: [], nextCursor: null });
  assert.equal(Object.getPrototypeOf(page), Object.prototype);
});
const data = JSON.parse('{"__proto__": {"a": 1}}') as object;
const polluting = problem({ code: "conflict", error: "constructor", detail: "d", data });
await facing([polluting], async (dal) => {
  const error = await ending(dal.countNamed("x"));
  assert.ok(error instanceof Conflict);
  assert.equal(Object.getPrototypeOf(error.data), null);
  assert.equal(({} as { a?: unknown }).a, undefined);
});

// Errors that nobody knows by name, or at all.
await facing([problem({ code: "conflict", error: "Newer", detail: "d" })], async (dal) => {
  const error = await ending(dal.take("i", 1));
  assert.ok(error instanceof Conflict);
  assert.equal(error.name, "Newer");
});
await facing([problem({ code: "brand_new", detail: "d", status: 418 }, 418)], async (dal) => {
  const error = await ending(dal.take("i", 1));
  assert.ok(error instanceof CallError);
  assert.deepEqual([error.code, error.status], ["brand_new", 418]);
});

// Gateways and wrong addresses.
await facing([{ status: 503, body: "<html>" }], async (dal, stranger) => {
  assert.ok((await ending(dal.countNamed("x"))) instanceof Unavailable);
  assert.equal(stranger.asked.length, 4);
  assert.ok((await ending(dal.take("i", 1))) instanceof OutcomeUnknown);
});
await facing([{ status: 404, body: "<html>" }], async (dal, stranger) => {
  assert.ok((await ending(dal.take("i", 1))) instanceof Internal);
  assert.equal(stranger.asked.length, 1);
});
const headers = { Location: "http://127.0.0.1:9/" };
const elsewhere: Answers[0] = { status: 307, headers, body: "" };
await facing([elsewhere], async (dal, stranger) => {
  assert.ok((await ending(dal.countNamed("x"))) instanceof Internal);
  assert.equal(stranger.asked.length, 1);
});

// Overload is waited out, as long as the budget lasts; then it is told.
const busy = problem(
  { code: "overloaded", error: "Overloaded", detail: "d", retryable: true }, 503,
  { "Retry-After": "0" },
);
await facing([busy, busy, { body: "5" }], async (dal) => {
  assert.equal(await dal.countNamed("x"), 5);
});
await facing([busy], async (dal, stranger) => {
  for (let calls = 0; calls < 20; calls++) {
    assert.ok((await ending(dal.countNamed("x"))) instanceof Overloaded);
  }
  assert.equal(stranger.asked.length < 20 + 13, true);
});
const behind = problem(
  { code: "unavailable", error: "SeqNotReached", detail: "d", retryable: true }, 503,
);
await facing([behind], async (dal, stranger) => {
  assert.ok((await ending(dal.countNamed("x"))) instanceof SeqNotReached);
  assert.equal(stranger.asked.length, 1);
});

// An answer was lost, and then nobody wants to hear: it may have happened.
const denied = problem({ code: "permission_denied", error: "PermissionDenied", detail: "no" }, 403);
await facing([{ status: 504, body: "" }, denied], async (dal) => {
  const error = await ending(dal.take("i", 1));
  assert.ok(error instanceof OutcomeUnknown);
  assert.match(error.message, /its answer was lost, and now: no/);
});
await facing([{ status: 504, body: "" }, denied], async (dal) => {
  assert.equal(((await ending(dal.countNamed("x"))) as CallError).code, "permission_denied");
});

// Time, and giving up.
await facing([], async (dal) => {
  const quick = dal.withOptions({ timeoutMs: 50 });
  assert.ok((await ending(quick.countNamed("x"))) instanceof DeadlineExceeded);
  assert.ok((await ending(quick.take("i", 1))) instanceof OutcomeUnknown);
});
await facing([], async (dal, stranger) => {
  const giveUp = new AbortController();
  const patient = dal.withOptions({ signal: giveUp.signal });
  const [read, write] = [ending(patient.countNamed("x")), ending(patient.take("i", 1))];
  while (stranger.asked.length < 2) await new Promise((done) => setTimeout(done, 5));
  const gaveUp = performance.now();
  giveUp.abort(new Error("enough"));
  assert.equal(String(await read), "Error: enough");
  const unknown = await write;
  assert.ok(unknown instanceof OutcomeUnknown);
  assert.equal(String(unknown.cause), "Error: enough");
  assert.equal(performance.now() - gaveUp < 2_000, true);
  assert.equal(String(await ending(patient.take("i", 1))), "Error: enough");
  assert.equal(stranger.asked.length, 2);
});
