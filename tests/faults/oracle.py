"""
The oracle: the history is replayed in the order of `seq`, and every answer compared.

There is one order of commits and every answer names its place in it, so nothing is searched for:
each list is what the mutations up to there made of it. A mutation whose outcome nobody heard has
no `seq`; it is put in where the first answer needs it, as late as can be, and there must be
a number left for it. Then the same once more in real time: who began after something was told
has seen it.

`appends` looks at the same history and does not use `seq`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from tests.faults.operations import Lists, Operation, Step

#: What happens at one `seq`, in this order.
_MUTATION: Final = 0
_EXACT: Final = 1
_AT_LEAST: Final = 2
_AT_MOST: Final = 3


def contradictions(
    operations: list[Operation], *, first_seq: int = 0, own_max: int = 0
) -> list[str]:
    """
    Everything that cannot be, in sentences.

    Args:
        operations: The history, with a look at every list at its end.
        first_seq: The last commit before it.
        own_max: Commits of the data layer's own that there may be between those of clients.
    """
    lists = Lists(operations)
    floors = _floors(operations, lists)
    return [
        *lists.found,
        *_real_time(operations, floors),
        *_Replay(operations, lists, floors, first_seq=first_seq, own_max=own_max).run(),
    ]


def _floors(operations: Sequence[Operation], lists: Lists) -> list[int]:
    """For each operation the highest commit that somebody knew of before it began."""
    told = sorted(
        (each.ended, _known(each, operations, lists))
        for each in operations
        if each.outcome != "unknown"
    )
    floors = [0] * len(operations)
    highest = position = 0
    for number in sorted(range(len(operations)), key=lambda number: operations[number].began):
        began = operations[number].began
        while position < len(told) and told[position][0] < began:
            highest = max(highest, told[position][1])
            position += 1
        floors[number] = highest
    return floors


def _known(operation: Operation, operations: Sequence[Operation], lists: Lists) -> int:
    """The highest commit that its client knows of afterwards."""
    highest = operation.seq
    if not operation.is_exact:
        for step in operation.steps:
            for item in step.seen or ():
                number = lists.writer.get(item)
                if number is not None and operations[number].seq > highest:
                    highest = operations[number].seq
    return highest


def _real_time(operations: Sequence[Operation], floors: Sequence[int]) -> Iterator[str]:
    told: Counter[int] = Counter()
    for operation, floor in zip(operations, floors, strict=True):
        if operation.outcome != "ok":
            continue
        if operation.kind == "mutation":
            told[operation.seq] += 1
            if operation.seq <= floor:
                yield f"real time: {operation} began when {floor} had been told"
        elif operation.is_exact and operation.seq < floor:
            yield f"stale: {operation} began when {floor} had been told"
        if operation.seq < operation.min_seq:
            yield f"stale: {operation} had asked for {operation.min_seq}"
    yield from (f"seq {seq} was told {count} times" for seq, count in told.items() if count > 1)


class _Replay:
    """One pass over the events; `at` is how much of each longest list there is by then."""

    def __init__(
        self, operations: Sequence[Operation], lists: Lists, floors: Sequence[int], *,
        first_seq: int, own_max: int,
    ) -> None:  # fmt: skip
        self._operations = operations
        self._longest = lists.longest
        self._writer = lists.writer
        self._floors = floors
        self._first = first_seq
        self._own_max = own_max
        self._at = dict.fromkeys(lists.longest, 0)
        self._applied = [False] * len(operations)
        self._count = 0
        self._found: list[str] = []

    def run(self) -> list[str]:
        last = self._first
        for seq, kind, number in sorted(self._events()):
            operation = self._operations[number]
            if kind == _MUTATION:
                self._apply(number)
                # Each has a number of its own, and the unheard ones theirs in between.
                if self._count > seq - self._first:
                    self._say(operation, f"is the {self._count}th after {self._first}")
                last = seq
            elif operation.refused_at is not None:
                self._refusal(operation, *operation.refused_at, kind=kind)
            else:
                self._read(operation, kind)
        unused = last - self._first - self._count
        if unused > self._own_max + self._unheard():
            self._found.append(f"gaps: {unused} numbers up to {last} are nobody's")
        return self._found

    def _unheard(self) -> int:
        """Those that may have happened unseen."""
        return sum(
            not applied and operation.outcome == "unknown" and operation.kind == "mutation"
            for operation, applied in zip(self._operations, self._applied, strict=True)
        )

    def _events(self) -> Iterator[tuple[int, int, int]]:
        for number, operation in enumerate(self._operations):
            if operation.outcome == "ok":
                if operation.kind == "mutation":
                    yield operation.seq, _MUTATION, number
                elif operation.is_exact:
                    yield operation.seq, _EXACT, number
                else:
                    floor = max(operation.seq, operation.min_seq, self._floors[number])
                    yield floor, _AT_LEAST, number
            elif operation.refused_at is not None:
                yield self._floors[number], _AT_LEAST, number
                if operation.seq:
                    yield operation.seq, _AT_MOST, number

    def _apply(self, number: int) -> None:
        """The mutation happens now, after those that its answer says were before it."""
        operation = self._operations[number]
        self._applied[number] = True
        for step in operation.steps:
            if step.item is None:
                self._step(operation, step)
                continue
            self._reach(operation, step.key, step.item)
            if step.seen is not None:
                self._step(operation, step)
        self._count += 1

    def _reach(self, operation: Operation, key: str, item: int) -> None:
        """Let the list grow up to and with the item."""
        longest = self._longest.get(key)
        at = self._at.get(key, 0)
        if longest is None or at >= len(longest):
            if operation.outcome == "ok":
                self._say(operation, f"was acknowledged, and {item} is lost from {key}")
            return
        while at < len(longest) and longest[at] != item:
            if not self._force(operation, key):
                # Say it once; the list is taken as it was seen from here on.
                if item in longest:
                    self._at[key] = max(at, longest.index(item) + 1)
                return
            at = self._at[key]
        if at < len(longest):
            self._at[key] = at + 1
        elif operation.outcome == "ok":
            self._say(operation, f"was acknowledged, and {item} is lost from {key}")

    def _force(self, operation: Operation, key: str) -> bool:
        """The next item of the list must have been put there before this operation."""
        item = self._longest[key][self._at[key]]
        number = self._writer.get(item)
        if number is None or self._operations[number].outcome == "failed":
            # Said already, see `Lists`.
            self._at[key] += 1
            return True
        other = self._operations[number]
        if self._applied[number] or other.outcome != "unknown":
            self._say(operation, f"has {item} of {other} before it in {key}")
            return False
        self._apply(number)
        return True

    def _step(self, operation: Operation, step: Step) -> None:
        """What was seen is what there is."""
        if step.seen is not None and self._grown(operation, step.key, len(step.seen)):
            at = self._at.get(step.key, 0)
            if at != len(step.seen):
                self._say(operation, f"saw {len(step.seen)} items of {step.key}, there were {at}")

    def _grown(self, operation: Operation, key: str, length: int) -> bool:
        """Let the list grow to the length; False when it was not so long by then."""
        while self._at.get(key, 0) < length:
            if key not in self._longest or self._at[key] >= len(self._longest[key]):
                self._say(operation, f"saw {length} items of {key}, more than there ever were")
                return False
            if not self._force(operation, key):
                return False
        return True

    def _read(self, operation: Operation, kind: int) -> None:
        for step in operation.steps:
            if kind == _EXACT:
                self._step(operation, step)
            elif step.seen is not None and len(step.seen) < self._at.get(step.key, 0):
                self._say(
                    operation,
                    f"stale: saw {len(step.seen)} of {self._at[step.key]} items of {step.key}",
                )

    def _refusal(self, operation: Operation, key: str, length: int, *, kind: int) -> None:
        """It was refused because of a state, and that state was there while it ran."""
        if kind == _AT_MOST:
            self._grown(operation, key, length)
        elif length < self._at.get(key, 0):
            self._say(operation, f"stale: refused at {length} of {self._at[key]} items of {key}")

    def _say(self, operation: Operation, words: str) -> None:
        self._found.append(f"{operation} {words}")
