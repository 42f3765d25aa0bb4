"""
The disk of a `RecordedDisk` after a power cut: at every change, in many ways.
"""

from __future__ import annotations

import os
import random
from collections.abc import Container, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from tests.faults.power.recording import Change, RecordedDisk

SECTOR: Final = 512
#: What happened to changes that were not synced. `dropped`: nothing of them is there. `kept`:
#: all of them, as after `kill -9`. `prefix`: up to one that is half there. `subset`: any of
#: their sectors. `torn`: the same, and some sectors only in part. `garbage`: the same, and
#: what is not there is not what was there before either.
How = Literal["dropped", "kept", "prefix", "subset", "torn", "garbage"]
_RANDOM_HOW: Final[tuple[How, ...]] = ("prefix", "subset", "torn", "garbage")
_INDEX_BYTES: Final = 32 * 1024
_SUFFIXES: Final = ("", "-wal", "-shm", "-journal")


@dataclass(frozen=True)
class Crash:
    """One disk after a power cut."""

    #: Which one it is, among all of the recording.
    number: int
    #: How many changes had been made, synced or not.
    at: int
    how: How
    #: What is there, by name.
    files: dict[str, bytes]
    #: What had been said before.
    marks: list[Any]
    #: Every file that SQLite may have made meanwhile, there or not.
    names: frozenset[str]

    def restore(self, folder: Path) -> None:
        """Write the files into a folder; what SQLite left there of another state is removed."""
        place = os.fspath(folder)
        for name in self.names - self.files.keys():
            with suppress(FileNotFoundError):
                os.unlink(f"{place}/{name}")
        for note in folder.glob("*.witness"):
            # It is written by Python, so it is of a later state; lost is what it may be.
            note.unlink()
        for name, data in self.files.items():
            handle = os.open(f"{place}/{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                os.write(handle, data)
            finally:
                os.close(handle)

    def __str__(self) -> str:
        sizes = ", ".join(f"{name} {len(data)}" for name, data in self.files.items())
        return f"state {self.number}: after {self.at} changes, {self.how}: {sizes or 'no file'}"


def crashes(
    disk: RecordedDisk,
    *,
    seed: int,
    per_event: int = 3,
    first: int = 0,
    at: Container[int] | None = None,
    only: int | None = None,
) -> Iterator[Crash]:
    """
    The disk after a cut at every change, from before the first one to after the last one.

    Args:
        disk: What was recorded; its block is over, or nobody writes any more.
        seed: What is lost and what is kept comes from it, and from nothing else.
        per_event: How many disks for each change, where there is anything to lose: the first
            with all lost that can be, the second with all kept, the rest at random.
        first: Changes before this one are not cut.
        at: Cut only after so many changes; None for after each.
        only: Just the disk of this number, and nothing when there is none.
    """
    state = _Disk(disk)
    names = frozenset(f"{name}{suffix}" for name in disk.names for suffix in _SUFFIXES)
    number = 0
    told = 0
    for done in range(len(disk.changes) + 1):
        if done:
            state.do(disk.changes[done - 1])
        while told < len(disk.marks) and disk.marks[told][0] <= done:
            told += 1
        if done < first or (at is not None and done not in at):
            continue
        for turn in range(per_event if state.is_uncertain else 1):
            if only is None or only == number:
                # The same disk, whatever was looked at before.
                draw = random.Random(f"{seed} {done} {turn}")
                how = ("dropped", "kept")[turn] if turn < 2 else draw.choice(_RANDOM_HOW)
                files = state.after(how, draw)
                marks = [what for _, what in disk.marks[:told]]
                yield Crash(number, done, how, files, marks, names)
            number += 1


class _Disk:
    """What is durable, and what is on its way."""

    def __init__(self, disk: RecordedDisk) -> None:
        self.durable = {number: bytearray(data) for number, (_, data) in disk.before.items()}
        self.waiting: dict[int, list[Change]] = {}
        #: After a failed sync, a file as everybody sees it, with what no sync makes durable.
        self.seen: dict[int, bytearray] = {}
        #: Names whose entry in the folder is durable, and what was done to entries since.
        self.names = {name: number for number, (name, _) in disk.before.items()}
        self.entries: list[Change] = []

    @property
    def is_uncertain(self) -> bool:
        """Something could be lost."""
        seen = any(number in self.seen for number in self.names.values())
        return seen or bool(self.entries) or any(self.waiting.values())

    def do(self, change: Change) -> None:
        """The next change."""
        if change.kind == "create":
            self.durable[change.file] = bytearray()
            self.entries.append(change)
        elif change.kind == "replace":
            self.durable[change.file] = bytearray(change.data)
            _rename(self.names, [*self.entries, change])
            self.entries.clear()
        elif change.kind == "delete":
            self.entries.append(change)
        elif change.kind == "sync":
            seen = self.seen.get(change.file)
            for each in self.waiting.pop(change.file, ()):
                _apply(self.durable[change.file], each)
                if seen is not None:
                    _apply(seen, each)
        elif change.kind == "unsynced":
            seen = self.seen.setdefault(change.file, bytearray(self.durable[change.file]))
            for each in self.waiting.pop(change.file, ()):
                _apply(seen, each)
        else:
            self.waiting.setdefault(change.file, []).append(change)
        if change.is_folder_durable:
            _rename(self.names, self.entries)
            self.entries.clear()

    def after(self, how: How, draw: random.Random) -> dict[str, bytes]:
        """The files after a cut."""
        names = dict(self.names)
        if how == "kept":
            _rename(names, self.entries)
        elif how != "dropped":
            _rename(names, self.entries[: draw.randint(0, len(self.entries))])
        files: dict[str, bytes] = {}
        for name, number in names.items():
            waiting = self.waiting.get(number)
            content = self.durable[number]
            if number in self.seen and (how == "kept" or (how != "dropped" and _flip(draw))):
                content = self.seen[number]
            if waiting and how != "dropped":
                content = bytearray(content)
                _lose(content, waiting, how, draw)
            files[name] = bytes(content)
            if how == "garbage" and name.endswith("-wal") and draw.random() < 0.2:
                files[f"{name[:-4]}-shm"] = draw.randbytes(_INDEX_BYTES)
        return files


def _flip(draw: random.Random) -> bool:
    return draw.random() < 0.5


def _rename(names: dict[str, int], entries: list[Change]) -> None:
    for each in entries:
        if each.kind != "delete":
            names[each.name] = each.file
        else:
            names.pop(each.name, None)


def _apply(content: bytearray, change: Change) -> None:
    if change.kind == "write":
        _put(content, change.offset, change.data)
    elif change.offset < len(content):
        del content[change.offset :]
    else:
        content.extend(bytes(change.offset - len(content)))


def _put(content: bytearray, offset: int, data: bytes) -> None:
    if offset > len(content):
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def _lose(content: bytearray, waiting: list[Change], how: How, draw: random.Random) -> None:
    """Do to a file what a power cut let happen of its changes."""
    if how == "kept":
        for each in waiting:
            _apply(content, each)
        return
    if how == "prefix":
        whole = draw.randrange(len(waiting))
        for each in waiting[:whole]:
            _apply(content, each)
        last = waiting[whole]
        if last.kind == "write":
            _put(content, last.offset, last.data[: draw.randrange(len(last.data) + 1)])
        return
    share = draw.choice((0.1, 0.5, 0.9))
    chance = draw.random
    for each in waiting:
        if each.kind == "truncate":
            if chance() < share:
                _apply(content, each)
            continue
        for offset, piece in _sectors(each):
            if chance() < share:
                _put(content, offset, piece)
            elif how != "subset" and chance() < 0.5:
                _harm(content, offset, piece, how, draw)


def _sectors(change: Change) -> Iterator[tuple[int, bytes]]:
    """What was written, cut where sectors meet."""
    offset, data = change.offset, change.data
    end = SECTOR - offset % SECTOR
    start = 0
    while start < len(data):
        yield offset + start, data[start:end]
        start, end = end, end + SECTOR


def _harm(content: bytearray, offset: int, piece: bytes, how: How, draw: random.Random) -> None:
    """A piece of which the beginning or the end is there, or nothing that ever was."""
    if how == "garbage":
        zeros = draw.random() < 0.5
        _put(content, offset, bytes(len(piece)) if zeros else draw.randbytes(len(piece)))
        return
    middle = draw.randrange(len(piece) + 1)
    if draw.random() < 0.5:
        _put(content, offset, piece[:middle])
    else:
        _put(content, offset + middle, piece[middle:])
