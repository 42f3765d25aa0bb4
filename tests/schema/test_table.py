"""Columns, keys, defaults and where rows live, as the engine has them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import apsw
import pytest
from msgspec import NODEFAULT, field

from freehold.scalars import Hashed, Int64
from freehold.schema import (
    AUTO,
    Column,
    CreatedAt,
    EpochMillis,
    EpochSeconds,
    PrimaryKey,
    Record,
    Schema,
    Struct,
)
from tests.schema.declared import built, record, rows, sql_of


class Options(Struct, frozen=True):
    """A value that may be a default: nobody can change it."""

    hour: int = 8
    note: str = "it's 5% of 'all'"


class Everything(Record, table="everything"):
    """A default of every type that can have one."""

    id: Annotated[str, PrimaryKey()]
    text: str = 'it\'s; a "text"\n\twith :8 100% \\n and ünïcode'
    blank: str = ""
    schedule: str = '{"type":"daily","hour":8}'
    number: int = -9_007_199_254_740_991
    big: Int64 = Int64(-(2**63))
    ratio: float = 0.1
    whole: float = 3
    yes: bool = True
    no: bool = False
    raw: bytes = b"\x00'\xff"
    status: Literal["new", "it's"] = "it's"
    level: Literal[1, -2] = -2
    since: EpochSeconds = 0
    until: EpochMillis = 1_700_000_000_000
    tags: list[str] = []
    names: list[str] = field(default_factory=lambda: ["a:1", "b'c"])
    extra: dict[str, int] = {}
    options: Options = Options()
    anything: Any = None
    optional: str | None = None
    optional_text: str | None = "text"
    digest: Hashed | None = None


def test_the_default_in_sql_is_the_default_in_python() -> None:
    """A row that another hand inserts reads as one that was made here."""
    with built(Everything) as connection:
        connection.execute("INSERT INTO everything (id) VALUES ('e1')")
        stored = rows(connection, "SELECT * FROM everything")[0]

    made = Everything(id="e1")
    for each, value in zip(Everything.__fields__, stored, strict=True):
        read = value if each.kind.read is None or value is None else each.kind.read(value)
        assert read == getattr(made, each.name), each.name


def test_what_is_left_out_is_what_was_said() -> None:
    """A field knows its default, NODEFAULT when it must be given."""
    by_name = {each.name: each for each in Everything.__fields__}

    assert by_name["id"].default is NODEFAULT
    assert by_name["whole"].default == 3.0
    assert type(by_name["whole"].default) is float
    assert by_name["names"].default == ["a:1", "b'c"]
    assert by_name["optional"].default is None
    assert by_name["text"].column == "text"


def test_a_default_factory_gives_each_row_its_own() -> None:
    """Two rows never share a list."""
    one, other = Everything(id="e1"), Everything(id="e2")

    one.names.append("more")
    one.tags.append("more")

    assert (other.names, other.tags) == (["a:1", "b'c"], [])


def test_tables_are_strict() -> None:
    """A text in a number's column is refused, not kept."""
    with built(Everything) as connection, pytest.raises(apsw.ConstraintError, match="TEXT value"):
        connection.execute("INSERT INTO everything (id, number) VALUES ('e1', 'many')")


class Wide(Record, table="wide", primary_key=("zone", "area", "id")):
    """A key whose order is not the columns'."""

    id: str
    area: str
    title: str
    zone: str


def test_a_key_of_several_columns_has_the_author_s_order() -> None:
    """Rows lie by the first part of the key, and `db.get` takes its parts in that order."""
    with built(Wide) as connection:
        key = rows(connection, "SELECT name FROM pragma_table_info('wide') WHERE pk ORDER BY pk")

    assert key == [("zone",), ("area",), ("id",)]
    assert [column.name for column in Wide.__table__.primary_key.columns] == ["zone", "area", "id"]


class Visit(Record, table="visits"):
    """A key that the engine counts."""

    id: Annotated[int, PrimaryKey(autoincrement=True)] = AUTO
    note: str = ""


def test_a_counted_key_is_never_used_twice() -> None:
    """Not even when the last row is gone."""
    with built(Visit) as connection:
        connection.execute("INSERT INTO visits DEFAULT VALUES")
        connection.execute("INSERT INTO visits DEFAULT VALUES")
        connection.execute("DELETE FROM visits WHERE id = 2")
        connection.execute("INSERT INTO visits DEFAULT VALUES")

        assert rows(connection, "SELECT id FROM visits ORDER BY id") == [(1,), (3,)]


def test_a_counted_key_needs_no_auto() -> None:
    """As a time of creation does not: the mark says it."""

    class Short(Record, table="shorts"):
        id: Annotated[Int64, PrimaryKey(autoincrement=True)]

    with built(Short) as connection:
        assert "PRIMARY KEY AUTOINCREMENT" in sql_of(connection, "shorts")


@pytest.mark.parametrize(
    ("fields", "options", "has_rowid"),
    [
        ({"id": Annotated[str, PrimaryKey()]}, {}, False),
        ({"id": Annotated[str, PrimaryKey()], "n": int, "f": float, "t": str}, {}, False),
        ({"id": Annotated[str, PrimaryKey()], "tags": list[str]}, {}, True),
        ({"id": Annotated[str, PrimaryKey()], "raw": bytes}, {}, True),
        ({"id": Annotated[int, PrimaryKey()]}, {}, True),
        ({"id": Annotated[Int64, PrimaryKey()]}, {}, True),
        ({"id": Annotated[EpochMillis, PrimaryKey()]}, {}, True),
        ({"id": Annotated[Hashed, PrimaryKey()]}, {}, False),
        ({"a": int, "b": int}, {"primary_key": ("a", "b")}, False),
        ({"a": int, "b": dict}, {"primary_key": ("a",)}, True),
    ],
)
def test_rows_of_text_keys_live_in_the_key_s_tree(
    fields: dict[str, Any], options: dict[str, Any], has_rowid: bool
) -> None:
    """But for those with large values, and for whole numbers, which are the rowid."""
    with built(record("Thing", "things", fields, **options)) as connection:
        ((without,),) = rows(connection, "SELECT wr FROM pragma_table_list WHERE name = 'things'")

    assert bool(without) is not has_rowid


class Select(Record, table="select"):
    """Reserved words wherever a name may stand, and a name that is no Python."""

    order: Annotated[str, PrimaryKey()]
    group: int = 0
    index: str | None = None
    table: bool = True
    values: str = ""
    from_: Annotated[str, Column("from")] = ""
    klass: Annotated[str, Column("class")] = ""
    session_token: Annotated[str | None, Column("sessionToken")] = None


def test_any_word_is_a_name() -> None:
    """For a table and for columns; camelCase ones stay as they are."""
    with built(Select) as connection:
        connection.execute("""INSERT INTO "select" ("order", "sessionToken") VALUES ('a', 'b')""")
        columns = rows(connection, "SELECT name FROM pragma_table_info('select') ORDER BY cid")

    assert [name for (name,) in columns] == [
        "order", "group", "index", "table", "values", "from", "class", "sessionToken"
    ]  # fmt: skip


def test_columns_in_the_schema_keep_what_migrations_ask_for() -> None:
    """The names before, and the field behind each column."""
    table = Schema([Select]).table("select")

    assert table.c["sessionToken"].info["field"] == "session_token"
    assert table.info == {"was": None, "record": "Select"}


class Stamped(Record, table="stamped"):
    """Times that the writes set."""

    id: Annotated[str, PrimaryKey()]
    created_at: CreatedAt
    updated_at: CreatedAt = AUTO


def test_a_time_that_is_set_has_no_default_in_sql() -> None:
    """There is no clock in SQL: a replay would give another time."""
    with built(Stamped) as connection:
        assert "DEFAULT" not in sql_of(connection, "stamped")
