"""
From nothing and through a migration must meet: for any two schemas, with any rows between.

The schemas are small and drawn from few names and kinds, so that two of them have much in
common and differ in every way that a schema can.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import apsw
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from freehold.clock import ManualClock
from freehold.errors import MigrationFailed
from freehold.migrate.apply import apply, check
from freehold.migrate.files import Migration
from freehold.migrate.plan import plan
from freehold.migrate.shape import shape_of, shape_of_schema
from freehold.schema import (
    AUTO,
    Check,
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
from tests.migrate.worlds import built, content, opened, rows

#: Kind by name: annotation, default, values that rows get.
KINDS: dict[str, tuple[Any, Any, list[Any]]] = {
    "text": (str, "it's", ["", "12", "a;b", "é"]),
    "text or none": (str | None, None, [None, "7", "-- x"]),
    "int": (int, -3, [0, 5, 2**53 - 1]),
    "int or none": (int | None, None, [None, 1]),
    "float": (float, 1.5, [0.0, -2.25, 3.0]),
    "bool": (bool, True, [0, 1]),
    "literal": (Literal["p", "q's"], "p", ["p", "q's"]),
    "number literal": (Literal[1, 2] | None, None, [None, 2]),
    "bytes": (bytes | None, None, [None, b"\0\xff"]),
    "json": (list[str], [], ['["a"]', "[]"]),
}
KEYS: dict[str, tuple[Any, Any]] = {
    "text": (Annotated[str, PrimaryKey()], None),
    "int": (Annotated[int, PrimaryKey()], None),
    "counted": (Annotated[int, PrimaryKey(autoincrement=True)], AUTO),
}


@dataclass(frozen=True)
class Part:
    """One column as drawn."""

    kind: str
    is_unique: bool
    is_indexed: bool


@dataclass(frozen=True)
class Table:
    """One table as drawn; `up` is the action of a reference to the table `first`."""

    key: str
    columns: dict[str, Part]
    up: str | None
    has_check: bool
    has_trigger: bool
    index: str | None


parts = st.builds(Part, st.sampled_from(sorted(KINDS)), st.integers(0, 5).map(lambda n: n == 0),
                  st.booleans())  # fmt: skip
tables = st.builds(
    Table,
    st.sampled_from(sorted(KEYS)),
    st.dictionaries(st.sampled_from("abxD"), parts, max_size=4),
    st.sampled_from([None, "cascade", "set null", "no action"]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, "id desc", "unique", "where"]),
)
schemas = st.dictionaries(st.sampled_from(["first", "second", "third"]), tables, min_size=1).filter(
    lambda drawn: "first" in drawn
)


def record(name: str, tables: dict[str, Table], renamed: dict[str, str]) -> type[Record]:
    """The record that was drawn; `renamed` gives columns their old names."""
    drawn = tables[name]
    key, default = KEYS[drawn.key]
    fields: dict[str, Any] = {"id": key}
    defaults: dict[str, Any] = {"id": default} if default is AUTO else {}
    for column, part in drawn.columns.items():
        kind, value, _ = KINDS[part.kind]
        marks: list[Any] = [Unique()] if part.is_unique else []
        marks += [Index()] if part.is_indexed else []
        marks += [Was(renamed[column])] if column in renamed else []
        fields[column] = Annotated[(kind, *marks)] if marks else kind
        defaults[column] = value
    if drawn.up:
        holds: Any = str if tables["first"].key == "text" else int
        up = References("first.id", on_delete=drawn.up)  # type: ignore[arg-type]
        fields["up"] = Annotated[holds | None, up]
        defaults["up"] = None
    # True of every row on both engines, and over every column.
    always = " OR ".join(f'"{column}" IS NOT NULL' for column in ["id", *drawn.columns])
    indexes = {
        None: [],
        "id desc": [Index("id desc", name=f"{name}_more")],
        "unique": [Index("id", name=f"{name}_more", unique=True)],
        "where": [Index("id", name=f"{name}_more", where=always)],
    }
    keep = Trigger(name=f"{name}_keep", when="before", event="delete", refuse="it's kept")
    touch = Trigger(
        name=f"{name}_touch", when="after", event="insert", run="UPDATE first SET id = id"
    )
    made: type[Record] = RecordMeta(
        name.title(),
        (Record,),
        {"__annotations__": fields, "__module__": __name__, **defaults},
        table=name,
        indexes=indexes[drawn.index],
        checks=[Check(always, name=f"ck_{name}")] if drawn.has_check else [],
        triggers=[keep, touch] if drawn.has_trigger else [],
    )
    return made


def schema(drawn: dict[str, Table], renamed: dict[str, dict[str, str]] | None = None) -> Schema:
    names = renamed or {}
    return Schema([record(name, drawn, names.get(name, {})) for name in drawn])


def fill(connection: apsw.Connection, drawn: dict[str, Table], data: st.DataObject) -> None:
    """Some rows in each table, with values that its columns take."""
    count: st.SearchStrategy[Any] = st.integers(0, 3)
    connection.execute("PRAGMA foreign_keys = OFF")
    for name, table in drawn.items():
        for number in range(data.draw(count, label=f"rows of {name}")):
            row: dict[str, Any] = {"id": number + 1}
            for column, part in table.columns.items():
                values = KINDS[part.kind][2]
                row[column] = values[number % len(values)]
            columns = ", ".join(f'"{column}"' for column in row)
            holes = ", ".join("?" * len(row))
            # A value that a unique column has already is not what is asked here.
            sql = f"INSERT OR IGNORE INTO {name} ({columns}) VALUES ({holes})"
            connection.execute(sql, tuple(row.values()))
    connection.execute("PRAGMA foreign_keys = ON")


def survivors(
    before: dict[str, Table], after: dict[str, Table], renamed: dict[str, dict[str, str]]
) -> list[tuple[str, str, str]]:
    """Table, old and new name of each column whose values must be what they were."""
    found = []
    for name, table in after.items():
        if name not in before:
            continue
        olds = before[name].columns
        if before[name].key == table.key:
            found.append((name, "id", "id"))
        for column, part in table.columns.items():
            old = renamed.get(name, {}).get(column, column)
            if old in olds and olds[old].kind == part.kind:
                found.append((name, old, column))
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(schemas, schemas, st.data())
def test_the_two_roads_meet(
    before: dict[str, Table], after: dict[str, Table], data: st.DataObject
) -> None:
    """The plan arrives at the schema and keeps what survives, or changes nothing at all."""
    renamed = renames(before, after, data)
    old, new = schema(before), schema(after, renamed)
    first = built(old)
    with opened() as connection:
        apply(connection, first, clock=ManualClock(), expected=old)
        fill(connection, before, data)
        kept = survivors(before, after, renamed)
        values = {part: read(connection, part[0], part[1]) for part in kept}
        image = content(connection)

        planned = plan(connection, new)
        assert planned.refusals == ()
        event(f"steps: {sorted({step.verb for step in planned.steps})}")
        if planned.is_empty:
            assert shape_of_schema(old) == shape_of_schema(new)
            return
        second = Migration.of_plan(planned, number=2, slug="second")
        assert check(new, [*first, second]) == []
        try:
            apply(connection, [*first, second], clock=ManualClock(), expected=new)
        except MigrationFailed:
            event("refused by the rows")
            assert content(connection) == image
        else:
            assert shape_of(connection) == shape_of_schema(new)
            assert {part: read(connection, part[0], part[2]) for part in kept} == values
            assert plan(connection, new).is_empty


def renames(
    before: dict[str, Table], after: dict[str, Table], data: st.DataObject
) -> dict[str, dict[str, str]]:
    """Now and then a column that comes had the name of one that goes."""
    found: dict[str, dict[str, str]] = {}
    coin: st.SearchStrategy[Any] = st.booleans()
    for name in sorted({*before} & {*after}):
        gone = sorted({*before[name].columns} - {*after[name].columns})
        new = sorted({*after[name].columns} - {*before[name].columns})
        if gone and new and data.draw(coin, label=f"rename in {name}"):
            found[name] = {new[0]: gone[0]}
    return found


def read(connection: apsw.Connection, table: str, column: str) -> list[str]:
    """The column's values, each with its row's key, whatever type that has now."""
    found = rows(connection, f'SELECT id, "{column}" FROM {table}')
    return sorted(f"{key} {value!r}" for key, value in found)
