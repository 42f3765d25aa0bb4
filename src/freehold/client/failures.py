"""
How calls end that have no answer, in one wording for every transport.

Only a mutation of which a byte may have reached the server can have happened; it alone ends
in `OutcomeUnknown`.
"""

from __future__ import annotations

import copy
from typing import Any

from freehold.client.method import Method
from freehold.errors import CallError, DeadlineExceeded, OutcomeUnknown, TooLarge, Unavailable


def time_is_up(method: Method[Any], timeout_s: float, *, sent: bool) -> CallError:
    """A call whose time ran out: only a mutation that was sent may have happened."""
    if sent and not method.is_query:
        return OutcomeUnknown(
            f"{method.name} was sent, and no answer came within {timeout_s:g} s.",
            hint="Look whether it happened before you ask again.",
        )
    return DeadlineExceeded(
        f"{method.name} got no answer within {timeout_s:g} s.",
        hint="Ask again, or give it more time with with_options(timeout_s=…).",
    )


def line_is_lost(method: Method[Any], place: str, *, sent: bool) -> CallError:
    """A call whose connection broke before the answer."""
    if sent and not method.is_query:
        return OutcomeUnknown(
            f"{method.name} was sent to {place}, and the connection was lost before the answer.",
            hint="Look whether it happened before you ask again.",
        )
    return Unavailable(
        f"the connection to {place} was lost, and {method.name} has no answer.",
        hint="Ask again; nothing was changed.",
    )


class BindingClosed(Unavailable):
    """The binding was closed; no data layer that comes opens it again."""


def binding_is_closed(place: str) -> BindingClosed:
    """A call on a binding after its close()."""
    return BindingClosed(
        f"this binding to {place} is closed.",
        hint="Keep it open for as long as calls are made, or connect() again.",
    )


def too_large(method: Method[Any], size: int, limit: int) -> TooLarge:
    """A call that no server would read to its end."""
    return TooLarge(
        f"{method.name} with its arguments has {size} bytes; the data layer takes {limit}.",
        hint="Send less at once.",
    )


def again(error: CallError) -> CallError:
    """The same error for another call: a raised error collects the traces of its raisers."""
    twin = copy.copy(error)
    twin.__cause__ = error.__cause__
    return twin
