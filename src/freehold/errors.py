"""
Every error of Freehold, each with the code that travels.

    FreeholdError
    ├── AuthoringError              a mistake in an application's code, told at import or at start
    │   ├── SchemaError             a record, a column, an index
    │   ├── StatementError          a statement that cannot be compiled or was called wrongly
    │   └── ContractError           an entrypoint, a method, a parameter
    ├── StartError                  the process cannot serve; exits with `exit_code`
    │   ├── OwnerLocked             another process owns the database
    │   ├── EngineTooOld            this SQLite has a known corruption bug, this server is too old
    │   ├── DatabaseTooNew          the file was written by a newer application
    │   ├── MigrationNeeded         the file is older than the schema
    │   ├── MigrationFailed         a migration was refused; the file is as it was
    │   ├── AddressInUse            the port or the socket is taken
    │   ├── KeysMissing             sealed columns without the key that opens them
    │   ├── KeysInvalidHere         the secrets file is another installation's
    │   └── StorageBroken           the disk refused, and recovery did too
    ├── StoredValueBroken           a value in the database is not of its column's type
    └── CallError                   what a call can end with; the only ones that travel
        ├── InvalidArgument         invalid_argument    400
        ├── Unauthenticated         unauthenticated     401
        ├── PermissionDenied        permission_denied   403
        ├── NotFound                not_found           404
        ├── UnknownMethod           unknown_method      404
        ├── Conflict                conflict            409
        │   ├── AlreadyExists           a unique column has that value
        │   ├── ReferenceBroken         a foreign key points at nothing, or is still pointed at
        │   └── RuleBroken              a check or a trigger refused the row
        ├── TooLarge                too_large           413
        ├── ContractMismatch        contract_mismatch   409
        ├── IdempotencyMismatch     idempotency_mismatch 422
        ├── AnswerGone              answer_gone         410, outcome ok
        │   └── SecretGone              secret_gone; what was revealed is not kept
        ├── Overloaded              overloaded          503, retryable
        │   └── RateLimited             rate_limited        429, one key calls too much
        │       └── TooManyKeys         (same)              … idempotency keys are remembered
        ├── Unavailable             unavailable         503, retryable
        │   ├── StorageFull             no space left; nothing was written
        │   ├── StorageDamaged          a page is not what was written; nothing of it is served
        │   └── SeqNotReached           this process has not seen that commit yet
        ├── DeadlineExceeded        deadline_exceeded   504
        ├── OutcomeUnknown          outcome_unknown     500, outcome unknown
        └── Internal                internal            500

`code` is a closed set that a caller in any language can act on. An application's own
errors extend one of the classes under CallError and keep its code; their class name
travels as `error` and their parts as `data`. Any other exception becomes `internal`:
its text goes to the log and never to the wire.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

Outcome = Literal["ok", "failed", "unknown"]


class FreeholdError(Exception):
    """The root: what happened, and in `hint` the next step."""

    def __init__(self, detail: str, *, hint: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.detail} {self.hint}".strip()


class AuthoringError(FreeholdError):
    """The application's code says something that cannot be."""


class SchemaError(AuthoringError):
    """A record cannot become a table."""


class StatementError(AuthoringError):
    """A statement cannot be compiled, or was called with other parameters than it has."""


class ContractError(AuthoringError):
    """An entrypoint cannot become a contract."""


class StartError(FreeholdError):
    """The process cannot serve; the command line ends with `exit_code`."""

    exit_code: ClassVar[int] = 70


class OwnerLocked(StartError):
    """Another process owns this database."""

    exit_code = 73


class EngineTooOld(StartError):
    """This build of the engine has a bug that corrupts data."""

    exit_code = 69


class DatabaseTooNew(StartError):
    """The file was written by a newer version of the application."""

    exit_code = 78


class MigrationNeeded(StartError):
    """The file is older than the schema."""

    exit_code = 78


class MigrationFailed(StartError):
    """A migration was refused; the file is as it was."""

    exit_code = 70


class AddressInUse(StartError):
    """The port or the socket is taken."""

    exit_code = 75


class KeysMissing(StartError):
    """There are sealed values, and no key that opens them."""

    exit_code = 78


class KeysInvalidHere(StartError):
    """The secrets are another installation's: nobody else could open what is written now."""

    exit_code = 78


class StorageBroken(StartError):
    """The disk refused a write, and recovery from it failed too."""

    exit_code = 74


class StoredValueBroken(FreeholdError):
    """
    A value in the database is not of its column's type; another hand has written it.

    A caller can do nothing about it, so on the wire it is `internal`. The text names table and
    column and never shows the value.
    """

    def __init__(self, detail: str, *, table: str, column: str | None) -> None:
        super().__init__(
            detail,
            hint="`freehold sql` shows the row; look who wrote to the table beside the data "
            "layer, and put the value right in a migration.",
        )
        self.table, self.column = table, column


class CallError(FreeholdError):
    """
    What a call can end with.

    Args:
        detail: What happened, with the values; one sentence.
        hint: The next step.
        path: The argument it is about, as the caller wrote it (`data.email`).
        data: Parts that a program wants without reading the sentence; JSON values.
    """

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    outcome: ClassVar[Outcome] = "failed"
    title: ClassVar[str] = "The call failed"

    def __init__(
        self,
        detail: str,
        *,
        hint: str = "",
        path: str | None = None,
        data: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(detail, hint=hint)
        self.path = path
        self.data: dict[str, Any] = data or {}


class InvalidArgument(CallError):
    """An argument breaks a rule; `path` names it."""

    code = "invalid_argument"
    status = 400
    title = "An argument is not valid"


class Unauthenticated(CallError):
    """There is no key, or it is not one that lives."""

    code = "unauthenticated"
    status = 401
    title = "A service key is needed"


class PermissionDenied(CallError):
    """The key lacks the scope that the method asks for."""

    code = "permission_denied"
    status = 403
    title = "The key may not do this"


class NotFound(CallError):
    """There is no such row, or it is not the caller's."""

    code = "not_found"
    status = 404
    title = "There is no such thing"


class UnknownMethod(CallError):
    """The contract has no such entrypoint or method."""

    code = "unknown_method"
    status = 404
    title = "There is no such method"


class Conflict(CallError):
    """The state of the data does not allow it."""

    code = "conflict"
    status = 409
    title = "The data does not allow this now"


class AlreadyExists(Conflict):
    """Another row has that value in a unique column."""


class ReferenceBroken(Conflict):
    """A reference points at no row, or the row is still pointed at."""


class RuleBroken(Conflict):
    """A check or a trigger of the table refused the row."""


class TooLarge(CallError):
    """The request is over a limit; `detail` names the limit."""

    code = "too_large"
    status = 413
    title = "The request is over a limit"


class ContractMismatch(CallError):
    """The client is of another contract, and its call does not fit the one served now."""

    code = "contract_mismatch"
    status = 409
    title = "The client is of another contract"


class IdempotencyMismatch(CallError):
    """The idempotency key was used before, with other arguments; nothing was done."""

    code = "idempotency_mismatch"
    status = 422
    title = "The key belongs to another call"


class AnswerGone(CallError):
    """The mutation was done under this key before, and its answer is not kept."""

    code = "answer_gone"
    status = 410
    outcome = "ok"
    title = "It was done; the answer is not kept"


class SecretGone(AnswerGone):
    """The mutation was done under this key before, and what it revealed is not kept."""

    code = "secret_gone"


class Overloaded(CallError):
    """Too much is waiting; nothing was done. Try again after `retry_after_s`."""

    code = "overloaded"
    status = 503
    retryable = True
    title = "Too much is waiting"

    def __init__(
        self,
        detail: str,
        *,
        hint: str = "",
        path: str | None = None,
        data: dict[str, Any] | None = None,
        retry_after_s: int = 1,
    ) -> None:
        super().__init__(detail, hint=hint, path=path, data=data)
        self.retry_after_s = retry_after_s


class RateLimited(Overloaded):
    """This key has more calls than it may have; nothing was done. Others are not held up."""

    code = "rate_limited"
    status = 429
    title = "The key calls too much"


class TooManyKeys(RateLimited):
    """This key has too many idempotency keys that are remembered; nothing was done."""


class Unavailable(CallError):
    """There is no data layer at the address, or it is not serving now; nothing was done."""

    code = "unavailable"
    status = 503
    retryable = True
    title = "The data layer is not there"


class StorageFull(Unavailable):
    """No space is left on the disk; nothing was written."""


class StorageDamaged(Unavailable):
    """A page that the call needs is damaged on the disk; nothing of it is served."""

    retryable = False


class SeqNotReached(Unavailable):
    """This process has not seen the commit that the caller asks to see."""


class DeadlineExceeded(CallError):
    """The call's time ran out before it was started, or while it only read."""

    code = "deadline_exceeded"
    status = 504
    title = "The time is up"


class OutcomeUnknown(CallError):
    """The mutation may or may not be there. Look, before it is repeated."""

    code = "outcome_unknown"
    status = 500
    outcome = "unknown"
    title = "Nobody can say whether it happened"


class Internal(CallError):
    """A defect on the server; the text is in its log under `data.incident`."""

    code = "internal"
    title = "Something broke inside"


def invariant(condition: object, text: str) -> None:
    """Stop at once when something that can never be false is false; unlike `assert`, always on."""
    if not condition:
        raise AssertionError(text)


def problem(error: CallError) -> dict[str, Any]:
    """The error as an RFC 9457 problem map, ready for any codec."""
    parts: dict[str, Any] = {
        "type": "about:blank",
        "title": error.title,
        "status": error.status,
        "code": error.code,
        "error": type(error).__name__,
        "detail": error.detail,
        "hint": error.hint,
        "retryable": error.retryable,
        "outcome": error.outcome,
    }
    if isinstance(error, Overloaded):
        # HTTP says it in a header too; over frames this is the only place.
        parts["retryAfterS"] = error.retry_after_s
    if error.path is not None:
        parts["path"] = error.path
    if error.data:
        parts["data"] = error.data
    return parts


def call_errors() -> dict[str, type[CallError]]:
    """The library's own call errors by name; an application's are not in it."""
    found: dict[str, type[CallError]] = {}
    stack: list[type[CallError]] = [CallError]
    while stack:
        kind = stack.pop()
        if kind.__module__ == __name__:
            found[kind.__name__] = kind
            stack.extend(kind.__subclasses__())
    return found
