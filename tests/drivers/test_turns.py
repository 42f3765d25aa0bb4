"""The lines before the writer: whose turn it is, what a batch takes, who is refused."""

from __future__ import annotations

import random
import threading
from collections import Counter
from typing import Any

import pytest

from freehold.db import Caller
from freehold.drivers.pending import Pending
from freehold.drivers.turns import Turns
from freehold.errors import Overloaded, RateLimited
from tests.drivers.ledger import Asked, adding

pytestmark = [pytest.mark.promise("P16"), pytest.mark.attack("A32")]


class Named(Pending):
    """One that waits, by its caller's key and its number."""

    __slots__ = ("said",)

    def __init__(self, key: str, number: int) -> None:
        super().__init__(Asked(adding("x"), caller=Caller(key)), now_ns=0, seed=b"")
        self.said = f"{key}{number}"


def lines(**said: Any) -> Turns:
    return Turns(**{"batch_max": 16, "waiting_max": 1000, "of_one_max": 500, **said})


def fill(turns: Turns, key: str, count: int, *, first: int = 0) -> None:
    for number in range(first, first + count):
        turns.put(Named(key, number))


def said(batch: list[Pending] | None) -> list[str]:
    assert batch is not None
    return [each.said for each in batch if isinstance(each, Named)]


def test_one_caller_alone_has_the_whole_batch() -> None:
    """In the order in which they came."""
    turns = lines()
    fill(turns, "a", 20)

    assert said(turns.take(16)) == [f"a{n}" for n in range(16)]
    assert said(turns.take(16)) == [f"a{n}" for n in range(16, 20)]
    assert len(turns) == 0


def test_a_newcomer_is_in_the_next_batch_however_many_wait_before_him() -> None:
    """Second at the latest, behind one of him who floods."""
    turns = lines()
    fill(turns, "flood", 400)
    turns.take(16)
    fill(turns, "guest", 1)

    assert said(turns.take(16)).index("guest0") <= 1


def test_lines_are_taken_in_turns_and_the_next_batch_goes_on() -> None:
    """Who was not reached is first."""
    turns = lines(batch_max=4 * 8)
    for key in "abc":
        fill(turns, key, 10)

    assert said(turns.take(4)) == ["a0", "b0", "c0", "a1"]
    assert said(turns.take(4)) == ["b1", "c1", "a2", "b2"]


def test_while_several_are_about_a_batch_is_never_one_caller_s() -> None:
    """A share of it, so that the next one's wait is short; also when he is alone for a moment."""
    turns = lines()
    share = 16 // 8
    fill(turns, "flood", 300)
    fill(turns, "guest", 1)

    assert Counter(each[0] for each in said(turns.take(16))) == {"f": share, "g": 1}
    for _ in range(20):
        assert len(said(turns.take(16))) == share


def test_who_is_alone_for_long_has_whole_batches_again() -> None:
    """Nothing is lost for good."""
    turns = lines()
    fill(turns, "flood", 500)
    fill(turns, "guest", 1)

    sizes = [len(said(turns.take(16))) for _ in range(40)]

    assert sizes[0] == 3
    assert 16 in sizes


def test_what_joins_a_batch_counts_for_its_share() -> None:
    """A batch that is open for longer is not a way around the turns."""
    turns = lines()
    fill(turns, "flood", 100)
    fill(turns, "guest", 1)
    batch = said(turns.take_now(16))

    assert said(turns.take_more(16 - len(batch), lambda _: True)) == []
    fill(turns, "other", 1)
    assert said(turns.take_more(16 - len(batch), lambda _: True)) == ["other0"]


def test_nothing_joins_past_one_that_may_not() -> None:
    """Its turn is kept for the next batch."""
    turns = lines()
    fill(turns, "a", 4)

    more = turns.take_more(16, lambda pending: getattr(pending, "said", "") != "a2")

    assert said(more) == ["a0", "a1"]
    assert said(turns.take_now(16)) == ["a2", "a3"]


def test_the_bounds_are_one_caller_s_and_everybody_s() -> None:
    """Who has filled his line is told so; others still have room."""
    turns = lines(waiting_max=8, of_one_max=5)
    fill(turns, "a", 5)

    assert isinstance(turns.refusal("a"), RateLimited)
    assert turns.refusal("b") is None
    fill(turns, "b", 3)
    refusal = turns.refusal("c")
    assert isinstance(refusal, Overloaded)
    assert not isinstance(refusal, RateLimited)


def test_those_whose_time_is_up_are_taken_out() -> None:
    """From every line, and a line that is empty then is none."""
    turns = lines()
    fill(turns, "a", 4)
    fill(turns, "b", 1)

    gone = turns.remove(lambda pending: getattr(pending, "said", "") in ("a1", "b0"))

    assert sorted(said(gone)) == ["a1", "b0"]
    assert len(turns) == 3
    assert said(turns.take(16))[:2] == ["a0", "a2"]


def test_a_nudge_comes_through_once_and_an_end_when_all_is_taken() -> None:
    """Whatever waits."""
    turns = lines()
    fill(turns, "a", 1)
    turns.nudge()
    turns.close()

    assert turns.take(16) == []
    assert said(turns.take(16)) == ["a0"]
    assert turns.take(16) is None


def test_nobody_is_lost_doubled_or_overtaken_between_threads() -> None:
    """Several put, one takes; each line keeps its order."""
    turns = lines(waiting_max=10**6, of_one_max=10**6)
    count = 2_000
    threads = [threading.Thread(target=fill, args=(turns, key, count)) for key in "abcd"]
    seen: list[str] = []

    def take() -> None:
        while (batch := turns.take(16)) is not None:
            seen.extend(said(batch))

    taker = threading.Thread(target=take)
    for thread in (taker, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    turns.close()
    taker.join()

    assert len(seen) == 4 * count
    for key in "abcd":
        assert [each for each in seen if each[0] == key] == [f"{key}{n}" for n in range(count)]


def test_random_lines_keep_their_order_and_their_share() -> None:
    """Whatever comes and goes: a line gives in order, and at most its share beside others."""
    drawn = random.Random(20261121)
    turns = lines()
    numbers = dict.fromkeys("abcdefgh", 0)
    seen: dict[str, list[str]] = {key: [] for key in numbers}
    for _ in range(2_000):
        for _ in range(drawn.randrange(12)):
            key = drawn.choice("aaaaaabcdefgh")
            fill(turns, key, 1, first=numbers[key])
            numbers[key] += 1
        if drawn.random() < 0.9:
            batch = said(turns.take_now(16))
            by_key = Counter(each[0] for each in batch)
            if len(by_key) > 1:
                assert max(by_key.values()) <= 2
            for each in batch:
                seen[each[0]].append(each)
    while batch := said(turns.take_now(16)):
        for each in batch:
            seen[each[0]].append(each)

    for key, count in numbers.items():
        assert seen[key] == [f"{key}{n}" for n in range(count)]
