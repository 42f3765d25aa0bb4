"""
The data layer as it is, but for its sockets and threads: real dispatch, real writer, one step
after the other.

A `Service` takes calls as a transport would hand them over, and runs a batch when it is told
to. What each caller hears is remembered in the order in which it was told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import apsw

from freehold.clock import ManualClock
from freehold.db import Caller
from freehold.drivers.pending import Pending
from freehold.drivers.sqlite import SqliteDatabase
from freehold.drivers.sqlite.writer import WriterThread
from freehold.errors import CallError
from freehold.ids import SeededIds
from freehold.rpc.contract import contract_of
from freehold.rpc.dispatch import Answer, Dispatcher, Request
from freehold.rpc.idempotency import IDEMPOTENCY_SCHEMA
from freehold.schema import Schema
from freehold.wire.codec import JSON
from freehold.wire.limits import Limits
from tests.faults.power.model import Ask, Told
from tests.faults.power.stock import ANSWER_BYTES_MAX, SCHEMA, Stock

CALLER: Final = Caller("stock", trusted=True)
_CONTRACT: Final = contract_of("stock", [Stock])
_BATCH_MAX: Final = 256


@dataclass(frozen=True)
class Heard:
    """One answer."""

    ask: Ask
    told: Told
    seq: int


class Service:
    """
    A stock that is served.

    Args:
        path: Its file, None for memory.
        storage: The VFS.
        clock: Stands still, unless a function runs on.
        ids: Where seeds come from; the same for one that is opened again.
        checkpoint_pages: As the database takes it.
        mutation_ms_max: A mutation that runs longer is interrupted.
        on_answer: Called with each answer, when it is given.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        storage: str | None = None,
        clock: ManualClock | None = None,
        ids: SeededIds | None = None,
        checkpoint_pages: int = 4_000,
        mutation_ms_max: int = 30_000,
        on_answer: Callable[[Heard], None] = lambda _: None,
    ) -> None:
        self.clock = clock or ManualClock()
        self._ids = ids or SeededIds()
        self._on_answer = on_answer
        limits = Limits(answer_bytes_max=ANSWER_BYTES_MAX, mutation_time_ms_max=mutation_ms_max)
        self.database = SqliteDatabase(
            path, SCHEMA, clock=self.clock, ids=self._ids, storage=storage, limits=limits,
            checkpoint_pages=checkpoint_pages,
        )  # fmt: skip
        self._waiting: list[Pending] = []
        self._dispatcher = Dispatcher(
            [Stock], {"main": _Inline(self)}, contract=_CONTRACT, limits=limits, clock=self.clock,
            ids=self._ids,
        )  # fmt: skip

    def open(self) -> None:
        """The real opener, as an application's."""
        self.database.open(prepare)
        # Its thread is never started: what it does with a batch is called by hand.
        self._writer = WriterThread(
            self.database.commits,
            self.database._log,
            batch_size_max=_BATCH_MAX,
            tell=_tell_all,
            broken=lambda _: None,
            rest=lambda _: _nothing,
        )

    def close(self) -> None:
        """As a data layer that is stopped."""
        self.database.close()

    def ask(self, ask: Ask) -> None:
        """A call arrives; it is answered at the next `turn`, unless it is refused at once."""
        request = Request(
            f"Stock.{ask.method}",
            JSON.encode(ask.args),
            JSON,
            CALLER,
            lambda answer: self._on_answer(Heard(ask, _told(answer), answer.seq)),
            idempotency_key=ask.key,
        )
        self._dispatcher.call(request)
        if ask.is_withdrawn:
            request.withdraw()

    def turn(self) -> None:
        """All that wait become one batch, are told, and the log is moved when it is due."""
        batch, self._waiting = self._waiting, []
        if batch:
            self._writer._work(batch)

    def submit(self, call: Any) -> None:
        """What dispatch hands over."""
        self._waiting.append(Pending(call, now_ns=self.clock.wall_ns(), seed=self._ids.seed()))


class _Inline:
    """The database as dispatch sees it: mutations wait for a turn."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def submit(self, call: Any, /) -> None:
        self._service.submit(call)

    def run_query(self, call: Any, /) -> None:
        self._service.database.run_query(call)


def _once(schema: Schema) -> list[str]:
    parts = [sql.split(" ", 2) for sql in schema.ddl("sqlite")]
    return [f"{verb} {kind} IF NOT EXISTS {rest}" for verb, kind, rest in parts]


_DDL: Final = [_once(SCHEMA), _once(IDEMPOTENCY_SCHEMA)]


def prepare(connection: apsw.Connection) -> None:
    """What `freehold.app` does to a file without migrations: each schema, whole or not at all."""
    for schema in _DDL:
        with connection:
            for sql in schema:
                connection.execute(sql)


def _tell_all(batch: Sequence[Pending]) -> None:
    for pending in batch:
        pending.tell()


def _told(answer: Answer) -> Told:
    error: CallError | None = answer.error
    if error is None:
        return Told("ok", JSON.decode(answer.body))
    return Told(error.outcome, type(error).__name__)


def _nothing() -> None:
    """Nobody rests."""
