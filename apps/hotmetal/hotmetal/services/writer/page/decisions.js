// A decision is sent under one key, however often it is clicked or repeated.
//
// The key is made when the decision is first taken and kept in the tab's storage, so that it
// outlives a reload. It is forgotten when the server has said what came of it; after a lost answer
// or a failure of the server the same key goes out again, and what was done is not done twice.

const PREFIX = "decision:";
const underWay = new Map();

// `crypto.randomUUID` is there only under https and on this machine.
function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function keyFor(name, body) {
  const words = JSON.stringify(body ?? null);
  const kept = sessionStorage.getItem(PREFIX + name);
  if (kept) {
    const known = JSON.parse(kept);
    // Another form is another decision.
    if (known.words === words) return known.key;
  }
  const key = newKey();
  sessionStorage.setItem(PREFIX + name, JSON.stringify({ key, words }));
  return key;
}

/**
 * Carry a decision out: `act(key)` sends it. A second call while the first is under way is the
 * first, and gets its answer.
 */
export function decide(name, body, act) {
  if (!underWay.has(name)) {
    underWay.set(
      name,
      carryOut(name, body, act).finally(() => underWay.delete(name)),
    );
  }
  return underWay.get(name);
}

async function carryOut(name, body, act) {
  try {
    const answer = await act(keyFor(name, body));
    sessionStorage.removeItem(PREFIX + name);
    return answer;
  } catch (error) {
    // Refused is an answer; lost or broken is none.
    if (error.status >= 400 && error.status < 500) sessionStorage.removeItem(PREFIX + name);
    throw error;
  }
}
