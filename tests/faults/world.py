"""
Real `freehold serve` processes on one PostgreSQL, or one on a SQLite file, clients that write
without end, and a look at the end at what is there.

    with world(2) as here:              # world(engine="sqlite") for the other one
        asyncio.run(here.load(trouble, clients=16))
        here.judge()

Clients never repeat a mutation, unless they are `keyed`: each one is called once, and what was
heard of it is kept.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Literal

import apsw

from freehold.app.housekeeping import EVERY_S
from freehold.errors import CallError
from freehold.testing.cluster import Cluster, cluster
from tests.faults.figures import record
from tests.faults.history import History, Stored, Told, contradictions
from tests.faults.jumping import WallOffset
from tests.faults.ledger import THE_TOTAL, LedgerClient
from tests.faults.nursery import shared
from tests.faults.share import SEED

ROOT: Final = Path(__file__).resolve().parents[2]
APP: Final = ROOT / "tests" / "faults" / "ledger.py"
SCHEMA: Final = "ledger"
#: Half of how long a stopped process may hold the writer's lock.
MUTATION_MS: Final = 1_000
CLIENT_S: Final = 15.0
_START_S: Final = 30.0
#: So many clients of each process call no other.
_STAY: Final = 2
#: What a read with `min_seq` may be refused with while something is away.
_AWAY: Final = ("Unavailable", "Overloaded", "DeadlineExceeded")
#: Between two calls of a client whose data layer is away.
_REST_S: Final = 0.02
_LOOK: Final = (
    "SELECT place || ' ' || name FROM entries ORDER BY place, name; "
    f"SELECT 'total ' || amount FROM totals WHERE id = '{THE_TOTAL}'; "
    "SELECT 'seq ' || seq FROM \"_freehold_meta\""
)


Engine = Literal["sqlite", "postgresql"]
ENGINES: Final[tuple[Engine, ...]] = ("sqlite", "postgresql")


class Process:
    """
    One `freehold serve` of the ledger.

    Args:
        folder: Its own: its secrets, its socket; a SQLite file.
        said: Where what it says goes; in that folder when it is None.
        url: The PostgreSQL database; None for a file.
        wrong: Which of its promises it breaks, see `wrong`; None in honest ones.
        offset: How far its wall clock is off.
        app: What it serves.
    """

    def __init__(
        self, folder: Path, url: str | None, *, wrong: str | None = None,
        offset: WallOffset | None = None, app: Path = APP, said: Path | None = None,
    ) -> None:  # fmt: skip
        self.folder = folder
        self.socket = folder / "freehold.sock"
        self.address = f"unix:{self.socket}"
        self.wrong = wrong
        self.offset = offset
        self._arguments = [
            "serve", str(app), "--data-dir", str(folder), "--no-tcp",
            "--limit", f"mutation_time_ms_max={MUTATION_MS}",
            *([] if url is None else ["--database", url]),
        ]  # fmt: skip
        self.nursery = shared()
        #: 0 while there is none.
        self.pid = 0
        self._said = said or folder / "said"

    def start(self) -> None:
        """Start it and wait until it says where it listens."""
        self._said.write_bytes(b"")
        self.pid = self.nursery.start(
            self._arguments,
            said=self._said,
            wrong=self.wrong,
            offset=None if self.offset is None else self.offset.path,
        )
        until = time.monotonic() + _START_S
        while b"listens on" not in self._said.read_bytes():
            assert not self.nursery.has_ended(self.pid), self.said
            assert time.monotonic() < until, self.said
            time.sleep(0.004)

    @property
    def said(self) -> str:
        """What it wrote since its last start."""
        return self._said.read_text(errors="replace")

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        if self.pid:
            self.nursery.reap(self.pid)
            self.pid = 0

    def pause(self) -> None:
        """SIGSTOP: it stands still with everything it holds."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        assert self.pid
        os.kill(self.pid, number)


class World:
    """
    One database and the processes on it; made by `world`.

    Args:
        server: The PostgreSQL; None for a SQLite file, which the one process has.
        processes: What clients are spread over.
        seed: Every choice of a client comes from it.
    """

    def __init__(self, server: Cluster | None, processes: Sequence[Process], seed: int) -> None:
        self._server = server
        self.processes = processes
        self.seed = seed
        self.history = History()
        #: Clients call again by themselves.
        self.is_keyed = False
        self._clients = 0
        self._began = time.monotonic()

    @property
    def engine(self) -> Engine:
        """Which one it is."""
        return "sqlite" if self._server is None else "postgresql"

    @property
    def server(self) -> Cluster:
        """The PostgreSQL."""
        assert self._server is not None, "this world stands on a file"
        return self._server

    def begin(self) -> None:
        """The first mutation, before any trouble."""
        asyncio.run(self._begin())

    async def _begin(self) -> None:
        status, seq, _ = await ask(await dial(self.processes[0]), "begin", {})
        assert status == 200
        self.history.first_seq = seq

    async def call_once(self, name: str, *, process: int = 0) -> Told:
        """One mutation, of one process."""
        told = await add(self.processes[process], name)
        self.history.told.append(told)
        return told

    async def load(self, trouble: Callable[[], Awaitable[Any]], *, clients: int) -> None:
        """Let that many clients write while the trouble goes on."""
        over = asyncio.Event()
        tasks = [asyncio.create_task(self._client(over)) for _ in range(clients)]
        try:
            await self.acknowledged(clients)
            await trouble()
        finally:
            over.set()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        broken = [end for end in ends if end is not None]
        assert not broken, f"seed {self.seed}: {broken[:3]}"

    async def acknowledged(self, count: int) -> None:
        """Wait until so many more mutations were acknowledged."""
        wanted = self.history.count("ok") + count
        until = time.monotonic() + _START_S
        while self.history.count("ok") < wanted:
            assert time.monotonic() < until, f"seed {self.seed}: nothing goes on; {self.said}"
            await asyncio.sleep(0.01)

    async def _client(self, over: asyncio.Event) -> None:
        self._clients += 1
        number = self._clients
        chance = random.Random(self.seed * 1_000 + number)
        async with AsyncExitStack() as stack:
            ledgers = [
                await stack.enter_async_context(
                    LedgerClient.connect(process.address, timeout_s=CLIENT_S)
                )
                for process in self.processes
            ]
            mutation = 0
            while not over.is_set():
                mutation += 1
                name = f"{number}.{mutation}"
                which = chance.randrange(len(ledgers))
                if number <= _STAY * len(ledgers):
                    # Whichever stands still, there is somebody who asks the other one.
                    which = number % len(ledgers)
                if self.is_keyed:
                    told = await add_keyed(ledgers[which], name)
                else:
                    told = await add(self.processes[which], name)
                self.history.told.append(told)
                if told.outcome != "ok":
                    await asyncio.sleep(_REST_S)
                elif chance.random() < 0.25:
                    await self._look(chance.choice(self.processes), told)

    async def _look(self, process: Process, told: Told) -> None:
        """Whichever process is asked for at least that commit knows of the mutation."""
        try:
            status, seq, answer = await ask(
                await dial(process), "placeOf", {"name": told.name}, min_seq=told.seq
            )
        except (OSError, EOFError):
            return
        if status == 200:
            self.history.reads += 1
            if answer is None or seq < told.seq:
                self.history.stale.append(
                    f"a read of at least {told.seq} saw {seq} and {told.name} at {answer}"
                )
        elif answer["error"] not in _AWAY:
            self.history.stale.append(f"a read of at least {told.seq} got {answer}")

    def stored(self) -> Stored:
        """What is there, once nobody is in the middle of anything; ends a file's process."""
        words = self._from_file() if self._server is None else self._from_server(self._server)
        last = {word: int(value) for word, value in words[-2:]}
        entries = [(int(place), name) for place, name in words[:-2]]
        return Stored(entries, total=last["total"], seq=last["seq"])

    def _from_server(self, server: Cluster) -> list[tuple[str, str]]:
        said = server.sql(
            f"SET search_path = {SCHEMA}; BEGIN; "
            'LOCK TABLE "_freehold_writer" IN EXCLUSIVE MODE; '
            f"{_LOOK}; COMMIT"
        )
        words = (line.partition(" ") for line in said.splitlines())
        return [(word, value) for word, _, value in words]

    def _from_file(self) -> list[tuple[str, str]]:
        (process,) = self.processes
        process.kill()
        file = apsw.Connection(str(process.folder / "main.db"))
        try:
            words = [str(row[0]).partition(" ") for row in file.execute(_LOOK)]
        finally:
            file.close()
        return [(word, value) for word, _, value in words]

    def contradictions(self) -> list[str]:
        """What clients were told that is not so."""
        rounds = int((time.monotonic() - self._began) / (0.9 * EVERY_S))
        self.history.own_max = rounds * len(self.processes)
        return contradictions(self.history, self.stored())

    def judge(self) -> None:
        """Fail, with the seed, when anything that clients were told is not so."""
        self._require_none(self.contradictions())

    def judge_and_record(self, promise: str, what: str, **counts: int) -> None:
        """The same, and write down what was done, see `figures.record`."""
        found = self.contradictions()
        record(
            promise, what, seconds=time.monotonic() - self._began, bad=len(found), seed=self.seed,
            **counts, mutations=len(self.history.told), acknowledged=self.history.count("ok"),
        )  # fmt: skip
        self._require_none(found)

    def _require_none(self, found: Sequence[str]) -> None:
        assert not found, (
            f"FREEHOLD_FAULTS_SEED={self.seed}: {len(found)} contradictions, as {found[:5]}; "
            f"{self.history.codes}; {self.said}"
        )

    @property
    def said(self) -> str:
        """The end of what the processes wrote."""
        return " | ".join(process.said[-1_000:] for process in self.processes)

    def figures(self) -> str:
        """One line for a report."""
        history = self.history
        return (
            f"{len(history.told)} mutations: {history.count('ok')} ok, "
            f"{history.count('failed')} failed, {history.count('unknown')} unknown; "
            f"{history.reads} reads with min_seq; {history.codes}"
        )


_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def dial(process: Process) -> _Stream:
    """
    A connection to its socket.

    Raises:
        OSError: Nobody is there.
    """
    return await asyncio.open_unix_connection(process.socket)


async def ask(
    stream: _Stream, method: str, body: dict[str, Any], *, min_seq: int = 0
) -> tuple[int, int, Any]:
    """
    One call over HTTP, by hand and never again: its status, its seq, its answer.

    Raises:
        OSError, EOFError: The answer never came.
    """
    reader, writer = stream
    try:
        sent = json.dumps(body).encode()
        writer.write(
            f"POST /rpc/Ledger/{method} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(sent)}\r\n"
            f"Freehold-Min-Seq: {min_seq}\r\n\r\n".encode()
            + sent
        )
        async with asyncio.timeout(CLIENT_S):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            answer = await reader.readexactly(int(headers["content-length"]))
    finally:
        writer.transport.abort()
    return int(head[0].split()[1]), int(headers.get("freehold-seq", 0)), json.loads(answer)


async def add(process: Process, name: str) -> Told:
    """One mutation, called once."""
    began = time.monotonic()
    try:
        stream = await dial(process)
    except OSError:
        return Told(name, "failed", began, time.monotonic(), code="NotConnected")
    try:
        status, seq, answer = await ask(stream, "add", {"name": name})
    except (OSError, EOFError) as error:
        return Told(name, "unknown", began, time.monotonic(), code=type(error).__name__)
    ended = time.monotonic()
    if status == 200:
        return Told(name, "ok", began, ended, seq)
    return Told(name, answer["outcome"], began, ended, code=answer["error"])


async def add_keyed(ledger: LedgerClient, name: str) -> Told:
    """One mutation by the client that calls again by itself, under the mutation's own key."""
    began = time.monotonic()
    try:
        await ledger.add(name)
    except CallError as error:
        code = type(error).__name__
        return Told(name, error.outcome, began, time.monotonic(), code=code)
    # The commit that answered, which need not be the one that did it.
    return Told(name, "ok", began, time.monotonic(), code="ok, keyed")


@contextmanager
def world(
    count: int = 2, *, engine: Engine = "postgresql", wrong: str | None = None,
    port: int | None = None, seed: int = SEED, jumps: bool = False,
) -> Iterator[World]:  # fmt: skip
    """
    A durable PostgreSQL with that many processes on it, or one process on a file, begun.

    Args:
        count: Processes; a file has one.
        engine: What they store in.
        wrong: What they do wrong.
        port: The port of a proxy, of all but the last process; None for the server's own.
        seed: Of the clients' choices.
        jumps: Their wall clocks can be moved, each by its `offset`.
    """
    with ExitStack() as stack:
        server = None
        if engine == "postgresql":
            server = stack.enter_context(cluster(tcp=True, durable=True))
        else:
            count = 1
        yield stack.enter_context(
            serving(server, count, wrong=wrong, port=port, seed=seed, jumps=jumps)
        )


@contextmanager
def serving(
    server: Cluster | None, count: int, *, wrong: str | None = None, port: int | None = None,
    seed: int = SEED, jumps: bool = False, files_in: Path | None = None,
) -> Iterator[World]:  # fmt: skip
    """
    The same on a server that there is, or on a file when it is None.

    The processes' own files are in `files_in`, on a disk of the test's own, say.
    """
    if server is not None:
        server.sql(f"CREATE SCHEMA {SCHEMA}")
    with tempfile.TemporaryDirectory(prefix="fh-faults-") as made:
        processes = []
        for number in range(count):
            folder = (files_in or Path(made)) / str(number)
            folder.mkdir(mode=0o700)
            through = port if number < count - 1 or count == 1 else None
            url = None if server is None else server.tcp_url(schema=SCHEMA, port=through)
            offset = WallOffset(folder / "offset") if jumps else None
            said = Path(made) / f"said{number}"
            processes.append(Process(folder, url, wrong=wrong, offset=offset, said=said))
        here = World(server, processes, seed)
        try:
            for process in processes:
                # All of them know the same secrets, as one team's would.
                if process is not processes[0]:
                    shutil.copy2(processes[0].folder / "secrets.json", process.folder)
                process.start()
            here.begin()
            yield here
        finally:
            for process in processes:
                with suppress(OSError):
                    process.kill()
