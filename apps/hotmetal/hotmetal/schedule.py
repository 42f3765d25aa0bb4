"""
When the scout looks at a publication next: the arithmetic of its schedule.

Pure: no database, no clock; the data layer and the services both use it. A schedule lives in
the local calendar of a time zone, and each of its slots is a local date and a full hour.
What a clock change does to a slot is decided here, once:

- An hour that the clock skips moves on, hour by hour, to the first one that exists.
- A date that the calendar skips (Samoa had no 30 December 2011) has no slots.
- An hour that comes twice counts once, the first time.
- Being inside the slot's hour counts as passed, so a run is never given out twice.

Not here: who runs, and giving a publication its next run (`domains/publications.py`).
"""

from __future__ import annotations

import functools
import importlib.resources
import itertools
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

import msgspec

from freehold.errors import InvalidArgument

#: `every_n_days` counts its days from here, in the local calendar, so that the rhythm does
#: not depend on when somebody last saved the schedule.
ANCHOR: Final = date(2024, 1, 1)

DEFAULT_TIMEZONE: Final = "UTC"

_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)


_FIELDS: Final = {
    "daily": ("hour",),
    "times_per_day": ("count",),
    "every_n_days": ("days", "hour"),
}
_RANGES: Final = {"hour": (0, 23), "count": (2, 6), "days": (2, 7)}


def _check_whole(name: str, value: object, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{name} must be a whole number from {low} to {high}, not {value!r}")


class Schedule(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True,
               omit_defaults=True):  # fmt: skip
    """
    When a publication's scout runs, in local time.

    `daily` has an hour (0 to 23), `times_per_day` a count (2 to 6), `every_n_days` has days
    (2 to 7) and an hour. All are whole numbers; a kind has its own fields and no others.
    """

    type: Literal["daily", "times_per_day", "every_n_days"]
    count: int | None = None
    days: int | None = None
    hour: int | None = None

    def __post_init__(self) -> None:
        for name in _RANGES:
            value = getattr(self, name)
            if name in _FIELDS[self.type]:
                _check_whole(name, value, *_RANGES[name])
            elif value is not None:
                raise ValueError(f"a schedule of type {self.type!r} has no {name}")


def daily(hour: int) -> Schedule:
    """Every day, at this local hour."""
    return Schedule(type="daily", hour=hour)


def times_per_day(count: int) -> Schedule:
    """Some times a day, evenly from midnight on."""
    return Schedule(type="times_per_day", count=count)


def every_n_days(days: int, hour: int) -> Schedule:
    """Every so many days, counted from 1 January 2024, at this local hour."""
    return Schedule(type="every_n_days", days=days, hour=hour)


DEFAULT_SCHEDULE: Final = daily(8)

_DECODER: Final = msgspec.json.Decoder(Schedule)


def parse_schedule(text: str | None) -> Schedule:
    """What a stored schedule says; a missing or unreadable one reads as daily at 8."""
    if text is None:
        return DEFAULT_SCHEDULE
    try:
        return _DECODER.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return DEFAULT_SCHEDULE


def format_schedule(schedule: Schedule) -> str:
    """The JSON text that is stored."""
    return msgspec.json.encode(schedule).decode()


def is_timezone(name: str) -> bool:
    """Whether the IANA database knows the zone; spelling and case count."""
    return name in _zone_names()


def slot_hours(schedule: Schedule) -> tuple[int, ...]:
    """The local hours at which a day with a run has its runs, ascending."""
    if schedule.count is not None:
        return tuple(i * (24 // schedule.count) for i in range(schedule.count))
    return (schedule.hour or 0,)


def compute_next_run(schedule: Schedule, timezone: str, *, after: int) -> int:
    """
    The first run after a moment, as epoch seconds: always later, always a full local hour.

    Raises:
        InvalidArgument: The IANA database has no such time zone.
    """
    zone = _zone(timezone)
    here = datetime.fromtimestamp(after, zone)
    for day in _days(schedule, here.date()):
        for hour in slot_hours(schedule):
            if (day, hour) <= (here.date(), here.hour):
                continue
            moment = _moment(day, hour, zone)
            # A slot of the rest of a day that the clock repeats has had its first time already.
            if moment is not None and moment > after:
                return moment
    raise AssertionError("a schedule always has another day")


def _zone(timezone: str) -> ZoneInfo:
    if not is_timezone(timezone):
        raise InvalidArgument(
            f"{timezone!r} is not a time zone.",
            hint="Use a name of the IANA database, like 'Europe/Lisbon' or 'UTC'.",
            path="timezone",
            data={"timezone": timezone},
        )
    return ZoneInfo(timezone)


def week_start(timezone: str, *, at: int) -> int:
    """
    When the week around a moment began in a time zone, as epoch seconds: Monday at midnight.

    Where clocks skip midnight, the week begins with the first hour that they show; where the
    calendar skips Monday, with the next day.

    Raises:
        InvalidArgument: The IANA database has no such time zone.
    """
    zone = _zone(timezone)
    today = datetime.fromtimestamp(at, zone).date()
    monday = today - _DAY * today.weekday()
    moments = (_moment(monday + _DAY * i, 0, zone) for i in itertools.count())
    return next(moment for moment in moments if moment is not None)


def _days(schedule: Schedule, today: date) -> Iterator[date]:
    """The days with runs, from today on."""
    step = schedule.days or 1
    first = today + _DAY * (-(today - ANCHOR).days % step)
    return (first + _DAY * (i * step) for i in itertools.count())


def _moment(day: date, hour: int, zone: ZoneInfo) -> int | None:
    """When the slot is, as epoch seconds; None on a date that the zone's calendar skips."""
    wall = datetime(day.year, day.month, day.day, hour)  # noqa: DTZ001 - a wall clock's reading
    if not _exists(wall, zone):
        midnight = wall.replace(hour=0)
        if not any(_exists(midnight + _HOUR * i, zone) for i in range(24)):
            return None
        while not _exists(wall, zone):
            wall += _HOUR
    return int(wall.replace(tzinfo=zone).timestamp())


def _exists(wall: datetime, zone: ZoneInfo) -> bool:
    """Whether clocks of the zone ever show this; a skipped time does not survive the round trip."""
    there = wall.replace(tzinfo=zone).astimezone(UTC)
    return there.astimezone(zone).replace(tzinfo=None) == wall


@functools.cache
def _zone_names() -> frozenset[str]:
    """
    The zones of the installed IANA database.

    The list is asked and not `ZoneInfo`, which opens files by name and so also knows names that
    only this machine has, like 'localtime'.
    """
    listed = importlib.resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8")
    return frozenset(listed.split()) - {"Factory"}
