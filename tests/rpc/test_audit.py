"""
The audit log: what is written into it, that it lives and dies with the change, and that every
attack on it is named. On every engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import pytest

from freehold import Conflict, Entrypoint, PrimaryKey, Reader, Record, Writer, method
from freehold.crypto import Secret
from freehold.db import Caller
from freehold.errors import ContractError
from freehold.rpc.audit import AuditEntry, AuditHead, AuditLog, entries_after, head_of
from freehold.rpc.audit_check import BEGINNING, AuditFault, check_kept_head, check_stretch
from freehold.rpc.contract import contract_of
from freehold.rpc.dispatch import Answer, Dispatcher, Request
from freehold.rpc.idempotency import KeptAnswer
from freehold.schema import Schema
from freehold.testing import ENGINES, TestDatabase, engine_database
from freehold.wire.codec import JSON

pytestmark = [pytest.mark.promise("P1"), pytest.mark.attack("A36")]

PEPPER = Secret(b"p" * 32)
ADA = Caller("ada", scopes=frozenset({"*"}), user="u1")


class Note(Record, table="notes"):
    """Something to remember."""

    id: Annotated[str, PrimaryKey()]
    text: str


def add(db: Writer, id: str, text: str = "") -> Note:
    """Remember something."""
    return db.insert(Note(id=id, text=text))


def refuse(db: Writer, id: str) -> Note:
    """Writes, and then does not want to."""
    db.insert(Note(id=id, text=""))
    raise Conflict("not today.")


def scribble(db: Writer, words: list[str]) -> int:
    """Changes what it was given."""
    words.append("more")
    return len(words)


def note_count(db: Reader) -> int:
    """How many there are."""
    return len(db.all(Note))


class Notes(Entrypoint):
    """What the tests call."""

    add = add
    refuse = refuse
    scribble = scribble
    note_count = note_count
    add_marked = method(add, audited=True)


SCHEMA = Schema([Note, KeptAnswer, AuditEntry, AuditHead], is_system=True)


class Desk:
    """The notes on one engine, with an audit log."""

    def __init__(self, database: TestDatabase, log: AuditLog) -> None:
        self.database: Any = database.database
        self.log = log
        self.dispatcher = Dispatcher(
            [Notes], {"main": self.database}, contract=contract_of("notes", [Notes]),
            clock=database.clock, pepper=PEPPER, audits={"main": log},
        )  # fmt: skip

    def send(
        self, name: str, args: object = None, *, caller: Caller = ADA, key: str | None = None
    ) -> asyncio.Future[Answer]:
        """Hand a call over."""
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        name = name if name.startswith("$") else f"Notes.{name}"
        self.dispatcher.call(Request(
            name, JSON.encode({} if args is None else args), JSON, caller, answered.set_result,
            idempotency_key=key,
        ))  # fmt: skip
        return answered

    def rows(self) -> list[AuditEntry]:
        """The log."""
        found: list[AuditEntry] = self.database.read(lambda db: entries_after(db, 0, 1000))
        return found


@pytest.fixture(params=ENGINES)
def database(request: pytest.FixtureRequest) -> Iterator[TestDatabase]:
    """Notes and a log on each engine; the triggers that guard the log are not there."""
    with engine_database(request.param, SCHEMA) as made:
        yield made


@asynccontextmanager
async def served(database: TestDatabase, mode: Any = "mutations") -> AsyncIterator[Desk]:
    """The notes, serving."""
    loop = asyncio.get_running_loop()

    def on_loop(run: Callable[[], None]) -> None:
        loop.call_soon_threadsafe(run)

    database.database.start(on_loop)
    try:
        yield Desk(database, AuditLog("main", PEPPER, mode=mode))
    finally:
        await database.database.finish()


def test_a_mutation_writes_its_row_with_its_commit(database: TestDatabase) -> None:
    """Who, for whom, what, when, in which commit; and of the arguments a fingerprint only."""

    async def story() -> None:
        async with served(database) as desk:
            first = await desk.send("add", {"id": "a", "text": "canary"})
            second = await desk.send("add", {"id": "b"})
            rows = desk.rows()
            assert [row.number for row in rows] == [1, 2]
            assert [row.seq for row in rows] == [first.seq, second.seq]
            assert rows[0].key_id == "ada"
            assert rows[0].user == "u1"
            assert not rows[0].acted
            assert rows[0].method == "Notes.add"
            assert rows[1].prev_hash == rows[0].hash
            assert "canary" not in JSON.encode(rows).decode()

    asyncio.run(story())


def test_what_had_no_effect_has_no_row(database: TestDatabase) -> None:
    """Queries, refused mutations, kept refusals, and calls that were repeated."""

    async def story() -> None:
        async with served(database) as desk:
            await desk.send("note_count")
            assert (await desk.send("refuse", {"id": "a"})).error is not None
            assert (await desk.send("refuse", {"id": "a"}, key="k1")).error is not None
            assert desk.rows() == []
            done = await desk.send("add", {"id": "b"}, key="k2")
            again = await desk.send("add", {"id": "b"}, key="k2")
            assert again.body == done.body
            assert [row.method for row in desk.rows()] == ["Notes.add"]

    asyncio.run(story())


def test_one_batch_is_one_chain(database: TestDatabase) -> None:
    """Calls that land in one transaction follow each other; a failing one leaves no gap."""

    async def story() -> None:
        async with served(database) as desk:
            calls = [
                desk.send("refuse" if number % 5 == 3 else "add", {"id": str(number)})
                for number in range(40)
            ]
            answers = await asyncio.gather(*calls)
            done = sorted(answer.seq for answer in answers if answer.error is None)
            assert [row.seq for row in desk.rows()] == done
            assert fault(desk) is None

    asyncio.run(story())


def test_a_transaction_has_a_row_for_each_mutation(database: TestDatabase) -> None:
    """In their order and in one commit; or none, when one of them fails."""

    async def story() -> None:
        async with served(database) as desk:
            calls = [
                {"method": "Notes.add", "args": {"id": "a"}},
                {"method": "Notes.noteCount"},
                {"method": "Notes.add", "args": {"id": "b", "text": {"$result": [0, "id"]}}},
            ]
            done = await desk.send("$transaction", calls)
            assert [(row.method, row.seq) for row in desk.rows()] == [
                ("Notes.add", done.seq), ("Notes.add", done.seq),
            ]  # fmt: skip
            failed = await desk.send("$transaction", [
                {"method": "Notes.add", "args": {"id": "c"}},
                {"method": "Notes.add", "args": {"id": "c"}},
            ])  # fmt: skip
            assert failed.error is not None
            assert len(desk.rows()) == 2

    asyncio.run(story())


def test_the_author_chooses_what_is_written(database: TestDatabase) -> None:
    """By default marked methods, and what is done under a key that acts for a user."""
    acting = Caller("service", scopes=frozenset({"*", "act_as"})).acting_as("u7")

    async def story() -> None:
        async with served(database, "operator") as desk:
            await desk.send("add", {"id": "a"})
            await desk.send("add_marked", {"id": "b"})
            await desk.send("add", {"id": "c"}, caller=acting)
            assert [(row.method, row.user, row.acted) for row in desk.rows()] == [
                ("Notes.addMarked", "u1", False), ("Notes.add", "u7", True),
            ]  # fmt: skip

    asyncio.run(story())


def test_the_fingerprint_is_of_what_was_sent(database: TestDatabase) -> None:
    """A function that changes its arguments does not change what was asked."""

    async def story() -> None:
        async with served(database) as desk:
            await desk.send("scribble", {"words": ["a"]})
            await desk.send("scribble", {"words": ["a"]})
            await desk.send("scribble", {"words": ["a", "more"]})
            one, two, three = (row.arguments for row in desk.rows())
            assert one == two != three

    asyncio.run(story())


def test_a_query_cannot_be_audited() -> None:
    """It changes nothing."""
    with pytest.raises(ContractError, match="a query changes nothing"):
        type("Wrong", (Entrypoint,), {"note_count": method(note_count, audited=True)})


# What is done to the log behind the data layer's back.

Attack = Callable[[Writer], object]


def altered(**values: Any) -> Attack:
    """Write something else into the fourth row."""
    return lambda db: db.update(AuditEntry, 4, values)


def taken(*numbers: int) -> Attack:
    """Take rows out."""
    return lambda db: [db.delete(AuditEntry, number) for number in numbers]


def swapped(db: Writer) -> None:
    """The third and the fourth change places."""
    three, four = db.get(AuditEntry, 3), db.get(AuditEntry, 4)
    taken(3, 4)(db)
    three.number, four.number = 4, 3
    db.insert(three)
    db.insert(four)


def swapped_content(db: Writer) -> None:
    """They exchange what they say, and each keeps its place in the chain."""
    three, four = db.get(AuditEntry, 3), db.get(AuditEntry, 4)
    db.update(AuditEntry, 3, {"method": four.method, "arguments": four.arguments})
    db.update(AuditEntry, 4, {"method": three.method, "arguments": three.arguments})


def slipped_in(db: Writer) -> None:
    """A forged row; all behind it are counted on."""
    rows = entries_after(db, 3, 100)
    for row in reversed(rows):
        db.delete(AuditEntry, row.number)
        row.number += 1
        db.insert(row)
    forged = db.get(AuditEntry, 3)
    forged.number, forged.prev_hash = 4, forged.hash
    db.insert(forged)


def rechained(db: Writer) -> None:
    """An attacker without the pepper alters a row and makes all hashes anew, with his own key."""
    mine = AuditLog("main", Secret(b"m" * 32))
    head = head_of(db)
    assert head is not None
    prev = db.get(AuditEntry, 3).hash
    for row in entries_after(db, 3, 100):
        row.key_id, row.prev_hash = "mallory", prev
        prev = row.hash = mine.hash_of(row)
        db.delete(AuditEntry, row.number)
        db.insert(row)
    seal = mine.seal_of(head.number, prev, base_number=0, base_hash=head.base_hash)
    db.update(AuditHead, 1, {"hash": prev, "seal": seal})


def cut(db: Writer) -> None:
    """The last rows go."""
    taken(7, 8)(db)


def cut_with_head(db: Writer) -> None:
    """And the head is put where the log now ends."""
    cut(db)
    db.update(AuditHead, 1, {"number": 6, "hash": db.get(AuditEntry, 6).hash})


def begun_later(db: Writer) -> None:
    """The first rows go, and the head says that retention took them."""
    taken(1, 2)(db)
    db.update(AuditHead, 1, {"base_number": 2, "base_hash": db.get(AuditEntry, 3).prev_hash})


def appended(db: Writer) -> None:
    """A row behind the head."""
    row = db.get(AuditEntry, 8)
    row.number, row.prev_hash = 9, row.hash
    db.insert(row)


ATTACKS: dict[str, tuple[Attack, str, int]] = {
    "who": (altered(key_id="mallory"), "altered", 4),
    "for whom": (altered(user=None), "altered", 4),
    "acted": (altered(acted=True), "altered", 4),
    "what": (altered(method="Notes.noteCount"), "altered", 4),
    "arguments": (altered(arguments="0" * 64), "altered", 4),
    "when": (altered(at=1_700_000_000_000), "altered", 4),
    "commit": (altered(seq=1), "altered", 4),
    "hash": (altered(hash="0" * 64), "altered", 4),
    "previous": (altered(prev_hash="0" * 64), "altered", 4),
    "one taken out": (taken(4), "missing", 4),
    "several taken out": (taken(3, 4, 5), "missing", 3),
    "the first taken out": (taken(1), "missing", 1),
    "reordered": (swapped, "altered", 3),
    "exchanged": (swapped_content, "altered", 3),
    "slipped in": (slipped_in, "altered", 4),
    "chained anew": (rechained, "head", 8),
    "cut": (cut, "cut", 7),
    "cut, and the head put back": (cut_with_head, "head", 6),
    "begun later": (begun_later, "head", 8),
    "appended": (appended, "altered", 9),
    "head taken out": (lambda db: db.delete(AuditHead, 1), "head", 1),
    "head put elsewhere": (lambda db: db.update(AuditHead, 1, {"number": 9}), "head", 9),
    "all rows taken out": (taken(*range(1, 9)), "cut", 1),
}


def fill(database: TestDatabase, log: AuditLog, count: int = 8) -> None:
    """A log of so many rows."""
    for number in range(count):
        with database.write(caller=ADA) as db:
            log.append(db, "Notes.add", log.arguments((str(number),)))


def fault(where: Any, log: AuditLog | None = None, rows: int = 1000) -> AuditFault | None:
    """What is wrong with the log, walked in stretches."""
    log = log or where.log
    number, digest = BEGINNING, ""
    while True:
        found = where.database.read(
            lambda db, at=number, by=digest: check_stretch(db, log, number=at, digest=by, rows=rows)
        )
        if found.fault or found.is_end:
            said: AuditFault | None = found.fault
            return said
        number, digest = found.number, found.hash


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("rows", [2, 1000])
def test_an_attack_is_named(database: TestDatabase, attack: str, rows: int) -> None:
    """The first bad row by its number, and what is wrong with it, whatever the stretch."""
    log = AuditLog("main", PEPPER)
    fill(database, log)
    assert fault(database, log, rows) is None

    do, kind, number = ATTACKS[attack]
    with database.write() as db:
        do(db)

    found = fault(database, log, rows)
    assert found is not None
    assert (found.kind, found.number) == (kind, number)
    assert found.detail


def test_a_row_of_another_database_does_not_fit(database: TestDatabase) -> None:
    """Its name is part of every hash."""
    fill(database, AuditLog("other", PEPPER))

    found = fault(database, AuditLog("main", PEPPER))

    assert found is not None
    assert found.kind == "head"


def test_an_end_that_was_put_back_is_found_by_a_head_kept_elsewhere(
    database: TestDatabase,
) -> None:
    """Who has an older copy has an older head, sealed: the chain holds, and is too short."""
    log = AuditLog("main", PEPPER)
    fill(database, log, 5)
    with database.read() as db:
        older = head_of(db)
    fill(database, log, 3)
    with database.read() as db:
        kept = head_of(db)
    assert older is not None
    assert kept is not None

    with database.write() as db:
        taken(6, 7, 8)(db)
        db.update(AuditHead, 1, {
            "number": older.number, "hash": older.hash, "seal": older.seal,
        })  # fmt: skip

    assert fault(database, log) is None
    with database.read() as db:
        assert check_kept_head(db, number=5, digest=older.hash) is None
        found = check_kept_head(db, number=8, digest=kept.hash)
        assert found is not None
        assert "the log ends at row 5" in found.detail
        swindled = check_kept_head(db, number=5, digest=kept.hash)
        assert swindled is not None


def test_retention_takes_the_oldest_and_the_chain_holds(database: TestDatabase) -> None:
    """By age, from the front, never the last row; what is left is checked from there on."""
    log = AuditLog("main", PEPPER)
    fill(database, log, 4)
    database.clock.advance(seconds=1000)
    with database.read() as db:
        middle_ms = db.now_ms
        kept = head_of(db)
    fill(database, log, 4)
    assert kept is not None

    with database.write() as db:
        assert log.prune(db, middle_ms, 3) == 3
    with database.write() as db:
        assert log.prune(db, middle_ms, 3) == 1
    with database.write() as db:
        assert log.prune(db, middle_ms, 3) == 0

    with database.read() as db:
        assert [row.number for row in entries_after(db, 0, 100)] == [5, 6, 7, 8]
        assert check_kept_head(db, number=4, digest=kept.hash) is None
        gone = check_kept_head(db, number=3, digest=kept.hash)
        assert gone is not None
        assert "retention has taken that row" in gone.detail
    assert fault(database, log) is None

    with database.write() as db:
        assert log.prune(db, 1 << 60, 100) == 3
    assert fault(database, log) is None
    with database.write() as db:
        db.delete(AuditEntry, 8)
    found = fault(database, log)
    assert found is not None
    assert found.kind == "cut"
