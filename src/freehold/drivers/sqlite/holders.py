"""
Who has a database's files open now, as the kernel tells it.

The owner's lock keeps other owners out, not other programs: any of them may open the file. Only
Linux tells who has; processes of other users only tell the operator.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from freehold.drivers.sqlite.owner import Owner, owner_of

_BESIDE: Final = ("", "-wal", "-shm", "-journal")
_PROC: Final = Path("/proc")
_OTHERS: Final = 0o077


@dataclass(frozen=True)
class Holder:
    """
    A process that has files of the database open.

    Args:
        command: What it was started as, shortened by the kernel.
        files: Their names.
    """

    pid: int
    command: str
    files: tuple[str, ...]


@dataclass
class Held:
    """
    Who holds one database.

    Args:
        owner: Who has the lock, None when nobody does.
        holders: All that have a file of it open, the owner among them.
        untold: Processes that may have it open and that this user cannot look into.
        can_tell: Whether this system tells at all.
    """

    owner: Owner | None
    holders: list[Holder] = field(default_factory=list)
    untold: list[int] = field(default_factory=list)
    can_tell: bool = True

    @property
    def others(self) -> list[Holder]:
        """Those that are not the owner."""
        pid = self.owner.pid if self.owner is not None else None
        return [each for each in self.holders if each.pid != pid]


def holders_of(database: Path) -> Held:
    """Who has the database open now."""
    held = Held(owner_of(database))
    if sys.platform != "linux" or not (_PROC / "self" / "fd").is_dir():
        held.can_tell = False
        return held
    files = _files(database)
    is_private = all(mode & _OTHERS == 0 for _, mode in files.values())
    names = {identity: name for identity, (name, _) in files.items()}
    for entry in os.listdir(_PROC) if files else ():
        pid = int(entry) if entry.isdigit() else 0
        if pid == 0 or pid == os.getpid():
            continue
        found = _open_of(pid, names)
        if found:
            held.holders.append(Holder(pid, _command(pid), tuple(sorted(found))))
        elif found is None and _may_hold(pid, is_private=is_private):
            held.untold.append(pid)
    owner = held.owner.pid if held.owner is not None else None
    # The owner lets nobody look into it; that it has the lock is told by the lock.
    held.untold = [pid for pid in held.untold if pid != owner]
    return held


def _files(database: Path) -> dict[tuple[int, int], tuple[str, int]]:
    """What is the same file by whatever name: device and number, with its name and mode."""
    found = {}
    for ending in _BESIDE:
        path = Path(f"{database.resolve()}{ending}")
        try:
            facts = path.stat()
        except OSError:
            continue
        found[facts.st_dev, facts.st_ino] = (path.name, facts.st_mode)
    return found


def _open_of(pid: int, names: dict[tuple[int, int], str]) -> set[str] | None:
    """The files that a process has open, None when it lets nobody look."""
    folder = f"{_PROC}/{pid}/fd"
    found = set()
    try:
        handles = os.listdir(folder)
    except PermissionError:
        return None
    except OSError:
        return set()
    for handle in handles:
        try:
            facts = os.stat(f"{folder}/{handle}")
        except OSError:
            continue
        name = names.get((facts.st_dev, facts.st_ino))
        if name is not None:
            found.add(name)
    return found


def _may_hold(pid: int, *, is_private: bool) -> bool:
    """Not a thread of the kernel, and of a user who could have opened the file."""
    try:
        status = (_PROC / str(pid) / "status").read_text()
    except OSError:
        return False
    facts = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    if "VmSize" not in facts:
        return False
    user = int(facts.get("Uid", "0").split()[0])
    return not is_private or user == os.getuid()


def _command(pid: int) -> str:
    try:
        said = (_PROC / str(pid) / "comm").read_text().strip()
    except OSError:
        return "?"
    return "".join(letter if letter.isprintable() else "?" for letter in said)
