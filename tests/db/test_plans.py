"""The SQL of the everyday operations: written once, for either engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import pytest

from freehold.db.plans import PLANS, RecordPlan
from freehold.errors import InvalidArgument, StatementError
from freehold.scalars import Hashed, Int64
from freehold.schema import AUTO, Index, PrimaryKey, Record, Schema
from freehold.testing import memory_database
from tests.db.library import Book, Copy, Flag, Pass, Setting, Ticket, Visit


def test_each_text_reads_so() -> None:
    """Quoted names, the key's order, the engine's own sort of parameter."""
    sqlite, postgres = RecordPlan(Copy, "sqlite"), RecordPlan(Copy, "postgresql")

    assert sqlite.get_sql == (
        'SELECT "number", "book_id", "place" FROM "copies" WHERE "book_id" = ? AND "number" = ?'
    )
    assert postgres.update_sql(("place",)) == (
        'UPDATE "copies" SET "place" = $1 WHERE "book_id" = $2 AND "number" = $3 '
        'RETURNING "number", "book_id", "place"'
    )
    assert sqlite.delete_sql == 'DELETE FROM "copies" WHERE "book_id" = ? AND "number" = ?'
    assert postgres.insert_many_sql(2, ignore=True) == (
        'INSERT INTO "copies" ("number", "book_id", "place") VALUES ($1, $2, $3), ($4, $5, $6) '
        "ON CONFLICT DO NOTHING"
    )
    assert sqlite.all_sql().endswith('FROM "copies" ORDER BY "book_id", "number"')
    assert sqlite.find_sql(("place",)).endswith('WHERE "place" = ? LIMIT 2')


def test_a_text_is_made_once() -> None:
    """The same string each time, so that the driver finds its prepared statement."""
    plan = RecordPlan(Setting, "sqlite")

    makes: list[Callable[[], str]] = [
        lambda: plan.find_sql(("value",)),
        lambda: plan.update_sql(("value",)),
        lambda: plan.put_sql(("value",), ()),
        lambda: plan.insert_many_sql(7, ignore=False),
    ]
    for make in makes:
        assert make() is make()
    assert PLANS["sqlite"][Setting] is PLANS["sqlite"][Setting]
    assert PLANS["sqlite"][Setting] is not PLANS["postgresql"][Setting]


def test_different_operations_have_different_texts() -> None:
    """Though they are about the same fields."""
    plan = RecordPlan(Setting, "sqlite")
    texts = [
        plan.find_sql(("value",)),
        plan.update_sql(("value",)),
        plan.put_sql(("value",), ()),
        plan.put_sql(("value",), ("expires_at",)),
        plan.put_sql(("key",), ()),
        plan.insert_many_sql(1, ignore=False),
        plan.insert_many_sql(1, ignore=True),
        plan.insert_many_sql(2, ignore=True),
    ]

    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize(
    ("record", "key", "values"),
    [
        (Book, "b1", ("b1",)),
        (Copy, ("b1", 1), ["b1", 1]),
        (Copy, ("b1", True), ["b1", 1]),
        (Pass, "raw", [Hashed.of("raw").digest]),
        (Pass, Hashed.of("raw"), [Hashed.of("raw").digest]),
        (Ticket, Int64(5), [5]),
        (Ticket, (5,), [5]),
        (Book, None, (None,)),
        (Pass, None, [None]),
    ],
)
def test_a_key_is_written_as_its_columns_are(record: type, key: object, values: object) -> None:
    """A text or a number alone goes as it is."""
    assert RecordPlan(record, "sqlite").key_values(key) == values


@pytest.mark.parametrize("key", ["b1", ("b1",), ("b1", 1, 2), ["b1", 1]])
def test_a_key_of_two_columns_is_a_tuple_of_two(key: object) -> None:
    """Anything else is told with the names."""
    with pytest.raises(StatementError, match=r"\(book_id, number\)"):
        RecordPlan(Copy, "sqlite").key_values(key)


def test_the_key_of_a_row() -> None:
    """As the driver takes it, whatever its width."""
    assert RecordPlan(Copy, "sqlite").key_of(Copy(number=1, book_id="b1")) == ["b1", 1]
    assert RecordPlan(Flag, "sqlite").key_of(Flag(order="up")) == ("up",)


def test_a_counted_key_is_left_to_the_engine() -> None:
    """Unless the rows bring it."""
    plan = RecordPlan(Visit, "sqlite")

    assert plan.insert_counted_sql() == (
        'INSERT INTO "visits" ("note", "at_ms") VALUES (?, ?) RETURNING "id"'
    )
    assert plan.insert_many_sql(1, ignore=False, counted=False) == (
        'INSERT INTO "visits" ("id", "note", "at_ms") VALUES (?, ?, ?)'
    )


def test_a_key_alone_is_inserted_by_its_default() -> None:
    """One row at a time: there is nothing to write."""

    class Counter(Record, table="counters"):
        id: Annotated[int, PrimaryKey(autoincrement=True)] = AUTO

    plan = RecordPlan(Counter, "sqlite")

    assert plan.insert_counted_sql() == 'INSERT INTO "counters" DEFAULT VALUES RETURNING "id"'
    assert plan.many_rows_max == 1
    with memory_database(Schema([Counter])) as database, database.write() as db:
        assert db.insert(Counter()).id == 1
        assert db.insert_many([Counter(), Counter()]) == 2
        assert [counter.id for counter in db.all(Counter)] == [1, 2, 3]


def test_put_goes_by_a_unique_index_over_all_rows() -> None:
    """And not by one over some of them."""

    class Code(Record, table="codes", indexes=[
        Index("name", unique=True), Index("note", unique=True, where="note <> ''")
    ]):  # fmt: skip
        id: Annotated[str, PrimaryKey()]
        name: str
        note: str = ""

    plan = RecordPlan(Code, "sqlite")

    assert 'ON CONFLICT ("name")' in plan.put_sql(("name",), ())
    with pytest.raises(StatementError, match="nothing makes note unique"):
        plan.put_sql(("note",), ())


def test_put_leaves_key_and_creation_and_takes_other_times() -> None:
    """An expiry is a time too, and is overwritten."""
    sql = RecordPlan(Setting, "sqlite").put_sql(("value",), ())

    assert sql.partition("DO UPDATE SET ")[2] == (
        '"expires_at" = excluded."expires_at", "updated_at" = excluded."updated_at" '
        'RETURNING "key", "value", "expires_at", "created_at", "updated_at"'
    )


def test_what_may_change() -> None:
    """Every field but the key's."""
    plan = RecordPlan(Copy, "sqlite")

    assert plan.changeable("place").name == "place"
    with pytest.raises(InvalidArgument, match="number is the key of copies"):
        plan.changeable("number")
    with pytest.raises(StatementError, match="Copy has no field 'shelf'"):
        plan.changeable("shelf")


@pytest.mark.parametrize(("record", "rows"), [(Flag, 100), (Copy, 100), (Book, 100)])
def test_many_rows_are_a_hundred_at_most(record: type, rows: int) -> None:
    """And never more parameters than a statement may have."""
    assert RecordPlan(record, "sqlite").many_rows_max == rows
