"""
Statements: SQLAlchemy Core, said once at module level, compiled once for each dialect.

SQLAlchemy writes the SQL and is then out of the way: what runs is a string with its
parameters, handed to the driver (`compiled`). Compiling costs a hundred times a point read,
running the compiled string costs nothing extra.

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
from typing import Any, Final, Generic, Self, TypeVar, overload

import sqlalchemy as sa
from msgspec import UNSET
from sqlalchemy.sql import visitors

from freehold.db.compiled import OWN_PREFIX, Compiled
from freehold.db.rows import RowReader
from freehold.db.shapes import reader_of
from freehold.errors import InvalidArgument, StatementError
from freehold.schema import (
    SYSTEM_PREFIX,
    Field,
    Kind,
    Open,
    Record,
    Stored,
    Written,
    is_own_table,
)

T = TypeVar("T")
R = TypeVar("R", bound=Record)

#: Which clauses take part, and in which order rows come: one SQL text for each.
Variant = tuple[Any, ...]


def param(name: str) -> Any:
    """
    A value that is given when the statement runs.

    Raises:
        StatementError: The name could not be a keyword argument.
    """
    if not name.isidentifier() or name.startswith(OWN_PREFIX):
        raise StatementError(
            f"{name!r} cannot be the name of a parameter.",
            hint="It becomes a keyword argument: use letters, digits and underscores.",
        )
    return sa.bindparam(name, required=True, type_=Open())


def _write_limit(rows: int) -> int:
    if rows < 0:
        raise InvalidArgument(f"{rows} rows are none that can be asked for.")
    return rows


#: SQLite takes a negative limit for none at all.
_LIMIT: Final = Kind("limit", sa.BigInteger(), "integer", write=_write_limit, compare=_write_limit)


class Statement(Generic[T]):
    """
    A statement and what its rows become. Immutable: each method returns another one.

    Args:
        core: The SQLAlchemy statement.
        into: A record, a struct whose fields are the selected columns, or a scalar type.
    """

    #: Whether every value is checked as one that is written, see `Compiled`.
    _is_strict = True

    def __init__(self, core: Any, into: type[T]) -> None:
        _count_limits(core)
        self._core = core
        self._into = into
        self._optional: tuple[tuple[str, Any], ...] = ()
        self._orders: dict[str, tuple[Any, ...]] = {}
        self._compiled: dict[Any, Compiled] = {}
        self._reader: RowReader | None = None
        #: What else is made once for each variant; pages keep their orders here.
        self.kept: dict[Any, Any] = {}

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

    @property
    def record(self) -> type[Record] | None:
        """The record that it changes, None when it reads or when that is not known."""
        return None

    @property
    def table_name(self) -> str:
        """The table that it changes, empty when it reads."""
        table = self._core.table if isinstance(self._core, sa.UpdateBase) else None
        return str(getattr(table, "name", ""))

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
            value = given.get(name, UNSET)
            if value is UNSET or value is None:
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
        found = self._compiled.get((dialect, variant))
        if found is None:
            found = self.compiled_as((dialect, variant), self.variant_core, variant)
        return found

    def first_compiled(self, dialect: str, given: dict[str, Any]) -> Compiled:
        """The same for a caller that wants the first row only."""
        return self.compiled(dialect, given)

    def compiled_as(
        self, place: Any, build: Callable[[Variant], Any], variant: Variant
    ) -> Compiled:
        """The text kept under `place`, made of `build(variant)` when it is first asked for."""
        found = self._compiled.get(place)
        if found is None:
            core = build(variant)
            if self._reader is None:
                self._reader = reader_of(core, self._into)
            is_strict = self._is_strict and isinstance(core, sa.UpdateBase)
            found = Compiled(core, place[0], self._reader, is_strict=is_strict)
            if SYSTEM_PREFIX in found.sql.lower():
                _refuse_own_tables(core)
            if self._orders and "order" in found.names:
                raise StatementError("the statement has orders and a parameter 'order'.",
                                     hint="Call the parameter otherwise.")  # fmt: skip
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
            StatementError: A clause has not exactly one parameter, or one that is taken.
        """
        other = self._with(self._core)
        other._optional += tuple((_parameter_of(clause), clause) for clause in clauses)
        names = [name for name, _ in other._optional]
        always = _parameters_of(self._core)
        for name in names:
            if names.count(name) > 1 or name in always:
                raise StatementError(
                    f"the parameter {name!r} already stands in the statement.",
                    hint="Give each clause of where_given a parameter of its own.",
                )
        return other

    def order_by(self, *columns: Any) -> Self:
        """The order of the rows."""
        return self._with(self._core.order_by(*columns))

    def orders(self, **choices: tuple[Any, ...]) -> Self:
        """
        Orders by name: `db.all(stmt, order="newest")`; the first one when none is given.

        Raises:
            StatementError: A choice is no tuple of columns.
        """
        said: dict[str, Any] = choices
        for name, columns in said.items():
            if not isinstance(columns, tuple) or not columns:
                raise StatementError(f"the order {name!r} is no tuple of columns.",
                                     hint=f"{name}=(Record.c.created_at.desc(),)")  # fmt: skip
        other = self._with(self._core)
        other._orders = {**self._orders, **choices}
        return other

    def limit(self, rows: Any) -> Self:
        """
        At most so many rows: a number or a `param`.

        Raises:
            StatementError: The number is negative.
        """
        if isinstance(rows, sa.BindParameter):
            rows = sa.bindparam(rows.key, required=True, type_=Stored(_LIMIT))
        elif isinstance(rows, int) and rows < 0:
            raise StatementError(f"limit({rows}) asks for no number of rows.",
                                 hint="Give 0 or more.")  # fmt: skip
        return self._with(self._core.limit(rows))

    def join(self, record: type[Record], on: Any, *, outer: bool = False) -> Self:
        """Rows of another record beside these."""
        return self._with(self._core.join(record.__table__, on, isouter=outer))

    def group_by(self, *columns: Any) -> Self:
        """One row for each value of the columns."""
        return self._with(self._core.group_by(*columns))

    def first_compiled(self, dialect: str, given: dict[str, Any]) -> Compiled:
        """The same with LIMIT 1, unless the author has set a limit."""
        if self._core._limit_clause is not None or self._core._fetch_clause is not None:
            return self.compiled(dialect, given)
        variant = self.variant(given) if self.is_dynamic else ()
        return self.compiled_as((dialect, variant, "first"), self._first_core, variant)

    def _first_core(self, variant: Variant) -> Any:
        return self.variant_core(variant).limit(sa.literal_column("1"))


class Change(Statement[int]):
    """A statement that changes rows; `db.execute` answers how many."""

    _is_strict = False
    _record: type[Record]

    @property
    def record(self) -> type[Record]:
        """The record that it changes."""
        return self._record

    def where(self, *clauses: Any) -> Self:
        """Only rows for which all clauses hold."""
        return self._with(self._core.where(*clauses))

    def values(self, **values: Any) -> Self:
        """
        What the columns become, by field name: a value, a `param` or an expression.

        Raises:
            StatementError: There is no such field, or it cannot hold the value.
        """
        if not isinstance(self._core, sa.Update):
            raise StatementError("only update(…) sets values.", hint="Use update(Record).")
        fields = {field.name: field for field in self._record.__fields__}
        unknown = [name for name in values if name not in fields]
        if unknown:
            raise StatementError(
                f"{self._record.__name__} has no field {unknown[0]!r}.",
                hint=f"Its fields are {', '.join(fields)}.",
            )
        sets = {fields[name].column: _setting(fields[name], value)
                for name, value in values.items()}  # fmt: skip
        return self._with(self._core.values(sets))

    def returning_record(self) -> Statement[Any]:
        """The same, answering with the changed rows: run it with `db.first` or `db.all`."""
        return self._returning(self._core.returning(*self._record.__table__.c), self._record)

    def returning(self, *columns: Any, into: type[T]) -> Statement[T]:
        """The same, answering with these columns of the changed rows."""
        return self._returning(self._core.returning(*columns), into)

    def _returning(self, core: Any, into: type[Any]) -> Statement[Any]:
        made = _Returning(core, into)
        made._record = self._record
        return made

    def _with(self, core: Any) -> Self:
        other = super()._with(core)
        other._record = self._record
        return other


class _Returning(Statement[T]):
    """A change that answers with rows."""

    _is_strict = False
    _record: type[Record]

    @property
    def record(self) -> type[Record]:
        """The record that it changes."""
        return self._record


def _setting(field: Field, value: Any) -> Any:
    """What a column is set to, under the type that sends it through every check."""
    as_written = Written(field.kind, field.column)
    if isinstance(value, sa.BindParameter) and value.required:
        return sa.bindparam(value.key, required=True, type_=as_written)
    if value is None:
        return sa.null()
    if isinstance(value, sa.ClauseElement) or hasattr(value, "__clause_element__"):
        is_truth = getattr(getattr(value, "type", None), "_type_affinity", None) is sa.Boolean
        # A column holds 1 and 0, and not every engine takes a truth for them.
        return sa.cast(value, sa.Integer()) if is_truth else value
    if field.kind.is_sealed:
        raise StatementError(
            f"{field.name} is sealed and cannot be set in a statement.",
            hint="Use db.insert and db.update, which know the row it belongs to.",
        )
    # Wrapped, so that SQLAlchemy does not call it as the column and take that name away
    # from the author's own parameters.
    return sa.type_coerce(sa.literal(value, as_written), as_written)


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

    Raises:
        StatementError: The columns do not fill what they are to become.
    """
    made = Select(core, into) if isinstance(core, sa.Select) else Statement(core, into)
    made._reader = reader_of(core, into)
    return made


def update(record: type[Record]) -> Change:
    """Change rows of a record; sets its `UpdatedAt` columns unless `values` does."""
    core = sa.update(record.__table__)
    for field in record.__fields__:
        if field.stamp and field.stamp.on_update:
            name = "_now_s" if field.stamp.unit == "s" else "_now_ms"
            core = core.values({field.column: sa.bindparam(name, required=True)})
    return _change(core, record)


def delete(record: type[Record]) -> Change:
    """Remove rows of a record."""
    return _change(sa.delete(record.__table__), record)


def _change(core: Any, record: type[Record]) -> Change:
    made = Change(core, int)
    made._record = record
    return made


def _refuse_own_tables(core: Any) -> None:
    """Freehold's own tables are reached by its own records, and by nobody who only names them."""
    if not any(is_own_table(part) for part in visitors.iterate(core)):
        raise StatementError(
            f"the tables {SYSTEM_PREFIX}… are Freehold's own.",
            hint="A function works on the tables of its schema; `freehold sql` looks at all.",
        )


def _count_limits(core: Any) -> None:
    """Say of every parameter that limits a select, at whatever depth, that it counts rows."""
    for element in visitors.iterate(core):
        for name in ("_limit_clause", "_offset_clause"):
            clause = getattr(element, name, None)
            if isinstance(clause, sa.BindParameter) and clause.required:
                clause.type = Stored(_LIMIT)


def _parameters_of(core: Any) -> set[str]:
    return {
        str(element.key)
        for element in visitors.iterate(core)
        if isinstance(element, sa.BindParameter) and element.required
    }


def _parameter_of(clause: Any) -> str:
    found = _parameters_of(clause)
    if len(found) != 1:
        raise StatementError(
            f"where_given({clause}) has {len(found)} parameters.",
            hint='Give clauses with exactly one param("…"), each of its own.',
        )
    return found.pop()
