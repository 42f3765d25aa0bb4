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
_USER: Final = re.compile(r"[!-~]{1,120}")


class CallOptions:
    """
    Immutable; shared by all calls of a binding.

    Args:
        timeout_s: How long a call may take.
        idempotency_key: Names one logical mutation; left out, each call makes one of its own.
        act_as: The user whom the calls are made for; the service key must have the scope.

    Raises:
        InvalidArgument: The time is not a positive number, or the key or user cannot be one.
    """

    __slots__ = ("act_as", "idempotency_key", "patience_s", "timeout_ms", "timeout_s")

    def __init__(
        self,
        timeout_s: float = TIMEOUT_S,
        *,
        idempotency_key: str | None = None,
        act_as: str | None = None,
    ) -> None:
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
        if act_as is not None and _USER.fullmatch(act_as) is None:
            raise InvalidArgument(
                "the id of a user to act as is 1 to 120 visible ASCII characters.",
                hint="Give the id that the application knows the user by.",
                path="user",
            )
        self.act_as = act_as
        self.idempotency_key = idempotency_key
        self.timeout_s = timeout_s
        #: What the server is told; it counts from when the call arrives.
        self.timeout_ms = min(max(int(timeout_s * 1000), 1), 2**32 - 1)
        #: How long the client itself waits.
        self.patience_s = timeout_s + LATE_ANSWER_S
