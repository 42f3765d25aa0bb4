"""Months, days and weekdays in UTC, held against the standard library."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from linkie_claw.utc_days import DAY_S, day_text, month_window, weekday

from freehold.errors import InvalidArgument

moments = st.integers(0, month_window("2999-12")[1] - 1).map(
    lambda second: datetime.fromtimestamp(second, UTC)
)


@given(moments)
def test_a_moment_is_in_its_own_month_alone(moment: datetime) -> None:
    """From the first second to the last."""
    second = int(moment.timestamp())
    start, end = month_window(f"{moment:%Y-%m}")

    assert start <= second < end
    assert datetime.fromtimestamp(start, UTC).day == datetime.fromtimestamp(end, UTC).day == 1
    assert datetime.fromtimestamp(end - 1, UTC).month == moment.month


@given(moments)
def test_a_day_has_its_date_and_weekday(moment: datetime) -> None:
    """As the calendar has them."""
    day = int(moment.timestamp()) // DAY_S

    assert day_text(day) == moment.date().isoformat()
    assert weekday(day) == f"{moment:%a}"


@pytest.mark.parametrize(
    "text", ["0999-01", "3000-01", "2027-00", "2027-1", "\uff12027-01", "2027-01 "]
)
def test_what_is_no_month_is_refused(text: str) -> None:
    """With how one is written."""
    with pytest.raises(InvalidArgument, match="is not a month"):
        month_window(text)
