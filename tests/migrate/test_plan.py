"""Every kind of change is planned, in place where SQLite can, and keeps what stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest

from freehold.clock import ManualClock
from freehold.migrate.apply import apply
from freehold.migrate.files import Migration
from freehold.migrate.plan import plan
from freehold.migrate.shape import shape_of, shape_of_schema
from freehold.migrate.steps import RebuildTable
from freehold.schema import (
    AUTO,
    Check,
    CreatedAt,
    Index,
    PrimaryKey,
    Record,
    RecordMeta,
    References,
    Schema,
    Trigger,
    Unique,
    Was,
)
from tests.migrate.worlds import built, by_hand, opened, rows, shop

KEEP = Trigger(
    name="keep", when="before", event="update", of=("title",), refuse="a title stays as it is"
)
MENTIONS = Trigger(
    name="mentions",
    when="after",
    event="insert",
    run="UPDATE things SET id = id WHERE id = NEW.thing_id",
)


def things(said: dict[str, Any]) -> Schema:
    """Things as said, and their children."""
    options = {"table": "things", "indexes": [Index("title", name="by_title")], **said}
    child: Any = options.pop("child", str)
    fields = {"id": Annotated[str, PrimaryKey()], "title": str} | options.pop("fields", {})
    body = {"__annotations__": fields, "__module__": __name__, **options.pop("defaults", {})}
    table = options["table"]
    record = RecordMeta("Thing", (Record,), body, **options)

    class Child(Record, table="children", triggers=[MENTIONS] if table == "things" else []):
        id: Annotated[str, PrimaryKey()]
        thing_id: Annotated[child, References(f"{table}.id", on_delete="cascade")]

    return Schema([record, Child])


OPTIONAL = {"fields": {"note": str | None}, "defaults": {"note": None}}
COUNTED = {
    "fields": {"id": Annotated[int, PrimaryKey(autoincrement=True)]},
    "defaults": {"id": AUTO},
    "child": int,
}

#: Before, after, the verbs of the plan, and what it would lose.
CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any], list[str], str]] = {
    "an optional column": ({}, OPTIONAL, ["add column"], ""),
    "a column with a default": (
        {},
        {"fields": {"count": int}, "defaults": {"count": -5}},
        ["add column"],
        "",
    ),
    "a column with a check": (
        {},
        {"fields": {"on": bool, "is": Literal["a", "it's"]}, "defaults": {"on": True, "is": "a"}},
        ["add column", "add column"],
        "",
    ),
    "two columns with one check": (
        {},
        {
            "fields": {"low": int | None, "high": int | None},
            "defaults": {"low": None, "high": None},
            "checks": [Check("low < high", name="ck_order")],
        },
        ["add column", "add column"],
        "",
    ),
    "a column that references": (
        {},
        {
            "fields": {"up": Annotated[str | None, References("things.id", on_delete="set null")]},
            "defaults": {"up": None},
        },
        ["add column"],
        "",
    ),
    "a column with an index": (
        {},
        {"fields": {"note": Annotated[str | None, Index()]}, "defaults": {"note": None}},
        ["add column", "create index"],
        "",
    ),
    "a unique column": (
        {},
        {"fields": {"note": Annotated[str | None, Unique()]}, "defaults": {"note": None}},
        ["rebuild table"],
        "",
    ),
    "a JSON column, which gives the table rowids": (
        {},
        {"fields": {"tags": list[str] | None}, "defaults": {"tags": None}},
        ["rebuild table"],
        "",
    ),
    "a column less": (OPTIONAL, {}, ["drop column"], "the values of things.note"),
    "a checked column less": (
        {"fields": {"on": bool}, "defaults": {"on": True}},
        {},
        ["rebuild table"],
        "the values of things.on",
    ),
    "an indexed column less": (
        {"fields": {"note": Annotated[str | None, Index()]}, "defaults": {"note": None}},
        {},
        ["drop index", "drop column"],
        "the values of things.note",
    ),
    "a renamed column": (
        OPTIONAL,
        {"fields": {"remark": Annotated[str | None, Was("note")]}, "defaults": {"remark": None}},
        ["rename column"],
        "",
    ),
    "another case of a column": (
        OPTIONAL,
        {"fields": {"Note": str | None}, "defaults": {"Note": None}},
        ["rename column"],
        "",
    ),
    "another type": (
        {"fields": {"n": int}, "defaults": {"n": 1}},
        {"fields": {"n": str}, "defaults": {"n": "1"}},
        ["rebuild table"],
        "",
    ),
    "another default": (
        {"fields": {"n": int}, "defaults": {"n": 1}},
        {"fields": {"n": int}, "defaults": {"n": 2}},
        ["rebuild table"],
        "",
    ),
    "None refused": (
        OPTIONAL,
        {"fields": {"note": str}, "defaults": {"note": "none"}},
        ["rebuild table"],
        "",
    ),
    "None allowed": (
        {"fields": {"note": str}, "defaults": {"note": "none"}},
        {"fields": {"note": str | None}, "defaults": {"note": None}},
        ["rebuild table"],
        "",
    ),
    "a check more": ({}, {"checks": [Check("id <> ''", name="ck_id")]}, ["rebuild table"], ""),
    "a check less": ({"checks": [Check("id <> ''", name="ck_id")]}, {}, ["rebuild table"], ""),
    "another check": (
        {"checks": [Check("id <> ''", name="ck_id")]},
        {"checks": [Check("id <> 'x'", name="ck_id")]},
        ["rebuild table"],
        "",
    ),
    "a unique pair": ({}, {"uniques": [Unique("id", "title")]}, ["rebuild table"], ""),
    "another primary key": (
        {"fields": {"id": str}, "primary_key": ("id",)},
        {"fields": {"id": str}, "primary_key": ("id", "title"), "uniques": [Unique("id")]},
        ["rebuild table"],
        "",
    ),
    "an index more": (
        {},
        {"indexes": [Index("title", name="by_title"), Index("title desc", "id", name="more")]},
        ["create index"],
        "",
    ),
    "an index less": ({}, {"indexes": []}, ["drop index"], ""),
    "an index that reads otherwise": (
        {},
        {"indexes": [Index("title desc", name="by_title", where="title <> ''", unique=True)]},
        ["drop index", "create index"],
        "",
    ),
    "a trigger more": ({}, {"triggers": [KEEP]}, ["create trigger"], ""),
    "a trigger less": ({"triggers": [KEEP]}, {}, ["drop trigger"], ""),
    "a trigger that reads otherwise": (
        {"triggers": [KEEP]},
        {"triggers": [Trigger(name="keep", when="before", event="delete", refuse="stays")]},
        ["drop trigger", "create trigger"],
        "",
    ),
    "a renamed table": (
        {},
        {"table": "items", "was": "things"},
        ["drop trigger", "rename table"],
        "",
    ),
    "another case of a table": ({}, {"table": "Things"}, ["drop trigger", "rename table"], ""),
    "a counted key": (
        {"fields": {"id": Annotated[int, PrimaryKey()]}, "child": int},
        COUNTED,
        ["rebuild table"],
        "",
    ),
    "a rebuilt table with a trigger of its own": (
        {"triggers": [KEEP]},
        {"triggers": [KEEP], "checks": [Check("id <> ''", name="ck_id")]},
        ["rebuild table"],
        "",
    ),
}


def schemas(change: str) -> tuple[Schema, Schema]:
    before, after, _, _ = CHANGES[change]
    return things(before), things(after)


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_planned_and_keeps_what_stays(change: str) -> None:
    """The plan has the steps it should have, says what it loses, and arrives with all rows."""
    before, after = schemas(change)
    _, _, verbs, lost = CHANGES[change]
    with opened() as connection:
        apply(connection, built(before), clock=ManualClock())
        connection.execute(
            "INSERT INTO things (id, title) VALUES (1, 'one'), (2, 'two');"
            "INSERT INTO children (id, thing_id) VALUES ('c1', 1), ('c2', 1)"
        ).fetchall()
        planned = plan(connection, after)
        kept = rows(connection, "SELECT id, title FROM things ORDER BY title")

        moved = Migration.of_plan(planned, number=2, slug="change")
        apply(connection, [*built(before), moved], clock=ManualClock(), expected=after)

        assert planned.refusals == ()
        assert sorted(step.verb for step in planned.steps) == sorted(verbs)
        assert ", ".join(step.loses for step in planned.destructive_steps) == lost
        assert len(planned.sentences) == len(planned.steps)
        assert shape_of(connection) == shape_of_schema(after)
        table = next(name for name in after.metadata.tables if name != "children")
        assert rows(connection, f"SELECT id, title FROM {table} ORDER BY title") == kept
        assert rows(connection, "SELECT count(*) FROM children") == [(2,)]
        assert plan(connection, after).is_empty


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_planned_from_files_is_the_same(change: str) -> None:
    """Planning against the files gives the steps that planning against a database gives."""
    before, after = schemas(change)

    first, second = built(before, after)

    with opened() as connection:
        apply(connection, [first], clock=ManualClock())
        assert Migration.of_plan(plan(connection, after), number=2, slug="step_2") == second


def test_from_nothing_tables_come_with_their_indexes_and_triggers() -> None:
    """Parents first; triggers last, when all tables are there."""
    with opened() as connection:
        planned = plan(connection, shop())

    assert planned.sentences == [
        "The table users is new, with 4 columns.",
        "The table notes is new, with 5 columns and 2 indexes.",
        "The table entries is new, with 2 columns and 1 index.",
        "notes gets the trigger notes_keep_title, before update.",
        "entries gets the trigger entries_touch, after insert.",
    ]


def test_a_table_that_no_record_says_goes_last() -> None:
    """A reviewer can still move its rows into a new table before that."""

    class Other(Record, table="others"):
        id: Annotated[str, PrimaryKey()]

    with opened() as connection:
        apply(connection, built(shop()), clock=ManualClock())
        planned = plan(connection, Schema([Other]))

    assert [(step.verb, step.table, step.loses) for step in planned.steps] == [
        ("create table", "others", ""),
        ("drop table", "entries", "all rows of entries"),
        ("drop table", "notes", "all rows of notes"),
        ("drop table", "users", "all rows of users"),
    ]


def test_a_name_can_move_from_a_table_that_goes_to_a_new_one() -> None:
    """An index or a trigger of a dropped table gives its name free before it is needed."""

    class Old(Record, table="old", indexes=[Index("id", name="the_index")], triggers=[KEEP_NEW]):
        id: Annotated[str, PrimaryKey()]

    class New(Record, table="new", indexes=[Index("id", name="the_index")], triggers=[KEEP_NEW]):
        id: Annotated[str, PrimaryKey()]

    with opened() as connection:
        apply(connection, built(Schema([Old])), clock=ManualClock())
        planned = plan(connection, Schema([New]))

    assert [step.verb for step in planned.steps] == [
        "drop trigger",
        "drop index",
        "create table",
        "drop table",
        "create trigger",
    ]


KEEP_NEW = Trigger(name="keep", when="before", event="delete", refuse="stays")


def test_a_rebuild_says_why() -> None:
    """Each reason is in the step and in its sentence."""
    before, after = schemas("another check")
    with opened() as connection:
        apply(connection, built(before), clock=ManualClock())

        (step,) = plan(connection, after).steps

    assert isinstance(step, RebuildTable)
    assert step.reasons == (
        "the check ck_id (id <> 'x') is missing",
        "the check ck_id (id <> '') is not in the schema",
    )
    assert step.sentence == (
        "things is rebuilt and its rows are copied, because the check ck_id (id <> 'x') is "
        "missing; the check ck_id (id <> '') is not in the schema."
    )


def test_a_rebuild_brings_views_and_triggers_that_stand_on_the_table_along() -> None:
    """Also a view on a view, and a trigger on a view; each is as it was."""
    before, after = schemas("a check more")
    first, second = built(before, after)
    views = by_hand(
        2,
        "CREATE VIEW top AS SELECT id, title FROM Things",
        "CREATE VIEW upper_top AS SELECT upper(title) AS title FROM top",
        "CREATE TRIGGER on_view INSTEAD OF DELETE ON upper_top BEGIN DELETE FROM children; END",
    )
    with opened() as connection:
        apply(connection, [first, views], clock=ManualClock())
        text = rows(
            connection, "SELECT name, sql FROM sqlite_schema WHERE type <> 'table' ORDER BY 1"
        )
        planned = plan(connection, after)

        third = Migration.of_plan(planned, number=3, slug="rebuild")
        apply(connection, [first, views, third], clock=ManualClock(), expected=after)

        assert [step.verb for step in planned.steps] == ["rebuild table"]
        assert (
            rows(connection, "SELECT name, sql FROM sqlite_schema WHERE type <> 'table' ORDER BY 1")
            == text
        )
        assert len(second.statements) < len(third.statements)


def test_a_rebuilt_table_never_gives_a_number_twice() -> None:
    """The count of a counted key goes along, even where the last rows are gone."""
    before = things(COUNTED)
    after = things({**COUNTED, "checks": [Check("id > 0", name="ck_id")]})
    migrations = built(before, after)
    with opened() as connection:
        apply(connection, migrations[:1], clock=ManualClock())
        connection.execute(
            "INSERT INTO things (title) VALUES ('a'), ('b'); DELETE FROM things"
        ).fetchall()

        apply(connection, migrations, clock=ManualClock())
        connection.execute("INSERT INTO things (title) VALUES ('c')")

        assert rows(connection, "SELECT id FROM things") == [(3,)]


def test_rows_that_are_there_get_the_default_where_none_is_refused() -> None:
    """A field that was `| None` and now has a default keeps its values and fills the rest."""
    before, after = schemas("None refused")
    migrations = built(before, after)
    with opened() as connection:
        apply(connection, migrations[:1], clock=ManualClock())
        connection.execute("INSERT INTO things VALUES ('a', 'A', 'said'), ('b', 'B', NULL)")

        apply(connection, migrations, clock=ManualClock())

        assert rows(connection, "SELECT note FROM things ORDER BY id") == [("said",), ("none",)]


def test_a_new_column_gives_the_rows_that_are_there_its_default() -> None:
    """Also a negative number, which SQLAlchemy writes in parentheses."""
    before, after = schemas("a column with a default")
    migrations = built(before, after)
    with opened() as connection:
        apply(connection, migrations[:1], clock=ManualClock())
        connection.execute("INSERT INTO things VALUES ('a', 'A')")

        apply(connection, migrations, clock=ManualClock())

        assert rows(connection, "SELECT count FROM things") == [(-5,)]


@pytest.mark.parametrize("make", [lambda: str, lambda: CreatedAt])
def test_a_new_column_without_a_value_for_old_rows_is_refused(make: Callable[[], Any]) -> None:
    """The refusal names record and field and says what to write; an empty table needs none."""
    before = things({})
    after = things({"fields": {"made": make()}})
    with opened() as connection:
        apply(connection, built(before), clock=ManualClock())

        refused = plan(connection, after)
        allowed = plan(connection, after, empty_tables=frozenset({"things"}))

    (refusal,) = refused.refusals
    assert refused.steps == ()
    assert "Thing.made is new and may not be None" in refusal.sentence
    assert "| None = None" in refusal.advice
    assert [step.verb for step in allowed.steps] == ["add column"]


def test_an_equal_database_needs_no_plan() -> None:
    """Nothing to do, and nothing in the way."""
    with opened() as connection:
        apply(connection, built(shop()), clock=ManualClock())

        assert plan(connection, shop()).is_empty
