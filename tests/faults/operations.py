"""
What clients write down of their calls, for the two judges of a history.

An operation is one call of the lists: one or several steps that are one transaction, or a query.
`oracle` judges by the `seq` of the answers, `appends` by nothing but the lists that were seen.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from freehold.errors import Outcome

#: Seconds, later than any.
NEVER = float("inf")


class Step(msgspec.Struct, gc=False):
    """
    One append or one read.

    Args:
        key: Of the list.
        item: What was appended; None for a read. Nobody appends the same item twice.
        seen: The list as the call saw it; after an append, with the item. None when it was
            not told.
    """

    key: str
    item: int | None = None
    seen: list[int] | None = None


class Operation(msgspec.Struct, gc=False):
    """
    One call.

    Args:
        kind: A mutation, or a query.
        steps: What it does, in order.
        began: When it was sent: seconds of one clock for all clients.
        ended: When its answer was there.
        outcome: As the client heard it.
        seq: What the answer named; 0 when it named none.
        is_exact: A query saw `seq` itself and not a later state.
        min_seq: What a query asked for.
        refused_at: What a refusal told of a list: its length.
        code: Of the error, to count.
    """

    kind: Literal["mutation", "query"]
    steps: list[Step]
    began: float
    ended: float = NEVER
    outcome: Outcome = "unknown"
    seq: int = 0
    is_exact: bool = True
    min_seq: int = 0
    refused_at: tuple[str, int] | None = None
    code: str = "ok"

    def __str__(self) -> str:
        said = ", ".join(
            f"read {step.key}" if step.item is None else f"{step.key} + {step.item}"
            for step in self.steps
        )
        return f"[{said}: {self.outcome}, seq {self.seq}]"


class Lists:
    """
    The lists at their longest, as anybody saw them, and what contradicts itself at once.

    Args:
        operations: The history, with a look at every list at its end.
    """

    def __init__(self, operations: list[Operation]) -> None:
        #: By key.
        self.longest: dict[str, list[int]] = {}
        #: Who appended an item: the number of the operation.
        self.writer: dict[int, int] = {}
        self.found: list[str] = []
        for number, operation in enumerate(operations):
            for step in operation.steps:
                if step.item is not None:
                    self.writer[step.item] = number
                seen = step.seen
                if seen is not None and len(seen) > len(self.longest.get(step.key, ())):
                    self.longest[step.key] = seen
        for key, items in self.longest.items():
            if len(set(items)) < len(items):
                twice = next(item for item in items if items.count(item) > 1)
                self.found.append(f"duplicate: {twice} is in {key} more than once")
            for item in items:
                self._judge(key, item, operations)
        for operation in operations:
            if operation.outcome == "ok":
                self._judge_steps(operation)

    def _judge(self, key: str, item: int, operations: list[Operation]) -> None:
        number = self.writer.get(item)
        if number is None:
            self.found.append(f"invented: {item} is in {key}, and nobody appended it")
        elif operations[number].outcome == "failed":
            self.found.append(f"G1a: {item} is in {key}, of the refused {operations[number]}")

    def _judge_steps(self, operation: Operation) -> None:
        for step in operation.steps:
            seen, key = step.seen, step.key
            if seen is not None:
                longest = self.longest.get(key, [])
                # The last one first: where lists differ, they mostly do there.
                if seen and (longest[len(seen) - 1] != seen[-1] or longest[: len(seen)] != seen):
                    self.found.append(
                        f"incompatible: {operation} saw {key} as …{seen[-3:]}, "
                        f"others saw …{longest[max(0, len(seen) - 3) : len(seen)]}"
                    )
                if step.item is not None and (not seen or seen[-1] != step.item):
                    self.found.append(f"internal: {operation} did not see its own {step.item}")
            elif step.item is None:
                self.found.append(f"internal: {operation} is ok and saw nothing")
