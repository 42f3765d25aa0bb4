"""What a key may use up: its rate, its burst, its calls at the same time; and what it is told."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from pathlib import Path

import pytest

from freehold.access import list_keys, note_uses
from freehold.access.budget import KeyBudget
from freehold.app.housekeeping import kept_house
from freehold.app.opening import OpenApp
from freehold.clock import ManualClock
from freehold.errors import RateLimited
from freehold.wire.limits import Limits
from tests.access.world import PLACES, World, served

pytestmark = [pytest.mark.promise("P16"), pytest.mark.attack("A32")]

SECOND = 1_000_000_000


def budget(rate: int = 10, burst: int = 5, concurrency: int = 1000) -> KeyBudget:
    made = KeyBudget("k")
    made.allow(Limits(), rate=rate, burst=burst, concurrency=concurrency)
    return made


def begins(of: KeyBudget, now_ns: int) -> bool:
    try:
        of.begin(now_ns)
    except RateLimited:
        return False
    of.end()
    return True


def test_a_burst_then_the_rate() -> None:
    """Five at once, then one each tenth of a second."""
    of = budget()

    assert [begins(of, SECOND) for _ in range(7)] == [True] * 5 + [False] * 2
    assert not begins(of, SECOND + SECOND // 10 - 1)
    assert [begins(of, SECOND + SECOND // 10) for _ in range(2)] == [True, False]


def test_what_was_not_used_is_not_saved_up_beyond_the_burst() -> None:
    """A night's rest is worth a burst and no more."""
    of = budget()
    begins(of, SECOND)

    assert sum(begins(of, 40_000 * SECOND) for _ in range(100)) == 5


def test_no_window_has_more_than_the_burst_and_its_time_s_worth() -> None:
    """Whatever the pattern; and a patient caller gets his whole rate."""
    drawn = random.Random(20261121)
    of, now_ns = budget(rate=100, burst=20), SECOND
    begun: deque[int] = deque()
    for _ in range(20_000):
        now_ns += drawn.choice((0, 0, 0, 1_000, SECOND // 200, SECOND // 50))
        if begins(of, now_ns):
            begun.append(now_ns)
        while begun[0] < now_ns - SECOND:
            begun.popleft()
        assert len(begun) <= 20 + 100 + 1


def test_a_refusal_says_when_to_come_back() -> None:
    """In whole seconds, not sooner than it is true."""
    of = budget(rate=1, burst=1)
    of.begin(SECOND)

    with pytest.raises(RateLimited) as refusal:
        of.begin(SECOND)

    assert refusal.value.retry_after_s == 1
    assert refusal.value.retryable
    assert begins(of, SECOND + refusal.value.retry_after_s * SECOND)


def test_calls_at_the_same_time() -> None:
    """An answered one makes room; a refused one has taken none."""
    of = budget(rate=10**6, burst=10**6, concurrency=2)
    of.begin(1)
    of.begin(1)
    for _ in range(3):
        with pytest.raises(RateLimited):
            of.begin(1)
    of.end()
    of.begin(1)

    assert of.in_flight == 2


@pytest.mark.attack("A33")
def test_the_calls_of_one_transaction_are_all_paid_for() -> None:
    """Those that come behind wait for them."""
    of = budget(rate=10, burst=5)
    of.begin(SECOND)
    of.spend(99)
    of.end()

    assert not begins(of, 10 * SECOND)
    assert begins(of, 11 * SECOND)


def test_over_the_wire_it_is_429_with_the_time_to_wait(tmp_path: Path) -> None:
    """In HTTP's words and in ours; another key does not notice."""
    clock = ManualClock()
    with served(tmp_path, clock=clock) as world:
        slow, other = world.key(rate=1, burst=2), world.key()

        answers = [world.call("Door.who", key=slow) for _ in range(3)]

        assert [answer.status for answer in answers] == [200, 200, 429]
        assert answers[2].headers["retry-after"] == "1"
        problem = answers[2].json
        assert (problem["code"], problem["retryable"]) == ("rate_limited", True)
        assert world.call("Door.who", key=other).status == 200
        clock.advance(seconds=1)
        assert world.call("Door.who", key=slow).status == 200


def test_what_is_wrong_with_a_call_does_not_make_it_free(tmp_path: Path) -> None:
    """A flood of calls that are refused is a flood too."""
    with served(tmp_path, clock=ManualClock()) as world:
        key = world.key(rate=1, burst=2)

        assert world.call("Door.nothing", key=key).status == 404
        assert world.call("Door.who", key=key, body={"x": 1}).status == 400
        assert world.call("Door.who", key=key).status == 429


@pytest.mark.parametrize("name", ["Door.who", "Door.visit", "Door.nothing", "Door.secretWord"])
def test_whatever_a_call_ends_with_it_ends(world: World, name: str) -> None:
    """A key with room for one call may make any number of them, one after the other."""
    key = world.key("Door.*", concurrency=1)
    client = world.frames(key)
    client.message()

    for number in range(1, 6):
        client.say([number, name, None, None])
        answer = client.message()
        assert answer[1] == 0 or answer[3]["code"] != "rate_limited"


def test_a_budget_outlives_a_change_of_other_keys(world: World) -> None:
    """Making one does not fill up another one's."""
    key = world.key(rate=1, burst=2)
    assert [world.call("Door.who", key=key).status for _ in range(2)] == [200, 200]

    world.mint()

    assert world.call("Door.who", key=key).status == 429


@pytest.mark.parametrize("place", PLACES)
def test_when_a_key_was_last_used_is_kept(place: str, tmp_path: Path) -> None:
    """By the housekeeping, one small mutation for all of them; listed to the minute."""
    clock = ManualClock()
    with served(tmp_path, place, clock=clock) as world:
        used, idle = world.mint(), world.mint()
        clock.advance(seconds=100)
        assert world.call("Door.who", key=used.key).status == 200
        now = clock.wall_ns() // SECOND
        clock.advance(seconds=50)

        uses = world.running.authenticator.uses()
        assert uses == {used.info.id: now}
        world.running.first.write(lambda db: note_uses(db, uses))
        world.running.first.write(lambda db: note_uses(db, {used.info.id: now - 60}))

        listed = {info.id: info.used_at for info in world.running.first.read(list_keys)}
        assert listed == {used.info.id: now, idle.info.id: None}
        assert world.running.authenticator.uses() == {}


def test_the_housekeeping_keeps_it_when_the_server_stops(tmp_path: Path) -> None:
    """What the last minute had is not lost."""

    async def keep(running: OpenApp) -> None:
        async with kept_house(running, every_s=3_600):
            pass

    with served(tmp_path) as world:
        minted = world.mint()
        assert world.call("Door.who", key=minted.key).status == 200

        asyncio.run(keep(world.running))

        (listed,) = world.running.first.read(list_keys)
        assert listed.used_at is not None
        assert listed.used_at >= minted.info.created_at
