/** Every type, there and back; what is left out, and what is null. */
import assert from "node:assert/strict";

import {
  connect, Kiosk, type Everything, type EverythingGiven, type Item,
} from "./clients/kiosk.js";
import { key, kiosk, url } from "./place.js";

const dal = connect(Kiosk, url, key);

const whole: Everything = {
  text: "ünï 漢字 🦄 \u2028 \"quoted\" \\ </script>",
  whole: Number.MAX_SAFE_INTEGER,
  big: 2n ** 63n - 1n,
  real: 0.1,
  flag: true,
  raw: Uint8Array.from({ length: 20_000 }, (_, at) => at % 256),
  kind: 'b"',
  level: 2,
  tags: ["a", "", "c"],
  amounts: { one: 1n, ["__proto__"]: -(2n ** 63n), constructor: 0n },
  mark: { page: 1, text: "x" },
  marks: [{ page: 2, text: "" }],
  anything: { deep: [1, "two", null, { three: 3.5 }], big: 1e300 },
  where: [1, 2],
  at: 1_800_000_000,
  atMs: Date.now(),
  leftOut: null,
  withDefault: 9,
};

const back = await dal.echo(whole);
const apart = { amounts: null, anything: null };
assert.deepEqual({ ...back, ...apart }, { ...whole, ...apart });
assert.deepEqual(Object.entries(back.amounts).sort(), Object.entries(whole.amounts).sort());
assert.deepEqual(JSON.parse(JSON.stringify(back.anything)), whole.anything);
assert.equal(Object.getPrototypeOf(back.amounts), null);
assert.equal(({} as { one?: unknown }).one, undefined);

// What has a default may be left out, and is answered; a Maybe stays away.
const { leftOut: _leftOut, withDefault: _withDefault, ...least } = whole;
const given: EverythingGiven = {
  ...least, mark: { page: 3 }, level: null, where: null, raw: new Uint8Array(),
};
const answered = await dal.echo(given);
assert.equal(answered.withDefault, 7);
assert.equal("leftOut" in answered, false);
assert.deepEqual(answered.mark, { page: 3, text: "" });
assert.deepEqual([answered.level, answered.where, answered.raw], [null, null, new Uint8Array()]);
assert.equal((await dal.echo({ ...given, where: "here" })).where, "here");
assert.equal((await dal.echo({ ...given, where: 5 })).where, 5);
assert.equal((await dal.echo({ ...given, leftOut: "in" })).leftOut, "in");

// Anything, with keys that mean something to a careless reader.
const text = '{"__proto__": {"polluted": 1}, "constructor": {"prototype": 2}}';
const nasty: unknown = JSON.parse(text);
const echoed = (await dal.echoAny(nasty)) as Record<string, unknown>;
assert.equal(JSON.stringify(echoed), JSON.stringify(nasty));
assert.equal(echoed["polluted"], undefined);
assert.equal(await dal.echoAny(null), null);

// Arguments: by position, by name, left out.
assert.deepEqual(await dal.defaults("f"), ["f", "3", "None", "UNSET"]);
const named = await dal.defaults("f", { delete: 4, kind: "y", given: null });
assert.deepEqual(named, ["f", "4", "'y'", "None"]);
assert.deepEqual(await dal.defaults("f", { kind: null, given: "g" }), ["f", "3", "None", "'g'"]);

// A row: sealed, hashed, pages, changes that leave alone what they do not name.
const item: Item = await dal.addItem("round 1", { amount: 2, secret: "s3cret", token: "raw" });
assert.match(item.token ?? "", /^[0-9a-f]{64}$/);
assert.notEqual(item.secret, null);
assert.notEqual(item.secret, "s3cret");
assert.equal(Math.abs(item.createdAt - Date.now() / 1000) < 60, true);
assert.deepEqual(await dal.changeItem(item.id, { firstId: "x" }), { ...item, firstId: "x" });
assert.deepEqual(await dal.changeItem(item.id, { firstId: null }), item);
assert.equal(await dal.changeItem("nobody", { name: "n" }), null);
assert.equal(await dal.take(item.id, 1), null);
await dal.addItem("round 2");
await dal.addItem("round 3");
const first = await dal.listItems();
assert.deepEqual(first.items.map((each) => each.name), ["round 1", "round 2"]);
const rest = await dal.listItems({ cursor: first.nextCursor });
assert.deepEqual([rest.items.map((each) => each.name), rest.nextCursor], [["round 3"], null]);

// It reads what it wrote: the number of the commit goes along.
assert.equal(dal.seq > 0, true);
const asked: string[] = [];
const watching = kiosk({
  fetch: (input, init) => {
    asked.push(new Headers(init?.headers).get("Freehold-Min-Seq") ?? "");
    return fetch(input, init);
  },
});
await watching.countNamed("round 1");
await watching.addItem("round 4");
assert.equal(await watching.withOptions({ timeoutMs: 5_000 }).countNamed("round 4"), 1);
assert.deepEqual(asked.map(Number), [0, 0, watching.seq]);

// Many more, from a seed.
let seed = 4711;
function dice(sides: number): number {
  seed = (seed * 48_271) % 2_147_483_647;
  return seed % sides;
}
function some<T>(make: () => T): T[] {
  return Array.from({ length: dice(4) }, make);
}
const letters = ["", "a", "ß", "漢", "🦄", '"', "\\", "\n", "\u2028", "</"];
const words = (): string => some(() => letters[dice(letters.length)]).join("");
const bigs = (): bigint => BigInt.asIntN(64, BigInt(dice(2 ** 30)) ** BigInt(1 + dice(3)));
for (let times = 0; times < 100; times++) {
  const any: Everything = {
    ...whole,
    text: words(),
    whole: (dice(2) === 0 ? 1 : -1) * dice(2 ** 30) * dice(2 ** 22),
    big: bigs(),
    real: (dice(1_000_000) - 500_000) / (1 + dice(1_000)),
    flag: dice(2) === 0,
    raw: Uint8Array.from(some(() => dice(256))),
    level: dice(2) === 0 ? null : 1,
    tags: some(words),
    amounts: {},
    mark: dice(2) === 0 ? null : { page: dice(9), text: words() },
    marks: some(() => ({ page: dice(9), text: words() })),
    anything: some(words),
    where: [words(), dice(99), some(() => dice(9)), null][dice(4)] ?? null,
  };
  assert.deepEqual(await dal.echo(any), { ...any, amounts: Object.create(null) });
}
