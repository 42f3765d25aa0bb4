"""
Rounds in which everybody who is compared gets every case once, in an order drawn anew.

What the cases are and what is made of them is each benchmark's own.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from benchmarks.load import LoadError, LoadResult, run_load
from benchmarks.machine import middle, quiet
from benchmarks.report import progress
from benchmarks.servers import Server


@dataclass(frozen=True)
class Plan:
    """How long and how often."""

    rounds: int
    seconds: float
    warm_up_s: float


#: (operation, connections, name)
Case = tuple[str, int, str]


class Contestant(Protocol):
    """Somebody who is compared."""

    @property
    def name(self) -> str:
        """As in the table."""

    def load(self, operation: str, connections: int, seconds: float) -> LoadResult:
        """
        One round.

        Raises:
            LoadError: An answer was wrong.
        """


class OverHttp:
    """
    Servers that share the load's connections.

    Args:
        name: As in the table.
        servers: One, or several on one database.
        database_pid: Whose CPU time is the database's, where that is another process.
    """

    def __init__(
        self, name: str, servers: Sequence[Server], *, database_pid: int | None = None
    ) -> None:
        self.name = name
        self.inserted = 0
        self._addresses = [server.address for server in servers]
        self._pids = [server.pid for server in servers]
        self._database_pid = database_pid
        #: What is sent, by operation.
        self.calls = {"read": servers[0].reads(), "insert": servers[0].inserts()}

    def load(self, operation: str, connections: int, seconds: float) -> LoadResult:
        """One round."""
        result = run_load(
            self._addresses, self.calls[operation], connections=connections, seconds=seconds,
            server_pids=self._pids, database_pid=self._database_pid,
        )  # fmt: skip
        if operation == "insert":
            self.inserted += int(result.calls)
        return result


@dataclass
class Found:
    """The medians of the cases that worked, and why the others did not."""

    medians: dict[Case, LoadResult] = field(default_factory=dict)
    failed: dict[Case, str] = field(default_factory=dict)

    def failures(self) -> list[str]:
        """A line for each case that failed."""
        return [
            f"Failed: {name}, {operation}, {count} connections: {why}."
            for (operation, count, name), why in self.failed.items()
        ]

    def results(self) -> list[dict[str, object]]:
        """For --json."""
        return [
            {"operation": operation, "connections": connections, "server": name, **each.as_dict()}
            for (operation, connections, name), each in self.medians.items()
        ]

    def counts(self) -> list[tuple[str, int]]:
        """The cases without the names: operations as they were run, connections as they grow."""
        order = list(dict.fromkeys(operation for operation, _, _ in self.medians))
        found = {case[:2] for case in self.medians}
        return sorted(found, key=lambda case: (order.index(case[0]), case[1]))

    def ratio(self, operation: str, connections: int, ours: str, theirs: str) -> float | None:
        """Calls per second of one by those of another, where both worked."""
        one = self.medians.get((operation, connections, ours))
        other = self.medians.get((operation, connections, theirs))
        return one.calls_per_s / other.calls_per_s if one and other else None


def measure(
    contestants: Sequence[Contestant], cases: Sequence[tuple[str, Sequence[int]]], plan: Plan
) -> Found:
    """Every case with everybody, one operation after the other."""
    found = Found()
    for operation, connections in cases:
        samples: dict[Case, list[LoadResult]] = {}
        order = [(count, each) for count in connections for each in contestants]
        for number in range(plan.rounds):
            progress(f"{operation}: round {number + 1} of {plan.rounds}")
            random.shuffle(order)
            for count, contestant in order:
                case = (operation, count, contestant.name)
                if case in found.failed:
                    continue
                try:
                    contestant.load(operation, count, plan.warm_up_s)
                    samples.setdefault(case, []).append(
                        contestant.load(operation, count, plan.seconds)
                    )
                except LoadError as error:
                    # A wrong answer makes the case worthless; the others are not to blame.
                    progress(f"{contestant.name}, {operation}, {count} connections: {error}")
                    found.failed[case] = str(error)
                    samples.pop(case, None)
        found.medians |= {case: _median(rounds) for case, rounds in samples.items()}
    return found


def _median(rounds: list[LoadResult]) -> LoadResult:
    kept = quiet(rounds, lambda result: result.foreign_cores)
    names = LoadResult.__dataclass_fields__
    return LoadResult(**{name: middle(getattr(each, name) for each in kept) for name in names})
