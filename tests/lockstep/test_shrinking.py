"""
The same machine under hypothesis, for a smaller share: it looks for short examples by itself.
"""

from __future__ import annotations

from random import Random
from typing import Final

import hypothesis
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.drivers.share import share
from tests.lockstep.applications import HOTMETAL, LINKIE_CLAW
from tests.lockstep.calls import Call, Step
from tests.lockstep.comparing import judge, judge_tables
from tests.lockstep.driver import chosen_seed, say
from tests.lockstep.engines import Outcome, Pair, both_engines
from tests.lockstep.generator import Generator
from tests.lockstep.habits import Habits, Pool
from tests.lockstep.shelf import SHELF
from tests.lockstep.words import START_S

_EXAMPLE_STEPS: Final = 25


class LockStep(RuleBasedStateMachine):
    """
    Both engines, and what was seen of them.

    Args:
        pair: The engines; emptied for each example.
        generator: Makes the calls; hypothesis is its dice.
    """

    def __init__(self, pair: Pair, generator: Generator) -> None:
        super().__init__()
        self._pair = pair
        self._generator = generator
        self._pool = Pool()
        self._number = 0
        self._now_s = START_S

    @initialize()
    def begin(self) -> None:
        """Empty tables."""
        self._pair.clear()

    @rule(random=st.randoms(use_true_random=False))
    def call(self, random: Random) -> None:
        """A step, and the same outcome on both."""
        self._number += 1
        step = self._generator.step(random, self._pool, number=self._number, now_s=self._now_s)
        self._now_s = step.at_s
        judge(self._pair, step, self._told)

    @rule()
    def look(self) -> None:
        """The same rows on both."""
        judge_tables(self._pair)

    def _told(self, _: Step, call: Call, outcome: Outcome) -> None:
        if outcome.error is None:
            self._generator.harvest(call, call.spoken.decode(outcome.body), self._pool)


@pytest.mark.fault
@pytest.mark.promise("P20")
@pytest.mark.timeout(0)
@pytest.mark.parametrize("habits", [HOTMETAL, LINKIE_CLAW, SHELF], ids=lambda each: each.app.name)
def test_examples_end_the_same_on_both_engines(habits: Habits) -> None:
    """What differs is told as the shortest example that hypothesis finds."""
    seed = chosen_seed()
    say(f"{habits.app.name}: FREEHOLD_LOCKSTEP_SEED={seed}")
    generator = Generator(habits)
    with both_engines(habits) as pair:

        @hypothesis.seed(seed)
        class Seeded(LockStep):
            """With this run's dice."""

            def __init__(self) -> None:
                super().__init__(pair, generator)

        run_state_machine_as_test(
            Seeded,
            settings=settings(
                max_examples=share(20, 2_000),
                stateful_step_count=_EXAMPLE_STEPS,
                deadline=None,
                database=None,
                derandomize=False,
                suppress_health_check=list(HealthCheck),
            ),
        )


def test_the_same_seed_makes_the_same_calls() -> None:
    """A red run prints its seed, and the seed is the run."""
    generator = Generator(SHELF)

    def made() -> list[Step]:
        random, pool = Random("7"), Pool()
        return [generator.step(random, pool, number=number, now_s=START_S) for number in range(300)]

    assert made() == made()
