"""The hourly tick: which slots are due in which zone, and that each is one run of one scout."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hotmetal.clients.hotmetal import (
    CreatePublicationInput,
    CreateUserInput,
    DataLayerSync,
    Schedule,
    UpdatePublicationInput,
)
from hotmetal.schedule import compute_next_run
from hotmetal.schedule import daily as local_daily
from hotmetal.services.scout.hours import Hours, Slot
from hotmetal.testing import START_S
from tests.scout.nursery import Nursery
from tests.scout.scouts import ScoutProcess, wait_for
from tests.scout.still_world import StillWorld, still_world

from tests.e2e.processes import ServerProcess

TODAY = datetime.now(UTC).date()


def daily(hour: int) -> Schedule:
    return Schedule(type="daily", hour=hour)


def moment(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def hours(world: StillWorld, store: str = "one") -> Hours:
    """A tick's work, without the library that would remember it."""
    return Hours(world.dal, None, world, store)  # type: ignore[arg-type]


async def a_publication(world: StillWorld, id: str = "pub", **fields: Any) -> None:
    if await world.dal.get_user_by_id("u") is None:
        await world.dal.create_user(CreateUserInput(id="u", email="u@people.example", name="U"))
    given = {"user_id": "u", "name": "P", "slug": "p"} | fields
    await world.dal.create_publication(CreatePublicationInput(id=id, **given))


def test_a_slot_is_one_scouts_also_when_its_answer_was_lost() -> None:
    """Asked again by the same tick the claim is still good; no other tick or scout gets it."""

    async def check() -> None:
        async with still_world() as world:
            await a_publication(world)
            world.go_to(START_S + 2 * 86_400)
            [slot] = await hours(world).slots()

            first = await hours(world).claim("tick-1", slot)
            repeated = await hours(world).claim("tick-1", slot)
            elsewhere = await hours(world, "two").claim("tick-1", slot)
            later = await hours(world).claim("tick-2", slot)

            assert (first, repeated, elsewhere, later) == (True, True, False, False)
            assert await hours(world).slots() == []

    asyncio.run(check())


def test_a_publication_without_a_run_gets_one_and_no_run_begins() -> None:
    """Its first slot is to come; one whose run was moved meanwhile is left alone."""

    async def check() -> None:
        async with still_world() as world:
            await a_publication(world, scout_schedule=daily(5), timezone="Asia/Tokyo")
            await world.dal.update_publication("pub", UpdatePublicationInput(next_scout_at=None))

            [slot] = await hours(world).slots()

            following = compute_next_run(local_daily(5), "Asia/Tokyo", after=world.now())
            assert slot == Slot(publication_id="pub", seen=None, following=following)
            assert await hours(world).claim("t", slot)
            assert not await hours(world, "two").claim("t", slot)

    asyncio.run(check())


@pytest.mark.parametrize(
    ("timezone", "hour", "now", "following"),
    [
        # New York skips 02:00 on 14 March 2027: that day's run is at 03:00.
        ("America/New_York", 2, "2027-03-13 07:30", "2027-03-14 07:00"),
        ("America/New_York", 2, "2027-03-14 07:30", "2027-03-15 06:00"),
        # Lisbon has 01:00 twice on 31 October 2027; the run is the first of them.
        ("Europe/Lisbon", 1, "2027-10-30 00:30", "2027-10-31 00:00"),
        ("Europe/Lisbon", 1, "2027-10-31 01:30", "2027-11-01 01:00"),
        ("Pacific/Kiritimati", 0, "2027-02-06 10:10", "2027-02-07 10:00"),
        ("Asia/Kathmandu", 8, "2027-02-06 02:15", "2027-02-07 02:15"),
    ],
)
def test_the_slot_after_is_the_zones_own(
    timezone: str, hour: int, now: str, following: str
) -> None:
    """Over changes of clocks, and in zones that are not whole hours away."""

    async def check() -> None:
        async with still_world() as world:
            await a_publication(world, scout_schedule=daily(hour), timezone=timezone)
            await world.dal.update_publication_next_scout_at("pub", moment(now) - 60)
            world.go_to(moment(now))

            [slot] = await hours(world).slots()

            assert (slot.seen, slot.following) == (moment(now) - 60, moment(following))

    asyncio.run(check())


# Real scouts. Day 0 is today: far from it, finished runs would be old, and removed.


def day(number: int, time: str) -> int:
    """A moment of a day from today on, in UTC."""
    return moment(f"{TODAY + timedelta(days=number)} {time}")


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    """The file that all scouts of a test read the time from."""
    path = tmp_path / "clock"
    path.write_text(str(day(1, "00:59:50")))
    return path


@pytest.fixture
def scouts(
    nursery: Nursery, data_layer: ServerProcess, clock: Path, tmp_path: Path
) -> Iterator[list[ScoutProcess]]:
    """Three that are not started yet, each on a folder of its own."""
    scouts = [
        ScoutProcess(
            tmp_path / f"data-{number}",
            nursery=nursery,
            module="tests.scout.moved_clock",
            SCOUT_TEST_CLOCK=str(clock),
            FREEHOLD_DAL=data_layer.address,
        )
        for number in range(3)
    ]
    yield scouts
    for scout in scouts:
        scout.close()


def set_clock(clock: Path, now: int) -> None:
    beside = clock.with_suffix(".new")
    beside.write_text(str(now))
    beside.rename(clock)


def cron_runs(scouts: list[ScoutProcess]) -> dict[str, list[str]]:
    """The runs of each publication over all scouts; twice there would be twice here."""
    found: dict[str, list[str]] = {}
    for scout in scouts:
        for run in scout.http.get("/api/scout/runs", params={"limit": 500}).json()["data"]:
            if run["triggeredBy"] == "cron":
                found.setdefault(run["publicationId"], []).append(run["id"])
    return {id: sorted(runs) for id, runs in found.items()}


def test_three_scouts_make_one_run_of_each_slot(
    scouts: list[ScoutProcess], dal: DataLayerSync, clock: Path
) -> None:
    """At their start, at the next full hour, and after one of them was killed."""
    ids = [f"pub-shared-{number}" for number in range(8)]
    for id in ids:
        dal.create_publication(
            CreatePublicationInput(
                id=id, user_id="default", name="P", slug=id,
                scout_schedule=Schedule(type="times_per_day", count=6), timezone="UTC",
            )
        )  # fmt: skip
        dal.update_publication_next_scout_at(id, day(0, "20:00"))

    def all_have(count: int) -> bool:
        runs = cron_runs(scouts)
        return all(len(runs.get(id, [])) >= count for id in ids)

    for each in scouts:
        each.start()
    wait_for(lambda: all_have(1), "the runs that were due before")
    after_start = [dal.get_publication_by_id(id) for id in ids]
    set_clock(clock, day(1, "04:00:05"))
    wait_for(lambda: all_have(2), "the runs of 04:00")
    scouts[0].restart()
    set_clock(clock, day(1, "08:00:05"))
    wait_for(lambda: all_have(3), "the runs of 08:00")

    slots = [day(0, "20:00"), day(1, "04:00"), day(1, "08:00")]
    runs = cron_runs(scouts)
    for id in ids:
        assert runs[id] == [f"scout-{id}-{slot}" for slot in slots]
    assert {each.next_scout_at for each in after_start if each} == {day(1, "04:00")}
    at_the_end = [dal.get_publication_by_id(id) for id in ids]
    assert {each.next_scout_at for each in at_the_end if each} == {day(1, "12:00")}


def test_a_scout_ticks_at_full_hours_only(
    scouts: list[ScoutProcess], dal: DataLayerSync, clock: Path
) -> None:
    """What comes due within an hour waits for its end; hours that were missed are one tick."""
    id = "pub-hours"
    dal.create_publication(
        CreatePublicationInput(id=id, user_id="default", name="P", slug=id, timezone="UTC",
                               scout_schedule=daily(8))
    )  # fmt: skip
    dal.update_publication_next_scout_at(id, day(0, "08:00"))
    scout = scouts[0]
    scout.start()
    wait_for(lambda: len(cron_runs([scout]).get(id, [])) == 1, "the tick of the start")
    dal.update_publication_next_scout_at(id, day(1, "03:10"))
    set_clock(clock, day(1, "03:30"))
    set_clock(clock, day(4, "06:00:01"))
    wait_for(lambda: len(cron_runs([scout])[id]) >= 2, "the next full hour")

    # The clock went from 03:30 to the 4th day: one run for the slot of 03:10, none for the days.
    slots = [day(0, "08:00"), day(1, "03:10")]
    assert cron_runs([scout])[id] == [f"scout-{id}-{slot}" for slot in slots]
    publication = dal.get_publication_by_id(id)
    assert publication is not None
    assert publication.next_scout_at == day(4, "08:00")
