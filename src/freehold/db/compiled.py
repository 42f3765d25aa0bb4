"""
One statement as one string for one dialect, with what writes its parameters.

SQLAlchemy has done its part when this is made: from then on a run costs a list of values.
Parameters are written by the kind of the column they are set or compared to, which came
along as their type (`schema.stored`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from freehold.db.rows import RowReader
from freehold.errors import InvalidArgument, StatementError
from freehold.schema import Kind, Stored, Written, wire_name

#: Parameters that a handle fills in itself begin so; an author's never do.
OWN_PREFIX: Final = "_"

_POSITIONAL: Final[dict[str, sa.Dialect]] = {
    "sqlite": sqlite.dialect(paramstyle="qmark"),
    "postgresql": postgresql.dialect(paramstyle="numeric_dollar"),  # type: ignore[no-untyped-call]
}
Write = Callable[[Any], Any]
#: (parameter or None, fixed value, what writes it) for one place in the SQL.
Slot = tuple[str | None, Any, Write | None]


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

    __slots__ = ("_plain", "_slots", "changes", "names", "own", "read", "sql")

    def __init__(
        self, core: Any, dialect: str, read: RowReader | None, *, is_strict: bool = False
    ) -> None:
        self.sql, self._slots = _compile(core, dialect, is_strict=is_strict)
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


def _compile(core: Any, dialect: str, *, is_strict: bool) -> tuple[str, list[Slot]]:
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
    except sa.exc.SQLAlchemyError as error:
        raise StatementError(
            f"the statement cannot be written as SQL: {str(error).splitlines()[0].rstrip('.')}.",
            hint="A parameter may not be called as a column that the same statement sets.",
        ) from None
    origin = {name: source for source, names in full.parameter_expansion.items() for name in names}
    slots: list[Slot] = []
    for name in full.positiontup or ():
        bind = binds[origin.get(name, name)]
        write = _write_of(bind, is_strict=is_strict)
        if bind.required:
            key = str(bind.key)
            slots.append((key, None, None if key.startswith(OWN_PREFIX) else write))
        else:
            slots.append((None, _fixed(full.parameters[name], write), None))
    return str(full.statement), slots


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
