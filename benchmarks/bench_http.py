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

from contextlib import ExitStack

from benchmarks import servers
from benchmarks.machine import LOAD_CORE, noise, pin
from benchmarks.report import Aim, Report, figure, main, progress, question_of, table, times
from benchmarks.rounds import Found, OverHttp, Plan, measure

READ_CONNECTIONS = (1, 32, 128)
INSERT_CONNECTIONS = (1, 32, 64, 128)
NAMES = (servers.FREEHOLD, servers.FASTAPI, servers.HONO)
#: Above this share of its core the load generator is what limits the calls per second.
GENERATOR_LIMIT = 0.9


FULL = Plan(rounds=5, seconds=1.0, warm_up_s=0.15)
QUICK = Plan(rounds=2, seconds=0.35, warm_up_s=0.1)


def run(quick: bool) -> Report:
    """Start what can be started, measure, compare."""
    pin(LOAD_CORE)
    plan = QUICK if quick else FULL
    report = Report("Calls over HTTP", question_of(__doc__))
    contestants: list[OverHttp] = []
    with ExitStack() as stack:
        missing: dict[str, str] = {}
        for name in NAMES:
            progress(f"starting {name}")
            try:
                server = stack.enter_context(servers.start(name))
            except servers.CannotStart as reason:
                missing[name] = str(reason)
                progress(f"{name} is left out: {reason}")
            else:
                contestants.append(OverHttp(name, [server]))
        cases = (("read", READ_CONNECTIONS), ("insert", INSERT_CONNECTIONS))
        found = measure(contestants, cases, plan)
    report.lines = [*_lines(found, missing), *found.failures()]
    report.aims = _aims(found)
    report.data["results"] = found.results()
    report.data["missing"] = missing
    return report


def _lines(found: Found, missing: dict[str, str]) -> list[str]:
    rows, limited, medians = [], False, found.medians
    for operation, connections in found.counts():
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


def _aims(found: Found) -> list[Aim]:
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
        if (value := found.ratio(operation, connections, servers.FREEHOLD, peer)) is not None
    ]


if __name__ == "__main__":
    main(run, __doc__)
