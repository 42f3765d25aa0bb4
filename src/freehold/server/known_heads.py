"""
Heads that were parsed before: the same bytes mean the same again, so one look-up finds it.

A client sends the same request line and headers with every call of a method, but for the length
of the body. What parser and checks made of such a head depends on its bytes alone, so it is
kept by them; only who the caller is, is asked anew each time. Never kept is a head that was
refused, that asks for more than an answer (close, upgrade, Expect), or that names one call
(Idempotency-Key).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from freehold.wire.codec import Codec

#: Longer heads are parsed each time.
HEAD_BYTES_MAX: Final = 2_048
#: At this many all are forgotten, so that clients whose heads never repeat fill no memory.
HEADS_MAX: Final = 1_024

_END: Final = b"\r\n\r\n"


class KnownHead(NamedTuple):
    """What a head means."""

    body_bytes: int
    method: str
    codec: Codec
    key: str | None
    min_seq: int
    timeout_ms: int | None
    contract: str | None
    act_as: str | None = None


class KnownHeads:
    """The heads of one server, by their bytes."""

    __slots__ = ("_heads",)

    def __init__(self) -> None:
        self._heads: dict[bytes, KnownHead] = {}

    def find(self, data: bytes) -> KnownHead | None:
        """The head of the one whole request that `data` is, if it is known."""
        end = data.find(_END) + 4
        head = self._heads.get(data[:end])
        if head is None or len(data) - end != head.body_bytes:
            return None
        return head

    def keep(self, data: bytes, head: KnownHead) -> None:
        """`data` was one whole request, and its head is this."""
        end = data.find(_END) + 4
        if end > HEAD_BYTES_MAX or len(data) - end != head.body_bytes:
            return
        if len(self._heads) >= HEADS_MAX:
            self._heads.clear()
        self._heads[data[:end]] = head
