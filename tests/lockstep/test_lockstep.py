"""
The same calls give the same answers and the same errors on both engines, and the same tables.

    FREEHOLD_LOCKSTEP_SEED=7       play that run again
    FREEHOLD_LOCKSTEP_STEPS=500    so many steps for each application
    FREEHOLD_FAULTS=full           a million steps in all, with a line of progress now and then
"""

from __future__ import annotations

import os
import time
from typing import Final

import pytest

from tests.drivers.share import share
from tests.faults.figures import record
from tests.lockstep.applications import HOTMETAL, LINKIE_CLAW
from tests.lockstep.comparing import Tally
from tests.lockstep.driver import Run, chosen_seed, chosen_steps, say
from tests.lockstep.engines import both_engines
from tests.lockstep.generator import Generator
from tests.lockstep.habits import Habits
from tests.lockstep.shelf import SHELF

#: Steps for each application: 20,000 over the two that ship, a million in a full run; the
#: third has what they do not use.
QUICK: Final = {"hotmetal": 5_000, "linkie_claw": 5_000, "shelf": 3_000}
FULL: Final = {"hotmetal": 500_000, "linkie_claw": 500_000, "shelf": 200_000}
#: Said by dispatch, whatever the method.
_OF_DISPATCH: Final = {"ok", "InvalidArgument", "PermissionDenied", "SeqNotReached"}


@pytest.mark.fault
@pytest.mark.promise("P20")
@pytest.mark.timeout(0)
@pytest.mark.parametrize("habits", [HOTMETAL, LINKIE_CLAW, SHELF], ids=lambda each: each.app.name)
def test_the_same_calls_end_the_same_on_both_engines(habits: Habits) -> None:
    """Every answer, every error and all tables, over random calls of every method."""
    name = habits.app.name
    usual = share(QUICK[name], FULL[name])
    steps, seed = chosen_steps(usual), chosen_seed()
    say(f"{name}: FREEHOLD_LOCKSTEP_SEED={seed}, {steps} steps")

    began = time.monotonic()
    with both_engines(habits) as pair:
        run = Run(pair, seed)
        tally = run.play(steps)
    record(
        "P20", f"both engines in lock-step, {name}", seconds=time.monotonic() - began, bad=0,
        seed=seed, steps=tally.steps, rows_compared=tally.rows_compared,
    )  # fmt: skip

    say("\n".join(tally.lines(list(run.generator.methods))))
    assert tally.steps == steps
    if steps >= usual and "FREEHOLD_LOCKSTEP_CHAPTER" not in os.environ:
        everything_was_met(tally, run.generator)


def everything_was_met(tally: Tally, generator: Generator) -> None:
    """Every method ended well and was refused; every error was met; many shared a batch."""
    own: set[str] = set()
    missed: list[str] = []
    for name, method in generator.methods.items():
        ended = set(tally.of(name))
        if "ok" not in ended or ended == {"ok"}:
            missed.append(f"{name}: {ended}")
        own |= set(method["errors"])
    # A few end well only in one state of many; the full share meets them all.
    assert len(missed) <= (2 if tally.steps < FULL["shelf"] else 0), missed
    labels = tally.labels()
    assert own <= set(labels)
    assert set(labels) - _OF_DISPATCH >= {"AlreadyExists", "ReferenceBroken", "NotFound"}
    assert {"IdempotencyMismatch", "Internal"} & set(labels) == {"IdempotencyMismatch"}
    assert tally.batches > tally.steps // 50
    assert tally.rows_compared > tally.steps // 20
