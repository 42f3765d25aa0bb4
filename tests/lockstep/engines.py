"""
Two engines under one application, driven through the real dispatch, call by call.

Both get the same clock, the same seeds and the same column key, so whatever a function draws
or reads is the same on both. What cannot be the same is masked: a sealed text has a nonce of
its own (its length is compared, and its plain text with the tables), and a cursor is signed
for the engine's own SQL.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import uvloop

from freehold import Record, Schema, Writer, delete, select, update
from freehold.clock import ManualClock
from freehold.crypto import KeyRing
from freehold.db import Reader
from freehold.drivers.postgres import Address, PostgresDatabase
from freehold.drivers.sqlite import SqliteDatabase
from freehold.errors import DeadlineExceeded, problem
from freehold.rpc.contract import contract_of
from freehold.rpc.dispatch import Answer, Dispatcher, Request
from freehold.rpc.idempotency import KeptAnswer
from freehold.scalars import Sealed, enc_hook
from freehold.testing import shared_cluster
from freehold.testing.databases import TEST_COLUMN_KEY
from tests.lockstep.calls import CALLERS, Call, Step
from tests.lockstep.habits import Habits
from tests.lockstep.words import START_S

_SEALED: Final = re.compile(rb"fh1\.[a-z0-9_-]{1,16}\.[A-Za-z0-9_-]{38,}")
#: In JSON, or behind the length that MessagePack puts before a text.
_NEXT: Final = re.compile(
    rb'(nextCursor(?:":"|[\xa0-\xbf]|\xd9.|\xda..|\xdb....))([A-Za-z0-9_-]{20,})', re.DOTALL
)
_ASKED: Final = re.compile(rb"cursor-[0-9]+")
_PAGE_ROWS: Final = 1_000
#: A call without an answer by then will never have one.
_PATIENCE_S: Final = 15
_write_row: Final = msgspec.json.Encoder(enc_hook=enc_hook).encode


class StepIds:
    """
    Seeds spun from the number of the step.

    However many an engine draws in one step, the next one begins equal on both, and a step
    that is played alone draws what it drew among the others.
    """

    def __init__(self) -> None:
        self._text = "opening"
        self._count = 0

    def begin(self, number: int) -> None:
        """From now on it is this step."""
        self._text, self._count = f"step {number}", 0

    def seed(self) -> bytes:
        """The step's next 32 bytes."""
        self._count += 1
        return hashlib.sha256(f"{self._text} draw {self._count}".encode()).digest()


@dataclass(frozen=True)
class Outcome:
    """What a call ended with on one engine, in a form that can be compared."""

    seq: int
    body: bytes
    error: dict[str, Any] | None

    @property
    def label(self) -> str:
        """`ok`, or the error's class."""
        return "ok" if self.error is None else str(self.error["error"])


class Engine:
    """
    One database with its dispatcher.

    Args:
        name: As it is called in a report.
        database: Open and started.
        habits: The application.
        clock: Shared by both.
        ids: Its own.
    """

    def __init__(
        self,
        name: str,
        database: SqliteDatabase | PostgresDatabase,
        habits: Habits,
        *,
        clock: ManualClock,
        ids: StepIds,
    ) -> None:
        self.name = name
        self.database = database
        self.ids = ids
        app = habits.app
        entrypoints = list(app.entrypoints.values())
        self.dispatcher = Dispatcher(
            entrypoints,
            {"main": database},
            contract=contract_of(app.name, entrypoints),
            clock=clock,
            ids=StepIds(),
        )
        #: The cursor that each step was answered with.
        self.cursors: dict[bytes, bytes] = {}

    def ask(self, step: Step) -> list[asyncio.Future[Answer]]:
        """Hand a step's calls to dispatch, all in one moment."""
        self.ids.begin(step.number)
        seq = self.database.seq
        return [self._hand_over(call, seq) for call in step.calls]

    def _hand_over(self, call: Call, seq: int) -> asyncio.Future[Answer]:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        body = call.body
        if b"cursor-" in body:
            body = _ASKED.sub(lambda found: self.cursors.get(found[0], found[0]), body)
        self.dispatcher.call(
            Request(
                method=call.method,
                body=body,
                codec=call.spoken,
                caller=CALLERS[call.caller],
                reply=future.set_result,
                min_seq=0 if call.behind is None else max(0, seq - call.behind),
                idempotency_key=call.key,
            )
        )
        return future

    def outcome(self, step: Step, answer: Answer) -> Outcome:
        """An answer without what may differ."""
        if answer.error is not None:
            told = problem(answer.error)
            if told["code"] == "internal":
                told = {"error": told["error"], "code": told["code"]}
            # Beside others, an error comes with whatever commit is known by then.
            return Outcome(answer.seq if len(step.calls) == 1 else 0, b"", told)
        body = answer.body
        if b"fh1." in body:
            body = _without_sealed(body)
        if b"nextCursor" in body:
            body = _NEXT.sub(lambda found: found[1] + self._keep(step, found[2]), body)
        return Outcome(answer.seq, body, None)

    def _keep(self, step: Step, cursor: bytes) -> bytes:
        """Remember it; in its place, for the comparison, its name, as long as it is."""
        name = b"cursor-%d" % step.number
        self.cursors[name] = cursor
        return name.ljust(len(cursor), b".")

    def tables(self, schema: Schema) -> dict[str, list[Any]]:
        """
        What all tables hold: the rows as they are stored, and what is sealed in plain.

        The order is the engine's own order of the primary keys.
        """
        stored = {
            record.__table__.name: self._stored(record.__table__) for record in schema.records
        }
        with self.database.reading() as db:
            plain = {
                f"{record.__table__.name} opened": list(_opened(db, record))
                for record in schema.records
                if any(is_sealed(column) for column in record.__table__.columns)
            }
        return stored | plain

    def _stored(self, table: Any) -> list[Any]:
        columns = ", ".join(
            f'length("{column.name}")' if is_masked(column) else f'"{column.name}"'
            for column in table.columns
        )
        keys = ", ".join(f'"{column.name}"' for column in table.primary_key.columns)
        sql = f'SELECT {columns} FROM "{table.name}" ORDER BY {keys}'
        found: list[Any] = []
        while True:
            text = f"{sql} LIMIT {_PAGE_ROWS} OFFSET {len(found)}"
            page = self.database.inspect(text, _PAGE_ROWS).rows
            found += page
            if not page:
                return found


def is_sealed(column: Any) -> bool:
    """Whether the column holds ciphertext."""
    kind = getattr(column.type, "kind", None)
    return bool(kind is not None and kind.is_sealed)


def is_masked(column: Any) -> bool:
    """Whether its values may differ: ciphertext, or an answer that may hold some."""
    return is_sealed(column) or column is KeptAnswer.c.answer


def tables_of(habits: Habits) -> Schema:
    """The application's tables, and the one of answers that are kept for repeated calls."""
    return Schema([*habits.schema.records, KeptAnswer], is_system=True)


def _without_sealed(body: bytes) -> bytes:
    """The same with every ciphertext as a text of its length."""
    return _SEALED.sub(lambda found: b"sealed" + b"." * (len(found[0]) - 6), body)


def _opened(db: Reader, record: type[Record]) -> Iterator[bytes]:
    """Each row as a handle reads it, its sealed fields in plain."""
    columns = record.__table__.primary_key.columns
    for row in db.all(select(record).order_by(*columns)):
        values = {name: getattr(row, name) for name in record.__struct_fields__}
        for name, value in values.items():
            if isinstance(value, Sealed):
                values[name] = db.open(value)
            elif isinstance(value, bytes):
                values[name] = _without_sealed(value)
        yield _write_row(values)


class Pair:
    """
    Both engines in lock-step.

    Args:
        engines: The two.
        habits: The application.
        clock: Theirs.
        loop: The event loop that serves both.
    """

    def __init__(
        self,
        engines: tuple[Engine, Engine],
        habits: Habits,
        *,
        clock: ManualClock,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.engines = engines
        self.habits = habits
        self.clock = clock
        self._schema = tables_of(habits)
        self._loop = loop

    def play(self, step: Step) -> list[tuple[Outcome, Outcome]]:
        """Play a step on both; what each call ended with."""
        behind_s = step.at_s - self.clock.wall_ns() // 1_000_000_000
        if behind_s > 0:
            self.clock.advance(seconds=behind_s)
        elif behind_s < 0:
            self.clock.jump(seconds=behind_s)
        first, second = self._loop.run_until_complete(self._ask(step))
        return list(zip(first, second, strict=True))

    async def _ask(self, step: Step) -> list[list[Outcome]]:
        asked = [engine.ask(step) for engine in self.engines]
        waiting = [future for futures in asked for future in futures if not future.done()]
        if waiting:
            await asyncio.wait(waiting, timeout=_PATIENCE_S)
            silent = Answer(0, b"", DeadlineExceeded("it was never answered."))
            for future in waiting:
                if not future.done():
                    future.set_result(silent)
        return [
            [engine.outcome(step, await future) for future in futures]
            for engine, futures in zip(self.engines, asked, strict=True)
        ]

    def tables(self) -> Sequence[dict[str, list[Any]]]:
        """What both hold."""
        return [engine.tables(self._schema) for engine in self.engines]

    def clear(self) -> None:
        """Empty all tables of both; the clock goes back to the start."""
        for engine in self.engines:
            engine.ids.begin(-1)
            engine.cursors.clear()
            engine.database.write(self._empty)
        # After a difference one of them may have committed more often.
        last = max(engine.database.seq for engine in self.engines)
        for engine in self.engines:
            while engine.database.seq < last:
                engine.database.write(self._empty)
        step = Step(0, START_S)
        self.play(step)

    def _empty(self, db: Writer) -> None:
        records = list(self._schema.records)
        for rule in self.habits.loosen:
            db.execute(rule)
        for record in records:
            loose = {
                key.parent.key: None for key in record.__table__.foreign_keys if key.parent.nullable
            }
            for name in loose:
                db.execute(update(record).values(**{_field(record, name): None}))
        for record in reversed(records):
            db.execute(delete(record))


def _field(record: type[Record], column: str) -> str:
    """The field whose column that is."""
    return next(name for name in record.__struct_fields__ if getattr(record.c, name).key == column)


@contextmanager
def both_engines(habits: Habits) -> Iterator[Pair]:
    """Two empty databases, served by one event loop for the length of the block."""
    clock = ManualClock(START_S)
    ring = KeyRing.from_hex(TEST_COLUMN_KEY)
    loop = uvloop.new_event_loop()
    ids = (StepIds(), StepIds())
    lite = SqliteDatabase(None, tables_of(habits), clock=clock, ids=ids[0], ring=ring)
    address = Address.parse(shared_cluster().new_schema())
    post = PostgresDatabase(address, tables_of(habits), clock=clock, ids=ids[1], ring=ring)
    try:
        with lite.opened(), post.opened():
            engines = (
                Engine("SQLite", lite, habits, clock=clock, ids=ids[0]),
                Engine("PostgreSQL", post, habits, clock=clock, ids=ids[1]),
            )
            loop.run_until_complete(_start(lite, post, loop))
            try:
                yield Pair(engines, habits, clock=clock, loop=loop)
            finally:
                loop.run_until_complete(post.finish())
    finally:
        loop.close()


async def _start(
    lite: SqliteDatabase, post: PostgresDatabase, loop: asyncio.AbstractEventLoop
) -> None:
    def on_loop(run: Callable[[], None]) -> None:
        loop.call_soon_threadsafe(run)

    lite.start(on_loop)
    post.start(on_loop)
