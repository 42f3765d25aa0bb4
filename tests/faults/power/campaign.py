"""
Many workloads, each cut everywhere: on as many cores as are given, always the same by seed.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from freehold.drivers.sqlite.memory import make_folder, remove_folder
from tests.faults.power import wrong
from tests.faults.power.cuts import Cutter
from tests.faults.power.workload import play

#: A run that finds so much has found enough.
_BAD_MAX: Final = 20
_AHEAD: Final = 2
_TOLD_EVERY_S: Final = 30.0


@dataclass
class Tally:
    """What some workloads came to."""

    workloads: int = 0
    changes: int = 0
    states: int = 0
    judged: int = 0
    asked_again: int = 0
    cut_again: int = 0
    bad: int = 0
    #: The first of them, in words.
    said: list[str] = field(default_factory=list)
    #: A hash of all that was done to disks, and of all that cuts left of them.
    trace: str = ""

    def add(self, other: Tally) -> None:
        """Count another one in."""
        for name in ("workloads", "changes", "states", "judged", "asked_again", "cut_again", "bad"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.said = [*self.said, *other.said][:_BAD_MAX]
        self.trace = hashlib.sha256(f"{self.trace} {other.trace}".encode()).hexdigest()


def cut_workload(
    number: int, *, seed: int, per_change: int, kind: str | None = None, only: str | None = None
) -> Tally:
    """
    One workload, cut at every change.

    Args:
        number: Which one.
        seed: What everything is drawn from.
        per_change: How many disks for each change.
        kind: Of the `wrong` ones; None for the data layer as it is.
        only: Look at the state of this number alone.
    """
    played_in, cut_in = make_folder("played"), make_folder("cut")
    tally = Tally(workloads=1)
    left = hashlib.sha256()
    try:
        with wrong.KINDS[kind]() if kind else nullcontext():
            played = play(number, played_in, seed=seed)
        cutter = Cutter(played, cut_in, seed=seed, per_change=per_change)
        for found in cutter.all(only):
            tally.states += 1
            for name, data in found.crash.files.items():
                left.update(name.encode())
                left.update(data)
            if found.wrong:
                tally.bad += 1
                if len(tally.said) < _BAD_MAX:
                    tally.said.append(str(found))
    finally:
        remove_folder(played_in)
        remove_folder(cut_in)
    tally.changes = len(played.disk.changes)
    tally.judged, tally.asked_again = cutter.judged, cutter.asked_again
    tally.cut_again = cutter.cut_again
    tally.trace = f"{played.disk.trace} {left.hexdigest()}"
    return tally


def cut_many(
    states: int,
    *,
    seed: int,
    per_change: int = 3,
    processes: int = 1,
    on_progress: Callable[[str], None] = lambda _: None,
) -> Tally:
    """
    Workloads from 0 on, until there were so many states, or enough was found.

    How many processes there are changes nothing of what is done.
    """
    total = Tally()
    began = told = time.monotonic()
    work = partial(cut_workload, seed=seed, per_change=per_change)
    for each in _in_order(work, processes):
        total.add(each)
        now = time.monotonic()
        if now - told > _TOLD_EVERY_S:
            told = now
            rate = total.states / (now - began)
            on_progress(f"{total.states:,} of {states:,} states, {rate:.0f}/s, {total.bad} bad")
        if total.states >= states or total.bad >= _BAD_MAX:
            return total
    raise AssertionError("there is no end to workloads")


def _in_order(work: Callable[[int], Tally], processes: int) -> Iterator[Tally]:
    """Workload after workload; some ahead of what is asked for, when there are processes."""
    number = 0
    if processes == 1:
        while True:
            yield work(number)
            number += 1
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, mp_context=context)
    waiting: list[Future[Tally]] = []
    try:
        while True:
            while len(waiting) < processes * _AHEAD:
                waiting.append(pool.submit(work, number))
                number += 1
            yield waiting.pop(0).result()
    finally:
        pool.shutdown(cancel_futures=True)
