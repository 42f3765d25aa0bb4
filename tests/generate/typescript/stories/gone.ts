/** The data layer is gone: calls fail fast, one finds out when it is back; and how long to wait. */
import assert from "node:assert/strict";
import { createServer } from "node:net";

import { OutcomeUnknown, Overloaded, Unavailable } from "./clients/kiosk.js";
import { ending, kiosk, Line, portOf, Stranger, key, url } from "./place.js";

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** How often somebody tried, by a fetch that counts. */
function counting(): { fetch: typeof fetch; tries: number } {
  const counted = {
    tries: 0,
    fetch: (input: Parameters<typeof fetch>[0], init?: RequestInit) => {
      counted.tries += 1;
      return fetch(input, init);
    },
  };
  return counted;
}

// A port that nobody listens on.
const probe = createServer();
await new Promise<void>((done) => probe.listen(0, "127.0.0.1", done));
const port = portOf(probe);
await new Promise<void>((done) => probe.close(() => done()));

{
  const counted = counting();
  const dal = kiosk({ url: `http://127.0.0.1:${port}`, fetch: counted.fetch });
  while (counted.tries < 6) assert.ok((await ending(dal.countNamed("a"))) instanceof Unavailable);
  const before = performance.now();
  for (let n = 0; n < 200; n++) {
    const refusal = await ending(dal.addItem("a"));
    assert.ok(refusal instanceof Unavailable && refusal.outcome === "failed");
    assert.match(refusal.message, /no data layer at/);
  }
  assert.equal(counted.tries, 6);
  assert.ok(performance.now() - before < 400);

  // After a while one of many finds out; nobody is there, so the rest is not tried.
  await pause(600);
  await Promise.all(Array.from({ length: 50 }, () => ending(dal.countNamed("a"))));
  assert.equal(counted.tries, 7);

  // It is back: the one that finds out is served, and then all are.
  const line = await new Line(0).open(port);
  await pause(600);
  assert.equal(await dal.countNamed("nobody has that name"), 0);
  await Promise.all(Array.from({ length: 20 }, () => dal.countNamed("a")));
  line.close();
}

// The same when it is a gateway that says so, or a browser that says nothing.
for (const gateway of [502, 503, 504]) {
  const stranger = await new Stranger({ status: gateway, body: "<html>" }).open();
  const dal = kiosk({ url: stranger.url });
  while (stranger.asked.length < 6) {
    assert.ok((await ending(dal.countNamed("a"))) instanceof Unavailable);
  }
  const refusal = await ending(dal.addItem("a"));
  assert.ok(refusal instanceof Unavailable && refusal.outcome === "failed");
  assert.equal(stranger.asked.length, 6);
  stranger.close();
}
{
  let tries = 0;
  const dal = kiosk({
    fetch: () => {
      tries += 1;
      return Promise.reject(new TypeError("Failed to fetch"));
    },
  });
  // What may have been sent is never said to be undone.
  assert.ok((await ending(dal.addItem("a"))) instanceof OutcomeUnknown);
  assert.equal(tries, 4);
  assert.ok((await ending(dal.addItem("a"))) instanceof OutcomeUnknown);
  assert.equal(tries, 6);
  assert.ok((await ending(dal.addItem("a"))) instanceof Unavailable);
  assert.equal(tries, 6);
}

// A refusal in between is somebody's answer: the count begins anew.
{
  const counted = counting();
  let isThere = false;
  const dal = kiosk({
    fetch: (input, init) => {
      if (isThere) return counted.fetch(input, init);
      counted.tries += 1;
      return Promise.reject(new TypeError("Failed to fetch"));
    },
  });
  for (let round = 0; round < 3; round++) {
    isThere = false;
    assert.ok((await ending(dal.countNamed("a"))) instanceof Unavailable);
    isThere = true;
    await ending(dal.take("nobody", 1));
    assert.equal(counted.tries, 5 * (round + 1));
  }
}

// An overloaded data layer says when to come again, and nobody comes before.
const busy = JSON.stringify({ code: "overloaded", error: "Overloaded", detail: "Too much." });
for (const [headers, inBody] of [
  [{ "Retry-After": "1" }, busy],
  [{}, JSON.stringify({ ...(JSON.parse(busy) as object), retryAfterS: 1 })],
] as const) {
  const stranger = await new Stranger(
    { status: 503, headers, body: inBody }, { body: "3" },
  ).open();
  const before = performance.now();
  assert.equal(await kiosk({ url: stranger.url }).countNamed("a"), 3);
  const took = performance.now() - before;
  assert.ok(took >= 990 && took < 2_000, `${took} ms`);
  stranger.close();
}
const late = await new Stranger({
  status: 503, headers: { "Retry-After": "60" }, body: busy,
}).open();
const told = performance.now();
const overloaded = await ending(kiosk({ url: late.url }).addItem("a"));
assert.ok(overloaded instanceof Overloaded && overloaded.retryAfterS === 60);
assert.ok(performance.now() - told < 500);
assert.equal(late.asked.length, 1);
late.close();

// A key of the caller's own holds for a transaction too, and over another binding.
for (let run = 0; run < 2; run++) {
  const dal = kiosk({ url, key });
  await dal.transaction((t) => [t.addItem("named"), t.addItem("named")], {
    idempotencyKey: "both-of-them",
  });
  assert.equal(await dal.countNamed("named"), 2);
}
