"""
Frames: how messages are told apart on a stream of bytes. Pure.

    frame = uint32 big-endian length of the payload ‖ payload

What a payload says (MessagePack) is not known here, see `freehold.server.frames` for the
server's side and `freehold.client` for the other. A length is judged as soon as its four bytes
are there, so nothing is kept of a frame that will be refused.
"""

from __future__ import annotations

from freehold.errors import invariant

LENGTH_BYTES = 4


def frame(payload: bytes) -> bytes:
    """The payload with its length before it, ready to be written."""
    invariant(0 < len(payload) < 2**32, "a frame's payload has 1 to 2**32-1 bytes")
    return len(payload).to_bytes(LENGTH_BYTES, "big") + payload


class FrameSplitter:
    """
    Cuts a stream into payloads, however its bytes arrive.

    It keeps at most one unfinished frame. After a length that is refused, `broken` says why, and
    nothing more comes out: the stream cannot be found again.
    """

    __slots__ = ("_held", "_needed", "_payload_bytes_max", "broken")

    def __init__(self, payload_bytes_max: int) -> None:
        self._payload_bytes_max = payload_bytes_max
        self._held = bytearray()
        self._needed = LENGTH_BYTES
        self.broken: str | None = None

    @property
    def unfinished(self) -> bool:
        """Whether a frame has begun whose end has not come yet."""
        return bool(self._held)

    @property
    def held_bytes(self) -> int:
        """How much of that frame is there."""
        return len(self._held)

    def split(self, data: bytes) -> list[bytes]:
        """The payloads that are whole with this data, oldest first."""
        if self.broken is not None:
            return []
        if self._held:
            # Only what is needed is asked of a dripping peer's bytes: looking at all that is held
            # for each byte that comes would cost it nothing and us a copy of the frame.
            self._held += data
            if len(self._held) < self._needed:
                return []
            data = bytes(self._held)
            self._held.clear()
        return self._cut(data)

    def _cut(self, data: bytes) -> list[bytes]:
        payloads: list[bytes] = []
        size = len(data)
        start = 0
        self._needed = LENGTH_BYTES
        while size - start >= LENGTH_BYTES:
            begin = start + LENGTH_BYTES
            length = int.from_bytes(data[start:begin], "big")
            if not 0 < length <= self._payload_bytes_max:
                self.broken = self._refusal(length)
                return payloads
            end = begin + length
            if end > size:
                self._needed = end - start
                break
            payloads.append(data[begin:end])
            start = end
        if start < size:
            self._held += data[start:]
        return payloads

    def _refusal(self, length: int) -> str:
        if length == 0:
            return "A frame has no payload."
        return f"A frame says it has {length} bytes; at most {self._payload_bytes_max} are taken."
