"""
Faults on purpose: a disk that fails or is slow where a test wants it, and a process that
dies at a named point.

    with FaultyDisk() as disk:
        database = SqliteDatabase(path, schema, storage=disk.name)
        ...
        disk.fail("sync", "EIO", at=3)

What is failed are single operations of SQLite on its files. A disk that loses power, and
with it what was never synced, is not here.
"""

from __future__ import annotations

import itertools
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Self

import apsw

from freehold.testing.checksums import checksummed

Operation = Literal["read", "write", "sync", "truncate"]
#: `EIO`: the device does not answer. `ENOSPC`: no space is left; `short` is the same after
#: half of it was written, as POSIX allows.
Kind = Literal["EIO", "ENOSPC", "short"]
#: Which of a database's files: the database itself, its write-ahead log, or either.
Where = Literal["database", "log", "any"]

_CODES: Final[dict[tuple[Operation, Kind], int]] = {
    ("read", "EIO"): apsw.SQLITE_IOERR_READ,
    ("write", "EIO"): apsw.SQLITE_IOERR_WRITE,
    ("write", "ENOSPC"): apsw.SQLITE_FULL,
    ("write", "short"): apsw.SQLITE_FULL,
    # SQLite makes one error of all that fsync may say.
    ("sync", "EIO"): apsw.SQLITE_IOERR_FSYNC,
    ("sync", "ENOSPC"): apsw.SQLITE_IOERR_FSYNC,
    ("truncate", "EIO"): apsw.SQLITE_IOERR_TRUNCATE,
}
_TRACE_MAX: Final = 100_000
_numbers: Final = itertools.count(1)


@dataclass
class _Fault:
    #: None for a write, a sync or a truncation alike.
    operation: Operation | None
    kind: Kind
    where: Where
    #: Operations that still go well before it strikes.
    before: int
    #: How often it strikes; None for ever.
    times: int | None


@dataclass(frozen=True)
class Done:
    """One operation that the disk was asked for."""

    operation: Operation
    where: Where
    is_failed: bool


@dataclass
class _State:
    faults: list[_Fault] = field(default_factory=list)
    trace: list[Done] = field(default_factory=list)
    slow: dict[Operation, float] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class FaultyDisk:
    """
    The system's disk, until it is told to fail; a VFS of SQLite while the block lasts.

    Page checksums are kept above it, as above the system's own disk, so it sees their bytes.
    Every connection that names it must be closed before the block ends.
    """

    def __init__(self) -> None:
        #: What `SqliteDatabase(storage=…)` takes; there inside the block.
        self.name = ""
        self._state = _State()
        self._open = ExitStack()

    def __enter__(self) -> Self:
        vfs = _Vfs(f"faulty-{next(_numbers)}", self._state)
        self._open.callback(vfs.unregister)
        self.name = self._open.enter_context(checksummed(vfs.name))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def fail(
        self,
        operation: Operation,
        kind: Kind = "EIO",
        *,
        at: int = 1,
        times: int | None = 1,
        where: Where = "any",
    ) -> None:
        """
        Fail an operation of the future.

        Args:
            operation: What fails.
            kind: How.
            at: The next one is 1.
            times: How often it fails from there; None for ever.
            where: In which file.
        """
        if (operation, kind) not in _CODES:
            raise ValueError(f"{operation} does not fail with {kind}")
        with self._state.lock:
            self._state.faults.append(_Fault(operation, kind, where, at - 1, times))

    @contextmanager
    def failing(
        self, operation: Operation, kind: Kind = "EIO", *, where: Where = "any"
    ) -> Iterator[None]:
        """Fail every such operation in a block."""
        self.fail(operation, kind, times=None, where=where)
        try:
            yield
        finally:
            self.heal()

    def fail_change(self, number: int, kind: Kind, *, times: int | None = 1) -> None:
        """
        Fail the n-th change, whatever it is: a write, a sync or a truncation.

        What the operation cannot fail with, it fails with `EIO`.
        """
        with self._state.lock:
            self._state.faults.append(_Fault(None, kind, "any", number - 1, times))

    def heal(self) -> None:
        """Fail nothing any more."""
        with self._state.lock:
            self._state.faults.clear()

    def slow(self, operation: Operation, *, seconds: float) -> None:
        """Let every such operation take longer; 0 for not at all."""
        self._state.slow[operation] = seconds

    @property
    def trace(self) -> list[Done]:
        """What the disk was asked for since the last `forget`."""
        return list(self._state.trace)

    def count(self, operation: Operation, *, where: Where = "any") -> int:
        """How many of an operation there were since the last `forget`."""
        return sum(
            done.operation == operation and where in ("any", done.where)
            for done in self._state.trace
        )

    @property
    def changes(self) -> int:
        """How many writes, syncs and truncations there were since the last `forget`."""
        return sum(done.operation != "read" for done in self._state.trace)

    @property
    def struck(self) -> int:
        """How many operations were failed since the last `forget`."""
        return sum(done.is_failed for done in self._state.trace)

    def forget(self) -> None:
        """Begin the trace anew."""
        with self._state.lock:
            self._state.trace.clear()


class _Vfs(apsw.VFS):
    def __init__(self, name: str, state: _State) -> None:
        self.name = name
        self._state = state
        super().__init__(name, "")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - apsw's name
        return _File(name, flags, self._state)


class _File(apsw.VFSFile):
    def __init__(self, name: Any, flags: list[int], state: _State) -> None:
        self._state = state
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name or "")
        self._where: Where = "log" if path.endswith("-wal") else "database"
        super().__init__("", name, flags)

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802 - apsw's name
        self._do("read")
        return super().xRead(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - apsw's name
        self._do("write", lambda: super(_File, self).xWrite(data[: len(data) // 2], offset))
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802 - apsw's name
        self._do("sync")
        super().xSync(flags)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - apsw's name
        self._do("truncate")
        super().xTruncate(newsize)

    def _do(self, operation: Operation, half: Callable[[], None] | None = None) -> None:
        state = self._state
        with state.lock:
            fault = self._fault(operation)
            if len(state.trace) < _TRACE_MAX:
                state.trace.append(Done(operation, self._where, fault is not None))
        seconds = state.slow.get(operation, 0)
        if seconds:
            threading.Event().wait(seconds)
        if fault is None:
            return
        kind = fault.kind if (operation, fault.kind) in _CODES else "EIO"
        if kind == "short" and half is not None:
            half()
        raise apsw.exception_for(_CODES[operation, kind])

    def _fault(self, operation: Operation) -> _Fault | None:
        found = None
        for fault in list(self._state.faults):
            wanted = fault.operation or (operation if operation != "read" else None)
            if operation != wanted or fault.where not in ("any", self._where):
                continue
            if fault.before > 0:
                fault.before -= 1
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times == 0:
                    self._state.faults.remove(fault)
            found = found or fault
        return found


def kill_at(point: str, *, time: int = 1) -> Callable[[str], None]:
    """
    A crash point that kills this process, as `kill -9` does.

    Args:
        point: The point's name, as `SqliteDatabase(crash=…)` is told it.
        time: At which time it is reached.
    """
    left = itertools.count(time, -1)

    def crash(reached: str) -> None:
        if reached == point and next(left) == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    return crash
