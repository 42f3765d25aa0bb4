"""
Question: how many point reads and durable inserts per second does a server give over HTTP, and
what does each cost it in CPU, with 1, 32 and 128 connections: Freehold beside FastAPI with
SQLAlchemy, and Hono with better-sqlite3?

All serve the same table from a file of their own on the same disk with the same pragmas (WAL,
`synchronous=FULL`), each pinned to the same one core, the load on another. Freehold checks a
service key and the arguments' types on every call; the peers let everybody in.

Not answered: more than one core per server, big rows, networks. "CPU" is the server's own.
Where the load generator was the limit (it says so) the server could have done more.
"""

from __future__ import annotations

import random
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import servers
from benchmarks.load import LoadError, LoadResult, run_load
from benchmarks.machine import LOAD_CORE, middle, noise, pin, quiet
from benchmarks.report import Aim, Report, figure, main, progress, question_of, table, times

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.load import Call

READ_CONNECTIONS = (1, 32, 128)
INSERT_CONNECTIONS = (1, 32, 64, 128)
NAMES = (servers.FREEHOLD, servers.FASTAPI, servers.HONO)
#: Above this share of its core the load generator is what limits the calls per second.
GENERATOR_LIMIT = 0.9


@dataclass(frozen=True)
class Plan:
    """How long and how often."""

    rounds: int
    seconds: float
    warm_up_s: float


FULL = Plan(rounds=5, seconds=1.0, warm_up_s=0.15)
QUICK = Plan(rounds=2, seconds=0.35, warm_up_s=0.1)

#: (operation, connections, server) → its rounds.
Case = tuple[str, int, str]
Samples = dict[Case, list[LoadResult]]
Failed = dict[Case, str]


def run(quick: bool) -> Report:
    """Start what can be started, measure, compare."""
    pin(LOAD_CORE)
    plan = QUICK if quick else FULL
    report = Report("Calls over HTTP", question_of(__doc__))
    running: list[servers.Server] = []
    with ExitStack() as stack:
        missing: dict[str, str] = {}
        for name in NAMES:
            progress(f"starting {name}")
            try:
                running.append(stack.enter_context(servers.start(name)))
            except servers.CannotStart as reason:
                missing[name] = str(reason)
                progress(f"{name} is left out: {reason}")
        samples: Samples = {}
        failed: Failed = {}
        _measure(running, "read", READ_CONNECTIONS, plan, samples, failed)
        _measure(running, "insert", INSERT_CONNECTIONS, plan, samples, failed)
    medians = {case: _median(rounds) for case, rounds in samples.items()}
    report.lines = _lines(medians, missing)
    report.lines += [
        f"Failed: {name}, {operation}, {count} connections: {why}."
        for (operation, count, name), why in failed.items()
    ]
    report.aims = _aims(medians)
    report.data["results"] = [
        {"operation": operation, "connections": connections, "server": name, **result.as_dict()}
        for (operation, connections, name), result in medians.items()
    ]
    report.data["missing"] = missing
    return report


def _measure(
    running: list[servers.Server],
    operation: str,
    connections: tuple[int, ...],
    plan: Plan,
    samples: Samples,
    failed: Failed,
) -> None:
    """Rounds in which every server gets every case once, in an order drawn anew."""
    calls: dict[str, Iterator[Call]] = {
        server.name: server.reads() if operation == "read" else server.inserts()
        for server in running
    }
    order = [(count, server) for count in connections for server in running]
    for number in range(plan.rounds):
        progress(f"{operation}: round {number + 1} of {plan.rounds}")
        random.shuffle(order)
        for count, server in order:
            case = (operation, count, server.name)
            if case in failed:
                continue
            try:
                for seconds in (plan.warm_up_s, plan.seconds):
                    result = run_load(
                        server.address, calls[server.name],
                        connections=count, seconds=seconds, server_pid=server.pid,
                    )  # fmt: skip
            except LoadError as error:
                # A wrong answer makes the case worthless; the others are not to blame.
                progress(f"{server.name}, {operation}, {count} connections: {error}")
                failed[case] = str(error)
                samples.pop(case, None)
            else:
                samples.setdefault(case, []).append(result)


def _median(rounds: list[LoadResult]) -> LoadResult:
    kept = quiet(rounds, lambda result: result.foreign_cores)
    names = LoadResult.__dataclass_fields__
    return LoadResult(**{name: middle(getattr(each, name) for each in kept) for name in names})


def _lines(medians: dict[Case, LoadResult], missing: dict[str, str]) -> list[str]:
    rows, limited = [], False
    for operation, connections in _cases(medians):
        base = medians.get((operation, connections, servers.FREEHOLD))
        for name in NAMES:
            first = f"{operation}, {connections}" if name == NAMES[0] else ""
            result = medians.get((operation, connections, name))
            if result is None:
                rows.append([first, name, *["not run"] * 5])
                continue
            mark = " *" if result.generator_busy > GENERATOR_LIMIT else ""
            limited = limited or bool(mark)
            ratio = times(base.calls_per_s / result.calls_per_s) if base else ""
            rows.append([
                first, name, figure(result.calls_per_s) + mark, f"{result.p50_us / 1e3:.2f}",
                f"{result.p99_us / 1e3:.2f}", figure(result.server_cpu_us), ratio,
            ])  # fmt: skip
    head = ["call, connections", "server", "calls/s", "p50 ms", "p99 ms", "CPU µs/call",
            "Freehold's calls/s"]  # fmt: skip
    lines = table(head, rows, left=2) if rows else []
    if limited:
        lines += ["", "\\* the load generator was the limit here, not the server."]
    if medians:
        lines += ["", noise(each.foreign_cores for each in medians.values())]
    lines += ["", *(f"Not run: {name}, because {why}." for name, why in missing.items())]
    return lines


def _cases(medians: dict[Case, LoadResult]) -> list[tuple[str, int]]:
    return sorted({case[:2] for case in medians}, key=lambda case: (case[0] != "read", case[1]))


def _aims(medians: dict[Case, LoadResult]) -> list[Aim]:
    def ratio(operation: str, connections: int, peer: str) -> float | None:
        ours = medians.get((operation, connections, servers.FREEHOLD))
        theirs = medians.get((operation, connections, peer))
        return ours.calls_per_s / theirs.calls_per_s if ours and theirs else None

    wanted = [
        (operation, connections, peer, limit)
        for peer, limit in ((servers.FASTAPI, 15.0), (servers.HONO, 1.0))
        for operation in ("read", "insert")
        for connections in READ_CONNECTIONS
    ]
    wanted.append(("insert", 64, servers.HONO, 4.0))
    return [
        Aim(f"{operation}s, connections: {connections}, against {peer}", value, limit)
        for operation, connections, peer, limit in wanted
        if (value := ratio(operation, connections, peer)) is not None
    ]


if __name__ == "__main__":
    main(run, __doc__)
