"""
What a caller may say about a call besides its arguments.
"""

from __future__ import annotations

import math
import re
from typing import Final

from freehold.errors import InvalidArgument

TIMEOUT_S: Final = 30.0
#: The server tells that a call's time is up; the client waits for its word a little longer
#: than the time itself, because the word says whether a mutation has happened.
LATE_ANSWER_S: Final = 0.1
_KEY: Final = re.compile(r"[!-~]{1,255}")


class CallOptions:
    """
    Immutable; shared by all calls of a binding.

    Args:
        timeout_s: How long a call may take.
        idempotency_key: Names one logical mutation; left out, each call makes one of its own.

    Raises:
        InvalidArgument: The time is not a positive number, or the key cannot be one.
    """

    __slots__ = ("idempotency_key", "patience_s", "timeout_ms", "timeout_s")

    def __init__(self, timeout_s: float = TIMEOUT_S, *, idempotency_key: str | None = None) -> None:
        if not (0 < timeout_s < math.inf):
            raise InvalidArgument(
                f"a call cannot be given {timeout_s!r} seconds.",
                hint="Give a positive number of seconds.",
                path="timeout_s",
            )
        if idempotency_key is not None and _KEY.fullmatch(idempotency_key) is None:
            raise InvalidArgument(
                "an idempotency key is 1 to 255 visible ASCII characters.",
                hint="Give a UUID, or the number of the order that it is about.",
                path="idempotency_key",
            )
        self.idempotency_key = idempotency_key
        self.timeout_s = timeout_s
        #: What the server is told; it counts from when the call arrives.
        self.timeout_ms = min(max(int(timeout_s * 1000), 1), 2**32 - 1)
        #: How long the client itself waits.
        self.patience_s = timeout_s + LATE_ANSWER_S
