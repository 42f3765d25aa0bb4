"""
A budget counts tries by source and span of time, and stays small.
"""

from __future__ import annotations

import pytest
from linkie_claw.services.web.answers import Refused
from linkie_claw.services.web.budget import SOURCES_MAX, Budget


class Clock:
    """Seconds that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_source_has_its_tries_again_after_its_span() -> None:
    """Three in ten seconds, counted from the first; the refusal says how long is left."""
    clock = Clock()
    budget = Budget(3, seconds=10, clock=clock)
    for _ in range(3):
        budget.take("a")
    clock.now = 6

    with pytest.raises(Refused) as refusal:
        budget.take("a")
    budget.take("b")

    assert (refusal.value.status, refusal.value.headers) == (429, {"Retry-After": "4"})
    clock.now = 10
    budget.take("a")


def test_a_flood_of_sources_does_not_fill_the_memory() -> None:
    """The oldest is forgotten for the newest."""
    budget = Budget(1, seconds=10, clock=Clock())
    for number in range(SOURCES_MAX + 1):
        budget.take(str(number))

    budget.take("0")
    with pytest.raises(Refused):
        budget.take(str(SOURCES_MAX))
