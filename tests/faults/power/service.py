"""
The data layer as it is, but for its sockets and threads: real dispatch, real writer, one step
after the other.

A `Service` takes calls as a transport would hand them over, and runs a batch when it is told
to. What each caller hears is remembered in the order in which it was told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import apsw
import pytest

from freehold.clock import ManualClock
from freehold.crypto import Secret
from freehold.db import Caller
from freehold.drivers.pending import Pending
from freehold.drivers.sqlite import SqliteDatabase
from freehold.drivers.sqlite import database as database_module
from freehold.drivers.sqlite.writer import WriterThread
from freehold.drivers.turns import Turns
from freehold.errors import CallError
from freehold.ids import SeededIds
from freehold.rpc.audit import AUDIT_SCHEMA, TRIGGERS, AuditLog
from freehold.rpc.contract import contract_of
from freehold.rpc.dispatch import Answer, Dispatcher, Request
from freehold.rpc.idempotency import IDEMPOTENCY_SCHEMA
from freehold.wire.codec import JSON
from freehold.wire.limits import Limits
from tests.faults.power.model import Ask, Told
from tests.faults.power.stock import ANSWER_BYTES_MAX, SCHEMA, Stock

CALLER: Final = Caller("stock", trusted=True)
AUDIT: Final = AuditLog("main", Secret(b"p" * 32), mode="mutations")
_CONTRACT: Final = contract_of("stock", [Stock])


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
        has_checksums: A new file gets a checksum on every page.
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
        has_checksums: bool = True,
        on_answer: Callable[[Heard], None] = lambda _: None,
    ) -> None:
        self.clock = clock or ManualClock()
        self._ids = ids or SeededIds()
        self._on_answer = on_answer
        limits = Limits(answer_bytes_max=ANSWER_BYTES_MAX, mutation_time_ms_max=mutation_ms_max)
        self.database = SqliteDatabase(
            path, SCHEMA, clock=self.clock, ids=self._ids, storage=storage, limits=limits,
            checkpoint_pages=checkpoint_pages, has_checksums=has_checksums,
        )  # fmt: skip
        self._dispatcher = Dispatcher(
            [Stock], {"main": self.database}, contract=_CONTRACT, limits=limits, clock=self.clock,
            ids=self._ids, audits={"main": AUDIT},
        )  # fmt: skip

    def open(self) -> None:
        """The real opener and start, as an application's, but for the writer's thread."""
        self.database.open(prepare)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(database_module, "WriterThread", _ByHand)
            patch.setattr(database_module, "Turns", _NoWaiting)
            patch.setattr(database_module, "ReaderThreads", _NoReaders)
            self.database.start(lambda run: run())

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
            timeout_ms=1 if ask.is_late else None,
        )
        self._dispatcher.call(request)
        if ask.is_withdrawn:
            request.withdraw()

    def turn(self) -> None:
        """All that wait become one batch, are told, and the log is moved when it is due."""
        writer: Any = self.database._writer
        writer.turn()


class _ByHand(WriterThread):
    """The writer's thread without a thread: what it would do, where it is told to."""

    def start(self) -> None:
        """Nothing runs by itself."""

    def stop(self) -> None:
        """Nothing waits that was not asked for."""

    def turn(self) -> None:
        """All that waits."""
        self._run()


class _NoReaders:
    """No queries are asked, so nobody waits for any."""

    def __init__(self, *_: object, **__: object) -> None:
        """Nothing is opened."""

    def rest(self, _: Callable[[], None]) -> Callable[[], None]:
        """They rest already; the log is cut off when it starts again anyway."""
        return lambda: None

    def stop(self) -> None:
        """Nothing runs."""


class _NoWaiting(Turns):
    """Lines that are at their end when nobody stands in them."""

    def take(self, count: int) -> list[Pending] | None:
        return self.take_now(count) or None


def _once(statements: list[str]) -> list[str]:
    parts = [sql.split(" ", 2) for sql in statements]
    return [f"{verb} {kind} IF NOT EXISTS {rest}" for verb, kind, rest in parts]


_DDL: Final = [
    _once(SCHEMA.ddl("sqlite")),
    _once(IDEMPOTENCY_SCHEMA.ddl("sqlite")),
    _once([*AUDIT_SCHEMA.ddl("sqlite"), *TRIGGERS["sqlite"]]),
]


def prepare(connection: apsw.Connection) -> None:
    """What `freehold.app` does to a file without migrations: each schema, whole or not at all."""
    for schema in _DDL:
        with connection:
            for sql in schema:
                connection.execute(sql)


def _told(answer: Answer) -> Told:
    error: CallError | None = answer.error
    if error is None:
        return Told("ok", JSON.decode(answer.body))
    return Told(error.outcome, type(error).__name__)
