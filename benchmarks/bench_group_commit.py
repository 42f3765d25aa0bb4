"""
Question: how many durable inserts per second do 64 callers get when the writer commits all that
waits at once, against one transaction for each call; on this disk, and on one whose fsync takes
2 ms longer?

Each caller sends its next insert when the last one is durable. Both ways are the same code, once
with `batch_size_max` 256 and once with 1; beside them apsw alone, one transaction for each insert,
without calls, queue or thread. Slow disks are imitated (`slow_sync`), see there.

Not answered: HTTP (`bench_http`), callers that come whether or not the last one was answered, big
rows. A disk that lies about fsync makes all numbers too good; look at the ratio.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import apsw
import uvloop

from benchmarks import users
from benchmarks.in_process import dispatcher_of, fresh_folder, open_database
from benchmarks.machine import busy_s, middle, noise, quiet
from benchmarks.report import Aim, Report, figure, main, progress, question_of, table, times
from benchmarks.slow_sync import SlowSync
from freehold.db import Caller
from freehold.rpc.dispatch import Answer, Dispatcher, Request
from freehold.wire.codec import JSON
from freehold.wire.limits import Limits

CALLERS = 64
DELAY_MS = 2.0
HERE = "this disk"
SLOW = f"fsync {DELAY_MS:g} ms slower"
GROUP = "group commit"
EACH = "one transaction per call"
BARE = "apsw alone, one transaction per insert"

INSERT = "INSERT INTO users (id, email, name, created_at, updated_at) VALUES (?, ?, ?, ?, ?)"


@dataclass(frozen=True)
class Sample:
    """One round."""

    inserts_per_s: float
    p50_ms: float
    p99_ms: float
    foreign_cores: float


Case = tuple[str, str]
Round = Callable[[float], Sample]
_numbers = itertools.count(1)


def run(quick: bool) -> Report:
    """Open a database for each way, then let them take turns."""
    report = Report("Group commit", question_of(__doc__))
    rounds, seconds = (2, 0.5) if quick else (7, 1.2)
    samples: dict[Case, list[Sample]] = {}
    slow_disk = SlowSync("freehold_bench_slow", delay_ms=DELAY_MS)
    with ExitStack() as stack, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        folder = stack.enter_context(fresh_folder("group"))
        ways: dict[Case, Round] = {}
        for disk, storage in ((HERE, None), (SLOW, slow_disk.vfs_name)):
            for way, batch in ((GROUP, 256), (EACH, 1)):
                path = folder / f"{len(ways)}.db"
                ways[disk, way] = stack.enter_context(_by_freehold(runner, path, batch, storage))
            path = folder / f"{len(ways)}.db"
            ways[disk, BARE] = stack.enter_context(_by_apsw(path, storage))
        order = list(ways)
        for number in range(rounds):
            progress(f"round {number + 1} of {rounds}")
            random.shuffle(order)
            for case in order:
                ways[case](seconds / 5)
                samples.setdefault(case, []).append(ways[case](seconds))
    medians = {case: _median(samples[case]) for case in ways}
    _fill(report, medians)
    return report


@contextmanager
def _by_freehold(
    runner: asyncio.Runner, path: Path, batch: int, storage: str | None
) -> Iterator[Round]:
    loop = runner.get_loop()
    with open_database(
        path, on_loop=loop.call_soon_threadsafe, limits=Limits(batch_size_max=batch),
        storage=storage,
    ) as database:  # fmt: skip
        dispatcher = dispatcher_of(database)

        def one_round(seconds: float) -> Sample:
            return _measured(lambda: runner.run(_callers(dispatcher, seconds)))

        yield one_round


async def _callers(dispatcher: Dispatcher, seconds: float) -> tuple[list[int], float]:
    """So many callers, each with one insert in flight, for so long; all latencies."""
    loop = asyncio.get_running_loop()
    everybody_done: asyncio.Future[None] = loop.create_future()
    caller = Caller("bench", scopes=frozenset({"Users.*"}))
    latencies: list[int] = []
    now_ns = time.perf_counter_ns
    began_ns = now_ns()
    deadline_ns = began_ns + int(seconds * 1e9)
    left = CALLERS

    def send() -> None:
        sent_ns = now_ns()
        email = f"new{next(_numbers)}@example.org"
        body = json.dumps({"data": {"email": email, "name": "New User"}}).encode()

        def reply(answer: Answer) -> None:
            nonlocal left
            if answer.error is not None or email.encode() not in answer.body:
                if not everybody_done.done():
                    everybody_done.set_exception(answer.error or AssertionError(answer.body))
                return
            answered_ns = now_ns()
            latencies.append(answered_ns - sent_ns)
            if answered_ns < deadline_ns:
                send()
                return
            left -= 1
            if not left and not everybody_done.done():
                everybody_done.set_result(None)

        dispatcher.call(Request("Users.createUser", body, JSON, caller, reply))

    for _ in range(CALLERS):
        send()
    await everybody_done
    return latencies, (now_ns() - began_ns) / 1e9


@contextmanager
def _by_apsw(path: Path, storage: str | None) -> Iterator[Round]:
    """No caller waits behind another one here: it is the floor for one transaction each."""
    users.make_file(path)
    connection = apsw.Connection(str(path), vfs=storage)
    connection.set_busy_timeout(5_000)
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "full")
    execute = connection.cursor().execute

    def insert_all(seconds: float) -> tuple[list[int], float]:
        latencies: list[int] = []
        now_ns = time.perf_counter_ns
        began_ns = sent_ns = now_ns()
        deadline_ns = began_ns + int(seconds * 1e9)
        while sent_ns < deadline_ns:
            number = next(_numbers)
            row = (f"id-{number:032}", f"new{number}@example.org", "New User", number, number)
            execute("BEGIN IMMEDIATE")
            execute(INSERT, row)
            execute("COMMIT")
            answered_ns = now_ns()
            latencies.append(answered_ns - sent_ns)
            sent_ns = answered_ns
        return latencies, (sent_ns - began_ns) / 1e9

    yield lambda seconds: _measured(lambda: insert_all(seconds))
    connection.close()


def _measured(work: Callable[[], tuple[list[int], float]]) -> Sample:
    gc.collect()
    all_before, own_before = busy_s(), time.process_time()
    latencies, took_s = work()
    foreign_s = busy_s() - all_before - (time.process_time() - own_before)
    latencies.sort()
    count = len(latencies)
    return Sample(
        count / took_s,
        latencies[count // 2] / 1e6,
        latencies[min(count - 1, count * 99 // 100)] / 1e6,
        max(0.0, foreign_s / took_s),
    )


def _median(rounds: list[Sample]) -> Sample:
    kept = quiet(rounds, lambda sample: sample.foreign_cores)
    return Sample(
        *(middle(getattr(each, name) for each in kept) for name in Sample.__dataclass_fields__)
    )


def _fill(report: Report, medians: dict[Case, Sample]) -> None:
    rows = []
    for (disk, way), sample in medians.items():
        ratio = sample.inserts_per_s / medians[disk, EACH].inserts_per_s
        callers = "1" if way == BARE else str(CALLERS)
        rows.append([
            disk, way, callers, figure(sample.inserts_per_s), figure(sample.p50_ms),
            figure(sample.p99_ms), times(ratio),
        ])  # fmt: skip
    head = ["disk", "way", "callers", "inserts/s", "p50 ms", "p99 ms", "of one per call"]
    report.lines = [
        *table(head, rows, left=2),
        "",
        noise(each.foreign_cores for each in medians.values()),
    ]
    for disk, limit in ((HERE, 5.0), (SLOW, 20.0)):
        ratio = medians[disk, GROUP].inserts_per_s / medians[disk, EACH].inserts_per_s
        text = f"group commit against one transaction per call, {CALLERS} callers, {disk}"
        report.aims.append(Aim(text, ratio, limit))
    report.data["results"] = [
        {"disk": disk, "way": way, "insertsPerS": round(each.inserts_per_s),
         "p50Ms": round(each.p50_ms, 3), "p99Ms": round(each.p99_ms, 3)}
        for (disk, way), each in medians.items()
    ]  # fmt: skip


if __name__ == "__main__":
    main(run, __doc__)
