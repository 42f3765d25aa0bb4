// -- what every call can end with ---------------------------------------------------------------

/** What became of a call: done, not done, or nobody can say. */
type Outcome = "ok" | "failed" | "unknown";

/** What an error is made of; over the wire it is the `application/problem+json` of the answer. */
interface Problem {
  readonly detail: string;
  readonly error?: string;
  readonly code?: string;
  readonly status?: number;
  readonly retryable?: boolean;
  readonly outcome?: Outcome;
  readonly hint?: string;
  readonly path?: string | null;
  readonly data?: Readonly<Record<string, unknown>>;
  readonly retryAfterS?: number | null;
  readonly cause?: unknown;
}

/** What a call can end with. An error of a name and code that this client does not know is one. */
class CallError extends Error {
  /** Stable, for programs: `not_found`, `conflict`, … */
  readonly code: string;
  /** The HTTP status. */
  readonly status: number;
  /** Nothing was done, and the same call may go well later. */
  readonly retryable: boolean;
  /** `unknown`: it may or may not have happened. */
  readonly outcome: Outcome;
  /** What happened, with the values; one sentence. */
  readonly detail: string;
  /** The next step. */
  readonly hint: string;
  /** The argument that it is about: `data.email`. */
  readonly path: string | null;
  /** Parts for programs, as they travelled. */
  readonly data: Readonly<Record<string, unknown>>;
  /** After how many seconds an overloaded data layer wants to be asked again. */
  readonly retryAfterS: number | null;

  constructor(problem: Problem) {
    const hint = problem.hint ?? "";
    const options = problem.cause === undefined ? undefined : { cause: problem.cause };
    super(`${problem.detail} ${hint}`.trim(), options);
    this.name = problem.error ?? "CallError";
    this.code = problem.code ?? "internal";
    this.status = problem.status ?? 500;
    this.retryable = problem.retryable ?? false;
    this.outcome = problem.outcome ?? "failed";
    this.detail = problem.detail;
    this.hint = hint;
    this.path = problem.path ?? null;
    this.data = problem.data ?? {};
    this.retryAfterS = problem.retryAfterS ?? null;
  }

  /** A typed part of it; one that cannot be read is given as it travelled. */
  protected _part(wire: string, shape: _Shape): unknown {
    const value = this.data[wire] ?? null;
    if (value === null) return null;
    try {
      return _read(shape, value, wire);
    } catch {
      return value;
    }
  }
}
