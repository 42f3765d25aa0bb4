"""
Question: how many point reads and durable inserts per second does a server on PostgreSQL give over
HTTP, and what does each cost it in CPU, with 1, 32 and 128 connections: Freehold beside FastAPI
with SQLAlchemy, Django and PostgREST, and how far is it from asyncpg alone, without a server?

Each has a database of its own on the same private PostgreSQL and one core for its server; the load
and PostgreSQL share the other. The peers hold up to 16 connections; Freehold its default of 8 for
queries and one that writes. asyncpg alone is a loop in this process over 16 held connections and
prepared statements, and one transaction for each insert; beside it, likewise without HTTP, whole
Freehold calls. Freehold checks a service key and the arguments' types on every call, and keeps a
sequence number; the peers let everybody in.

Not answered: a PostgreSQL on another machine, more than one core per server, big rows. "CPU" is
the server's own, PostgreSQL's stands beside it. The rows are counted at the end: a run in which
one is missing or too many fails.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

import uvloop

from benchmarks import alone, users
from benchmarks import postgres_servers as servers
from benchmarks.machine import LOAD_CORE, noise, pin
from benchmarks.postgres import private_postgres
from benchmarks.report import Aim, Report, figure, main, progress, question_of, table, times
from benchmarks.rounds import Contestant, Found, OverHttp, Plan, measure
from benchmarks.servers import CannotStart

CONNECTIONS = (1, 32, 128)
SERVERS = (servers.FREEHOLD, servers.FASTAPI, servers.DJANGO, servers.POSTGREST)
NAMES = (*SERVERS, alone.FREEHOLD, alone.ASYNCPG)
#: The aim is against these.
FRAMEWORKS = (servers.FASTAPI, servers.DJANGO)
FULL = Plan(rounds=5, seconds=0.8, warm_up_s=0.2)
QUICK = Plan(rounds=1, seconds=0.25, warm_up_s=0.1)


def run(quick: bool) -> Report:
    """Start what can be started, measure, compare, count."""
    pin(LOAD_CORE)
    report = Report("Calls over HTTP, on PostgreSQL", question_of(__doc__))
    missing: dict[str, str] = {}
    counted: list[tuple[OverHttp | alone.Alone, str]] = []
    with (
        private_postgres() as postgres,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ExitStack() as stack,
    ):
        postgres.pin(LOAD_CORE)
        for name in SERVERS:
            progress(f"starting {name}")
            try:
                server, url = stack.enter_context(servers.start(name, postgres))
            except CannotStart as reason:
                missing[name] = str(reason)
                progress(f"{name} is left out: {reason}")
            else:
                counted.append((OverHttp(name, [server], database_pid=postgres.pid), url))
        for lone, url in alone.contestants(postgres, runner, connections=servers.POOL):
            stack.callback(lone.close)
            counted.append((lone, url))
        contestants: list[Contestant] = [each for each, _url in counted]
        cases = (("read", CONNECTIONS), ("insert", CONNECTIONS))
        found = measure(contestants, cases, QUICK if quick else FULL)
        for each, url in counted:
            if not any(name == each.name for _, _, name in found.failed):
                postgres.require_rows(url, users.USERS + each.inserted, of=each.name)
        line = postgres.line
    report.lines = [*_lines(found, missing), "", line, *found.failures()]
    report.aims = _aims(found)
    report.data["results"] = found.results()
    report.data["missing"] = missing
    return report


def _lines(found: Found, missing: dict[str, str]) -> list[str]:
    rows = []
    for operation, connections in found.counts():
        for name in NAMES:
            first = f"{operation}, {connections}" if name == NAMES[0] else ""
            result = found.medians.get((operation, connections, name))
            if result is None:
                rows.append([first, name, *["not run"] * 6])
                continue
            ratio = found.ratio(operation, connections, servers.FREEHOLD, name)
            rows.append([
                first, name, figure(result.calls_per_s), f"{result.p50_us / 1e3:.2f}",
                f"{result.p99_us / 1e3:.2f}", figure(result.server_cpu_us),
                figure(result.database_cpu_us), times(ratio) if ratio else "",
            ])  # fmt: skip
    head = ["call, connections", "server", "calls/s", "p50 ms", "p99 ms", "CPU µs/call",
            "PostgreSQL's CPU µs", "Freehold's calls/s"]  # fmt: skip
    lines = table(head, rows, left=2) if rows else []
    if found.medians:
        lines += ["", noise(each.foreign_cores for each in found.medians.values())]
    return lines + [f"Not run: {name}, because {why}." for name, why in missing.items()]


def _aims(found: Found) -> list[Aim]:
    aims = [
        Aim(f"{operation}s, connections: {connections}, calls/s against {peer}", ratio, 4.0)
        for peer in FRAMEWORKS
        for operation, connections in found.counts()
        if (ratio := found.ratio(operation, connections, servers.FREEHOLD, peer)) is not None
    ]
    for operation, connections in found.counts():
        limit = found.medians.get((operation, connections, alone.ASYNCPG))
        for name in (servers.FREEHOLD, alone.FREEHOLD):
            ours = found.medians.get((operation, connections, name))
            if ours and limit:
                text = f"{operation}s, connections: {connections}, CPU of {name} against asyncpg's"
                ratio = ours.server_cpu_us / limit.server_cpu_us
                aims.append(Aim(text, ratio, 2.0, at_most=True))
    return aims


if __name__ == "__main__":
    main(run, __doc__)
