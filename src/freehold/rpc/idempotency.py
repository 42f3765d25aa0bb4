"""
Exactly once: the answer of a mutation is kept under its key, in the mutation's own transaction.

    first call    look up the key · run · encode · keep the answer        one savepoint
    repeated      look up the key · the same arguments? · the kept answer, and nothing is run
    refused       what it wrote is taken back · keep the refusal           the next savepoint

The row and the effects live and die together, so whoever asks again after a lost answer, a
crash or a lost connection hears what happened, or makes it happen now. Refusals that follow
from the data (`not_found`, `conflict`) are kept with it; what says nothing about the data is
not: invalid arguments, missing rights, overload, defects (as Stripe does).

The key space is (service key, user, method, key): nobody can ask for another's answer. Rights
are looked at before any of this, also on a repeated call. Rules and traps: reliability 4.19.
"""

from __future__ import annotations

import hashlib
import hmac
import typing
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET

from freehold.crypto import Secret
from freehold.db import Caller, Refused, Writer, param, select
from freehold.errors import (
    AnswerGone,
    CallError,
    Conflict,
    IdempotencyMismatch,
    NotFound,
    SecretGone,
    call_errors,
    problem,
)
from freehold.scalars import Sealed, enc_hook
from freehold.schema import EpochSeconds, Index, Record, Schema
from freehold.wire.codec import JSON, MSGPACK, Codec

if TYPE_CHECKING:
    from freehold.rpc.failures import Failures
    from freehold.rpc.live_keys import LiveKeys

#: How long a repeated call gets the first answer; longer than any client goes on trying.
KEPT_S: Final = 7 * 86_400
#: How long an answer with a secret in it is kept, sealed; then only that there was one.
SECRET_KEPT_S: Final = 600
#: A longer answer is not kept: only that the mutation was done.
ANSWER_BYTES_MAX: Final = 64 * 1024
_CODECS: Final[dict[str, Codec]] = {"json": JSON, "msgpack": MSGPACK}
#: Refusals that follow from the data and would be the same if nothing had changed.
_KEPT: Final = (NotFound, Conflict)


class KeptAnswer(
    Record, table="_freehold_calls", primary_key=("principal", "user", "method", "key")
):
    """What a mutation was answered."""

    principal: str
    user: str
    method: str
    key: str
    #: Of the decoded arguments, so that neither order of fields nor codec matters.
    arguments: str
    outcome: Literal["ok", "failed"]
    codec: Literal["json", "msgpack"]
    #: None when it was too long, or a secret whose time is over.
    answer: bytes | None = None
    secret: Sealed[str] | None = None
    #: Whether there is, or was, a secret in it.
    is_secret: bool = False
    secret_until: EpochSeconds | None = None
    expires_at: Annotated[EpochSeconds, Index()]


IDEMPOTENCY_SCHEMA: Final = Schema([KeptAnswer], is_system=True)
_SWEEP: Final = (
    select(KeptAnswer).where(KeptAnswer.c.expires_at <= param("now"))
    .order_by(KeptAnswer.c.expires_at).limit(param("rows"))
)  # fmt: skip
_SECRETS: Final = (
    select(KeptAnswer)
    .where(KeptAnswer.c.secret_until <= param("now"), KeptAnswer.c.secret.is_not(None))
    .limit(param("rows"))
)


class Called(typing.Protocol):
    """What is asked of a method here; a list of calls has it too."""

    @property
    def full_name(self) -> str:
        """Part of the key space."""

    @property
    def reveals(self) -> bool:
        """The answer holds a secret that is shown once."""

    @property
    def answer_type(self) -> Any:
        """The type of its answers, to write one in the other codec."""


class Replayed(Exception):
    """
    The key is known: the kept answer is given, and nothing is run.

    It is raised, so that a driver sees a mutation that wrote nothing and gives it no number.
    """

    def __init__(self, body: bytes, error: CallError | None) -> None:
        super().__init__()
        self.body = body
        self.error = error


class KeptRefusal(Refused):
    """A refusal that is to be kept, once what the mutation wrote is taken back."""

    def __init__(
        self, error: CallError, kept: KeptAnswer, *, over_expired: bool, live: LiveKeys | None
    ) -> None:
        super().__init__(error)
        self._kept = kept
        self._live = live
        self._over_expired = over_expired

    def keep(self, db: Writer) -> None:
        """Write it down, in the transaction that the refusal was told in."""
        if self._over_expired:
            # It was removed before the function ran, and is back with all that was taken back.
            row = self._kept
            db.delete(KeptAnswer, (row.principal, row.user, row.method, row.key))
        db.insert(self._kept)
        if self._live is not None:
            self._live.add(db.caller)


def run_once(
    db: Writer, key: str, method: Called, *, args: tuple[Any, ...], codec: Codec,
    invoke: typing.Callable[[], bytes], failures: Failures, pepper: Secret | None,
    live: LiveKeys | None = None,
) -> bytes:  # fmt: skip
    """
    Run a mutation under a key, or give the answer that is kept under it.

    Args:
        db: The mutation's handle.
        key: Names the logical call.
        method: What is called.
        args: Its decoded arguments, before the function has seen them.
        codec: What the answer is encoded in.
        invoke: Runs the function and encodes what it returned.
        failures: Makes of a refusal what the caller hears.
        pepper: What fingerprints of arguments are made with.
        live: Knows whether the caller may have one more key; who commits tells it.

    Raises:
        Replayed: There is an answer.
        TooManyKeys: There is none, and no room for it.
        IdempotencyMismatch: The key was used with other arguments.
        KeptRefusal: The function refused, and that is to be kept.
    """
    place = (*_space(db.caller), method.full_name, key)
    digest = fingerprint(args, pepper)
    over_expired = False
    if not db.is_tentative:
        known = db.find(KeptAnswer, place)
        if known is not None:
            if known.expires_at > db.now:
                raise _replay(db, known, digest, method, codec)
            over_expired = db.delete(KeptAnswer, place)
    kept = KeptAnswer(
        principal=place[0], user=place[1], method=place[2], key=key,
        arguments=digest, outcome="ok", codec=codec.name, expires_at=db.now + KEPT_S,
    )  # fmt: skip
    try:
        if live is not None:
            live.require_room(db.caller)
        body = invoke()
    except _KEPT as error:
        told = failures.told(error, method.full_name)
        body = JSON.encode(problem(told))
        raise KeptRefusal(
            error,
            msgspec.structs.replace(kept, outcome="failed", codec="json", answer=body),
            over_expired=over_expired,
            live=live,
        ) from None
    except Exception:
        if db.is_tentative:
            # Nobody has looked for the key yet, and this refusal is not the first answer.
            known = db.find(KeptAnswer, place)
            if known is not None and known.expires_at > db.now:
                raise _replay(db, known, digest, method, codec) from None
        raise
    db.insert(_with_answer(kept, body, is_secret=method.reveals, now=db.now))
    return body


def fingerprint(args: tuple[Any, ...], pepper: Secret | None) -> str:
    """
    The same for the same arguments, however they were written.

    Under a pepper, so that a stolen row cannot be tried against guesses of what was sent.
    """
    given = [_LEFT_OUT if value is UNSET else value for value in args]
    data = _encode(given)
    if pepper is None:
        return hashlib.sha256(data).hexdigest()
    return hmac.digest(pepper.reveal(), data, "sha256").hex()


def _write(value: Any) -> Any:
    """Scalars as they travel; a value that is to be sealed by its text, which goes no further."""
    if isinstance(value, Sealed) and value.ciphertext is None:
        return value.plain()
    if isinstance(value, str):
        return str.__str__(value)
    return enc_hook(value)


_encode: Final = msgspec.msgpack.Encoder(enc_hook=_write, order="deterministic").encode
#: No argument of any type is written so.
_LEFT_OUT: Final = msgspec.msgpack.Ext(1, b"")


def sweep(db: Writer, rows: int = 1_000) -> int:
    """
    Forget what has expired, and secrets whose time is over; at most so many rows.

    Housekeeping only: an expired row is as good as none wherever it is looked up.
    """
    gone = db.all(_SWEEP, now=db.now, rows=rows)
    for row in gone:
        db.delete(KeptAnswer, (row.principal, row.user, row.method, row.key))
    stale = db.all(_SECRETS, now=db.now, rows=rows)
    for row in stale:
        db.update(KeptAnswer, (row.principal, row.user, row.method, row.key), {"secret": None})
    return len(gone) + len(stale)


def _space(caller: Caller) -> tuple[str, str]:
    return caller.key_id, caller.user or ""


def _with_answer(kept: KeptAnswer, body: bytes, *, is_secret: bool, now: int) -> KeptAnswer:
    if len(body) > ANSWER_BYTES_MAX:
        return msgspec.structs.replace(kept, is_secret=is_secret)
    if is_secret:
        # Sealed is text; bytes of either codec go in as Latin-1 and come out so.
        return msgspec.structs.replace(
            kept, is_secret=True, secret=Sealed.of(body.decode("latin-1")),
            secret_until=now + SECRET_KEPT_S,
        )  # fmt: skip
    return msgspec.structs.replace(kept, answer=body)


def _replay(db: Writer, known: KeptAnswer, digest: str, method: Called, codec: Codec) -> Exception:
    if known.arguments != digest:
        return IdempotencyMismatch(
            f"the key {known.key!r} was used for {method.full_name} with other arguments.",
            hint="Give each logical call a key of its own, and keep it for repetitions.",
            path="Idempotency-Key",
        )
    body = known.answer
    if known.is_secret:
        if known.secret is None or known.secret_until is None or known.secret_until <= db.now:
            return SecretGone(
                f"{method.full_name} was done under this key; what it revealed is not kept.",
                hint="Revoke what was made, and make another.",
            )
        body = db.open(known.secret).encode("latin-1")
    if body is None:
        return AnswerGone(
            f"{method.full_name} was done under this key; its answer was too long to be kept.",
            hint="Read what it made.",
        )
    if known.outcome == "failed":
        return Replayed(b"", refusal_of(JSON.decode(body)))
    if known.codec != codec.name:
        body = codec.encode(_CODECS[known.codec].decoder(method.answer_type).decode(body))
    return Replayed(body, None)


def refusal_of(parts: dict[str, Any]) -> CallError:
    """A kept refusal as the error that it was, with its name, code and parts."""
    own = call_errors()
    base = next((kind for kind in own.values() if kind.code == parts["code"]), CallError)
    kind: Any = own.get(parts["error"]) or type(parts["error"], (base,), {})
    error: CallError = CallError.__new__(kind)
    CallError.__init__(
        error, parts["detail"], hint=parts["hint"], path=parts.get("path"), data=parts.get("data")
    )
    return error
