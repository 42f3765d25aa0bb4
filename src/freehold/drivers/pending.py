"""
One mutation that waits for a writer, whichever engine it writes to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from freehold.db.ports import Call


class Pending:
    """One mutation that waits, with what must not change when it is run again."""

    __slots__ = ("call", "error", "is_settled", "now_ns", "seed", "seq", "value", "waiter")

    def __init__(
        self,
        call: Call,
        *,
        now_ns: int,
        seed: bytes,
        waiter: Callable[[], None] | None = None,
    ) -> None:
        self.call = call
        self.now_ns = now_ns
        self.seed = seed
        #: Wakes a thread that waits for it, instead of the event loop.
        self.waiter = waiter
        self.seq = 0
        self.value: Any = None
        self.error: BaseException | None = None
        #: Its outcome is final: durable, or without effect for ever.
        self.is_settled = False

    def settle(self, error: BaseException | None) -> None:
        """Give it its final outcome."""
        self.error = error
        self.is_settled = True

    def tell(self) -> None:
        """Hand the outcome to the caller."""
        try:
            if self.error is None:
                self.call.done(self.seq, self.value)
            else:
                self.call.failed(self.seq, self.error)
        finally:
            if self.waiter is not None:
                self.waiter()
