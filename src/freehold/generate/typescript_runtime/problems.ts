/** The data layer answered, so a mutation has happened; this client cannot read the answer. */
class AnswerUnreadable extends ContractMismatch {
  constructor(problem: Problem) {
    super({ error: "AnswerUnreadable", outcome: "ok", ...problem });
  }
}

type _Kind = new (problem: Problem) => CallError;

/** The error of a problem on the wire; never fails, whatever it holds. */
function _errorOf(
  problem: { readonly [key: string]: unknown }, retryAfter: string | null,
): CallError {
  const name = _textIn(problem, "error");
  const code = _textIn(problem, "code");
  const kind = _KINDS.get(name) ?? _CODES.get(code) ?? CallError;
  const { status, retryable, outcome, path, data, retryAfterS } = problem;
  return new kind({
    detail: _textIn(problem, "detail") || _textIn(problem, "title") || name || code || "It failed.",
    hint: _textIn(problem, "hint"),
    code,
    ...(name === "" ? {} : { error: name }),
    ...(typeof status === "number" ? { status } : {}),
    ...(typeof retryable === "boolean" ? { retryable } : {}),
    ...(outcome === "ok" || outcome === "failed" || outcome === "unknown" ? { outcome } : {}),
    path: typeof path === "string" ? path : null,
    data: _isObject(data) ? _bare(data) : {},
    retryAfterS: retryAfter !== null && /^[0-9]{1,6}$/.test(retryAfter) ? Number(retryAfter)
      : typeof retryAfterS === "number" ? retryAfterS : null,
  });
}

function _textIn(problem: { readonly [key: string]: unknown }, key: string): string {
  const value = problem[key];
  return typeof value === "string" ? value : "";
}
