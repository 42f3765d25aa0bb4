"""
Randomness, the only place that draws it (but for the nonces inside `crypto`).

A mutation may be run again when its batch is lost, and must then give the same ids. So
what is drawn, once per call, is a seed; all ids and random bytes of the call are spun
from it.
"""

from __future__ import annotations

import hashlib
import os
import random
from typing import Protocol

SEED_BYTES = 32


class Ids(Protocol):
    """Where a call's seed comes from."""

    def seed(self) -> bytes:
        """32 bytes that nobody can guess."""


class SystemIds:
    """Seeds from the operating system."""

    def seed(self) -> bytes:
        return os.urandom(SEED_BYTES)


class SeededIds:
    """Seeds that repeat; for tests and replays, never for anything secret."""

    def __init__(self, number: int = 1) -> None:
        self._random = random.Random(number)  # noqa: S311 - repeating is what it is for

    def seed(self) -> bytes:
        return self._random.randbytes(SEED_BYTES)


class IdStream:
    """
    The ids and random bytes of one call.

    The same seed and time give the same stream, so a call that is run again repeats itself.
    With a seed from the operating system the bytes are fit for secrets: they are a
    SHA-256 stream over the seed and a counter.
    """

    __slots__ = ("_counter", "_ids", "_now_ms", "_seed")

    def __init__(self, seed: bytes, now_ms: int) -> None:
        self._seed = seed
        self._now_ms = now_ms
        self._counter = 0
        self._ids = 0

    def random_bytes(self, count: int) -> bytes:
        """The next `count` bytes of the stream."""
        out = b""
        while len(out) < count:
            self._counter += 1
            block = self._seed + self._counter.to_bytes(8, "big")
            out += hashlib.sha256(block).digest()
        return out[:count]

    def new_id(self) -> str:
        """
        A UUID version 7 (RFC 9562), later in order than all that the call drew before.

        It sorts by the call's time, so keys stay close together; within the call by a counter
        in the 12 bits behind the time, which carries into the time when it is full.
        """
        carry, number = divmod(self._ids, 4096)
        self._ids += 1
        raw = bytearray((self._now_ms + carry).to_bytes(6, "big"))
        raw += (0x7000 | number).to_bytes(2, "big")
        raw += self.random_bytes(8)
        raw[8] = (raw[8] & 0x3F) | 0x80
        text = raw.hex()
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
