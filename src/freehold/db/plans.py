"""
The SQL of the everyday operations on one record, written once and kept.

`get`, `insert`, `update` and `delete` by key need no statement from the author: their text
follows from the record. Each text is the same string every time, so the driver finds its
prepared statement in the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import sqlalchemy as sa

from freehold.db import affinity
from freehold.db.rows import RowReader, row_reader, row_writer
from freehold.errors import InvalidArgument, StatementError
from freehold.schema import SYSTEM_PREFIX, Field, Record, is_own_table, wire_name
from freehold.schema.sqltext import literal, quoted

#: Rows that one INSERT of `insert_many` carries; SQLite allows 32,766 parameters a statement.
_MANY_ROWS_MAX: Final = 100
_MANY_PARAMETERS_MAX: Final = 8_000
#: Keys of these kinds are handed over as they are: no check, no conversion.
_SIMPLE_KEYS: Final = ("str", "int", "literal")


class RecordPlan:
    """
    One record on one dialect: its texts, and the functions between rows and objects.

    Args:
        record: The record.
        dialect: `sqlite` writes parameters as `?`, `postgresql` as `$1`.
    """

    def __init__(self, record: type[Record], dialect: str) -> None:
        table = record.__table__
        self.record = record
        # SQLAlchemy makes names a str of its own, which no codec knows.
        self.table: str = str(table.name)
        self.fields: tuple[Field, ...] = record.__fields__
        self.by_name = {field.name: field for field in self.fields}
        by_column = {field.column: field for field in self.fields}
        self.key: tuple[Field, ...] = tuple(by_column[c.name] for c in table.primary_key.columns)
        self.counted = next((f for f in self.key if f.is_automatic and not f.stamp), None)
        is_sqlite = dialect == "sqlite"
        self._mark: Callable[[int], str] = _mark if is_sqlite else _numbered_mark
        #: Values are made to fit their columns here, because the driver would cut or refuse them.
        self.fits = not is_sqlite
        self._columns = ", ".join(quoted(field.column) for field in self.fields)
        self.simple_key = len(self.key) == 1 and self.key[0].kind.name in _SIMPLE_KEYS
        #: The key is the driver's value, and a row is more than one: `Link.row` can read it.
        self.is_direct = self.simple_key and len(self.fields) > 1
        #: And the engine takes any value for it.
        self.is_bare = self.is_direct and is_sqlite
        self.insert_fields = tuple(f for f in self.fields if f is not self.counted)
        self.values = row_writer(self.insert_fields)
        self.all_values = row_writer(self.fields) if self.counted else self.values
        self.read: RowReader = row_reader(
            record,
            [(field.name, field.kind, field.column) for field in self.fields],
            table=self.table,
            key=[self.fields.index(field) for field in self.key],
        )
        self.has_sealed = any(field.kind.is_sealed for field in self.fields)
        #: A row given to an insert is not yet what a read would give.
        self.is_rewritten = any(f.kind.name in ("sealed", "hashed") for f in self.fields)
        self.stamped = tuple(f for f in self.fields if f.stamp and f.is_automatic)
        self.restamped = tuple(f for f in self.fields if f.stamp and f.stamp.on_update)
        where = self._where(self.key, 1)
        name = quoted(self.table)
        self.get_sql = f"SELECT {self._columns} FROM {name} WHERE {where}"
        self.delete_sql = f"DELETE FROM {name} WHERE {where}"
        self.insert_sql = self._insert(self.insert_fields, 1)
        self._kept: dict[Any, str] = {}

    def key_values(self, key: Any) -> Sequence[Any]:
        """
        The key as the driver takes it.

        Raises:
            StatementError: A key of several columns was given as something else than a tuple.
            InvalidArgument: A part is outside what its column can hold.
        """
        if self.simple_key:
            return self.equalled(self.key, (key,)) if self.fits else (key,)
        parts = key if isinstance(key, tuple) else (key,)
        if len(parts) != len(self.key):
            names = ", ".join(field.name for field in self.key)
            raise StatementError(
                f"the key of {self.record.__name__} is ({names}), not {len(parts)} value(s).",
                hint="Give the values as a tuple, in that order.",
            )
        values = []
        for field, part in zip(self.key, parts, strict=True):
            write = field.kind.compare
            value = part if write is None or part is None else write(part)
            # The place of a sealed value tells True from 1.
            values.append(int(value) if isinstance(value, bool) else value)
        return self.equalled(self.key, values) if self.fits else values

    def equalled(self, fields: Sequence[Field], values: Sequence[Any]) -> list[Any]:
        """Values that these fields are to equal, as the driver takes them."""
        return [
            None if value is None else affinity.equalled(field.kind.holds, value)
            for field, value in zip(fields, values, strict=True)
        ]

    def stored(self, fields: Sequence[Field], values: Sequence[Any]) -> list[Any]:
        """
        Values that these fields are to store, as the driver takes them.

        Raises:
            ConstraintViolation: A field holds another sort of value.
        """
        return [
            affinity.stored(field.kind.holds, value, table=self.table, column=field.column)
            for field, value in zip(fields, values, strict=True)
        ]

    def key_of(self, row: Record) -> Sequence[Any]:
        """The key of a row, as the driver takes it."""
        parts = tuple(getattr(row, field.name) for field in self.key)
        return self.key_values(parts[0] if len(parts) == 1 else parts)

    def find_sql(self, names: tuple[str, ...]) -> str:
        """SELECT by equality of these fields, at most two rows (the second one is an error)."""
        found = self._kept.get(names)
        if found is None:
            fields = [self.field(name) for name in names]
            found = (
                f"SELECT {self._columns} FROM {quoted(self.table)} "
                f"WHERE {self._where(fields, 1)} LIMIT 2"
            )
            self._kept[names] = found
        return found

    def all_sql(self) -> str:
        """SELECT of every row, by key."""
        keys = ", ".join(quoted(field.column) for field in self.key)
        return f"SELECT {self._columns} FROM {quoted(self.table)} ORDER BY {keys}"

    def update_sql(self, names: tuple[str, ...]) -> str:
        """UPDATE of these fields by key, answering with the row as it is then."""
        found = self._kept.get(("update", names))
        if found is None:
            fields = [self.by_name[name] for name in names]
            sets = ", ".join(
                f"{quoted(field.column)} = {self._mark(number)}"
                for number, field in enumerate(fields, 1)
            )
            found = (
                f"UPDATE {quoted(self.table)} SET {sets} "
                f"WHERE {self._where(self.key, len(fields) + 1)} RETURNING {self._columns}"
            )
            self._kept["update", names] = found
        return found

    def put_sql(
        self, at: tuple[str, ...], keep: tuple[str, ...], only: tuple[str, ...] = ()
    ) -> str:
        """
        INSERT, or UPDATE of the row that has the same values in `at`; answers with the row.

        Args:
            at: What makes the rows the same.
            keep: Fields that an update leaves as they are.
            only: Fields that must be the same too; else nothing happens, and there is no row.

        Raises:
            StatementError: Nothing makes `at` unique, or a name is no field.
        """
        found = self._kept.get(("put", at, keep, only))
        if found is None:
            target = [self.field(name) for name in at]
            self._refuse_ambiguous(target)
            kept = [self.field(name) for name in keep]
            spared = {field.name for field in (*self.key, *target, *kept)}
            changed = [
                field
                for field in self.insert_fields
                if field.name not in spared
                and not (field.stamp and field.is_automatic and not field.stamp.on_update)
            ]
            # With nothing to change, the row is set to itself: it is to be answered with.
            sets = ", ".join(
                f"{quoted(f.column)} = excluded.{quoted(f.column)}" for f in changed or target
            )
            columns = ", ".join(quoted(field.column) for field in target)
            same = " AND ".join(
                f"{quoted(self.table)}.{column} = excluded.{column}"
                for column in (quoted(self.field(name).column) for name in only)
            )
            found = (
                f"{self.insert_sql} ON CONFLICT ({columns}) DO UPDATE SET {sets}"
                f"{' WHERE ' + same if same else ''} RETURNING {self._columns}"
            )
            self._kept["put", at, keep, only] = found
        return found

    def _refuse_ambiguous(self, target: Sequence[Field]) -> None:
        names = sorted(field.column for field in target)
        if sorted(field.column for field in self.key) == names:
            return
        constraints = self.record.__table__.constraints
        for unique in (each for each in constraints if isinstance(each, sa.UniqueConstraint)):
            if sorted(column.name for column in unique.columns) == names:
                return
        for index in self.record.__table__.indexes:
            is_whole = index.dialect_options["sqlite"]["where"] is None
            if index.unique and is_whole and sorted(c.name for c in index.columns) == names:
                return
        raise StatementError(
            f"nothing makes {', '.join(field.name for field in target)} unique in {self.table}.",
            hint="put(…, at=…) names the key, or the fields of a Unique(…) or a unique Index.",
        )

    def insert_many_sql(self, rows: int, *, ignore: bool, counted: bool = True) -> str:
        """
        INSERT of that many rows; `ignore` leaves those whose key or unique value exists.

        Args:
            rows: How many.
            ignore: Say ON CONFLICT DO NOTHING.
            counted: The engine counts the key up; else it is given.
        """
        place = ("many", rows, ignore, counted)
        found = self._kept.get(place)
        if found is None:
            fields = self.insert_fields if counted else self.fields
            found = self._insert(fields, rows) + (" ON CONFLICT DO NOTHING" if ignore else "")
            if self.fits and self.counted is not None and not counted:
                found += f" RETURNING {self._count_on()}"
            self._kept[place] = found
        return found

    @property
    def many_rows_max(self) -> int:
        """How many rows go into one INSERT."""
        if not self.insert_fields:
            return 1
        return max(1, min(_MANY_ROWS_MAX, _MANY_PARAMETERS_MAX // len(self.fields)))

    def insert_counted_sql(self) -> str:
        """INSERT of a row whose key the engine counts up, answering with the key."""
        return f"{self.insert_sql} RETURNING {quoted(self.key[0].column)}"

    def _count_on(self) -> str:
        """Lets the sequence go on above a key that was given, as SQLite's counting does."""
        key = quoted(self.key[0].column)
        sequence = f"pg_get_serial_sequence({literal(quoted(self.table))}, {literal(key[1:-1])})"
        last = f"pg_sequence_last_value({sequence})"
        return (
            f"setval({sequence}, greatest({key}, coalesce({last}, 1)), "
            f"{key} >= 1 OR {last} IS NOT NULL)"
        )

    def field(self, name: str) -> Field:
        """
        The field of that name.

        Raises:
            StatementError: There is none.
        """
        found = self.by_name.get(name)
        if found is None:
            raise StatementError(
                f"{self.record.__name__} has no field {name!r}.",
                hint=f"Its fields are {', '.join(self.by_name)}.",
            )
        return found

    def changeable(self, name: str) -> Field:
        """
        The field of that name, if an update may set it.

        Raises:
            InvalidArgument: It is part of the key.
        """
        field = self.field(name)
        if field in self.key:
            raise InvalidArgument(
                f"{name} is the key of {self.table} and does not change.",
                hint="Leave it out; a row with another key is another row.",
                path=wire_name(name),
            )
        return field

    def _insert(self, fields: tuple[Field, ...], rows: int) -> str:
        name = quoted(self.table)
        if not fields:
            # The only column is counted up.
            return f"INSERT INTO {name} DEFAULT VALUES"
        columns = ", ".join(quoted(field.column) for field in fields)
        width = len(fields)
        groups = ", ".join(
            "(" + ", ".join(self._mark(row * width + n + 1) for n in range(width)) + ")"
            for row in range(rows)
        )
        return f"INSERT INTO {name} ({columns}) VALUES {groups}"

    def _where(self, fields: Sequence[Field], first: int) -> str:
        return " AND ".join(
            f"{quoted(field.column)} = {self._mark(number)}"
            for number, field in enumerate(fields, first)
        )


class Plans(dict[type[Record], RecordPlan]):
    """The plans of one dialect; a record's is made when it is first asked for."""

    def __init__(self, dialect: str) -> None:
        super().__init__()
        self._dialect = dialect

    def __missing__(self, record: type[Record]) -> RecordPlan:
        if not hasattr(record, "__table__"):
            raise StatementError(
                f"{getattr(record, '__name__', None) or type(record).__name__} is no record.",
                hint="Give a Record class, or a statement made with select(…).",
            )
        table = record.__table__
        if table.name.lower().startswith(SYSTEM_PREFIX) and not is_own_table(table):
            raise StatementError(
                f"{record.__name__}: tables {SYSTEM_PREFIX}… are Freehold's own.",
                hint="A function works on the tables of its schema.",
            )
        plan = self[record] = RecordPlan(record, self._dialect)
        return plan


#: One set for each dialect; plans depend on nothing else.
PLANS: Final[dict[str, Plans]] = {"sqlite": Plans("sqlite"), "postgresql": Plans("postgresql")}


def _mark(_: int) -> str:
    return "?"


def _numbered_mark(number: int) -> str:
    return f"${number}"
