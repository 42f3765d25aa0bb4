"""Ids and random bytes: from one seed, the same every time."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from freehold.ids import SEED_BYTES, Ids, IdStream, SeededIds, SystemIds

NOW_MS = 1_800_000_000_123
seeds = st.binary(min_size=SEED_BYTES, max_size=SEED_BYTES)


def test_the_system_s_seeds_are_32_bytes_and_never_the_same() -> None:
    """All that a call draws is as good as its seed."""
    ids: Ids = SystemIds()

    drawn = {ids.seed() for _ in range(100)}

    assert len(drawn) == 100
    assert {len(seed) for seed in drawn} == {32}


def test_seeded_ids_repeat_themselves() -> None:
    """A replay draws what the first run drew; another number draws something else."""
    one, same, other = SeededIds(7), SeededIds(7), SeededIds(8)

    drawn = [one.seed() for _ in range(3)]

    assert drawn == [same.seed() for _ in range(3)]
    assert len(set(drawn)) == 3
    assert drawn[0] != other.seed()


@given(seeds, st.lists(st.one_of(st.just("id"), st.integers(0, 100)), max_size=30))
def test_the_same_seed_and_time_give_the_same_stream(seed: bytes, draws: list[str | int]) -> None:
    """A mutation that is run again draws the same ids and bytes, in whatever mixture."""
    first, again = IdStream(seed, NOW_MS), IdStream(seed, NOW_MS)

    assert _drawn(first, draws) == _drawn(again, draws)


def _drawn(stream: IdStream, draws: list[str | int]) -> list[str | bytes]:
    return [stream.random_bytes(d) if isinstance(d, int) else stream.new_id() for d in draws]


@given(seeds, st.integers(0, 2**48 - 2))
def test_an_id_is_a_uuid_of_version_7(seed: bytes, now_ms: int) -> None:
    """Version, variant and the time in front, as RFC 9562 has them."""
    text = IdStream(seed, now_ms).new_id()

    parsed = uuid.UUID(text)

    assert text == str(parsed)
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert parsed.int >> 80 == now_ms


@given(seeds, st.integers(2, 300))
def test_the_ids_of_one_call_sort_as_they_were_drawn(seed: bytes, count: int) -> None:
    """Rows that a function makes one after the other lie in that order."""
    stream = IdStream(seed, NOW_MS)

    drawn = [stream.new_id() for _ in range(count)]

    assert drawn == sorted(drawn)
    assert len(set(drawn)) == count


def test_the_order_holds_past_the_counter_s_end() -> None:
    """The counter has 12 bits; the 4,097th id carries into the time and is still the last."""
    stream = IdStream(SeededIds().seed(), NOW_MS)

    drawn = [stream.new_id() for _ in range(9_000)]

    assert drawn == sorted(drawn)
    assert len(set(drawn)) == 9_000
    assert {uuid.UUID(each).version for each in drawn} == {7}


@given(st.tuples(seeds, seeds), st.integers(0, 2**40))
def test_ids_of_a_later_call_are_later(two: tuple[bytes, bytes], now_ms: int) -> None:
    """From one millisecond to the next, whatever the seeds."""
    before, after = IdStream(two[0], now_ms), IdStream(two[1], now_ms + 1)

    assert before.new_id() < after.new_id()


def test_two_calls_in_the_same_millisecond_share_no_id() -> None:
    """The 62 bits behind the counter are the seed's."""
    ids = SeededIds()

    drawn = {IdStream(ids.seed(), NOW_MS).new_id() for _ in range(2_000)}

    assert len(drawn) == 2_000


@given(seeds, st.integers(0, 200))
def test_as_many_random_bytes_as_asked_for(seed: bytes, count: int) -> None:
    """Neither more nor fewer, none at all included."""
    assert len(IdStream(seed, NOW_MS).random_bytes(count)) == count


def test_random_bytes_are_never_given_twice() -> None:
    """What was drawn before says nothing about what is drawn next, also after an id."""
    stream = IdStream(SeededIds().seed(), NOW_MS)

    drawn = [stream.random_bytes(16), stream.random_bytes(40)]
    stream.new_id()
    drawn.append(stream.random_bytes(16))

    assert len({each[:16] for each in drawn}) == 3


def test_an_id_does_not_give_the_seed_s_bytes_away() -> None:
    """The part that is random is another block of the stream than any token's."""
    seed = SeededIds().seed()
    stream = IdStream(seed, NOW_MS)

    tail = uuid.UUID(stream.new_id()).bytes[9:]

    assert tail not in stream.random_bytes(4_096)
    assert tail not in seed
