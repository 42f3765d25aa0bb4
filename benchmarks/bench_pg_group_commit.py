"""
Question: how many durable inserts per second do 1, 16, 64 and 256 callers get on PostgreSQL when
the writer commits all that waits at once, against one transaction for each call; on this disk, and
on one whose flush takes 2 ms longer?

Over HTTP, one call in flight on each connection. Both ways are the same server, once as it comes
and once with `--limit batch_size_max=1`, each with a database of its own on the same PostgreSQL.
The slow disk is PostgreSQL's own `commit_delay` of 2 ms with `commit_siblings` 0: it sleeps before
each flush of its log.

Not answered: several processes (`bench_pg_scale`), calls that come whether or not the last one was
answered, mutations of many statements.
"""

from __future__ import annotations

from contextlib import ExitStack

from benchmarks import users
from benchmarks.machine import LOAD_CORE, noise, pin
from benchmarks.postgres import private_postgres
from benchmarks.postgres_servers import freehold
from benchmarks.report import Aim, Report, figure, main, progress, question_of, table, times
from benchmarks.rounds import Found, OverHttp, Plan, measure

CALLERS = (1, 16, 64, 256)
DELAY_MS = 2
HERE = "this disk"
SLOW = f"flush {DELAY_MS} ms slower"
GROUP = "group commit"
EACH = "one transaction per call"
#: Of the database, in PostgreSQL's own units.
_SLOWLY = (f"commit_delay = {DELAY_MS * 1000}", "commit_siblings = 0")
FULL = Plan(rounds=5, seconds=0.8, warm_up_s=0.2)
QUICK = Plan(rounds=1, seconds=0.25, warm_up_s=0.1)


def run(quick: bool) -> Report:
    """A server for each way, in turns, then the rows are counted."""
    pin(LOAD_CORE)
    report = Report("Group commit on PostgreSQL", question_of(__doc__))
    with private_postgres() as postgres, ExitStack() as stack:
        postgres.pin(LOAD_CORE)
        counted: list[tuple[OverHttp, str]] = []
        for disk in (HERE, SLOW):
            for way, limits in ((GROUP, ()), (EACH, ("batch_size_max=1",))):
                name = _name(disk, way)
                progress(f"starting {name}")
                settings = _SLOWLY if disk == SLOW else ()
                running, url = stack.enter_context(
                    freehold(postgres, processes=1, limits=limits, settings=settings)
                )
                counted.append((OverHttp(name, running, database_pid=postgres.pid), url))
        contestants = [each for each, _url in counted]
        found = measure(contestants, (("insert", CALLERS),), QUICK if quick else FULL)
        for each, url in counted:
            if not found.failed:
                postgres.require_rows(url, users.USERS + each.inserted, of=each.name)
        line = postgres.line
    report.lines = [*_lines(found), "", line, *found.failures()]
    for disk, limit in ((HERE, 2.0), (SLOW, 10.0)):
        ratio = found.ratio("insert", 64, _name(disk, GROUP), _name(disk, EACH))
        if ratio is not None:
            text = f"group commit against one transaction per call, 64 callers, {disk}"
            report.aims.append(Aim(text, ratio, limit))
    report.data["results"] = found.results()
    return report


def _name(disk: str, way: str) -> str:
    return f"{way}, {disk}"


def _lines(found: Found) -> list[str]:
    rows = []
    for disk in (HERE, SLOW):
        for callers in CALLERS:
            for way in (GROUP, EACH):
                name = _name(disk, way)
                result = found.medians.get(("insert", callers, name))
                if result is None:
                    continue
                ratio = found.ratio("insert", callers, name, _name(disk, EACH))
                rows.append([
                    f"{disk}, {callers}" if way == GROUP else "", way,
                    figure(result.calls_per_s), f"{result.p50_us / 1e3:.2f}",
                    f"{result.p99_us / 1e3:.2f}", figure(result.server_cpu_us),
                    figure(result.database_cpu_us), times(ratio) if ratio else "",
                ])  # fmt: skip
    head = ["disk, callers", "way", "inserts/s", "p50 ms", "p99 ms", "CPU µs/call",
            "PostgreSQL's CPU µs", "of one per call"]  # fmt: skip
    return [*table(head, rows, left=2), "", noise(e.foreign_cores for e in found.medians.values())]


if __name__ == "__main__":
    main(run, __doc__)
