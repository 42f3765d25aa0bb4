"""
Question: how many more calls per second do two Freehold processes on one PostgreSQL give than one,
for point reads, for reads whose function works for a third of a millisecond, and for durable
inserts, with the load spread over both?

The same load goes to one process, and by turns to two that share another database of the same
PostgreSQL. Nobody is pinned: processes, PostgreSQL and load have the machine's cores together, and
"machine" says how much of all cores they used. Near 1, or with much foreign work, the machine was
the limit and not the processes: then a second one cannot show what it would give on a machine of
its own. Calls with work of their own leave PostgreSQL idle, so they show it even on two cores.

Mutations of all processes are one after the other, by a lock that a batch takes (that is what
makes their order the order of `seq`), so a second process adds no inserts per second of its own:
the question there is what sharing costs. Not answered: more than two, more machines.
"""

from __future__ import annotations

import os
from contextlib import ExitStack

from benchmarks import users
from benchmarks.load import LoadResult
from benchmarks.machine import cores, noise
from benchmarks.postgres import private_postgres
from benchmarks.postgres_servers import freehold
from benchmarks.report import Aim, Report, figure, main, progress, question_of, table, times
from benchmarks.rounds import Found, OverHttp, Plan, measure

ONE = "one process"
TWO = "two processes"
NAMES = (ONE, TWO)
WORK = "read with work"
CONNECTIONS = (2, 32, 128)
FULL = Plan(rounds=5, seconds=0.8, warm_up_s=0.2)
QUICK = Plan(rounds=1, seconds=0.25, warm_up_s=0.1)


def run(quick: bool) -> Report:
    """One and two, in turns, then the rows are counted."""
    os.sched_setaffinity(0, cores())
    report = Report("From one process to two, on PostgreSQL", question_of(__doc__))
    with private_postgres() as postgres, ExitStack() as stack:
        counted: list[tuple[OverHttp, str]] = []
        for count, name in enumerate(NAMES, 1):
            progress(f"starting {name}")
            running, url = stack.enter_context(
                freehold(postgres, processes=count, on_cores=cores())
            )
            contestant = OverHttp(name, running, database_pid=postgres.pid)
            contestant.calls[WORK] = users.rpc_reads(running[0].key, "stampOfUser")
            counted.append((contestant, url))
        cases = tuple((operation, CONNECTIONS) for operation in ("read", WORK, "insert"))
        contestants = [each for each, _url in counted]
        found = measure(contestants, cases, QUICK if quick else FULL)
        for each, url in counted:
            if not found.failed:
                postgres.require_rows(url, users.USERS + each.inserted, of=each.name)
        line = postgres.line
    report.lines = [*_lines(found), "", line, *found.failures()]
    for operation, least in ((WORK, 1.5), ("insert", 0.9)):
        ratio = found.ratio(operation, 128, TWO, ONE)
        if ratio is not None:
            report.aims.append(Aim(f"{operation}, 128 connections: two against one", ratio, least))
    report.data["results"] = found.results()
    return report


def _lines(found: Found) -> list[str]:
    rows = []
    for operation, connections in found.counts():
        for name in NAMES:
            result = found.medians.get((operation, connections, name))
            if result is None:
                continue
            ratio = found.ratio(operation, connections, name, ONE)
            rows.append([
                f"{operation}, {connections}" if name == ONE else "", name,
                figure(result.calls_per_s), f"{result.p50_us / 1e3:.2f}",
                f"{result.p99_us / 1e3:.2f}", figure(result.server_cpu_us),
                figure(result.database_cpu_us), f"{_machine(result):.2f}",
                times(ratio) if ratio else "",
            ])  # fmt: skip
    head = ["call, connections", "Freehold", "calls/s", "p50 ms", "p99 ms", "CPU µs/call",
            "PostgreSQL's CPU µs", "machine", "of one process"]  # fmt: skip
    return [*table(head, rows, left=2), "", noise(e.foreign_cores for e in found.medians.values())]


def _machine(result: LoadResult) -> float:
    """The share of all cores that the load, the servers and PostgreSQL used together."""
    per_call_s = (result.server_cpu_us + result.database_cpu_us) / 1e6
    return (per_call_s * result.calls_per_s + result.generator_busy) / len(cores())


if __name__ == "__main__":
    main(run, __doc__)
