"""
Question: what is the cheapest way to run a plain `def` function on PostgreSQL, in calls per second
and in the client's CPU per call: a greenlet bridge over asyncpg, threads with psycopg, or the same
bridge over psycopg in pipeline mode; and how far is each from an `async def` on asyncpg?

The same functions on the same private PostgreSQL: one read by itself, three reads in a read-only
snapshot, and a read with an update in a transaction that waits for the disk. 16 connections are
held open for each way, their statements prepared; callers each have one call in flight. The client
has one core and PostgreSQL the other; "CPU" is the client's own, all its threads.

Not answered: anything around the call (that is `bench_postgres`), a network to PostgreSQL (the
longer the way, the more a pipeline saves), SERIALIZABLE, big rows.
"""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

import uvloop

from benchmarks import users
from benchmarks.bridges import (
    BRIDGE,
    MUTATION,
    NATIVE,
    PIPELINE,
    THREADS,
    WAYS,
    WORKS,
    closed_loop,
)
from benchmarks.machine import LOAD_CORE, SERVER_CORE, busy_s, middle, noise, pin, quiet
from benchmarks.postgres import Postgres, private_postgres
from benchmarks.report import Aim, Report, figure, main, progress, question_of, table, times

CALLERS = (1, 16, 64)
CONNECTIONS = 16


@dataclass(frozen=True)
class Sample:
    """One round."""

    calls: float
    calls_per_s: float
    cpu_us: float
    postgres_cpu_us: float
    foreign_cores: float


#: (work, callers, way) → its rounds.
Case = tuple[str, int, str]


def run(quick: bool) -> Report:
    """Open every way to one PostgreSQL, then let them take turns."""
    pin(LOAD_CORE)
    report = Report("Plain functions on PostgreSQL", question_of(__doc__))
    rounds, seconds = (1, 0.2) if quick else (5, 0.4)
    samples: dict[Case, list[Sample]] = {}
    with (
        private_postgres() as postgres,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        postgres.pin(SERVER_CORE)
        url = postgres.fresh_database()
        before = postgres.count(url, "SELECT sum(updated_at) FROM users")
        ways = {name: make(url, CONNECTIONS) for name, make in WAYS.items()}
        for way in ways.values():
            runner.run(way.open())
        order = [(work, callers, name) for work in WORKS for callers in CALLERS for name in ways]
        changed, drawn = 0, _drawn()
        for number in range(rounds):
            progress(f"round {number + 1} of {rounds}")
            random.shuffle(order)
            for work, callers, name in order:
                for length in (seconds / 5, seconds):
                    loop = closed_loop(ways[name], work, drawn, callers=callers, seconds=length)
                    sample = _measured(runner, loop, postgres)
                    changed += int(sample.calls) if work is MUTATION else 0
                samples.setdefault((work.name, callers, name), []).append(sample)
        for way in ways.values():
            runner.run(way.close())
        made = postgres.count(url, "SELECT sum(updated_at) FROM users") - before
        if made != changed:
            raise AssertionError(f"{changed} updates were confirmed and {made} are there")
        _fill(report, {case: _median(each) for case, each in samples.items()})
        report.lines += ["", postgres.line]
    return report


def _drawn() -> Iterator[list[str]]:
    """Three keys for a call, for ever."""
    ids = users.drawn_ids()
    while True:
        for place in range(0, len(ids) - 3, 3):
            yield ids[place : place + 3]


def _measured(
    runner: asyncio.Runner, loop: Coroutine[Any, Any, tuple[list[int], float]], postgres: Postgres
) -> Sample:
    gc.collect()
    gc.disable()
    own_before, postgres_before, all_before = time.process_time(), postgres.cpu_s(), busy_s()
    latencies, took_s = runner.run(loop)
    own_s, postgres_s = time.process_time() - own_before, postgres.cpu_s() - postgres_before
    foreign_s = busy_s() - all_before - own_s - postgres_s
    gc.enable()
    count = len(latencies)
    return Sample(
        count, count / took_s, own_s / count * 1e6, postgres_s / count * 1e6,
        max(0.0, foreign_s / took_s),
    )  # fmt: skip


def _median(rounds: list[Sample]) -> Sample:
    kept = quiet(rounds, lambda sample: sample.foreign_cores)
    names = Sample.__dataclass_fields__
    return Sample(**{name: middle(getattr(each, name) for each in kept) for name in names})


def _fill(report: Report, medians: dict[Case, Sample]) -> None:
    rows: list[list[str]] = []
    for work in WORKS:
        for callers in CALLERS:
            base = medians[work.name, callers, NATIVE]
            for name in WAYS:
                sample = medians[work.name, callers, name]
                first = f"{work.name}, {callers}" if name == BRIDGE else ""
                rows.append([
                    first, name, figure(sample.calls_per_s), figure(sample.cpu_us),
                    figure(sample.postgres_cpu_us),
                    times(sample.calls_per_s / base.calls_per_s),
                    times(sample.cpu_us / base.cpu_us),
                ])  # fmt: skip
    head = ["call, callers", "way", "calls/s", "CPU µs/call", "PostgreSQL's CPU µs",
            "calls/s of async def", "CPU of async def"]  # fmt: skip
    report.lines = table(head, rows, left=2)
    report.lines += ["", noise(each.foreign_cores for each in medians.values())]
    for work in WORKS:
        for callers in CALLERS[1:]:
            ours = medians[work.name, callers, BRIDGE]
            text = f"{work.name}, {callers} callers"
            for other in (THREADS, PIPELINE):
                ratio = ours.calls_per_s / medians[work.name, callers, other].calls_per_s
                report.aims.append(Aim(f"{text}: calls/s against {other}", ratio, 1.0))
            ratio = ours.cpu_us / medians[work.name, callers, NATIVE].cpu_us
            report.aims.append(Aim(f"{text}: CPU against {NATIVE}", ratio, 1.25, at_most=True))
    report.data["results"] = [
        {"work": work, "callers": callers, "way": name, **_numbers(sample)}
        for (work, callers, name), sample in medians.items()
    ]


def _numbers(sample: Sample) -> dict[str, Any]:
    return {
        "callsPerS": round(sample.calls_per_s),
        "cpuUs": round(sample.cpu_us, 1),
        "postgresCpuUs": round(sample.postgres_cpu_us, 1),
        "foreignCores": round(sample.foreign_cores, 3),
    }


if __name__ == "__main__":
    main(run, __doc__)
