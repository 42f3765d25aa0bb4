// -- calls ---------------------------------------------------------------------------------------

/** Where the data layer is, and how to call it. */
interface ConnectOptions {
  /** `http://127.0.0.1:8791`; a path stands before `/rpc` then. */
  readonly url: string;
  /** The service key. It is a secret: do not hand it to a browser. */
  readonly key?: string;
  /** How long a call may take with all its attempts; 30 seconds when left out. */
  readonly timeoutMs?: number;
  /** What sends requests, instead of the platform's own `fetch`. */
  readonly fetch?: typeof fetch;
}

/** What can be said about calls besides their arguments; see `withOptions`. */
interface CallOptions {
  /** How long a call may take with all its attempts. */
  readonly timeoutMs?: number;
  /**
   * Names one logical mutation, over restarts of this process too: called again under it, it
   * gives the first answer and has no second effect. Left out, each call makes its own.
   */
  readonly idempotencyKey?: string;
  /** The user whom the calls are made for; the service key needs the scope `act_as`. */
  readonly actAs?: string;
  /** Gives up the call. A mutation that was sent by then ends in `OutcomeUnknown`. */
  readonly signal?: AbortSignal;
}

interface _Method {
  readonly name: string;
  readonly isQuery: boolean;
  readonly params: _Fields;
  readonly returns: _Shape;
}

/** One call on its way. */
interface _Request<T> {
  readonly name: string;
  readonly path: string;
  readonly isQuery: boolean;
  readonly body: string;
  readonly read: (answer: unknown) => T;
}

/** How an attempt ended. */
type _Ended<T> = { readonly value: T } | _Failure;

/** How an attempt ended that gave no answer. */
interface _Failure {
  readonly error: CallError;
  /** The answer, if there was one, was lost. */
  readonly isLost: boolean;
  /** A mutation may have happened. */
  readonly wasSent: boolean;
}

const _TIMEOUT_MS = 30_000;
/** The server tells that the time is up; its word, which says more, may come a little later. */
const _LATE_MS = 100;
const _TRIES = 3;
const _FIRST_WAIT_MS = 50;
const _LONGEST_WAIT_MS = 2_000;
const _BUDGET_MAX = 10;
const _BUDGET_SHARE = 0.1;
/** After so many vain attempts in a row nobody seems to be there … */
const _VAIN_MAX = 6;
/** … and calls are refused for so long; then one of them finds out. */
const _SHUT_MS = 500;
const _TIMER_MAX_MS = 2 ** 31 - 1;
/** Refusals that came before the idempotency key was looked up. */
const _LOOKED = new Set([
  "not_found",
  "conflict",
  "idempotency_mismatch",
  "answer_gone",
  "secret_gone",
]);
/** What Node says when there was no connection at all; a browser does not tell. */
const _NEVER_SENT = new Set([
  "ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH", "ENETDOWN",
  "UND_ERR_CONNECT_TIMEOUT",
]);

/** A name for one logical mutation that nobody else has; later ones sort behind. */
function _newKey(): string {
  const bytes = new Uint8Array(10);
  const source = globalThis.crypto as typeof globalThis.crypto | undefined;
  // Node 18 has no global `crypto`. A key must be unique for its caller, not secret.
  if (source === undefined) bytes.forEach((_, at) => (bytes[at] = Math.random() * 256));
  else source.getRandomValues(bytes);
  const random = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return Date.now().toString(16).padStart(12, "0") + random;
}

function _checkedUrl(url: string): string {
  const here = (globalThis as { location?: { href?: string } }).location?.href;
  let parsed: URL | null = null;
  try {
    parsed = new URL(url, here);
  } catch {
    // Told below.
  }
  const isPlain = parsed !== null && /^https?:$/.test(parsed.protocol) && !parsed.username
    && !parsed.password && !parsed.search && !parsed.hash;
  if (parsed === null || !isPlain) {
    throw new InvalidArgument({
      detail: `${JSON.stringify(url)} is not the address of a data layer.`,
      hint: "Write http://host:port or https://host, without key, query or fragment.",
      path: "url",
    });
  }
  return parsed.href.replace(/\/+$/, "");
}

function _checkedTimeout(timeoutMs: number): number {
  if (Number.isFinite(timeoutMs) && timeoutMs >= 1) return timeoutMs;
  throw new InvalidArgument({
    detail: `a call cannot be given ${timeoutMs} ms.`,
    hint: "Give a positive number of milliseconds.",
    path: "timeoutMs",
  });
}

function _checkedKey(key: string, path: "key" | "idempotencyKey"): string {
  if (/^[!-~]{1,255}$/.test(key)) return key;
  throw new InvalidArgument({
    detail: `${path} must be 1 to 255 visible ASCII characters.`,
    hint: path === "key" ? "Give the service key as it was made." : "Give a UUID, for example.",
    path,
  });
}

function _checkedUser(user: string): string {
  if (/^[!-~]{1,120}$/.test(user)) return user;
  throw new InvalidArgument({
    detail: "actAs must be 1 to 120 visible ASCII characters.",
    hint: "Give the id that the application knows the user by.",
    path: "actAs",
  });
}

/** What all bindings made from one share: the address, the last commit seen, the budget. */
class _Wire {
  seq = 0;
  readonly #url: string;
  readonly #key: string | undefined;
  readonly #fetch: typeof fetch;
  #budget = _BUDGET_MAX;
  #vain = 0;
  #shutUntil = 0;
  #shutBy: CallError | null = null;

  constructor(options: ConnectOptions) {
    this.#url = _checkedUrl(options.url);
    this.#key = options.key === undefined ? undefined : _checkedKey(options.key, "key");
    // A browser's fetch wants to be called on nothing.
    this.#fetch = options.fetch ?? ((input, init) => fetch(input, init));
  }

  /** Send it, and again when that may help, a mutation under its key. */
  async send<T>(request: _Request<T>, options: _Options): Promise<T> {
    this.#refuseWhileShut();
    this.#budget = Math.min(_BUDGET_MAX, this.#budget + _BUDGET_SHARE);
    const deadline = performance.now() + options.timeoutMs + _LATE_MS;
    const headers = this.#headers(request, options);
    let wasSent = false;
    for (let count = 0; ; count++) {
      const ended: _Ended<T> = await this.#attempt(request, headers, options, deadline, wasSent);
      if ("value" in ended) return ended.value;
      wasSent ||= ended.wasSent;
      const wait = _waitMs(ended, count);
      const isLate = wait === null || performance.now() + wait >= deadline;
      if (isLate || this.#shutBy !== null || !(ended.isLost || this.#spend())) throw _honest(ended.error, request, wasSent);
      await _pause(wait, options.signal, () => _aborted(request, options, wasSent));
    }
  }

  /** When nobody has been there for a while, calls are told so at once. */
  #refuseWhileShut(): void {
    if (this.#shutBy === null) return;
    const { detail, hint } = this.#shutBy;
    const now = performance.now();
    if (now < this.#shutUntil) throw new Unavailable({ detail, hint, cause: this.#shutBy });
    // This one finds out; were it never to come back, another does after a while.
    this.#shutUntil = now + _SHUT_MS;
  }

  /** Nobody was there. */
  #wasVain(error: CallError): void {
    this.#vain += 1;
    if (this.#vain < _VAIN_MAX) return;
    this.#shutBy = error;
    this.#shutUntil = performance.now() + _SHUT_MS;
  }

  /** A data layer has answered. */
  #isWell(): void {
    this.#vain = 0;
    this.#shutBy = null;
  }

  #spend(): boolean {
    if (this.#budget < 1) return false;
    this.#budget -= 1;
    return true;
  }

  #headers(request: _Request<unknown>, options: _Options): Record<string, string> {
    const headers: Record<string, string> = {
      "Content-Type": "application/json",
      Accept: "application/json",
      "Freehold-Contract": _CONTRACT,
    };
    if (this.#key !== undefined) headers["Authorization"] = `Bearer ${this.#key}`;
    if (!request.isQuery) headers["Idempotency-Key"] = options.idempotencyKey ?? _newKey();
    else if (this.seq > 0) headers["Freehold-Min-Seq"] = String(this.seq);
    if (options.actAs !== undefined) headers["Freehold-Act-As"] = options.actAs;
    return headers;
  }

  async #attempt<T>(
    request: _Request<T>, headers: Record<string, string>, options: _Options, deadline: number,
    wasSent: boolean,
  ): Promise<_Ended<T>> {
    if (options.signal?.aborted) throw _aborted(request, options, wasSent);
    const left = deadline - performance.now();
    const stop = new AbortController();
    const abort = (): void => stop.abort();
    let isTimeUp = false;
    const timer = setTimeout(() => {
      isTimeUp = true;
      stop.abort();
    }, Math.min(Math.max(left, 1), _TIMER_MAX_MS));
    options.signal?.addEventListener("abort", abort);
    let response: Awaited<ReturnType<typeof fetch>>;
    let text: string;
    try {
      response = await this.#fetch(this.#url + request.path, {
        method: "POST",
        headers: { ...headers, "Freehold-Timeout-Ms": String(_serverMs(left)) },
        body: request.body,
        signal: stop.signal,
        // The key goes to this address and to no other.
        redirect: "manual",
        credentials: "omit",
        cache: "no-store",
      });
      text = await response.text();
    } catch (error) {
      if (options.signal?.aborted) throw _aborted(request, options, true);
      if (isTimeUp) return _timeIsUp(request, options, error);
      return this.#noAnswer(request, error);
    } finally {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", abort);
    }
    return this.#answer(request, response, text);
  }

  #answer<T>(
    request: _Request<T>, response: Awaited<ReturnType<typeof fetch>>, text: string,
  ): _Ended<T> {
    const seq = Number(response.headers.get("Freehold-Seq") ?? "0");
    if (Number.isSafeInteger(seq) && seq > this.seq) this.seq = seq;
    let body: unknown;
    try {
      body = JSON.parse(text);
    } catch {
      return this.#stranger(request, response.status);
    }
    if (response.status === 200) {
      this.#isWell();
      return { value: _readable(request, body) };
    }
    if (!_isObject(body) || typeof body["code"] !== "string") {
      return this.#stranger(request, response.status);
    }
    this.#isWell();
    const error = _errorOf(body, response.headers.get("Retry-After"));
    const isLost = error instanceof OutcomeUnknown;
    return { error, isLost, wasSent: isLost };
  }

  /** Something answered that is no data layer: a gateway before one, or the wrong address. */
  #stranger(request: _Request<unknown>, status: number): _Failure {
    const isGateway = status === 502 || status === 503 || status === 504;
    const gone = new Unavailable({
      detail: `the data layer behind ${this.#url} is not there: status ${status}.`,
      hint: "Ask again; nothing was changed.",
    });
    if (isGateway) this.#wasVain(gone);
    if (!request.isQuery && (isGateway || status === 200)) return this.#lineIsLost(request);
    if (isGateway) return { error: gone, isLost: false, wasSent: false };
    const error = new Internal({
      detail: `what listens at ${this.#url} answered ${request.name} with status ${status}, `
        + "and not as a data layer does.",
      hint: "Check the address, and what stands between.",
    });
    return { error, isLost: false, wasSent: false };
  }

  #noAnswer(request: _Request<unknown>, cause: unknown): _Failure {
    const inner = cause instanceof Error ? (cause as { cause?: { code?: unknown } }).cause : null;
    const code = typeof inner?.code === "string" ? inner.code : null;
    const nobody = new Unavailable({
      detail: `no data layer at ${this.#url}.`,
      hint: "Start it with `freehold dev` in the application's folder, or give another url.",
      cause,
    });
    // A browser does not tell whether there was a connection; several in a row tell enough.
    if (code === null || _NEVER_SENT.has(code)) this.#wasVain(nobody);
    if (code === null || !_NEVER_SENT.has(code)) return this.#lineIsLost(request, cause);
    return { error: nobody, isLost: false, wasSent: false };
  }

  #lineIsLost(request: _Request<unknown>, cause?: unknown): _Failure {
    const error = request.isQuery
      ? new Unavailable({
          detail: `the connection to ${this.#url} was lost, and ${request.name} has no answer.`,
          hint: "Ask again; nothing was changed.",
          cause,
        })
      : new OutcomeUnknown({
          detail: `${request.name} was sent to ${this.#url}, and its answer was lost.`,
          hint: "Look whether it happened before you ask again.",
          cause,
        });
    return { error, isLost: true, wasSent: true };
  }
}

function _serverMs(left: number): number {
  return Math.min(Math.max(Math.floor(left - _LATE_MS), 1), 2 ** 31 - 1);
}

function _readable<T>(request: _Request<T>, body: unknown): T {
  try {
    return request.read(body);
  } catch (error) {
    if (!(error instanceof _Misfit)) throw error;
    throw new AnswerUnreadable({
      detail: `the answer of ${request.name} is not what this client was generated for: `
        + `${error.path} ${error.message}.`,
      hint: "Run `freehold generate` against the data layer's contract.",
      cause: error,
    });
  }
}

function _timeIsUp(request: _Request<unknown>, options: _Options, cause: unknown): _Failure {
  const error = request.isQuery
    ? new DeadlineExceeded({
        detail: `${request.name} got no answer within ${options.timeoutMs} ms.`,
        hint: "Ask again, or give it more time with withOptions({ timeoutMs: … }).",
        cause,
      })
    : new OutcomeUnknown({
        detail: `${request.name} was sent, and no answer came within ${options.timeoutMs} ms.`,
        hint: "Look whether it happened before you ask again.",
        cause,
      });
  return { error, isLost: false, wasSent: true };
}

/** The caller gave up: told as the signal's own reason, unless a mutation may have happened. */
function _aborted(request: _Request<unknown>, options: _Options, wasSent: boolean): unknown {
  const reason: unknown = options.signal?.reason;
  if (request.isQuery || !wasSent) return reason;
  return new OutcomeUnknown({
    detail: `${request.name} was sent, and given up before its answer came.`,
    hint: "Ask again under the same idempotency key, or look whether it happened.",
    cause: reason,
  });
}

/** Full jitter, so that clients who met the same trouble do not come back together. */
function _waitMs(ended: _Failure, count: number): number | null {
  const { error } = ended;
  const mayPass = error.retryable || error instanceof OutcomeUnknown;
  if (!mayPass || error instanceof SeqNotReached || count >= _TRIES) return null;
  const bound = Math.min(_LONGEST_WAIT_MS, _FIRST_WAIT_MS * 2 ** count);
  if (!(error instanceof Overloaded)) return bound * Math.random();
  // Not before the data layer wants it, and then not all at the same moment.
  const least = (error.retryAfterS ?? 1) * 1000;
  return least + Math.max(bound, least / 2) * Math.random();
}

/** What the caller hears of the last attempt, when an earlier one may have happened. */
function _honest(error: CallError, request: _Request<unknown>, wasSent: boolean): CallError {
  if (!wasSent || request.isQuery || _LOOKED.has(error.code)) return error;
  return new OutcomeUnknown({
    detail: `${request.name} was sent, its answer was lost, and now: ${error.detail}`,
    hint: "Ask again under the same idempotency key, or look whether it happened.",
    cause: error,
  });
}

function _pause(
  ms: number, signal: AbortSignal | undefined, aborted: () => unknown,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(aborted());
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}
