// What the page asks of the writer, and what it does while the writer does not answer.
//
// The cookie of the sign-in says who asks; there is no key in this page. A lost server is looked
// for until it is back; whoever listens on `news` hears "lost", "back" and "stranger".

const FIRST_LOOK_MS = 700;
const LONGEST_LOOK_MS = 5_000;

/** Tells of "lost" (detail: the words), "back" and "stranger" (the sign-in has ended). */
export const news = new EventTarget();

let lost = false;

/** An answer that is a refusal: its status, the server's words, and its whole body. */
export class Refusal extends Error {
  constructor(status, body) {
    super(body?.error ?? `The server answered ${status}.`);
    this.name = "Refusal";
    this.status = status;
    this.body = body ?? {};
  }
}

/** No answer: the server could not be reached, or went away in the middle. */
export class Lost extends Error {
  constructor() {
    super("The writer does not answer.");
    this.name = "Lost";
    this.status = 0;
  }
}

/** Read something. */
export function get(path, { signal } = {}) {
  return ask("GET", path, { signal });
}

/** Change something; `key` makes a repetition of it harmless. */
export function send(method, path, body, { key, signal } = {}) {
  return ask(method, path, { body, key, signal });
}

async function ask(method, path, how) {
  const response = await reach(method, path, how);
  return read(response, how.signal);
}

async function reach(method, path, { body, key, signal, accept = "application/json" } = {}) {
  const headers = { Accept: accept };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (key) headers["Idempotency-Key"] = key;
  try {
    return await fetch(path, {
      method,
      headers,
      signal,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
    });
  } catch (error) {
    throw gone(error, signal);
  }
}

function gone(error, signal) {
  if (signal?.aborted) return error;
  lookForServer("The writer does not answer.");
  return new Lost();
}

async function read(response, signal) {
  let body = null;
  try {
    const text = await response.text();
    body = text ? JSON.parse(text) : null;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw gone(error, signal);
  }
  if (response.ok) return body;
  throw refused(response.status, body);
}

function refused(status, body) {
  if (status === 401) news.dispatchEvent(new Event("stranger"));
  // The writer is there, what it stands on is not: it says so in its own words.
  if (status === 503) lookForServer(body?.error ?? "The writer cannot answer yet.");
  return new Refusal(status, body);
}

/**
 * Send something whose answer comes in pieces. `onEvent({event, data})` gets each; an answer
 * that is plain JSON is one event named "answer".
 */
export async function stream(path, body, { onEvent, key, signal }) {
  const accept = "text/event-stream, application/json";
  const response = await reach("POST", path, { body, key, signal, accept });
  const type = response.headers.get("content-type") ?? "";
  if (!response.ok) await read(response, signal);
  if (!type.startsWith("text/event-stream")) {
    onEvent({ event: "answer", data: await read(response, signal) });
    return;
  }
  try {
    await readEvents(response.body.getReader(), onEvent);
  } catch (error) {
    // Thrown by who listens: the stream itself said that it failed.
    if (error instanceof Refusal) throw error;
    throw gone(error, signal);
  }
}

async function readEvents(reader, onEvent) {
  const decoder = new TextDecoder();
  let waiting = "";
  for (;;) {
    const { value, done } = await reader.read();
    waiting += decoder.decode(value ?? new Uint8Array(), { stream: !done });
    const records = waiting.split(/\r?\n\r?\n/);
    waiting = done ? "" : records.pop();
    for (const record of records) tell(record, onEvent);
    if (done) return;
  }
}

function tell(record, onEvent) {
  let event = "message";
  const data = [];
  for (const line of record.split(/\r?\n/)) {
    if (line.startsWith("event:")) event = line.slice(6).trim();
    if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
  }
  if (data.length > 0) onEvent({ event, data: JSON.parse(data.join("\n")) });
}

function lookForServer(words) {
  if (lost) return;
  lost = true;
  news.dispatchEvent(new CustomEvent("lost", { detail: words }));
  look(FIRST_LOOK_MS);
}

function look(after) {
  setTimeout(async () => {
    if (await isThere()) {
      lost = false;
      news.dispatchEvent(new Event("back"));
    } else {
      look(Math.min(after * 1.5, LONGEST_LOOK_MS));
    }
  }, after);
}

async function isThere() {
  try {
    const response = await fetch("/health", { cache: "no-store", credentials: "omit" });
    const body = await response.json();
    return response.ok && body.dataLayer === "ok";
  } catch {
    return false;
  }
}

/** Sign in with the key; a cookie is what comes of it. */
export function signIn(key) {
  return send("POST", "/sign-in", { key });
}

/** Whether this browser has a cookie that holds. */
export function isSignedIn() {
  return get("/signed-in");
}

/** Forget the cookie. */
export function signOut() {
  return send("POST", "/sign-out", {});
}
