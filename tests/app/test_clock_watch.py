"""
The wall clock is watched: a jump is told, and what is no jump is not.
"""

from __future__ import annotations

import logging

import pytest

from freehold.app.clock_watch import TOLD_FOR_S, ClockWatch
from freehold.clock import ManualClock

pytestmark = pytest.mark.promise("P18")


@pytest.mark.parametrize("jump_s", [2.5, -2.5, 3_600.0, -86_400.0, 315_360_000.0, -315_360_000.0])
def test_a_jump_is_logged_by_how_much_and_told_for_an_hour(
    jump_s: float, caplog: pytest.LogCaptureFixture
) -> None:
    """Forward or back; however long the time between two looks was."""
    clock = ManualClock()
    watch = ClockWatch(clock)
    clock.advance(seconds=40)
    clock.jump(seconds=jump_s)

    with caplog.at_level(logging.WARNING, "freehold.app"):
        assert watch.look() == pytest.approx(jump_s)
        assert watch.look() == 0.0

    (line,) = caplog.messages
    assert f"{'forward' if jump_s > 0 else 'back'} by {abs(jump_s):.1f} s" in line
    assert (watch.state, watch.jumps) == ("jumped", 1)
    clock.advance(seconds=TOLD_FOR_S + 1)
    assert watch.state == "ok"


def test_time_that_passes_and_a_clock_that_is_brought_right_are_no_jumps(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Hours between two looks, and a second more or less now and then."""
    clock = ManualClock()
    watch = ClockWatch(clock)
    for second in (1.0, -1.0, 1.9, -1.9):
        clock.advance(seconds=7_200)
        clock.jump(seconds=second)
        assert watch.look() == 0.0
    assert (watch.state, watch.jumps) == ("ok", 0)
    assert not caplog.messages
