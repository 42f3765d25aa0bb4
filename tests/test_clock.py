"""The clocks: the machine's, and the one that a test moves."""

from __future__ import annotations

import time

import pytest

from freehold.clock import Clock, ManualClock, SystemClock

#: Room for a busy machine between two looks at the time.
_SLACK_NS = 5_000_000_000


def test_the_machine_s_wall_time_is_nanoseconds_since_1970() -> None:
    """It is what the system says, in the unit that its name says."""
    clock: Clock = SystemClock()

    assert abs(clock.wall_ns() - time.time_ns()) < _SLACK_NS


def test_the_machine_s_monotonic_time_never_goes_back() -> None:
    """Two looks in a row may be equal, never the other way round."""
    clock = SystemClock()

    looks = [clock.monotonic_ns() for _ in range(1_000)]

    assert looks == sorted(looks)


def test_a_manual_clock_stands_still() -> None:
    """It begins where it is told and stays there; its monotonic time begins at zero."""
    clock: Clock = ManualClock(1_750_000_000.987)

    assert [clock.wall_ns() for _ in range(2)] == [1_750_000_000_987_000_000] * 2
    assert [clock.monotonic_ns() for _ in range(2)] == [0, 0]


def test_time_that_passes_moves_both_clocks() -> None:
    """Leases and stored times get older together."""
    clock = ManualClock(1_000.0)

    clock.advance(seconds=1.5)
    clock.advance(seconds=0.1)

    assert clock.wall_ns() == 1_001_600_000_000
    assert clock.monotonic_ns() == 1_600_000_000


def test_a_jump_moves_the_wall_clock_alone() -> None:
    """As a time server does: what is measured in between is not longer for it."""
    clock = ManualClock(1_000.0)

    clock.jump(seconds=-10)

    assert clock.wall_ns() == 990_000_000_000
    assert clock.monotonic_ns() == 0


def test_advance_never_goes_back() -> None:
    """A monotonic clock that went back would be none."""
    clock = ManualClock(1_000.0)

    with pytest.raises(ValueError, match=r"jump\(\)"):
        clock.advance(seconds=-1)

    assert clock.monotonic_ns() == 0
    assert clock.wall_ns() == 1_000_000_000_000


@pytest.mark.parametrize("seconds", [0.1, 0.2, 0.3, 0.7, 1e-9, 59.999])
def test_seconds_become_the_nearest_nanosecond(seconds: float) -> None:
    """A float just under the mark does not lose a nanosecond."""
    clock = ManualClock(0.0)

    clock.advance(seconds=seconds)

    assert clock.monotonic_ns() == round(seconds * 1e9)
