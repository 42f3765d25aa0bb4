"""
The judge: plays steps on both engines, compares, and says which steps are to blame.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

from freehold.clock import SystemClock
from tests.lockstep.calls import Call, Step
from tests.lockstep.engines import Outcome, Pair

_SHOWN: Final = 2_000
_AROUND: Final = 120
_LINE_MAX: Final = 4_000
_STEPS_SHOWN: Final = 30
#: How long it may take to make a replay shorter.
_SHORTENING_S: Final = 45


class Different(AssertionError):
    """The engines have not done the same."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


Told = Callable[[Step, Call, Outcome], None]


def judge(pair: Pair, step: Step, told: Told | None = None) -> None:
    """
    Play a step on both and compare what its calls ended with.

    Args:
        pair: The engines.
        step: What is played.
        told: Hears every outcome on which both agree.

    Raises:
        Different: They do not agree, or agree on a defect.
    """
    for call, (first, second) in zip(step.calls, pair.play(step), strict=True):
        if first != second:
            names = [engine.name for engine in pair.engines]
            raise Different(
                f"{call.method} ended differently.\n"
                f"  {names[0]}: {_shown(first)}\n  {names[1]}: {_shown(second)}"
                f"{_where(first.body, second.body)}"
            )
        if first.error is not None and first.error["code"] == "internal":
            raise Different(f"{call.method} broke on both: {first.error}")
        if told is not None:
            told(step, call, first)


def judge_tables(pair: Pair) -> int:
    """
    Compare what all tables hold; how many rows there are.

    Raises:
        Different: A table differs.
    """
    first, second = pair.tables()
    for table, rows in first.items():
        others = second[table]
        if rows == others and repr(rows) == repr(others):
            continue
        apart = [
            f"    {one!r}\n    {other!r}"
            for one, other in zip(rows, others, strict=False)
            if repr(one) != repr(other)
        ]
        raise Different(
            f"{table} has {len(rows)} rows on {pair.engines[0].name} and {len(others)} on "
            f"{pair.engines[1].name}; they differ in\n" + "\n".join(apart[:3])[:_SHOWN]
        )
    return sum(len(rows) for rows in first.values())


def shortest(pair: Pair, steps: Sequence[Step]) -> tuple[list[Step], str]:
    """
    As few of the steps as still end differently, and how they do.

    Halves, quarters and so on are left out as long as the rest still shows it.
    """
    kept = list(steps)
    what = _difference(pair, kept)
    if what is None:
        return kept, "It does not show again when the same steps are played from the start."
    clock, size = SystemClock(), max(1, len(kept) // 2)
    until_ns = clock.monotonic_ns() + _SHORTENING_S * 1_000_000_000
    while size and clock.monotonic_ns() < until_ns:
        if size == 1:
            # Those that were called in one moment, now each by itself.
            kept = _singly(pair, kept)
        place = len(kept) - 1
        while place >= 0 and clock.monotonic_ns() < until_ns:
            start = max(0, place - size + 1)
            rest = kept[:start] + kept[place + 1 :]
            found = _difference(pair, rest)
            if found is not None:
                kept, what = rest, found
            place = start - 1
        size //= 2
    return kept, what


def _singly(pair: Pair, steps: list[Step]) -> list[Step]:
    """The steps with their batches taken apart, unless it takes the batch to show it."""
    apart = [
        Step(step.number * 10 + place if place else step.number, step.at_s, (call,))
        for step in steps
        for place, call in enumerate(step.calls)
    ]
    return steps if _difference(pair, apart) is None else apart


def _difference(pair: Pair, steps: Sequence[Step]) -> str | None:
    pair.clear()
    try:
        for step in steps:
            judge(pair, step)
        judge_tables(pair)
    except Different as different:
        return different.what
    return None


def written(steps: Sequence[Step]) -> str:
    """The steps, or the last of many, as Python that plays them again."""
    lines = [f"    {step!r},"[:_LINE_MAX] for step in steps[-_STEPS_SHOWN:]]
    return "\n".join(lines)


class Tally:
    """How often each method ended how."""

    def __init__(self) -> None:
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.steps = self.calls = self.batches = 0
        self.rows_compared = 0

    def count(self, call: Call, outcome: Outcome) -> None:
        """One call on which both agreed."""
        self.calls += 1
        self.outcomes[call.method, outcome.label] += 1

    def of(self, method: str) -> dict[str, int]:
        """The outcomes of one method."""
        return {label: count for (name, label), count in self.outcomes.items() if name == method}

    def labels(self) -> Counter[str]:
        """The outcomes of all methods."""
        found: Counter[str] = Counter()
        for (_, label), count in self.outcomes.items():
            found[label] += count
        return found

    def lines(self, methods: Sequence[str]) -> list[str]:
        """The whole distribution, for a person."""
        labels = self.labels()
        shown = [f"{label} {count}" for label, count in labels.most_common()]
        lines = [
            f"{self.steps} steps, {self.calls} calls ({self.batches} batches), "
            f"{self.rows_compared} rows compared: " + ", ".join(shown)
        ]
        for method in methods:
            counts = sorted(self.of(method).items(), key=lambda each: -each[1])
            lines.append(f"  {method}: " + ", ".join(f"{label} {n}" for label, n in counts))
        return lines


def _shown(outcome: Outcome) -> Any:
    if outcome.error is not None:
        return f"seq {outcome.seq}, {outcome.error}"
    return f"seq {outcome.seq}, {outcome.body[:_SHOWN]!r}"


def _where(first: bytes, second: bytes) -> str:
    """The first place where long answers are not the same, and what is around it."""
    pairs = enumerate(zip(first, second, strict=False))
    at = next((at for at, (a, b) in pairs if a != b), min(len(first), len(second)))
    around = slice(max(0, at - _AROUND), at + _AROUND)
    return f"\n  from byte {at}:\n    {first[around]!r}\n    {second[around]!r}"
