"""
What is compared without HTTP: asyncpg by itself, and whole Freehold calls in this process.

Both are loops on the servers' core, while it is their turn, over held connections.
"""

from __future__ import annotations

import asyncio
import gc
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import users
from benchmarks.bridges import INSERT_1, READ_1, Job, Native, Way, closed_loop
from benchmarks.freehold_app import app
from benchmarks.in_process import load_users
from benchmarks.load import LoadResult, Meter
from benchmarks.machine import DATA_DIR, LOAD_CORE, SERVER_CORE, pin
from benchmarks.postgres import Postgres
from freehold.app.opening import Options, open_app
from freehold.db import Caller
from freehold.drivers.postgres import PostgresDatabase
from freehold.rpc.dispatch import Answer, Request
from freehold.wire.codec import JSON

ASYNCPG = "asyncpg alone, no HTTP"
FREEHOLD = "Freehold's calls, no HTTP"


class Alone:
    """
    A contestant without a server.

    Args:
        name: As in the table.
        way: What runs its calls; opened here.
        postgres: Whose CPU time is the database's.
        runner: Of the event loop.
    """

    def __init__(self, name: str, way: Way, postgres: Postgres, runner: asyncio.Runner) -> None:
        self.name = name
        self.inserted = 0
        self._runner = runner
        self._database_pid = postgres.pid
        self._way = way
        self._rows = {"read": _drawn(), "insert": users.new_rows()}
        runner.run(way.open())

    def load(self, operation: str, connections: int, seconds: float) -> LoadResult:
        """One round, on the core that the servers have when it is their turn."""
        loop = closed_loop(
            self._way, READ_1 if operation == "read" else INSERT_1, self._rows[operation],
            callers=connections, seconds=seconds,
        )  # fmt: skip
        pin(SERVER_CORE)
        gc.collect()
        gc.disable()
        meter = Meter([], self._database_pid)
        own_before_s = time.process_time()
        latencies, took_s = self._runner.run(loop)
        own_s = time.process_time() - own_before_s
        result = meter.result(latencies, took_s)
        gc.enable()
        pin(LOAD_CORE)
        if operation == "insert":
            self.inserted += len(latencies)
        own = {"server_cpu_us": own_s / len(latencies) * 1e6, "generator_busy": 0.0}
        return LoadResult(**{**vars(result), **own})

    def close(self) -> None:
        """Disconnect."""
        self._runner.run(self._way.close())


class Calls(Way):
    """Freehold's calls: arguments in JSON, scope, deadline, function, answer in JSON."""

    async def open(self) -> None:
        DATA_DIR.mkdir(parents=True, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix="calls-", dir=DATA_DIR))
        self._app = open_app(app, Options(folder=self._folder, database=self.url))
        await asyncio.to_thread(self._app.first.write, load_users)
        loop = asyncio.get_running_loop()

        def on_loop(run_now: Callable[[], None]) -> None:
            loop.call_soon_threadsafe(run_now)

        self._app.start(on_loop)
        self._call = self._app.dispatcher.call
        self._caller = Caller("bench", scopes=frozenset({"Users.*"}))

    def submit(self, job: Job) -> None:
        if job.work is READ_1:
            method, mark = "Users.getUser", job.ids[0]
            body = f'{{"id":"{mark}"}}'
        else:
            method, mark = "Users.createUser", job.ids[1]
            body = f'{{"data":{{"email":"{mark}","name":"New User"}}}}'
        wanted = mark.encode()

        def reply(answer: Answer) -> None:
            self.failed = self.failed or answer.error
            job.done(job.ids[0] if wanted in answer.body else "")

        self._call(Request(method, body.encode(), JSON, self._caller, reply))

    async def close(self) -> None:
        for database in self._app.databases.values():
            if isinstance(database, PostgresDatabase):
                await database.finish()
        self._app.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def contestants(
    postgres: Postgres, runner: asyncio.Runner, *, connections: int
) -> Iterator[tuple[Alone, str]]:
    """Each with the address of its database."""
    url = postgres.fresh_database(with_users=False)
    yield Alone(FREEHOLD, Calls(url, connections), postgres, runner), url
    url = postgres.fresh_database()
    yield Alone(ASYNCPG, Native(url, connections), postgres, runner), url


def _drawn() -> Iterator[list[str]]:
    ids = [[id] for id in users.drawn_ids()]
    while True:
        yield from ids
