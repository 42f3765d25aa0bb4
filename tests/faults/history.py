"""
What clients were told, held against what is in the database.

`contradictions` is the whole judgement: it says in sentences what cannot be, and nothing when
all is well. It knows of no process and no fault.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from freehold.errors import Outcome


@dataclass(frozen=True)
class Told:
    """What one client heard of one mutation, and between which moments."""

    name: str
    outcome: Outcome
    began: float
    ended: float
    #: The commit that did it; 0 when that was not told.
    seq: int = 0
    #: The code of the error, to count.
    code: str = "ok"


@dataclass
class Stored:
    """What a look into the database found: names in the order of their places."""

    entries: list[tuple[int, str]]
    total: int
    seq: int


@dataclass
class History:
    """What was told so far."""

    #: The commit before the first mutation.
    first_seq: int = 0
    #: Commits of the data layers' own that there may be between those of clients.
    own_max: int = 0
    told: list[Told] = field(default_factory=list)
    #: Reads with `min_seq` that were answered.
    reads: int = 0
    #: Reads with `min_seq` that did not see what they had to.
    stale: list[str] = field(default_factory=list)

    def count(self, outcome: Outcome) -> int:
        """How many ended so."""
        return sum(told.outcome == outcome for told in self.told)

    @property
    def codes(self) -> dict[str, int]:
        """How many ended with each code."""
        return dict(Counter(told.code for told in self.told))


def contradictions(history: History, stored: Stored) -> list[str]:
    """Everything that cannot be, in sentences."""
    return [
        *_outcomes(history, stored),
        *_order(history, stored),
        *_real_time(history.told),
        *history.stale,
    ]


def _outcomes(history: History, stored: Stored) -> Iterator[str]:
    there = Counter(name for _, name in stored.entries)
    for told in history.told:
        count = there[told.name]
        if count > 1:
            yield f"{told.name} is there {count} times, told {told.outcome}"
        elif told.outcome == "ok" and not count:
            yield f"{told.name} was acknowledged as {told.seq} and is lost"
        elif told.outcome == "failed" and count:
            yield f"{told.name} was told to have failed ({told.code}) and is there"
    names = Counter(told.name for told in history.told)
    yield from (f"{name} is there and nobody asked for it" for name in there if name not in names)


def _order(history: History, stored: Stored) -> Iterator[str]:
    first = history.first_seq
    places = [place for place, _ in stored.entries]
    if places != list(range(len(places))):
        yield f"the places have gaps or doubles: {len(places)} up to {max(places, default=0)}"
    if stored.total != len(places):
        yield f"the total says {stored.total} of {len(places)}"
    own = stored.seq - first - len(places)
    if not 0 <= own <= history.own_max:
        yield f"seq is {stored.seq}, of {len(places)} mutations after {first}"
    seqs = Counter(told.seq for told in history.told if told.outcome == "ok" and told.seq)
    yield from (f"seq {seq} was told {count} times" for seq, count in seqs.items() if count > 1)
    seq_of = {told.name: told.seq for told in history.told if told.outcome == "ok" and told.seq}
    before = 0
    for place, name in stored.entries:
        if name in seq_of:
            between = seq_of[name] - (first + place + 1)
            if not before <= between <= own:
                yield f"{name} was told {seq_of[name]} and stands at place {place} after {first}"
            before = max(before, between)


def _real_time(told: Sequence[Told]) -> Iterator[str]:
    """What began after something had ended comes after it."""
    done = [each for each in told if each.outcome == "ok" and each.seq]
    ended = sorted(done, key=lambda each: each.ended)
    highest = position = 0
    for each in sorted(done, key=lambda each: each.began):
        while position < len(ended) and ended[position].ended < each.began:
            highest = max(highest, ended[position].seq)
            position += 1
        if each.seq <= highest:
            yield f"{each.name} got {each.seq}, though {highest} had been told before it began"
