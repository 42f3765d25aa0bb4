"""
One statement as one string for one dialect, with what writes its parameters.

SQLAlchemy has done its part when this is made: from then on a run costs a list of values.
Parameters are written by the kind of the column they are set or compared to, which came
along as their type (`schema.stored`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from freehold.db import affinity
from freehold.db.lists import ArrayList, sort_of_list
from freehold.db.postgresql import Dialect, retyped
from freehold.db.rows import RowReader
from freehold.errors import InvalidArgument, StatementError
from freehold.schema import Holds, Kind, Stored, Written, wire_name

#: Parameters that a handle fills in itself begin so; an author's never do.
OWN_PREFIX: Final = "_"

_POSITIONAL: Final[dict[str, sa.Dialect]] = {
    "sqlite": sqlite.dialect(paramstyle="qmark"),
    "postgresql": Dialect(),
}
Write = Callable[[Any], Any]
#: (parameter or None, fixed value, what writes it) for one place in the SQL.
Slot = tuple[str | None, Any, Write | None]
_FIRST_WORD: Final = re.compile(r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*([A-Za-z]+)", re.DOTALL)
_ROW_WORDS: Final = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "VALUES", "EXPLAIN")
_OWN_TABLES: Final = re.compile(r"_freehold_(?:meta|marks|writer)\b", re.IGNORECASE)
_TYPES: Final[dict[str, Any]] = {
    "integer": sa.BigInteger(), "real": sa.Double(), "text": sa.Text(), "blob": sa.LargeBinary()
}  # fmt: skip
_SORTS: Final[dict[Any, Holds]] = {
    sa.Integer: "integer", sa.Numeric: "real", sa.Float: "real", sa.String: "text",
    sa.LargeBinary: "blob", sa.types._Binary: "blob",
}  # fmt: skip


@dataclass(frozen=True)
class Place:
    """
    What one place in the SQL takes, on an engine that wants to know.

    Args:
        holds: The sort of its values; None when the statement does not say.
        column: The column that it sets, empty when that is not known; None when it sets none.
        is_list: Its values are lists.
    """

    holds: Holds | None
    column: str | None
    is_list: bool = False


class Compiled:
    """
    The SQL, its parameters in order, and what reads its rows.

    Args:
        core: The SQLAlchemy statement.
        dialect: Which engine it is for.
        read: What reads its rows, None when it has none.
        is_strict: Every value goes through the checks of its column, also one that is only
            compared: in a change that the author wrote in SQLAlchemy they look alike.

    Raises:
        StatementError: SQLAlchemy cannot write it, or it compares a sealed column.
    """

    __slots__ = (
        "_core", "_is_strict", "_plain", "_retyped", "_slots", "changes", "names", "own", "places",
        "read", "sql",
    )  # fmt: skip

    def __init__(
        self, core: Any, dialect: str, read: RowReader | None, *, is_strict: bool = False
    ) -> None:
        self.sql, self._slots, places = _compile(core, dialect, is_strict=is_strict)
        if dialect == "postgresql":
            _refuse_all_but_rows(self.sql)
        #: What each place takes; None where an engine takes values of any type anywhere.
        self.places = places if dialect == "postgresql" else None
        self._core = core
        self._is_strict = is_strict
        self._retyped: dict[Any, Compiled] = {}
        self.read = read
        #: It may change rows: no query runs it.
        self.changes = not isinstance(core, sa.SelectBase)
        named = {name for name, _, _ in self._slots if name is not None}
        #: The parameters that a caller gives.
        self.names = frozenset(name for name in named if not name.startswith(OWN_PREFIX))
        #: The parameters that the handle fills in.
        self.own = frozenset(named - self.names)
        # Nothing but given values, as they are: one comprehension and done.
        plain = all(name is not None and write is None for name, _, write in self._slots)
        self._plain = [name for name, _, _ in self._slots if name is not None] if plain else None

    def values(self, given: dict[str, Any]) -> list[Any]:
        """
        The given parameters in the order of the SQL.

        Raises:
            StatementError: One is missing.
            InvalidArgument: One is outside what its column allows; `path` names it.
        """
        try:
            if self._plain is not None:
                return [given[name] for name in self._plain]
            return self._written(given)
        except KeyError as missing:
            raise StatementError(
                f"the statement needs the parameter {missing.args[0]!r}.", hint=self._takes()
            ) from None

    def fitted(self, given: dict[str, Any]) -> tuple[str, list[Any]]:
        """
        The SQL and its values, for an engine that wants the type of each.

        A parameter whose type the statement leaves open is of the type of its value; so is
        one that a column is compared with and cannot equal.

        Raises:
            StatementError, InvalidArgument: As `values`.
            ConstraintViolation: A column is set to what it does not hold.
        """
        values = self.values(given)
        other: dict[str, str | None] = {}
        table = str(getattr(getattr(self._core, "table", None), "name", ""))
        for number, place in enumerate(self.places or ()):
            name, value = self._slots[number][0], values[number]
            if name is None:
                continue
            if place.is_list:
                if place.holds is None and value is not None:
                    other[name] = f"list of {sort_of_list(value)}"
            elif value is None:
                if place.holds is None:
                    other[name] = None
            elif place.holds is None:
                other[name] = affinity.sort_of(value)
            elif place.column is not None:
                values[number] = affinity.stored(
                    place.holds, value, table=table, column=place.column
                )
            else:
                values[number] = made = affinity.converted(place.holds, value)
                sort = affinity.sort_of(made)
                if sort is not None and sort != place.holds:
                    other[name] = sort
        return self._as_typed(other, given) if other else (self.sql, values)

    def _as_typed(
        self, other: dict[str, str | None], given: dict[str, Any]
    ) -> tuple[str, list[Any]]:
        key = tuple(sorted(other.items(), key=lambda item: item[0]))
        found = self._retyped.get(key)
        if found is None:
            types = {name: sort if sort is None else _type_of(sort) for name, sort in key}
            core = retyped(self._core, types)
            found = Compiled(core, "postgresql", self.read, is_strict=self._is_strict)
            self._retyped[key] = found
        return found.sql, found.values(given)

    def refuse_unknown(self, given: dict[str, Any]) -> None:
        """
        Look whether all parameters are the statement's.

        Raises:
            StatementError: One is not.
        """
        unknown = sorted(set(given) - self.names)
        if unknown:
            raise StatementError(
                f"the statement has no parameter {unknown[0]!r}.", hint=self._takes()
            )

    def named_values(self, given: dict[str, Any]) -> list[tuple[str, Any]]:
        """Each parameter with its value, to find the one that the engine could not take."""
        return [(name, given[name]) for name, _, _ in self._slots if name in given]

    def _written(self, given: dict[str, Any]) -> list[Any]:
        values = []
        for name, fixed, write in self._slots:
            if name is None:
                values.append(fixed)
                continue
            value = given[name]
            if write is not None and value is not None:
                try:
                    value = write(value)
                except InvalidArgument as error:
                    raise InvalidArgument(
                        f"{name}: {error.detail}", hint=error.hint, path=wire_name(name)
                    ) from None
            values.append(value)
        return values

    def _takes(self) -> str:
        return f"It takes {', '.join(sorted(self.names)) or 'none'}."


def _refuse_all_but_rows(sql: str) -> None:
    """
    What SQLite's authorizer refuses, where nobody else does: only rows are read and changed.

    A prepared statement is always one statement, so its first word says what it is. The
    driver's own tables may be looked at, as there.
    """
    found = _FIRST_WORD.match(sql)
    word = found[1].upper() if found else ""
    if word not in _ROW_WORDS or (word != "SELECT" and _OWN_TABLES.search(sql)):
        raise StatementError(
            "a function may read and change rows, and nothing else: "
            "no transaction statements, SET or DDL.",
            hint="Raise an error to undo a mutation; change tables by a migration.",
        )


def _compile(core: Any, dialect: str, *, is_strict: bool) -> tuple[str, list[Slot], list[Place]]:
    try:
        made: Any = core.compile(dialect=_POSITIONAL[dialect])
        binds: dict[str, Any] = made.binds
        for bind in binds.values():
            if bind.expanding and bind.required:
                raise StatementError(
                    f"in_({bind.key}) cannot take a list of any length.",
                    hint="Write any_of(column, param(…)).",
                )
        required = {name: None for name, bind in binds.items() if bind.required}
        # Writes out the places of `in_([…])`, whose number is known only now.
        full = made.construct_expanded_state(required)
    except (sa.exc.SQLAlchemyError, AttributeError) as error:
        raise StatementError(
            f"the statement cannot be written as SQL: {str(error).splitlines()[0].rstrip('.')}.",
            hint="A parameter may not be called as a column that the same statement sets.",
        ) from None
    origin = {name: source for source, names in full.parameter_expansion.items() for name in names}
    slots: list[Slot] = []
    places: list[Place] = []
    for name in full.positiontup or ():
        bind = binds[origin.get(name, name)]
        write = _write_of(bind, is_strict=is_strict)
        places.append(_place_of(bind, is_strict=is_strict))
        if bind.required:
            key = str(bind.key)
            slots.append((key, None, None if key.startswith(OWN_PREFIX) else write))
        else:
            fixed = _fixed(full.parameters[name], write)
            if dialect == "postgresql" and isinstance(fixed, str) and "\0" in fixed:
                raise StatementError("a fixed text of the statement has a NUL character.")
            slots.append((None, fixed, None))
    return str(full.statement), slots, places


def _place_of(bind: Any, *, is_strict: bool) -> Place:
    """What the place of a parameter takes."""
    if isinstance(bind.type, ArrayList):
        return Place(None if bind.type.is_open else "text", None, is_list=True)
    kind: Kind | None = getattr(bind.type, "kind", None)
    if kind is None:
        return Place(_SORTS.get(bind.type._type_affinity), None)
    sets = isinstance(bind.type, Written) or is_strict
    return Place(kind.holds, getattr(bind.type, "column", "") if sets else None)


def _type_of(sort: str) -> Any:
    if sort.startswith("list of "):
        return ArrayList(holds=sort.removeprefix("list of "))
    return _TYPES[sort]


def _write_of(bind: Any, *, is_strict: bool) -> Write | None:
    """What writes a value in this place: the kind of the column it is set or compared to."""
    kind: Kind | None = getattr(bind.type, "kind", None)
    if kind is None:
        return None
    if kind.is_sealed:
        raise StatementError(
            "a sealed column cannot be set or compared in a statement.",
            hint="Use db.insert and db.update, which know the row it belongs to.",
        )
    write: Write | None
    if isinstance(bind.type, Stored) and not (is_strict or isinstance(bind.type, Written)):
        write = bind.type.write
    else:
        write = kind.write
    return write


def _fixed(value: Any, write: Write | None) -> Any:
    if write is None or value is None:
        return value
    try:
        return write(value)
    except InvalidArgument as error:
        raise StatementError(f"a fixed value of the statement: {error.detail}",
                             hint=error.hint) from None  # fmt: skip
