"""
The seeded driver: chapters of random steps, from one number that replays them.

A chapter begins with empty tables and a generator of its own, spun from the seed, the
application and the chapter's number; so any chapter can be played without those before it:

    FREEHOLD_LOCKSTEP_SEED=7 FREEHOLD_LOCKSTEP_CHAPTER=12 pytest tests/lockstep -k hotmetal
"""

from __future__ import annotations

import os
import secrets
import sys
from dataclasses import dataclass
from random import Random
from typing import Final

import pytest

from freehold.clock import SystemClock
from tests.lockstep.calls import Call, Step
from tests.lockstep.comparing import Different, Tally, judge, judge_tables, shortest, written
from tests.lockstep.engines import Outcome, Pair
from tests.lockstep.generator import Generator
from tests.lockstep.habits import Pool
from tests.lockstep.words import START_S

QUICK_SEED: Final = 20_261_120
CHAPTER_STEPS: Final = 1_000
#: So often all tables are compared, whole.
TABLES_EVERY: Final = 250
_PROGRESS_STEPS: Final = 10_000


def chosen_seed() -> int:
    """The seed that was asked for, or a new one; the quick share has its own."""
    said = os.environ.get("FREEHOLD_LOCKSTEP_SEED")
    if said:
        return int(said)
    # A change is judged by the same calls before and after; the full share finds new ones.
    return secrets.randbelow(10**9) if os.environ.get("FREEHOLD_FAULTS") else QUICK_SEED


def chosen_steps(usual: int) -> int:
    """How many steps were asked for, or as many as usual."""
    said = os.environ.get("FREEHOLD_LOCKSTEP_STEPS")
    return int(said) if said else usual


def first_chapter() -> int:
    """The chapter to begin with, for a replay."""
    return int(os.environ.get("FREEHOLD_LOCKSTEP_CHAPTER", "0"))


def say(text: str) -> None:
    """A line of the run's own report; pytest shows it when the run fails, or with `-s`."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@dataclass(frozen=True)
class Found:
    """A difference, with all that was played before it."""

    chapter: int
    played: list[Step]
    different: Different


class Run:
    """
    One run over one application.

    Args:
        pair: Both engines.
        seed: What everything random is spun from.
    """

    def __init__(self, pair: Pair, seed: int) -> None:
        self.pair = pair
        self.seed = seed
        self.generator = Generator(pair.habits)
        self.tally = Tally()
        self.clock = SystemClock()

    def play(self, steps: int) -> Tally:
        """
        Play so many steps.

        Raises:
            pytest.fail.Exception: The engines differ; it says how, with the shortest replay.
        """
        found = self.search(steps)
        if found is not None:
            pytest.fail(self._report(found), pytrace=False)
        return self.tally

    def search(self, steps: int) -> Found | None:
        """Play up to so many steps; the first difference, if there is one."""
        chapter = first_chapter()
        began_ns = self.clock.monotonic_ns()
        while self.tally.steps < steps:
            before = self.tally.steps
            found = self._chapter(chapter, min(CHAPTER_STEPS, steps - before))
            if found is not None:
                return found
            chapter += 1
            if before // _PROGRESS_STEPS != self.tally.steps // _PROGRESS_STEPS:
                self._progress(steps, began_ns)
        return None

    def _chapter(self, chapter: int, count: int) -> Found | None:
        name = self.pair.habits.app.name
        random = Random(f"{self.seed} {name} {chapter}")
        pool = Pool()
        self.pair.clear()
        now_s, played = START_S, list[Step]()

        def told(step: Step, call: Call, outcome: Outcome) -> None:
            self.tally.count(call, outcome)
            if outcome.error is None:
                self.generator.harvest(call, call.spoken.decode(outcome.body), pool)

        try:
            for number in range(1, count + 1):
                step = self.generator.step(random, pool, number=number, now_s=now_s)
                played.append(step)
                now_s = step.at_s
                judge(self.pair, step, told)
                self.tally.steps += 1
                self.tally.batches += len(step.calls) > 1
                if number % TABLES_EVERY == 0 or number == count:
                    self.tally.rows_compared += judge_tables(self.pair)
        except Different as different:
            return Found(chapter, played, different)
        return None

    def _report(self, found: Found) -> str:
        kept, what = shortest(self.pair, found.played)
        return (
            f"{found.different.what}\n\nFREEHOLD_LOCKSTEP_SEED={self.seed} "
            f"FREEHOLD_LOCKSTEP_CHAPTER={found.chapter} ({self.pair.habits.app.name}, step "
            f"{len(found.played)}).\nThe shortest replay has {len(kept)} steps: {what}\n"
            f"{written(kept)}"
        )

    def _progress(self, steps: int, began_ns: int) -> None:
        seconds = (self.clock.monotonic_ns() - began_ns) / 1_000_000_000
        done = self.tally.steps
        sys.stderr.write(
            f"lock-step {self.pair.habits.app.name}: {done} of {steps} steps, seed {self.seed}, "
            f"{seconds / 60:.1f} min, {done / seconds:.0f} steps/s\n"
        )
        sys.stderr.flush()
