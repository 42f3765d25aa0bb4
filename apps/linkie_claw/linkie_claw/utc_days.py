"""
Months, days and weekdays in UTC, as epoch seconds and as text; pure.

The database counts days since 1970 with whole numbers (`created_at / 86400`), which every
engine does alike; what such a number is called is decided here.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal

from freehold import InvalidArgument

DAY_S: Final = 86_400
Weekday = Literal["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
WEEKDAYS: Final[tuple[Weekday, ...]] = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")

_MONTH: Final = re.compile(r"([12][0-9]{3})-(0[1-9]|1[0-2])")
_EPOCH: Final = date(1970, 1, 1)
#: 1 January 1970 was a Thursday.
_EPOCH_WEEKDAY: Final = 4


def month_window(month: str) -> tuple[int, int]:
    """
    The first second of a month ("2027-01") and the first second of the one after.

    Raises:
        InvalidArgument: It is no month of the years 1000 to 2999.
    """
    match = _MONTH.fullmatch(month)
    if match is None:
        raise InvalidArgument(
            f"{month!r} is not a month.", hint='Write year and month: "2027-01".', path="month"
        )
    year, number = int(match[1]), int(match[2])
    after = (year + 1, 1) if number == 12 else (year, number + 1)
    return _first_second(year, number), _first_second(*after)


def day_text(day: int) -> str:
    """The date of a day counted from 1970, as "2027-01-15"."""
    return (_EPOCH + timedelta(days=day)).isoformat()


def weekday(day: int) -> Weekday:
    """The weekday of a day counted from 1970."""
    return WEEKDAYS[(day + _EPOCH_WEEKDAY) % 7]


def _first_second(year: int, month: int) -> int:
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp())
