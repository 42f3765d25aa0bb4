"""
Calls of the same process: a function as a call, and waiting for its outcome.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from freehold.db import Caller

_NEVER: Final = 1 << 62


class InProcessCall:
    """A function of the same process as a call; satisfies `db.ports.Call`."""

    method: Final = "in process"
    min_seq: Final = 0
    deadline_ns: Final = _NEVER

    def __init__(self, run: Callable[[Any], Any], caller: Caller) -> None:
        self.run = run
        self.caller = caller
        self.seq = 0
        self._value: Any = None
        self._error: BaseException | None = None

    def done(self, seq: int, value: Any, /) -> None:
        """Keep what came out."""
        self.seq, self._value = seq, value

    def failed(self, seq: int, error: BaseException, /) -> None:
        """Keep what went wrong."""
        self.seq, self._error = seq, error

    def outcome(self) -> Any:
        """What came out; raises what went wrong."""
        if self._error is not None:
            raise self._error
        return self._value
