"""
The schedule arithmetic: a table worked out by hand, and a naive model that looks at every
quarter of an hour.
"""

from __future__ import annotations

import functools
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hotmetal.schedule import (
    ANCHOR,
    DEFAULT_SCHEDULE,
    Schedule,
    compute_next_run,
    daily,
    every_n_days,
    format_schedule,
    is_timezone,
    parse_schedule,
    slot_hours,
    times_per_day,
    week_start,
)
from hypothesis import example, given
from hypothesis import strategies as st

from freehold.errors import InvalidArgument


def epoch(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


# All moments are UTC. The local time that makes a row interesting stands beside it.
BY_HAND = [
    # A plain day: strictly before the hour is today, inside the hour and after it is tomorrow.
    (daily(8), "UTC", "2026-01-15 00:00:00", "2026-01-15 08:00"),
    (daily(8), "UTC", "2026-01-15 07:59:59", "2026-01-15 08:00"),
    (daily(8), "UTC", "2026-01-15 08:00:00", "2026-01-16 08:00"),
    (daily(8), "UTC", "2026-01-15 08:59:59", "2026-01-16 08:00"),
    (daily(8), "UTC", "2026-01-15 23:00:00", "2026-01-16 08:00"),
    (daily(0), "UTC", "2026-01-15 00:00:00", "2026-01-16 00:00"),
    (daily(23), "UTC", "2026-01-15 22:59:59", "2026-01-15 23:00"),
    # The ends of years and of February.
    (daily(0), "UTC", "2025-12-31 23:59:59", "2026-01-01 00:00"),
    (daily(8), "UTC", "2028-02-28 09:00:00", "2028-02-29 08:00"),
    (daily(8), "UTC", "2027-02-28 09:00:00", "2027-03-01 08:00"),
    # Several times a day: 3 are 0 8 16; 5 are 0 4 8 12 16, and 20 is none of them.
    (times_per_day(3), "UTC", "2026-05-05 07:10:00", "2026-05-05 08:00"),
    (times_per_day(3), "UTC", "2026-05-05 08:10:00", "2026-05-05 16:00"),
    (times_per_day(3), "UTC", "2026-05-05 16:00:00", "2026-05-06 00:00"),
    (times_per_day(5), "UTC", "2026-05-05 04:00:00", "2026-05-05 08:00"),
    (times_per_day(5), "UTC", "2026-05-05 16:30:00", "2026-05-06 00:00"),
    (times_per_day(2), "UTC", "2026-12-31 12:00:00", "2027-01-01 00:00"),
    # Every some days: 1 January 2024 is day 0, and days before it count too.
    (every_n_days(2, 6), "UTC", "2024-01-01 05:00:00", "2024-01-01 06:00"),
    (every_n_days(2, 6), "UTC", "2024-01-02 12:00:00", "2024-01-03 06:00"),
    (every_n_days(2, 6), "UTC", "2024-01-03 05:59:59", "2024-01-03 06:00"),
    (every_n_days(2, 6), "UTC", "2024-01-03 06:00:00", "2024-01-05 06:00"),
    (every_n_days(7, 0), "UTC", "2024-12-30 00:30:00", "2025-01-06 00:00"),  # day 364
    (every_n_days(3, 6), "UTC", "2023-12-31 12:00:00", "2024-01-01 06:00"),  # day -1
    (every_n_days(3, 6), "UTC", "2023-12-29 05:00:00", "2023-12-29 06:00"),  # day -3
    (every_n_days(3, 6), "UTC", "2023-12-29 07:00:00", "2024-01-01 06:00"),
    (
        every_n_days(2, 6),
        "UTC",
        "2024-02-28 07:00:00",
        "2024-03-01 06:00",
    ),  # days 58 and 60, leap year
    # The day is the local one: 20:00 in UTC is already 05:00 on the 3rd in Tokyo.
    (every_n_days(2, 6), "Asia/Tokyo", "2024-01-02 20:00:00", "2024-01-02 21:00"),
    (daily(8), "America/Los_Angeles", "2026-01-15 17:00:00", "2026-01-16 16:00"),
    # Zones beside the full hour: the local hour is full, the one in UTC is not.
    (daily(8), "Asia/Kolkata", "2026-06-01 02:29:59", "2026-06-01 02:30"),
    (daily(8), "Asia/Kolkata", "2026-06-01 02:30:00", "2026-06-02 02:30"),
    (daily(8), "Asia/Kathmandu", "2026-06-01 02:14:59", "2026-06-01 02:15"),
    (daily(8), "Asia/Kathmandu", "2026-06-01 02:15:00", "2026-06-02 02:15"),
    # Spring in Berlin, 29 March 2026: 02:00 does not exist, 03:00 CEST is 01:00 UTC.
    (daily(2), "Europe/Berlin", "2026-03-28 12:00:00", "2026-03-29 01:00"),
    (daily(2), "Europe/Berlin", "2026-03-29 00:59:59", "2026-03-29 01:00"),
    (daily(2), "Europe/Berlin", "2026-03-29 01:00:00", "2026-03-30 00:00"),
    (daily(8), "Europe/Berlin", "2026-03-28 07:00:00", "2026-03-29 06:00"),  # 23 hours later
    # Autumn, 25 October 2026: 02:00 comes twice and counts the first time, at 00:00 UTC.
    (daily(2), "Europe/Berlin", "2026-10-24 12:00:00", "2026-10-25 00:00"),
    (daily(2), "Europe/Berlin", "2026-10-25 00:30:00", "2026-10-26 01:00"),  # the first 02:30
    (daily(2), "Europe/Berlin", "2026-10-25 01:30:00", "2026-10-26 01:00"),  # the second 02:30
    (daily(3), "Europe/Berlin", "2026-10-25 00:59:59", "2026-10-25 02:00"),
    (daily(8), "Europe/Berlin", "2026-10-24 06:00:00", "2026-10-25 07:00"),  # 25 hours later
    # Newfoundland: half an hour beside, with clock changes of a full one.
    (daily(2), "America/St_Johns", "2026-03-07 12:00:00", "2026-03-08 05:30"),
    (daily(2), "America/St_Johns", "2026-03-08 05:30:00", "2026-03-09 04:30"),
    (daily(1), "America/St_Johns", "2026-10-31 12:00:00", "2026-11-01 03:30"),
    (daily(1), "America/St_Johns", "2026-11-01 03:30:00", "2026-11-02 04:30"),
    (daily(1), "America/St_Johns", "2026-11-01 04:30:00", "2026-11-02 04:30"),
    # Lord Howe changes by half an hour: 02:00 goes to 02:30, so the next full hour is 03:00.
    (daily(2), "Australia/Lord_Howe", "2026-10-03 00:00:00", "2026-10-03 16:00"),
    # At 02:40 the hour 2 counts as passed, as everywhere, although its run was moved to 03:00.
    (daily(2), "Australia/Lord_Howe", "2026-10-03 15:40:00", "2026-10-04 15:00"),
    (daily(1), "Australia/Lord_Howe", "2026-04-04 00:00:00", "2026-04-04 14:00"),
    (daily(2), "Australia/Lord_Howe", "2026-04-04 14:30:00", "2026-04-04 15:30"),
    # Samoa went from 29 to 31 December 2011: the 30th has no slot. It is day -4385.
    (daily(8), "Pacific/Apia", "2011-12-29 20:00:00", "2011-12-30 18:00"),
    (times_per_day(2), "Pacific/Apia", "2011-12-29 22:00:00", "2011-12-30 10:00"),
    (every_n_days(5, 8), "Pacific/Apia", "2011-12-29 20:00:00", "2012-01-03 18:00"),
    # A midnight that does not exist (Brazil until 2018), an hour that ends the day (Greenland).
    (daily(0), "America/Sao_Paulo", "2017-10-14 12:00:00", "2017-10-15 03:00"),
    (daily(23), "America/Nuuk", "2024-03-30 12:00:00", "2024-03-31 01:00"),
    (daily(23), "America/Nuuk", "2024-03-31 01:00:00", "2024-04-01 00:00"),
    # Casey station jumped three hours, 02:00 to 05:00: 04:00 moves on until there is an hour.
    (times_per_day(6), "Antarctica/Casey", "2009-10-17 17:00:00", "2009-10-17 18:00"),
    # Troll goes back two hours, from 03:00 to 01:00. At the second 01:30 the hour 2 is over.
    (daily(2), "Antarctica/Troll", "2026-10-24 12:00:00", "2026-10-25 00:00"),
    (daily(2), "Antarctica/Troll", "2026-10-25 01:30:00", "2026-10-26 02:00"),
]


@pytest.mark.parametrize(("schedule", "timezone", "after", "expected"), BY_HAND)
def test_the_next_run_is_the_one_worked_out_by_hand(
    schedule: Schedule, timezone: str, after: str, expected: str
) -> None:
    """Each row of the table, with its reason, holds."""
    found = compute_next_run(schedule, timezone, after=epoch(after))

    assert datetime.fromtimestamp(found, UTC) == datetime.fromtimestamp(epoch(expected), UTC)


def naive_next_run(schedule: Schedule, timezone: str, *, after: int) -> int:
    """
    Look at a local clock every quarter of an hour, and write down when it shows what.

    Since 1980 all offsets of the zones below are whole quarters.
    """
    zone = ZoneInfo(timezone)
    first_shown: dict[tuple[date, int], int] = {}
    dates: set[date] = set()
    quarter_s = 900
    start = after // quarter_s * quarter_s - 3 * 86_400
    for moment in range(start, start + 20 * 86_400, quarter_s):
        local = datetime.fromtimestamp(moment, zone)
        dates.add(local.date())
        if local.minute == 0:
            first_shown.setdefault((local.date(), local.hour), moment)
    here = datetime.fromtimestamp(after, zone)
    step = schedule.days or 1
    found = []
    for day in sorted(dates)[:-2]:
        if (day - ANCHOR).days % step:
            continue
        for hour in slot_hours(schedule):
            wall = datetime(day.year, day.month, day.day, hour)  # noqa: DTZ001 - a wall clock
            while (wall.date(), wall.hour) not in first_shown:
                wall += timedelta(hours=1)
            moment = first_shown[wall.date(), wall.hour]
            if (day, hour) > (here.date(), here.hour) and moment > after:
                found.append(moment)
    return min(found)


HOURS = st.integers(0, 23)
SCHEDULES = st.one_of(
    st.builds(daily, HOURS),
    st.builds(times_per_day, st.integers(2, 6)),
    st.builds(every_n_days, st.integers(2, 7), HOURS),
)
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "America/Sao_Paulo",
    "America/Nuuk",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Asia/Gaza",
    "Africa/Casablanca",
    "Australia/Lord_Howe",
    "Antarctica/Troll",
    "Antarctica/Casey",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
    "Pacific/Kwajalein",
]


@functools.cache
def clock_changes(name: str) -> list[int]:
    """The moments between 1980 and 2040 at which the zone's offset changes."""
    zone = ZoneInfo(name)
    changes = []
    before = datetime.fromtimestamp(epoch("1980-01-01"), zone).utcoffset()
    for moment in range(epoch("1980-01-01"), epoch("2040-01-01"), 7 * 86_400):
        offset = datetime.fromtimestamp(moment, zone).utcoffset()
        if offset != before:
            low, high = moment - 7 * 86_400, moment
            while high - low > 1:
                middle = (low + high) // 2
                same = datetime.fromtimestamp(middle, zone).utcoffset() == before
                low, high = (middle, high) if same else (low, middle)
            changes.append(high)
            before = offset
    return changes


@st.composite
def moments(draw: st.DrawFn) -> tuple[str, int]:
    """A zone and a moment in it, half the time within two days of a clock change."""
    name = draw(st.sampled_from(ZONES))
    changes = clock_changes(name)
    is_close = draw(st.booleans())
    if changes and is_close:
        change: int = draw(st.sampled_from(changes))
        return name, change + draw(st.integers(-2 * 86_400, 2 * 86_400))
    return name, draw(st.integers(epoch("1980-01-01"), epoch("2060-01-01")))


@given(SCHEDULES, moments())
@example(daily(2), ("Australia/Lord_Howe", epoch("2026-10-03 15:40")))
@example(every_n_days(5, 8), ("Pacific/Apia", epoch("2011-12-29 20:00")))
def test_the_next_run_is_what_a_patient_observer_finds(
    schedule: Schedule, moment: tuple[str, int]
) -> None:
    """In any zone, at any moment, it agrees with the naive model."""
    timezone, after = moment

    assert compute_next_run(schedule, timezone, after=after) == naive_next_run(
        schedule, timezone, after=after
    )


@given(SCHEDULES, moments())
def test_runs_go_forward_on_full_local_hours(schedule: Schedule, moment: tuple[str, int]) -> None:
    """Each run is later than the one before it, and a clock on the wall shows a full hour."""
    timezone, after = moment

    for _ in range(5):
        run = compute_next_run(schedule, timezone, after=after)
        local = datetime.fromtimestamp(run, ZoneInfo(timezone))
        assert run > after
        assert (local.minute, local.second) == (0, 0)
        after = run


@pytest.mark.parametrize(
    ("count", "hours"),
    [
        (2, (0, 12)),
        (3, (0, 8, 16)),
        (4, (0, 6, 12, 18)),
        (5, (0, 4, 8, 12, 16)),
        (6, (0, 4, 8, 12, 16, 20)),
    ],
)
def test_the_slots_of_a_day_start_at_midnight_and_are_even(
    count: int, hours: tuple[int, ...]
) -> None:
    """Slot i of count is at i times the whole hours of a count-th of a day."""
    assert slot_hours(times_per_day(count)) == hours


@given(SCHEDULES)
def test_a_schedule_comes_back_as_it_was_stored(schedule: Schedule) -> None:
    """Text and schedule are the same thing."""
    assert parse_schedule(format_schedule(schedule)) == schedule


def test_the_stored_text_is_the_documents() -> None:
    """The three kinds look on disk and on the wire as the document has them."""
    assert format_schedule(DEFAULT_SCHEDULE) == '{"type":"daily","hour":8}'
    assert format_schedule(times_per_day(3)) == '{"type":"times_per_day","count":3}'
    assert format_schedule(every_n_days(2, 8)) == '{"type":"every_n_days","days":2,"hour":8}'


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "daily",
        "null",
        "8",
        "[]",
        "{}",
        '{"type":"hourly","hour":8}',
        '{"hour":8}',
        '{"type":"daily"}',
        '{"type":"daily","hour":24}',
        '{"type":"daily","hour":-1}',
        '{"type":"daily","hour":8.5}',
        '{"type":"daily","hour":"8"}',
        '{"type":"daily","hour":true}',
        '{"type":"daily","hour":null}',
        '{"type":"daily","hour":9,"count":3}',
        '{"type":"times_per_day","count":1}',
        '{"type":"times_per_day","count":7}',
        '{"type":"every_n_days","days":1,"hour":8}',
        '{"type":"every_n_days","days":8,"hour":8}',
        '{"type":"every_n_days","days":3}',
        '{"type":"daily","hour":9',
        "[" * 100_000,
        '"\ud800"',
    ],
)
def test_what_cannot_be_read_is_the_default(text: str | None) -> None:
    """Missing, not JSON, or not a schedule reads as daily at 8."""
    assert parse_schedule(text) == daily(8)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: daily(24),
        lambda: daily(-1),
        lambda: daily(True),
        lambda: times_per_day(1),
        lambda: times_per_day(7),
        lambda: times_per_day(True),
        lambda: every_n_days(1, 8),
        lambda: every_n_days(8, 8),
        lambda: every_n_days(2, 24),
        lambda: Schedule(type="daily"),
    ],
)
def test_a_schedule_out_of_range_cannot_be_made(wrong: object) -> None:
    """The limits hold in code as on the wire, and yes is not one."""
    assert callable(wrong)
    with pytest.raises(ValueError, match="must be a whole number from"):
        wrong()


def test_a_schedule_has_no_fields_of_another_kind() -> None:
    """Three numbers on one schedule would leave open which of them counts."""
    with pytest.raises(ValueError, match="a schedule of type 'daily' has no count"):
        Schedule(type="daily", hour=8, count=3)


def test_a_wrong_schedule_is_refused_on_the_wire_with_its_rule() -> None:
    """A caller reads which field, which range and what it was."""
    with pytest.raises(msgspec.ValidationError, match="hour must be a whole number from 0 to 23"):
        msgspec.json.decode(b'{"type":"daily","hour":99}', type=Schedule)


def test_a_time_zone_is_one_of_the_iana_database() -> None:
    """Not a file that happens to be there, not an offset, not another spelling."""
    known = ["UTC", "Europe/Berlin", "Asia/Kathmandu", "EST5EDT", "America/Argentina/Ushuaia"]
    unknown = ["", "utc", "Europe/Berlin ", "localtime", "Factory", "posix/UTC", "../UTC", "+02:00"]

    assert [name for name in known if not is_timezone(name)] == []
    assert [name for name in unknown if is_timezone(name)] == []


def test_an_unknown_time_zone_is_refused_by_name() -> None:
    """The error is the caller's, and carries what was given."""
    with pytest.raises(InvalidArgument, match="'Mars/Olympus' is not a time zone") as refusal:
        compute_next_run(DEFAULT_SCHEDULE, "Mars/Olympus", after=0)

    assert refusal.value.data == {"timezone": "Mars/Olympus"}


# The week. All moments are UTC; the local time stands beside what makes a row interesting.
WEEKS = [
    ("UTC", "2026-01-15 12:00:00", "2026-01-12 00:00"),
    ("UTC", "2026-01-12 00:00:00", "2026-01-12 00:00"),
    ("UTC", "2026-01-11 23:59:59", "2026-01-05 00:00"),
    ("UTC", "2026-01-01 05:00:00", "2025-12-29 00:00"),
    # Sunday at noon in London is Monday in Kiritimati and still Saturday night in Pago Pago.
    ("Pacific/Kiritimati", "2026-01-11 12:00:00", "2026-01-11 10:00"),
    ("Pacific/Kiritimati", "2026-01-11 09:59:59", "2026-01-04 10:00"),
    ("Pacific/Pago_Pago", "2026-01-12 10:59:59", "2026-01-05 11:00"),
    ("Pacific/Pago_Pago", "2026-01-12 11:00:00", "2026-01-12 11:00"),
    ("Asia/Kathmandu", "2026-01-11 18:15:00", "2026-01-11 18:15"),
    # The week in which clocks change is an hour shorter or longer at its Sunday.
    ("America/New_York", "2026-03-08 12:00:00", "2026-03-02 05:00"),
    ("America/New_York", "2026-03-09 03:59:59", "2026-03-02 05:00"),
    ("America/New_York", "2026-03-09 04:00:00", "2026-03-09 04:00"),
    ("America/New_York", "2026-11-02 04:59:59", "2026-10-26 04:00"),
    ("America/New_York", "2026-11-02 05:00:00", "2026-11-02 05:00"),
    # Brazil's clocks skipped the midnight of Sunday the 4th; Monday has its own.
    ("America/Sao_Paulo", "2018-11-05 02:00:00", "2018-11-05 02:00"),
    # Kiritimati had no 31 December 1994: the week has six days.
    ("Pacific/Kiritimati", "1995-01-01 09:59:00", "1994-12-26 10:00"),
]


@pytest.mark.parametrize(("timezone", "at", "expected"), WEEKS)
def test_a_week_begins_on_monday_in_its_zone(timezone: str, at: str, expected: str) -> None:
    assert week_start(timezone, at=epoch(at)) == epoch(f"{expected}:00")


@given(
    at=st.integers(0, 4_000_000_000),
    timezone=st.sampled_from(["UTC", "America/Havana", "Africa/Cairo", "Australia/Lord_Howe"]),
)
def test_a_week_holds_its_moments(at: int, timezone: str) -> None:
    """It begins before them, not more than eight days, on a Monday, and is the same all along."""
    start = week_start(timezone, at=at)

    there = datetime.fromtimestamp(start, ZoneInfo(timezone))
    assert start <= at < start + 8 * 86_400
    assert (there.weekday(), there.minute) == (0, 0)
    assert week_start(timezone, at=start) == start


def test_a_week_needs_a_time_zone() -> None:
    with pytest.raises(InvalidArgument, match="'Mars' is not a time zone"):
        week_start("Mars", at=0)
