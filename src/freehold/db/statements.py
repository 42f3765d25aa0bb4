"""
Statements: SQLAlchemy Core, said once at module level, compiled once for each dialect.

SQLAlchemy writes the SQL and is then out of the way: what runs is a string with its
parameters, handed to the driver. Compiling costs a hundred times a point read, running the
compiled string costs nothing extra.

    _RECENT = (
        select(Idea)
        .where(Idea.c.publication_id == param("publication_id"))
        .where_given(Idea.c.status == param("status"))
        .order_by(Idea.c.created_at.desc(), Idea.c.id)
    )
    db.all(_RECENT, publication_id=publication_id, status=status)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

import msgspec
import sqlalchemy as sa
from msgspec import UNSET
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import visitors

from freehold.db.rows import RowReader, row_reader
from freehold.errors import StatementError
from freehold.schema import Kind, Record, Stored

T = TypeVar("T")
R = TypeVar("R", bound=Record)

#: Which clauses take part, and in which order rows come: one SQL text for each.
Variant = tuple[Any, ...]


def param(name: str) -> Any:
    """A value that is given when the statement runs."""
    return sa.bindparam(name, required=True)


def any_of(column: Any, values: Any) -> Any:
    """
    The column has one of the values of a list parameter, however many they are.

    The list travels as one JSON text, so the SQL stays one string.
    """
    each = sa.func.json_each(sa.type_coerce(values, _JSON_LIST)).table_valued("value")
    return column.in_(sa.select(each.c.value))


class _JsonList(sa.types.TypeDecorator[Any]):
    impl = sa.Text
    cache_ok = True
    kind = Kind("json", sa.Text(), write=lambda value: msgspec.json.encode(list(value)).decode())


_JSON_LIST = _JsonList()


class Compiled:
    """
    One text for one dialect: the SQL, its parameters in order, and what reads its rows.
    """

    def __init__(self, core: Any, dialect: str, read: RowReader | None) -> None:
        made: Any = core.compile(dialect=_POSITIONAL[dialect])
        self.sql = str(made)
        self.read = read
        order: list[str] = list(made.positiontup or ())
        self._slots = [_slot(made.binds[name]) for name in order]
        self.names = frozenset(name for name, _, _ in self._slots if name is not None)
        #: Nothing but given values, as they are: one comprehension and done.
        plain = all(name is not None and write is None for name, _, write in self._slots)
        self._plain = [name for name, _, _ in self._slots if name is not None] if plain else None
        self.one_column = _width(core) == 1

    def values(self, given: dict[str, Any], *, raw: str = "") -> list[Any]:
        """
        The given parameters in the order of the SQL.

        Args:
            given: By name.
            raw: Parameters whose name begins so are stored values already.

        Raises:
            StatementError: One is missing, or one is not the statement's.
        """
        try:
            if self._plain is not None:
                return [given[name] for name in self._plain]
            return [
                fixed
                if name is None
                else given[name]
                if raw and name.startswith(raw)
                else _written(given[name], write)
                for name, fixed, write in self._slots
            ]
        except KeyError as missing:
            raise StatementError(
                f"the statement needs the parameter {missing.args[0]!r}.",
                hint=f"It takes {', '.join(sorted(self.names))}.",
            ) from None


def _written(value: Any, write: Callable[[Any], Any] | None) -> Any:
    return value if write is None or value is None else write(value)


def _slot(bind: Any) -> tuple[str | None, Any, Callable[[Any], Any] | None]:
    """(parameter or None, fixed value, what writes it) for one place in the SQL."""
    kind = getattr(bind.type, "kind", None)
    write = None
    if kind is not None:
        if kind.is_sealed:
            raise StatementError(
                "a sealed column cannot be set or compared in a statement.",
                hint="Use db.insert and db.update, which know the row it belongs to.",
            )
        write = kind.write
    if bind.required:
        return bind.key, None, write
    fixed = bind.effective_value
    return None, _written(fixed, write), None


def _width(core: Any) -> int:
    columns: Any = getattr(core, "selected_columns", None)
    if columns is None:
        columns = getattr(core, "_returning", ())
    return len(list(columns))


class Statement(Generic[T]):
    """
    A statement and what its rows become. Immutable: each method returns another one.

    Args:
        core: The SQLAlchemy statement.
        into: A record, a struct whose fields are the selected columns, or a scalar type.
    """

    def __init__(self, core: Any, into: type[T]) -> None:
        self._core = core
        self._into = into
        self._optional: tuple[tuple[str, Any], ...] = ()
        self._orders: dict[str, tuple[Any, ...]] = {}
        self._compiled: dict[Any, Compiled] = {}
        self._reader: RowReader | None = None

    @property
    def core(self) -> Any:
        """The SQLAlchemy statement without its optional clauses."""
        return self._core

    @property
    def into(self) -> type[T]:
        """What a row becomes."""
        return self._into

    @property
    def is_dynamic(self) -> bool:
        """Its text depends on the parameters given."""
        return bool(self._optional or self._orders)

    def variant(self, given: dict[str, Any]) -> Variant:
        """
        Which clauses and which order this call asks for; takes what decides it out of `given`.

        Raises:
            StatementError: An order that the statement does not have.
        """
        order = given.pop("order", None) if self._orders else None
        if order is not None and order not in self._orders:
            raise StatementError(
                f"the statement has no order {order!r}.",
                hint=f"It has {', '.join(self._orders)}.",
            )
        parts: list[str] = []
        for name, _ in self._optional:
            if given.get(name, UNSET) in (UNSET, None):
                given.pop(name, None)
            else:
                parts.append(name)
        return (order or next(iter(self._orders), None), *parts)

    def variant_core(self, variant: Variant) -> Any:
        """The SQLAlchemy statement of a variant."""
        core = self._core
        for name, clause in self._optional:
            if name in variant[1:]:
                core = core.where(clause)
        if variant and variant[0] is not None:
            core = core.order_by(*self._orders[variant[0]])
        return core

    def compiled(self, dialect: str, given: dict[str, Any]) -> Compiled:
        """The text for these parameters, made at its first use."""
        variant = self.variant(given) if self.is_dynamic else ()
        return self.compiled_as((dialect, variant), self.variant_core, variant)

    def compiled_as(
        self, place: Any, build: Callable[[Variant], Any], variant: Variant
    ) -> Compiled:
        """The text kept under `place`, made of `build(variant)` when it is first asked for."""
        found = self._compiled.get(place)
        if found is None:
            if self._reader is None:
                self._reader = _reader_of(self._core, self._into)
            found = Compiled(build(variant), place[0], self._reader)
            self._compiled[place] = found
        return found

    def _with(self, core: Any) -> Self:
        other = type(self)(core, self._into)
        other._optional = self._optional
        other._orders = self._orders
        return other


class Select(Statement[T]):
    """A statement that reads."""

    def where(self, *clauses: Any) -> Self:
        """Only rows for which all clauses hold."""
        return self._with(self._core.where(*clauses))

    def where_given(self, *clauses: Any) -> Self:
        """
        Clauses that take part only when their parameter is given: not UNSET, not None.

        Raises:
            StatementError: A clause has not exactly one parameter.
        """
        other = self._with(self._core)
        other._optional += tuple((_parameter_of(clause), clause) for clause in clauses)
        return other

    def order_by(self, *columns: Any) -> Self:
        """The order of the rows."""
        return self._with(self._core.order_by(*columns))

    def orders(self, **choices: tuple[Any, ...]) -> Self:
        """Orders by name: `db.all(stmt, order="newest")`; the first one when none is given."""
        other = self._with(self._core)
        other._orders = {**self._orders, **choices}
        return other

    def limit(self, rows: Any) -> Self:
        """At most so many rows: a number or a `param`."""
        return self._with(self._core.limit(rows))

    def join(self, record: type[Record], on: Any, *, outer: bool = False) -> Self:
        """Rows of another record beside these."""
        return self._with(self._core.join(record.__table__, on, isouter=outer))

    def group_by(self, *columns: Any) -> Self:
        """One row for each value of the columns."""
        return self._with(self._core.group_by(*columns))


class Change(Statement[int]):
    """A statement that changes rows; `db.execute` answers how many."""

    record: type[Record]

    def where(self, *clauses: Any) -> Self:
        """Only rows for which all clauses hold."""
        return self._with(self._core.where(*clauses))

    def values(self, **values: Any) -> Self:
        """What the columns become, by field name: a value, a `param` or an expression."""
        columns = {field.name: field.column for field in self.record.__fields__}
        unknown = [name for name in values if name not in columns]
        if unknown:
            raise StatementError(
                f"{self.record.__name__} has no field {unknown[0]!r}.",
                hint=f"Its fields are {', '.join(columns)}.",
            )
        return self._with(
            self._core.values({columns[name]: value for name, value in values.items()})
        )

    def returning_record(self) -> Statement[Any]:
        """The same, answering with the changed rows: run it with `db.first` or `db.all`."""
        return Statement(self._core.returning(*self.record.__table__.c), self.record)

    def returning(self, *columns: Any, into: type[T]) -> Statement[T]:
        """The same, answering with these columns of the changed rows."""
        return Statement(self._core.returning(*columns), into)

    def _with(self, core: Any) -> Self:
        other = super()._with(core)
        other.record = self.record
        return other


def select(record: type[R]) -> Select[R]:
    """Read rows of a record."""
    return Select(sa.select(*record.__table__.c), record)


@overload
def statement(core: sa.Select[Any], *, into: type[T]) -> Select[T]: ...
@overload
def statement(core: Any, *, into: type[T]) -> Statement[T]: ...
def statement(core: Any, *, into: type[T]) -> Statement[T]:
    """
    Any SQLAlchemy Core statement, with what its rows become.

    Args:
        core: The statement; label each column as the field it fills.
        into: A struct with one field for each column, or `int`, `str`, … for one column.
    """
    made = Select(core, into) if isinstance(core, sa.Select) else Statement(core, into)
    made._reader = _reader_of(core, into)
    return made


def update(record: type[Record]) -> Change:
    """Change rows of a record; sets its `UpdatedAt` columns unless `values` does."""
    core = sa.update(record.__table__)
    for field in record.__fields__:
        if field.stamp and field.stamp.on_update:
            name = "_now_s" if field.stamp.unit == "s" else "_now_ms"
            core = core.values({field.column: param(name)})
    return _change(core, record)


def delete(record: type[Record]) -> Change:
    """Remove rows of a record."""
    return _change(sa.delete(record.__table__), record)


def _change(core: Any, record: type[Record]) -> Change:
    made = Change(core, int)
    made.record = record
    return made


def _parameter_of(clause: Any) -> str:
    found = {
        element.key
        for element in visitors.iterate(clause)
        if isinstance(element, sa.BindParameter) and element.required
    }
    if len(found) != 1:
        raise StatementError(
            f"where_given({clause}) has {len(found)} parameters.",
            hint='Give clauses with exactly one param("…"), each of its own.',
        )
    return str(found.pop())


def _reader_of(core: Any, into: type) -> RowReader | None:
    """What reads the rows of a statement; None when it has none."""
    columns = list(getattr(core, "selected_columns", None) or getattr(core, "_returning", ()) or ())
    if not columns:
        return None
    if issubclass(into, Record):
        record: type[Record] = into
        keys = [c.name for c in record.__table__.primary_key.columns]
        names = [field.column for field in record.__fields__]
        return row_reader(
            record,
            [(field.name, field.kind, field.column) for field in record.__fields__],
            table=str(record.__table__.name),
            key=[names.index(key) for key in keys],
        )
    kinds = [column.type.kind if isinstance(column.type, Stored) else None for column in columns]
    if issubclass(into, msgspec.Struct):
        return _struct_reader(into, [str(column.key) for column in columns], kinds)
    if len(columns) != 1:
        raise StatementError(
            f"{len(columns)} columns do not become one {getattr(into, '__name__', into)}.",
            hint="Say into=… a struct with a field for each column.",
        )
    return _scalar_reader(kinds[0])


def _struct_reader(into: type, names: list[str], kinds: list[Kind | None]) -> RowReader:
    fields = {field.name: field for field in msgspec.structs.fields(into)}
    unknown = [name for name in names if name not in fields]
    missing = [n for n, field in fields.items() if field.required and n not in names]
    if unknown or missing:
        raise StatementError(
            f"the columns {', '.join(names)} do not fill {into.__name__}: "
            + "; ".join(
                [f"no field {n!r}" for n in unknown] + [f"no column {n!r}" for n in missing]
            )
            + ".",
            hint="Name a column with .label(…).",
        )
    if any(kind is not None and kind.is_sealed for kind in kinds):
        raise StatementError("a sealed column is read with its whole record.",
                             hint="Use select(Record) or db.get.")  # fmt: skip
    return row_reader(into, list(zip(names, kinds, names, strict=True)))


def _scalar_reader(kind: Kind | None) -> RowReader:
    convert = kind.read if kind is not None else None
    if convert is None:
        return _first_column

    def read(row: tuple[Any, ...]) -> Any:
        return None if row[0] is None else convert(row[0])

    return read


def _first_column(row: tuple[Any, ...]) -> Any:
    return row[0]


_POSITIONAL: dict[str, sa.Dialect] = {
    "sqlite": sqlite.dialect(paramstyle="qmark"),
    "postgresql": postgresql.dialect(paramstyle="numeric_dollar"),  # type: ignore[no-untyped-call]
}
