"""
The second judge: it looks for cycles in who must have come before whom, and does not use `seq`.

Lists that only grow tell their own history: the items stand in the order in which they were
appended, and a list that was read says which append was the last before the read.

    ww    the next item of a list was appended after this one
    wr    who saw an item last in a list came after who appended it
    rw    who saw a list came before who appended the item behind it
    rt    who began after something had ended came after it

A circle of these cannot be one order. By what it is made of it has a name: G0 of ww alone, G1c of
ww and wr, G-single with one rw, G2 with more; `-rt` when it needs the real time. What is wrong
without a circle: an item of a refused call (G1a), an item between two of one call (G1b), one that
is twice, one that is lost, lists that nobody can bring into one order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final, Literal

from tests.faults.operations import NEVER, Lists, Operation

Kind = Literal["ww", "wr", "rw", "rt"]
Edges = list[list[tuple[int, Kind]]]
_PLAIN: Final[frozenset[Kind]] = frozenset(("ww", "wr", "rw"))


def anomalies(operations: list[Operation]) -> list[str]:
    """Everything that no single order explains, in sentences."""
    lists = Lists(operations)
    found = [*lists.found, *_lost(operations, lists)]
    edges: Edges = [[] for _ in operations]
    _order(edges, operations, lists)
    for number, operation in enumerate(operations):
        if operation.outcome == "ok":
            found += _reads(edges, number, operation, operations=operations, lists=lists)
    _real_time(edges, operations)
    found += [_named(circle, edges, operations) for circle in _circles(edges)]
    return found


def _lost(operations: Iterable[Operation], lists: Lists) -> Iterator[str]:
    for operation in operations:
        if operation.outcome == "failed" or operation.kind == "query":
            continue
        items = [step for step in operation.steps if step.item is not None]
        there = sum(step.item in lists.longest.get(step.key, ()) for step in items)
        if there < len(items) and (operation.outcome == "ok" or there):
            yield f"lost: of {operation} there are {there} of {len(items)} items"


def _order(edges: Edges, operations: Sequence[Operation], lists: Lists) -> None:
    writer = lists.writer
    for items in lists.longest.values():
        for before, after in pairwise(items):
            one, other = writer.get(before), writer.get(after)
            if one is not None and other is not None and one != other:
                edges[one].append((other, "ww"))


def _reads(
    edges: Edges, number: int, operation: Operation, *, operations: Sequence[Operation],
    lists: Lists,
) -> Iterator[str]:  # fmt: skip
    """What a call saw of others, as edges; and what it must not have seen."""
    writer = lists.writer
    for key, length in _others_seen(operation):
        longest = lists.longest.get(key, ())
        if length:
            last = writer.get(longest[length - 1])
            if last is not None and last != number:
                edges[last].append((number, "wr"))
                if length < len(longest) and writer.get(longest[length]) == last:
                    yield f"G1b: {operation} saw {key} in the middle of {operations[last]}"
        if length < len(longest):
            after = writer.get(longest[length])
            if after is not None and after != number:
                edges[number].append((after, "rw"))


def _others_seen(operation: Operation) -> Iterator[tuple[str, int]]:
    """Each list that it saw, and how much of it was there without its own items."""
    own: dict[str, int] = {}
    for step in operation.steps:
        own[step.key] = own.get(step.key, 0) + (step.item is not None)
        if step.seen is not None:
            yield step.key, max(0, len(step.seen) - own[step.key])


def _real_time(edges: Edges, operations: Sequence[Operation]) -> None:
    """
    Who ended before whom.

    Every end is a moment that leads to the next moment; who begins hangs on the last one. So
    there are as many edges as calls, and not as many as pairs.
    """
    ends = sorted(
        (operation.ended, number)
        for number, operation in enumerate(operations)
        if operation.outcome == "ok" and operation.ended < NEVER
    )
    moments = len(edges)
    edges.extend([] for _ in ends)
    for place, (_, number) in enumerate(ends):
        edges[number].append((moments + place, "rt"))
        if place:
            edges[moments + place - 1].append((moments + place, "rt"))
    position = 0
    for number in sorted(range(len(operations)), key=lambda number: operations[number].began):
        if operations[number].outcome == "failed":
            continue
        while position < len(ends) and ends[position][0] < operations[number].began:
            position += 1
        if position:
            edges[moments + position - 1].append((number, "rt"))


def _circles(edges: Edges) -> list[list[int]]:
    """The groups of those who come before and after each other."""
    left = _peeled(edges)
    return _strong(edges, left) if left else []


def _peeled(edges: Edges) -> set[int]:
    """Who is left when everybody before whom nobody stands is taken away, again and again."""
    before = [0] * len(edges)
    for outgoing in edges:
        for other, _ in outgoing:
            before[other] += 1
    free = deque(number for number, count in enumerate(before) if not count)
    taken = 0
    while free:
        number = free.popleft()
        taken += 1
        for other, _ in edges[number]:
            before[other] -= 1
            if not before[other]:
                free.append(other)
    return {number for number, count in enumerate(before) if count}


def _strong(edges: Edges, among: set[int]) -> list[list[int]]:
    """Who can be reached from each other, without recursion."""
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    on_stack: set[int] = set()
    found: list[list[int]] = []
    for root in among:
        if root in index:
            continue
        work = [(root, iter(edges[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, others = work[-1]
            for other, _ in others:
                if other not in among:
                    continue
                if other not in index:
                    index[other] = low[other] = len(index)
                    stack.append(other)
                    on_stack.add(other)
                    work.append((other, iter(edges[other])))
                    break
                if other in on_stack:
                    low[node] = min(low[node], index[other])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    group = []
                    while True:
                        member = stack.pop()
                        on_stack.discard(member)
                        group.append(member)
                        if member == node:
                            break
                    if len(group) > 1:
                        found.append(group)
    return found


def _named(circle: list[int], edges: Edges, operations: Sequence[Operation]) -> str:
    """What the circle is, by the fewest kinds of edges that close one in it."""
    members = set(circle)
    name = next(
        (
            f"{plain}{suffix}"
            for suffix, with_rt in (("", frozenset[Kind]()), ("-rt", frozenset[Kind](("rt",))))
            for plain, closes in (
                ("G0", _closes(edges, members, with_rt | {"ww"})),
                ("G1c", _closes(edges, members, with_rt | {"ww", "wr"})),
                ("G-single", _closes_with_one(edges, members, with_rt | {"ww", "wr"})),
                ("G2", _closes(edges, members, with_rt | _PLAIN)),
            )
            if closes
        ),
        "circle",
    )
    calls = [str(operations[number]) for number in sorted(members) if number < len(operations)]
    return f"{name}: {len(calls)} calls in a circle, as {' '.join(calls[:4])}"


def _closes(edges: Edges, members: set[int], kinds: frozenset[Kind]) -> bool:
    """Whether edges of these kinds alone make a circle."""
    before = dict.fromkeys(members, 0)
    for number in members:
        for other, kind in edges[number]:
            if kind in kinds and other in members:
                before[other] += 1
    free = [number for number, count in before.items() if not count]
    taken = 0
    while free:
        number = free.pop()
        taken += 1
        for other, kind in edges[number]:
            if kind in kinds and other in members:
                before[other] -= 1
                if not before[other]:
                    free.append(other)
    return taken < len(members)


def _closes_with_one(edges: Edges, members: set[int], kinds: frozenset[Kind]) -> bool:
    """Whether they do so with a single rw among them; looks at some hundreds of rw at most."""
    tried = 0
    for number in members:
        for other, kind in edges[number]:
            if kind == "rw" and other in members and tried < _TRIED_MAX:
                tried += 1
                if _reaches(edges, other, number, members=members, kinds=kinds):
                    return True
    return False


_TRIED_MAX: Final = 300


def _reaches(
    edges: Edges, start: int, end: int, *, members: set[int], kinds: frozenset[Kind]
) -> bool:
    seen = {start}
    work = [start]
    while work:
        number = work.pop()
        if number == end:
            return True
        for other, kind in edges[number]:
            if kind in kinds and other in members and other not in seen:
                seen.add(other)
                work.append(other)
    return False
