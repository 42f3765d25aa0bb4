"""
When a call is sent again, and under which key, so that it happens once.

Every logical mutation has an idempotency key, made when it is called and kept over all its
attempts: the data layer does it once and answers each attempt the same. So a mutation whose
connection was lost is simply sent again, as a query is.

    connection lost                     again on the next one, `TRIES` times
    overloaded, unavailable, unknown    again after a while with full jitter, out of a budget;
                                        never before a Retry-After is over
    anything else                       told to the caller

An attempt that may have been refused before anybody looked at the key (too busy, no rights, too
late, a server of another version) says nothing about an earlier attempt whose answer was lost:
then the outcome is unknown.
The budget keeps clients who all meet the same trouble from making it worse: a tenth of the
calls may be attempts of that kind, and a few more at the beginning.
"""

from __future__ import annotations

from typing import Any, Final

from freehold.client.method import Method
from freehold.clock import SystemClock
from freehold.errors import (
    CallError,
    OutcomeUnknown,
    Overloaded,
    SeqNotReached,
)
from freehold.ids import Ids

#: How often a call that lost its connection is sent again.
TRIES: Final = 3
_FIRST_WAIT_S: Final = 0.05
_LONGEST_WAIT_S: Final = 2.0
_BUDGET_MAX: Final = 10.0
_BUDGET_SHARE: Final = 0.1
#: Answers of somebody who has looked at the key; every other refusal may have come before.
_LOOKED: Final = frozenset(
    ("not_found", "conflict", "idempotency_mismatch", "answer_gone", "secret_gone")
)


def new_key(ids: Ids) -> str:
    """A key that nobody else has; later ones sort behind, which keeps the rows together."""
    now_ms = SystemClock().wall_ns() // 1_000_000
    return f"{now_ms:012x}{ids.seed()[:10].hex()}"


class Budget:
    """How many calls may be sent again because the data layer is in trouble."""

    def __init__(self) -> None:
        self._left = _BUDGET_MAX

    def earn(self) -> None:
        """A call was made."""
        if self._left < _BUDGET_MAX:
            self._left += _BUDGET_SHARE

    def spend(self) -> bool:
        """Whether one more may be sent again."""
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


def wait_s(error: CallError, attempt: int, ids: Ids) -> float | None:
    """
    How long to wait before the call is sent again; None when it is not.

    Args:
        error: What it was answered.
        attempt: 0 after the first one.
        ids: Draws the share of the wait.
    """
    may_pass = error.retryable or isinstance(error, OutcomeUnknown)
    if not may_pass or isinstance(error, SeqNotReached) or attempt >= TRIES:
        return None
    bound = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0**attempt)
    least = 0.0
    if isinstance(error, Overloaded):
        # Not before the data layer wants it, and then not all at the same moment.
        least = float(error.retry_after_s)
        bound = max(bound, least / 2)
    return least + bound * int.from_bytes(ids.seed()[:8], "big") / 2.0**64


def honest(error: CallError, method: Method[Any], *, was_sent: bool) -> CallError:
    """
    What the caller hears of the last attempt, when an earlier one may have happened.

    Args:
        error: What the last attempt ended with.
        method: What was called.
        was_sent: The answer of an earlier attempt was lost.
    """
    if not was_sent or method.is_query or error.code in _LOOKED:
        return error
    unknown = OutcomeUnknown(
        f"{method.name} was sent, its answer was lost, and now: {error.detail}",
        hint="Ask again under the same idempotency key, or look whether it happened.",
    )
    unknown.__cause__ = error
    return unknown
