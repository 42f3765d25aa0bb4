"""
Which table and column of a source goes where; decided before a row is looked at.

All that does not fit is told at once, with the option that would settle it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from msgspec import NODEFAULT

from freehold.app.moving.refusals import ImportRefused
from freehold.app.moving.source import Source, SourceTable, is_inner
from freehold.app.moving.values import Convert, converter
from freehold.crypto import Secret
from freehold.schema import Field, Record, Schema, references_of

OnConflict = Literal["refuse", "keep", "replace"]


@dataclass(frozen=True)
class Wishes:
    """
    What whoever imports has said.

    Args:
        tables: Only these, by their name in the source or in the schema; all when empty.
        names: Names of the source and what they are here: `old` and `new` are tables,
            `old.column` and `new` a column.
        ignore_tables: Tables of the source that are left behind.
        ignore_columns: Columns of the source that are left behind, as `table.column`.
        fill_null: Columns here, as `table.column`, whose NULLs become the field's default.
        expected: How many rows a table of the source must have.
        on_conflict: What becomes of a row whose key is there with other values.
        is_rehearsal: Everything is done and then taken back.
        old_key: What opens values that another program has encrypted.
    """

    tables: tuple[str, ...] = ()
    names: dict[str, str] = field(default_factory=dict)
    ignore_tables: frozenset[str] = frozenset()
    ignore_columns: frozenset[str] = frozenset()
    fill_null: frozenset[str] = frozenset()
    expected: dict[str, int] = field(default_factory=dict)
    on_conflict: OnConflict = "refuse"
    is_rehearsal: bool = False
    old_key: Secret | None = None

    def wants(self, table: str) -> bool:
        """Whether the rows of that table of the source are to be read at all."""
        if table in self.ignore_tables or is_inner(table):
            return False
        return not self.tables or table in self.tables or self.here(table) in self.tables

    def here(self, table: str) -> str:
        """What a table of the source is called here."""
        return self.names.get(table, table)


@dataclass(frozen=True)
class Taken:
    """A column of the source and the field that it goes to."""

    source: str
    field: Field
    convert: Convert | None
    is_filled: bool


@dataclass(frozen=True)
class Fit:
    """
    A table of the source and the record that its rows become.

    Args:
        source: The table there.
        record: The record here.
        taken: The columns that go over, the key's first.
        late: Names of fields that point at a row which may come later: they are set last.
    """

    source: SourceTable
    record: type[Record]
    taken: tuple[Taken, ...]
    late: frozenset[str]

    @property
    def table(self) -> str:
        """What it is called here."""
        return str.__str__(self.record.__table__.name)


def fit(source: Source, schema: Schema, wishes: Wishes) -> list[Fit]:
    """
    All tables that go over, parents before children.

    Raises:
        ImportRefused: Something has no place here, or something that is needed is not there.
    """
    faults: list[str] = []
    chosen = _chosen(source, schema, wishes, faults)
    fits = []
    done: set[str] = set()
    for table in schema.tables:
        name = str.__str__(table.name)
        done.add(name)
        found = chosen.get(name)
        if found is not None:
            record = schema.by_table[name.lower()]
            late = _late(record, done - {name})
            fits.append(_of_table(found, record, late, wishes=wishes, faults=faults))
    if faults:
        more = f" And {len(faults) - 20} more." if len(faults) > 20 else ""
        raise ImportRefused(
            "this does not fit the schema:\n  " + "\n  ".join(faults[:20]) + more,
            hint="Each line names what settles it.",
        )
    return fits


def _chosen(
    source: Source, schema: Schema, wishes: Wishes, faults: list[str]
) -> dict[str, SourceTable]:
    by_lower = {str(table.name).lower(): str.__str__(table.name) for table in schema.tables}
    chosen: dict[str, SourceTable] = {}
    for table in source.tables:
        if not wishes.wants(table.name):
            continue
        here = by_lower.get(wishes.here(table.name).lower())
        if here is None:
            faults.append(
                f"{table.name} ({table.rows} rows): the schema has no such table; "
                f"--ignore-table {table.name}, or --map {table.name}=…"
            )
        elif here in chosen:
            faults.append(f"{table.name} and {chosen[here].name} would both become {here}")
        else:
            chosen[here] = table
    there = {table.name for table in source.tables} | set(chosen)
    listed = ", ".join(sorted(table.name for table in source.tables)) or "none"
    faults += [
        f"{name}: the source has no such table; it has {listed}"
        for name in (*wishes.tables, *wishes.expected)
        if name not in there
    ]
    _misspelt(source, schema, wishes, faults)
    return chosen


def _misspelt(source: Source, schema: Schema, wishes: Wishes, faults: list[str]) -> None:
    """What was said of something that is not there is a mistake, and is told."""
    tables = {table.name: table for table in source.tables}
    for said in (*wishes.names, *wishes.ignore_tables, *wishes.ignore_columns):
        table, _, column = said.partition(".")
        if said in tables or (table in tables and column in tables[table].columns):
            continue
        if is_inner(table):
            continue
        faults.append(f"{said}: the source has no such {'column' if column else 'table'}")
    for said in wishes.fill_null:
        table, _, column = said.partition(".")
        record = schema.by_table.get(table.lower())
        fields = record.__fields__ if record is not None else ()
        found = next((each for each in fields if each.column == column), None)
        if found is None:
            faults.append(f"--fill-null {said}: the schema has no such column")
        elif not found.is_automatic and found.default is NODEFAULT:
            faults.append(f"--fill-null {said}: the column has no default to fill in")


def _of_table(
    source: SourceTable, record: type[Record], late: frozenset[str], *,
    wishes: Wishes, faults: list[str],
) -> Fit:  # fmt: skip
    table = str.__str__(record.__table__.name)
    by_column = {each.column.lower(): each for each in record.__fields__}
    taken: dict[str, Taken] = {}
    for column in source.columns:
        said = f"{source.name}.{column}"
        if said in wishes.ignore_columns:
            continue
        here = wishes.names.get(said, column)
        found = by_column.get(here.lower())
        if found is None:
            faults.append(f"{said}: {table} has no column {here}; "
                          f"--ignore-column {said}, or --map {said}=…")  # fmt: skip
        elif found.name in taken:
            faults.append(f"{said} and {taken[found.name].source} would both become {found.column}")
        else:
            convert = None if found.kind.is_sealed else converter(found)
            is_filled = f"{table}.{found.column}" in wishes.fill_null
            taken[found.name] = Taken(column, found, convert, is_filled)
    keys = [str(column.name) for column in record.__table__.primary_key.columns]
    for each in record.__fields__:
        if each.name in taken or _may_be_absent(each, is_key=each.column in keys):
            continue
        faults.append(f"{source.name}: there is no column {each.column}, which {table} needs")
    # A sealed value is bound to its row's key, so the key is converted first.
    in_order = sorted(taken.values(), key=lambda each: each.field.column not in keys)
    return Fit(source, record, tuple(in_order), late & frozenset(taken))


def _may_be_absent(each: Field, *, is_key: bool) -> bool:
    if is_key:
        # A row that is counted anew at every import would be there twice.
        return False
    return each.is_nullable or each.is_automatic or each.default is not NODEFAULT


def _late(record: type[Record], before: set[str]) -> frozenset[str]:
    """Fields that may be None and point at a table which is not filled yet, or at this one."""
    by_column = {each.column: each for each in record.__fields__}
    found = set()
    for constraint in references_of(record.__table__):
        target = constraint.elements[0].target_fullname.rsplit(".", 1)[0]
        fields = [by_column[str(column.name)] for column in constraint.columns]
        if target not in before:
            found |= {each.name for each in fields if each.is_nullable}
    return frozenset(found)


def absent(record: type[Record], given: Sequence[str]) -> dict[str, Any]:
    """What fields are that the source does not have, beyond their own defaults."""
    return {
        each.name: None
        for each in record.__fields__
        if each.name not in given
        and each.is_nullable
        and not each.is_automatic
        and each.default is NODEFAULT
    }
