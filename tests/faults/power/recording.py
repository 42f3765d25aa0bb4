"""
A disk that can lose power: what SQLite does to its files is written down, change by change,
and the disk can be had again as a power cut at any of these changes may have left it.

    with RecordedDisk(folder) as disk:                # `folder` holds the files, best in memory
        database = SqliteDatabase(folder / "a.db", schema, storage=disk.name)
        ...                                           # any code; apsw takes vfs=disk.name
        disk.mark("told: ok")                         # whatever was said to somebody, and when
        database.close()

    for crash in crashes(disk, seed=SEED, per_event=3):
        crash.restore(elsewhere)                      # the files, as the cut left them
        database = SqliteDatabase(elsewhere / "a.db", schema)      # the system's disk again
        ...                                           # recovered: is all there of `crash.marks`?

`crashes` (in `tests.faults.power.crashes`) goes through every change, from none to all of
them: each write, truncation, sync, creation and removal of a file. `RecordedDisk(…,
is_default=True)` also records what is opened without the name of a VFS. Files that were there
before are taken over as they are when they are opened, and count as durable; databases, their
logs and their rollback journals are followed, in `folder` itself. What Python does to files (a
copy with `shutil`, a file of keys) is not seen, and `restore` leaves such files alone; but for
a file that was put in the place of one of these, which is taken for synced, name and all.

What is durable, and what is not:

- What was written or cut off before a file's last sync is there. What came after may be
  there, whole or in pieces of a sector (512 bytes), in any choice and any mixture; a piece may
  be torn, or hold garbage. Bytes outside of what was written are never harmed (SQLite's
  "powersafe overwrite", which its own default asks of a disk).
- Creations and removals become durable in their order: up to any of them since the folder was
  synced last. As SQLite does it: with the first sync of a journal or log, or when a removal
  asks for it.
- After a sync that failed, what was to be synced counts as clean: no later sync makes it
  durable (as Linux does it). A cut keeps it or loses it, in any case.
- `-shm` is an index in memory and is gone; sometimes garbage is in its place.

`disk.fail(Fault(at=7, kind="ENOSPC"))` makes one of the changes fail, or all from there on.
`checksummed(disk.name)` (`freehold.testing.checksums`) is a VFS that keeps page checksums above
the disk, as a database in production has them.

The same `seed` gives the same changes, so a state has a number that finds it again: SQLite's
own random numbers (the salts of its log) are drawn from it as well, and start anew.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self

import apsw

from freehold.testing.checksums import checksummed
from freehold.testing.faults import _CODES
from freehold.testing.faults import Kind as FaultKind

#: `unsynced` is a sync that failed, `replace` a file that took another's place, durably.
Kind = Literal["write", "truncate", "sync", "unsynced", "create", "delete", "replace"]
_FOLLOWED: Final = (
    apsw.SQLITE_OPEN_MAIN_DB
    | apsw.SQLITE_OPEN_WAL
    | apsw.SQLITE_OPEN_MAIN_JOURNAL
    | apsw.SQLITE_OPEN_SUPER_JOURNAL
)
_SYNCS_FOLDER: Final = _FOLLOWED & ~apsw.SQLITE_OPEN_MAIN_DB
_numbers: Final = itertools.count(1)


@dataclass(frozen=True)
class Fault:
    """What a disk does to the n-th of its writes, truncations and syncs; the next one is 1."""

    at: int
    #: `EIO` for all of them; `ENOSPC`, and `short` after half of it, for writes only.
    kind: FaultKind = "EIO"
    #: From there on to all, and not just to one.
    is_sticky: bool = False

    def __str__(self) -> str:
        return f"{self.kind} at change {self.at}{' and on' if self.is_sticky else ''}"


@dataclass(frozen=True)
class Change:
    """One change of the disk."""

    kind: Kind
    #: Which file: the n-th that was opened or made; 0 for a removal.
    file: int
    #: Its name, of a creation or removal; the others know it by number.
    name: str = ""
    #: Where it was written, or the length after a truncation.
    offset: int = 0
    data: bytes = b""
    #: All names of the folder are durable after it.
    is_folder_durable: bool = False


class RecordedDisk:
    """
    The system's disk, and what was done to it; a VFS of SQLite while the block lasts.

    Every connection that names it must be closed before the block ends.

    Args:
        folder: Its files are below it.
        seed: What SQLite's own random numbers start from.
        is_default: It is the VFS of everybody who names none, while the block lasts.
    """

    def __init__(self, folder: Path, *, seed: int = 0, is_default: bool = False) -> None:
        #: What `SqliteDatabase(storage=…)` takes.
        self.name = f"recorded-{next(_numbers)}"
        #: What was done, in order.
        self.changes: list[Change] = []
        #: What was said, and after how many changes.
        self.marks: list[tuple[int, Any]] = []
        #: The files that were there before: by number, name and bytes.
        self.before: dict[int, tuple[str, bytes]] = {}
        self._folder = folder.resolve()
        self._seed = seed
        self._is_default = is_default
        self._files: dict[str, int] = {}
        self._ends: dict[int, int] = {}
        self._lock = threading.Lock()
        self._vfs: _Vfs | None = None
        self._above = ExitStack()
        self._fault: Fault | None = None
        #: What was asked for since the last `fail`: `write`, `truncate` or `sync` each.
        self.asked: list[Kind] = []

    def __enter__(self) -> Self:
        default = apsw.vfs_names()[0]
        _begin_randomness(self._seed, self._folder)
        self._vfs = _Vfs(self.name, self, is_default=self._is_default)
        if self._is_default:
            # Who names no disk has page checksums, as on the system's own.
            self._above.callback(apsw.set_default_vfs, default)
            apsw.set_default_vfs(self._above.enter_context(checksummed(self.name)))
        return self

    def __exit__(self, *_: object) -> None:
        self._above.close()
        if self._vfs is not None:
            self._vfs.unregister()
            self._vfs = None
        while self._ends:
            os.close(self._ends.popitem()[1])

    def mark(self, what: Any) -> None:
        """Remember that this was so after all changes until now; `Crash.marks` has it."""
        self.marks.append((len(self.changes), what))

    def fail(self, fault: Fault | None) -> None:
        """Fail a change of the future, or none any more; `asked` begins anew."""
        self._fault = fault
        self.asked.clear()

    @property
    def names(self) -> set[str]:
        """Every file that there ever was."""
        made = {change.name for change in self.changes if change.kind == "create"}
        return made | {name for name, _ in self.before.values()}

    @property
    def trace(self) -> str:
        """A hash of all that was done: the same when everything was the same."""
        found = hashlib.sha256()
        for each in self.changes:
            head = (each.kind, each.file, each.name, each.offset, each.is_folder_durable)
            found.update(repr(head).encode())
            found.update(each.data)
        return found.hexdigest()

    # What its files tell it.

    def struck(self, kind: Kind) -> FaultKind | None:
        """A write, truncation or sync begins; how it is to fail, None for not at all."""
        self.asked.append(kind)
        fault = self._fault
        if fault is None or len(self.asked) < fault.at:
            return None
        if not fault.is_sticky and len(self.asked) > fault.at:
            return None
        return fault.kind if fault.kind == "EIO" or kind == "write" else None

    def opened(self, path: str, *, had: bytes | None) -> int | None:
        """A file is open, new when there is nothing it had; answers with its number."""
        folder, name = os.path.split(path)
        if folder != str(self._folder):
            return None
        with self._lock:
            number = self._files.get(name)
            if number is not None and had is not None and not self._is_same(number, path):
                number = len(self._ends) + 1
                self._files[name] = number
                self._ends[number] = _other_end(path)
                self.changes.append(Change("replace", number, name, data=had))
            if number is None:
                number = len(self._ends) + 1
                self._files[name] = number
                self._ends[number] = _other_end(path)
                if had is None:
                    self.changes.append(Change("create", number, name))
                else:
                    self.before[number] = (name, had)
            return number

    def _is_same(self, number: int, path: str) -> bool:
        return os.path.samestat(os.fstat(self._ends[number]), os.stat(path))

    def removed(self, path: str, *, is_durable: bool) -> None:
        """A file is gone by its name."""
        folder, name = os.path.split(path)
        with self._lock:
            if folder == str(self._folder) and self._files.pop(name, None) is not None:
                self.changes.append(Change("delete", 0, name, is_folder_durable=is_durable))

    def written(self, number: int, offset: int, length: int) -> None:
        """Bytes were written; what they are is read from the disk, below any layer of SQLite."""
        data = os.pread(self._ends[number], length, offset)
        self.changes.append(Change("write", number, offset=offset, data=data))

    def cut(self, number: int, length: int) -> None:
        """A file was cut off, or made longer."""
        self.changes.append(Change("truncate", number, offset=length))

    def synced(self, number: int, *, with_folder: bool) -> None:
        """A file was made durable."""
        self.changes.append(Change("sync", number, is_folder_durable=with_folder))

    def unsynced(self, number: int) -> None:
        """A file was not made durable, and what was written to it never will be by a sync."""
        self.changes.append(Change("unsynced", number))


class _Vfs(apsw.VFS):
    def __init__(self, name: str, disk: RecordedDisk, *, is_default: bool) -> None:
        self._disk = disk
        # The one below, by name: the default may soon be this one.
        self._below = apsw.vfs_names()[0]
        super().__init__(name, self._below, makedefault=is_default)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - apsw's name
        return _File(name, flags, self._disk, below=self._below)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802 - apsw's name
        super().xDelete(filename, syncdir)
        self._disk.removed(filename, is_durable=bool(syncdir))


class _File(apsw.VFSFile):
    def __init__(self, name: Any, flags: list[int], disk: RecordedDisk, *, below: str) -> None:
        self._disk = disk
        self._number: int | None = None
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name or "")
        was_there = bool(path) and os.path.exists(path)
        super().__init__(below, name, flags)
        self._syncs_folder = bool(flags[0] & _SYNCS_FOLDER)
        if path and flags[0] & _FOLLOWED:
            had = self._all() if was_there else None
            self._number = disk.opened(path, had=had)

    def _all(self) -> bytes:
        size = super().xFileSize()
        return super().xRead(size, 0) if size else b""

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - apsw's name
        if self._number is None:
            super().xWrite(data, offset)
            return
        fails = self._disk.struck("write")
        if fails == "short":
            data = data[: len(data) // 2]
        if fails in (None, "short"):
            super().xWrite(data, offset)
            self._disk.written(self._number, offset, len(data))
        if fails:
            raise apsw.exception_for(_CODES["write", fails])

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - apsw's name
        if self._number is not None and self._disk.struck("truncate"):
            raise apsw.exception_for(_CODES["truncate", "EIO"])
        super().xTruncate(newsize)
        if self._number is not None:
            self._disk.cut(self._number, newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802 - apsw's name
        if self._number is not None and self._disk.struck("sync"):
            self._disk.unsynced(self._number)
            raise apsw.exception_for(_CODES["sync", "EIO"])
        super().xSync(flags)
        if self._number is not None:
            self._disk.synced(self._number, with_folder=self._syncs_folder)
            self._syncs_folder = False


def _other_end(path: str) -> int:
    """
    A handle on the file of our own, to read what was really written.

    By another name, as the data layer refuses handles on the names of an open database; and
    never closed before the disk is, as that would drop SQLite's locks.
    """
    other = f"{path}.recorded"
    os.link(path, other)
    try:
        return os.open(other, os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.unlink(other)


class _Seeding(apsw.VFS):
    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        super().__init__(f"seeding-{next(_numbers)}", "", makedefault=True)

    def xRandomness(self, numbytes: int) -> bytes:  # noqa: N802 - apsw's name
        return self._draw.randbytes(numbytes)


def _begin_randomness(seed: int, folder: Path) -> None:
    """SQLite's random numbers start anew, from this seed; it asks the default VFS for one."""
    # The first file that a process opens makes them start anew, too; so that comes before.
    first = folder / f"first-{next(_numbers)}"
    apsw.Connection(str(first)).close()
    first.unlink()
    seeding = _Seeding(seed)
    try:
        apsw.randomness(0)
        apsw.randomness(1)
    finally:
        seeding.unregister()
