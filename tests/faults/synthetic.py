"""
Histories that are made up: an honest one of any size from a seed, and one fault planted in it.

What a judge does not find here, it will not find in a real one. Each fault is named for what a
data layer would have done wrong.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Final

from tests.faults.operations import Operation, Step

#: So many calls are under way at once.
_CLIENTS: Final = 16
#: A list that is as long is left alone, and another one begun.
_LENGTH: Final = 24
_KEYS: Final = 12


def honest(count: int, seed: int) -> list[Operation]:
    """So many calls as an honest data layer answers them, and a look at every list."""
    chance = random.Random(seed)
    lists: dict[str, list[int]] = {}
    free = [0.0] * _CLIENTS
    made: list[Operation] = []
    seq = item = 0
    for turn in range(count):
        # It happens at the turn itself, somewhere between what its client saw of begin and end.
        client = chance.randrange(_CLIENTS)
        began = max(free[client], turn - chance.random() * _CLIENTS)
        ended = turn + 0.5 + chance.random() * _CLIENTS
        free[client] = ended + 0.001
        if began >= turn:
            client, began = -1, turn - 0.25
        generation = len(made) // (_KEYS * _LENGTH)
        keys = chance.sample(range(_KEYS), 2)
        names = [f"{generation}.{key}" for key in keys]
        if chance.random() < 0.4:
            some = names[: chance.choice((1, 2))]
            steps = [Step(name, None, list(lists.get(name, ()))) for name in some]
            made.append(Operation("query", steps, began, ended, "ok", seq))
            continue
        steps = []
        for name in names[: chance.choice((1, 1, 2))]:
            item += 1
            steps.append(Step(name, item))
        fate = chance.random()
        if fate < 0.03:
            made.append(Operation("mutation", steps, began, ended, "failed", code="refused"))
            continue
        is_heard = fate > 0.06
        if is_heard or chance.random() < 0.5:
            seq += 1
            for step in steps:
                assert step.item is not None
                lists.setdefault(step.key, []).append(step.item)
                step.seen = list(lists[step.key]) if is_heard else None
        if is_heard:
            made.append(Operation("mutation", steps, began, ended, "ok", seq))
        else:
            made.append(Operation("mutation", steps, began))
    late = count + 10.0 * _CLIENTS
    for name, items in lists.items():
        made.append(Operation("query", [Step(name, None, items)], late, late + 1, "ok", seq))
    return made


def _seen(operations: Iterable[Operation], key: str) -> list[list[int]]:
    found: list[list[int]] = []
    for operation in operations:
        for step in operation.steps:
            if step.key == key and step.seen is not None:
                # Each is looked at once, also where the generator shares one.
                step.seen = list(step.seen)
                found.append(step.seen)
    return found


def _any(
    operations: list[Operation], chance: random.Random, wanted: Callable[[Operation], bool]
) -> Operation:
    """One of those, from the middle of the history, or from near it where there is none."""
    for part in (4, 10):
        near = operations[len(operations) // part : -len(operations) // part]
        found = [operation for operation in near if wanted(operation)]
        if found:
            break
    return chance.choice(found)


def _is_append(operation: Operation) -> bool:
    return operation.kind == "mutation" and operation.outcome == "ok"


def lost_update(operations: list[Operation], chance: random.Random) -> None:
    """One appended onto a list that it had read before another's append; the other's is gone."""
    victim = _any(operations, chance, _is_append)
    step = victim.steps[0]
    for items in _seen((each for each in operations if each is not victim), step.key):
        if step.item in items:
            items.remove(step.item)


def stale_read(operations: list[Operation], chance: random.Random) -> None:
    """A query saw a list as it was before an append that had been told before it was asked."""

    def is_stale(read: Operation) -> bool:
        if read.kind != "query" or len(read.steps) != 1 or not read.steps[0].seen:
            return False
        last = read.steps[0].seen[-1]
        return any(
            each.ended < read.began and each.outcome == "ok"
            for each in operations
            if each.kind == "mutation" and any(step.item == last for step in each.steps)
        )

    read = _any(operations, chance, is_stale)
    seen = read.steps[0].seen
    assert seen is not None
    read.steps[0].seen = seen[:-1]


def aborted_read(operations: list[Operation], chance: random.Random) -> None:
    """A query saw what a refused mutation had appended, before it was taken back."""
    refused = _any(operations, chance, lambda each: each.outcome == "failed")
    key, item = refused.steps[0].key, refused.steps[0].item
    assert item is not None
    reads = [each for each in operations if each.kind == "query" and each.steps[0].key == key]
    step = chance.choice(reads).steps[0]
    step.seen = [*(step.seen or ()), item]


def duplicated_append(operations: list[Operation], chance: random.Random) -> None:
    """A mutation happened twice; everybody saw so, but its own client."""
    victim = _any(operations, chance, _is_append)
    step = victim.steps[0]
    assert step.item is not None
    for items in _seen((each for each in operations if each is not victim), step.key):
        if step.item in items:
            items.insert(items.index(step.item), step.item)


def reordered_seq(operations: list[Operation], chance: random.Random) -> None:
    """Two mutations that did not overlap were told each other's number."""
    one = _any(operations, chance, _is_append)
    later = [each for each in operations if _is_append(each) and each.began > one.ended]
    other = later[0]
    one.seq, other.seq = other.seq, one.seq


def half_a_transaction(operations: list[Operation], chance: random.Random) -> None:
    """Of two appends of one mutation one is gone."""
    victim = _any(operations, chance, lambda each: _is_append(each) and len(each.steps) == 2)
    step = victim.steps[1]
    for items in _seen(operations, step.key):
        if step.item in items:
            items.remove(step.item)
    step.seen = None


def lost_answer_taken_for_ok(operations: list[Operation], chance: random.Random) -> None:
    """A mutation that never happened was acknowledged."""
    there = {item for each in operations for step in each.steps for item in step.seen or ()}
    victim = _any(
        operations,
        chance,
        lambda each: each.outcome == "unknown" and each.steps[0].item not in there,
    )
    victim.outcome = "ok"
    victim.ended = victim.began + 1
    victim.seq = max(each.seq for each in operations if each.ended < victim.began + 1)
    for step in victim.steps:
        assert step.item is not None
        before = next(
            (
                seen.seen
                for each in operations
                for seen in each.steps
                if seen.key == step.key and seen.seen and each.ended < victim.began
            ),
            [],
        )
        step.seen = [*(before or ()), step.item]


#: By name; `reordered_seq` cannot be seen without looking at seq.
FAULTS: Final[dict[str, Callable[[list[Operation], random.Random], None]]] = {
    "lost update": lost_update,
    "stale read": stale_read,
    "aborted read": aborted_read,
    "duplicated append": duplicated_append,
    "reordered seq": reordered_seq,
    "half a transaction": half_a_transaction,
    "lost answer taken for ok": lost_answer_taken_for_ok,
}
