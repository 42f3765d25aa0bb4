"""
One workload, played again and again: each of its writes, truncations and syncs fails in turn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Final

from freehold.drivers.sqlite.memory import make_folder, remove_folder
from freehold.testing.faults import Kind as FaultKind
from tests.faults.power import wrong
from tests.faults.power.cuts import Cutter
from tests.faults.power.recording import Fault, Kind
from tests.faults.power.workload import Played, play

_BATCHES: Final = 3
_PER_CUT: Final = 3
#: More changes than it takes to start again.
_RECOVERY: Final = 40
#: SQLite makes one error of all that a sync or a truncation may say.
_KINDS: Final[dict[Kind, tuple[FaultKind, ...]]] = {
    "write": ("EIO", "ENOSPC", "short"),
    "sync": ("EIO",),
    "truncate": ("EIO",),
}


@dataclass
class Swept:
    """What a workload's faults came to."""

    runs: int = 0
    states: int = 0
    #: How callers' calls ended.
    told: Counter[str] = field(default_factory=Counter)
    #: Runs in which the database could not even be opened again while the disk failed.
    never_opened: int = 0
    bad: int = 0
    said: list[str] = field(default_factory=list)

    def add(self, other: Swept) -> None:
        """Count another one in."""
        self.runs += other.runs
        self.states += other.states
        self.told += other.told
        self.never_opened += other.never_opened
        self.bad += other.bad
        self.said += other.said


def faults_of(number: int, *, seed: int, only: Kind | None = None) -> list[Fault]:
    """Every fault that there can be in this workload: each change, or of one kind, in each way."""
    asked = list(_played(number, seed, None).disk.asked)
    return [
        Fault(at, kind, is_sticky)
        for at, change in enumerate(asked, 1)
        if only in (None, change)
        for kind in _KINDS[change]
        for is_sticky in (False, True)
    ]


def sweep(number: int, *, seed: int, kind: str | None = None, only: Kind | None = None) -> Swept:
    """
    Play the workload once for each of its faults, and cut the power after each batch since.

    Args:
        number: Which workload.
        seed: What it is drawn from.
        kind: Of the `wrong` ones; None for the data layer as it is.
        only: Changes that fail; None for all.
    """
    swept = Swept()
    with wrong.KINDS[kind]() if kind else nullcontext():
        for fault in faults_of(number, seed=seed, only=only):
            swept.add(fail_once(number, fault, seed=seed))
    return swept


def fail_once(number: int, fault: Fault, *, seed: int) -> Swept:
    """Play the workload with this fault, and see that nobody was told what is not so."""
    swept = Swept(runs=1)
    played = _played(number, seed, fault)
    for batch in played.history.batches:
        swept.told.update(heard.told.outcome for heard in batch.heard)
    swept.never_opened = not played.told_after
    cut_in = make_folder("cut")
    try:
        cutter = Cutter(played, cut_in, seed=seed, per_change=_PER_CUT)
        for found in cutter.some(set(_moments(played, fault))):
            swept.states += 1
            if found.wrong:
                swept.bad += 1
                swept.said.append(f"workload {number}, {fault}: {found}")
    finally:
        remove_folder(cut_in)
    return swept


def _played(number: int, seed: int, fault: Fault | None) -> Played:
    folder = make_folder("played")
    try:
        # The database is made in the same manner by all; one of them fails while it is.
        return play(
            number, folder, seed=seed, batches=_BATCHES, fault=fault, fails_from_nothing=number == 0
        )
    finally:
        remove_folder(folder)


def _moments(played: Played, fault: Fault) -> Iterator[int]:
    """
    After each batch that was told since the disk failed, at the end, and when it was closed.

    After a sync that failed, also while it is started again: what is recovered then may be what
    only the system's page cache has.
    """
    changes = played.disk.changes
    for told in played.told_after:
        if told - played.first >= fault.at - 1 or played.number == 0:
            yield told
    yield played.last
    yield len(changes)
    failed = [at for at, change in enumerate(changes) if change.kind == "unsynced"]
    if failed and not fault.is_sticky:
        yield from range(failed[0], min(failed[0] + _RECOVERY, len(changes)))
