"""
What a database holds before a migration and after it, counted and hashed, and what is missing.

Nothing here knows an engine: each looks in its own way (`rehearse`, `postgres.rehearse`), and
the two looks are compared here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from freehold.migrate.files import Migration
from freehold.migrate.shape import Shape
from freehold.migrate.sqltext import Token, tokens, unquoted

_ENCODE: Final = msgspec.msgpack.Encoder(enc_hook=str).encode
Names = tuple[str, ...]
#: How many rows are held at once.
CHUNK: Final = 1_000


@dataclass(frozen=True)
class Column:
    """A column's values that are there, and the hash of them with their rows' keys."""

    values: int
    hash: str


@dataclass(frozen=True)
class Children:
    """The rows that point at a parent, and the hash of how many each parent has."""

    rows: int
    hash: str


@dataclass(frozen=True)
class Look:
    """
    A database at one moment.

    Args:
        rows: The rows of each table.
        columns: What each table's columns hold.
        children: By reference: child, its columns, parent.
        broken: References that point at nothing.
        pieces: Indexes, triggers and views by name, with what they are and their table.
        shape: Its tables.
    """

    rows: Mapping[str, int]
    columns: Mapping[str, Mapping[str, Column]]
    children: Mapping[tuple[str, tuple[str, ...], str], Children]
    broken: int
    pieces: Mapping[str, tuple[str, str]]
    shape: Shape


@dataclass(frozen=True)
class Rehearsal:
    """
    What came of migrations on a copy.

    Args:
        migrations: Their names, in order; nothing when nothing waits.
        before, after: The copy before them and after.
        seconds: How long they took, without the copying and counting.
        lost: What is missing afterwards, or is not what it was though no statement said so.
        changed: What statements changed, for who reads it.
    """

    migrations: tuple[str, ...] = ()
    before: Look | None = None
    after: Look | None = None
    seconds: float = 0.0
    lost: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


@dataclass
class ColumnDigests:
    """The columns of one table while its rows are read in the order of their key."""

    names: Sequence[str]
    key: Sequence[str]
    rows: int = 0
    _values: list[int] = field(default_factory=list)
    _digests: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._values = [0] * len(self.names)
        self._digests = [hashlib.sha256() for _ in self.names]
        self._places = [self.names.index(name) for name in self.key]

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        """More rows."""
        for row in rows:
            self.rows += 1
            key = _ENCODE([row[place] for place in self._places])
            for place, value in enumerate(row):
                if value is not None:
                    self._values[place] += 1
                    self._digests[place].update(key)
                    self._digests[place].update(_ENCODE(value))

    @property
    def columns(self) -> dict[str, Column]:
        """What was found."""
        each = zip(self.names, self._values, self._digests, strict=True)
        return {name: Column(count, digest.hexdigest()) for name, count, digest in each}


def children_of(counted: Iterable[Sequence[Any]]) -> Children:
    """From each parent that has some, and how many: the last of a row."""
    digest = hashlib.sha256()
    total = 0
    for *parent, count in sorted(map(list, counted), key=repr):
        digest.update(_ENCODE([parent, count]))
        total += int(count)
    return Children(total, digest.hexdigest())


def references_of(shape: Shape) -> Iterator[tuple[str, Names, str, Names]]:
    """Child, its columns, parent and its columns, as they are written in the tables."""
    tables = {name.lower(): name for name in shape.tables}
    for child, table in shape.tables.items():
        for key in sorted(table.foreign_keys, key=lambda key: (key.columns, key.table)):
            parent = tables.get(key.table.lower())
            if parent is not None:
                there = shape.tables[parent].columns
                yield child, _names(table.columns, key.columns), parent, _names(there, key.targets)


def _names(columns: Iterable[str], said: Names) -> Names:
    found = {name.lower(): name for name in columns}
    return tuple(found.get(name.lower(), name) for name in said)


def compared(before: Look, after: Look, migrations: Sequence[Migration]) -> tuple[list[str], ...]:
    """
    What is lost and what was changed by the migrations, in sentences.

    Columns that a statement sets, seals, or gives another type are not held to their hash.
    """
    said = Said.of(migrations)
    lost: list[str] = []
    changed: list[str] = []
    for table, rows in before.rows.items():
        now = said.table(table)
        if now not in after.rows:
            (lost if rows else changed).append(f"the table {table} goes, with {rows} rows")
            continue
        there = after.rows[now]
        if there < rows:
            lost.append(f"{now}: {rows - there} of {rows} rows are gone")
        elif there > rows:
            changed.append(f"{now}: {there - rows} rows are new")
        _compare_columns(before, after, said, table=table, lost=lost, changed=changed)
    _compare_children(before, after, said, lost)
    if after.broken:
        lost.append(f"{after.broken} references point at rows that are not there")
    for name, (kind, table) in before.pieces.items():
        went_along = table in before.rows and said.table(table) not in after.rows
        if name not in after.pieces and not went_along:
            is_said = name.lower() in said.dropped
            (changed if is_said else lost).append(f"the {kind} {name} is gone")
    changed += [
        f"the {kind} {name} is new"
        for name, (kind, _) in after.pieces.items()
        if name not in before.pieces
    ]
    return lost, changed


def _compare_columns(
    before: Look, after: Look, said: Said, *, table: str, lost: list[str], changed: list[str]
) -> None:
    now = said.table(table)
    for name, column in before.columns[table].items():
        new = said.column(table, name)
        where = f"{now}.{new}"
        there = after.columns[now].get(new)
        if there is None:
            (lost if column.values else changed).append(
                f"the column {table}.{name} goes, with {column.values} values"
            )
            continue
        if there == column or after.rows[now] < before.rows[table]:
            continue
        types = before.shape.tables[table].columns[name], after.shape.tables[now].columns[new]
        is_said = (now.lower(), new.lower()) in said.set or types[0].type != types[1].type
        is_filled = there.values > column.values
        if is_said or is_filled:
            changed.append(f"{where}: values are others than before")
        else:
            lost.append(f"{where}: values are others than before, and no statement sets them")


def _compare_children(before: Look, after: Look, said: Said, lost: list[str]) -> None:
    for (child, columns, parent), found in before.children.items():
        now = (
            said.table(child),
            tuple(said.column(child, each) for each in columns),
            said.table(parent),
        )
        there = after.children.get(now)
        had_more = before.rows[child] > after.rows.get(now[0], 0)
        if there is None or there == found or had_more:
            continue
        if there.rows < found.rows:
            lost.append(
                f"{now[0]}: {found.rows - there.rows} of {found.rows} rows that point at {now[2]} "
                "are gone, or point at nothing"
            )
        elif not any((now[0].lower(), each.lower()) in said.set for each in now[1]):
            lost.append(f"{now[0]}: rows point at other rows of {now[2]} than before")


class Said:
    """What the statements say: new names, columns that they set, and what they drop."""

    def __init__(self) -> None:
        self._tables: dict[str, str] = {}
        self._columns: dict[tuple[str, str], str] = {}
        self.set: set[tuple[str, str]] = set()
        self.dropped: set[str] = set()

    @classmethod
    def of(cls, migrations: Sequence[Migration]) -> Said:
        """What all of them say, one after the other."""
        said = cls()
        for migration in migrations:
            for statement in migration.statements:
                if statement.seal:
                    said.set.add((statement.seal.table.lower(), statement.seal.column.lower()))
                else:
                    said.read(tokens(statement.sql), is_rebuild=statement.rebuild is not None)
        return said

    def table(self, name: str) -> str:
        """What a table is called afterwards."""
        return self._tables.get(name, name)

    def column(self, table: str, name: str) -> str:
        """What a column is called afterwards; the table by its name before."""
        return self._columns.get((table, name), name)

    def read(self, text: list[Token], *, is_rebuild: bool) -> None:
        """One statement more."""
        words = [token.normal for token in text]
        names = [name_of(token) for token in text]
        if words[:1] == ["drop"]:
            self.dropped |= {name.lower() for name in names[2:]}
        elif words[:1] == ["update"] and "set" in words:
            start = words.index("set")
            table = names[start - 1] if words[start - 1] != "as" else names[1]
            self.set |= {
                (table.lower(), names[place - 1].lower())
                for place in range(start, len(words))
                if words[place] == "="
            }
        elif words[:2] == ["alter", "table"] and "rename" in words and not is_rebuild:
            self._rename(words, names)

    def _rename(self, words: list[str], names: list[str]) -> None:
        at, last = words.index("rename"), names[-1]
        table = names[at - 1]
        if words[at + 1] == "to":
            self._set(self._tables, self._before(table), last)
            return
        old = names[at + 2] if words[at + 1] == "column" else names[at + 1]
        if words[at + 1] == "constraint":
            return
        first = self._before(table)
        known = {new: name for (t, name), new in self._columns.items() if t == first}
        self._columns[first, known.get(old, old)] = last

    def _before(self, table: str) -> str:
        known = {new: old for old, new in self._tables.items()}
        return known.get(table, table)

    @staticmethod
    def _set(names: dict[str, str], old: str, new: str) -> None:
        names[old] = new


def name_of(token: Token) -> str:
    """The name that a token stands for, as it is written."""
    return unquoted(token.text) if token.kind == "quoted" else token.text
