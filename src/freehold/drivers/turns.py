"""
What waits for a writer, each caller's in a line of its own, taken in turns.

One caller who sends without end fills his own line and nobody else's: a batch takes one of each
line, then another one of each. Within a line the order stays. While several are about, no line
gives a batch more than a share of it, so that who comes next does not wait for a batch that is
full of one caller's; a caller alone has the whole batch.

Filled on the event loop's thread (and others, in process), emptied by the writer, which is a
thread on one engine and a task on the other.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from freehold.drivers.pending import Pending
from freehold.drivers.unheard import too_many
from freehold.errors import CallError, RateLimited

#: For so many batches after several were about, one that is alone gets its share only.
_CROWDED_FOR: Final = 32
#: The part of a batch that is one line's share, while several are about.
_SHARES: Final = 8


class Turns:
    """
    The lines, and whose turn it is.

    Args:
        batch_max: The most that one batch takes.
        waiting_max: The most that may wait.
        of_one_max: The most of one caller that may wait.
    """

    def __init__(self, *, batch_max: int, waiting_max: int, of_one_max: int) -> None:
        self._share = max(1, batch_max // _SHARES)
        self._waiting_max = waiting_max
        self._of_one_max = of_one_max
        #: By the callers' keys; who is next stands first. No line is empty.
        self._lines: dict[str, deque[Pending]] = {}
        self._count = 0
        self._lock = threading.Lock()
        #: Held while nothing is there for who sleeps on it.
        self._bell = threading.Lock()
        self._bell.acquire()
        self._sleeps = False
        self._nudged = False
        self._closed = False
        #: What the present batch has had of each line; the lone line that the last one had.
        self._had: dict[str, int] = {}
        self._alone: str | None = None
        self._crowded = 0

    def __len__(self) -> int:
        return self._count

    def refusal(self, key: str) -> CallError | None:
        """Why this caller may not put one more into his line; None when he may."""
        if self._count >= self._waiting_max:
            return too_many(self._count)
        line = self._lines.get(key)
        if line is not None and len(line) >= self._of_one_max:
            return RateLimited(
                f"{len(line)} mutations of the key {key!r} wait already.",
                hint="Call again in a second; the limit is key_queue_length_max.",
            )
        return None

    def put(self, pending: Pending) -> None:
        """Put it at the end of its caller's line."""
        key = pending.call.caller.key_id
        with self._lock:
            line = self._lines.get(key)
            if line is None:
                self._lines[key] = line = deque()
            line.append(pending)
            self._count += 1
            self._wake()

    def nudge(self) -> None:
        """Have `take` come back once with nothing, whatever waits."""
        with self._lock:
            self._nudged = True
            self._wake()

    def close(self) -> None:
        """No more will be put; `take` says when all is taken."""
        with self._lock:
            self._closed = True
            self._wake()

    def take(self, count: int) -> list[Pending] | None:
        """
        The next batch; waits for one.

        Returns:
            Nothing after a nudge, None when the lines are closed and empty.
        """
        while True:
            with self._lock:
                if self._nudged:
                    self._nudged = False
                    return []
                if self._count:
                    return self._begin(count)
                if self._closed:
                    return None
                self._sleeps = True
            self._bell.acquire()

    def take_now(self, count: int) -> list[Pending]:
        """The next batch, without waiting; empty when nothing waits."""
        with self._lock:
            return self._begin(count) if self._count else []

    def take_more(self, count: int, may: Callable[[Pending], bool]) -> list[Pending]:
        """What may join the present batch, up to the first that may not."""
        with self._lock:
            return self._pick(count, may) if self._count else []

    def remove(self, is_out: Callable[[Pending], bool]) -> list[Pending]:
        """Take out of the lines whatever the test says."""
        out: list[Pending] = []
        with self._lock:
            for key, line in [*self._lines.items()]:
                gone = [pending for pending in line if is_out(pending)]
                if not gone:
                    continue
                out += gone
                stays = deque(pending for pending in line if not is_out(pending))
                if stays:
                    self._lines[key] = stays
                else:
                    del self._lines[key]
            self._count -= len(out)
        return out

    def _wake(self) -> None:
        if self._sleeps:
            self._sleeps = False
            self._bell.release()

    def _begin(self, count: int) -> list[Pending]:
        """A new batch: everybody has his share of it again."""
        self._had.clear()
        lines = self._lines
        alone = next(iter(lines)) if len(lines) == 1 else None
        if alone is None or alone != (self._alone or alone):
            self._crowded = _CROWDED_FOR
        elif self._crowded:
            self._crowded -= 1
        self._alone = alone
        return self._pick(count, None)

    def _pick(self, count: int, may: Callable[[Pending], bool] | None) -> list[Pending]:
        lines = self._lines
        if len(lines) == 1:
            ((key, line),) = lines.items()
            if self._crowded:
                count = min(count, self._share - self._had.get(key, 0))
            taken = self._from_one(key, line, count, may)
        else:
            taken = self._from_all(count, may)
        self._count -= len(taken)
        return taken

    def _from_one(
        self,
        key: str,
        line: deque[Pending],
        count: int,
        may: Callable[[Pending], bool] | None,
    ) -> list[Pending]:
        taken: list[Pending] = []
        while line and len(taken) < count and (may is None or may(line[0])):
            taken.append(line.popleft())
        if not line:
            del self._lines[key]
        self._had[key] = self._had.get(key, 0) + len(taken)
        return taken

    def _from_all(self, count: int, may: Callable[[Pending], bool] | None) -> list[Pending]:
        """One of each line, and again; who was not reached is first the next time."""
        lines, had, share = self._lines, self._had, self._share
        self._crowded = _CROWDED_FOR
        turns = deque(lines)
        full: list[str] = []
        taken: list[Pending] = []
        while turns and len(taken) < count:
            key = turns[0]
            line = lines[key]
            got = had.get(key, 0)
            if got >= share:
                full.append(turns.popleft())
                continue
            if may is not None and not may(line[0]):
                break
            turns.popleft()
            taken.append(line.popleft())
            had[key] = got + 1
            if line:
                turns.append(key)
            else:
                del lines[key]
        self._lines = {key: lines[key] for key in (*turns, *full)}
        return taken
