"""
The highest commit that a binding has seen, told by many threads.
"""

from __future__ import annotations

import threading


class Seen:
    """A number that only grows."""

    __slots__ = ("_lock", "seq")

    def __init__(self) -> None:
        #: What each query asks to see.
        self.seq = 0
        self._lock = threading.Lock()

    def saw(self, seq: int) -> None:
        """An answer told of this commit."""
        if seq > self.seq:
            # Between looking and writing, another thread may have seen a later one.
            with self._lock:
                self.seq = max(seq, self.seq)
