"""
How a statement is narrowed to the rows of one owner, once, when it is first used so.

Every owned record that it reads or changes gets `owner = :owner`: in WHERE, or in ON where it
stands on the side of an outer join that may be empty. Selects inside of it (IN, EXISTS,
scalar ones, the parts of a UNION) are narrowed alike. At the end the result is looked
through: a statement in which an owned record is left without its owner does not run. What
cannot be looked through (text, tables that are no records, derived tables) is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.sql import operators, visitors

from freehold.db.statements import Select, Statement, Variant, param
from freehold.errors import StatementError
from freehold.schema import Record

T = TypeVar("T")

#: The parameter that holds the owner; the handle fills it in.
OWNER: Final = "owner_of_rows"
_PLACE: Final = "narrowed to an owner"
_HIDES_SELECT: Final = re.compile(r"\bselect\b", re.IGNORECASE)


def scoped(what: Statement[T]) -> Statement[T]:
    """
    The statement over one owner's rows; made once and kept with the statement.

    Raises:
        StatementError: It is no statement, touches no owned record, or cannot be narrowed.
    """
    said: Any = what
    if not isinstance(said, Statement):
        raise StatementError("that is no statement.", hint="db.owned_by(…).all(select(Record))")
    found: Statement[T] | None = what.kept.get(_PLACE)
    if found is None:
        kind = _ScopedSelect if isinstance(what, Select) else _Scoped
        found = what.kept[_PLACE] = kind.of(what)
    return found


class _Scoped(Statement[T]):
    """A statement with its owner; the rest is the statement's that it was made of."""

    _of: Statement[T]

    @classmethod
    def of(cls, what: Statement[T]) -> Self:
        made = cls(what.core, what.into)
        made._optional = what._optional
        made._orders = what._orders
        made._is_strict = what._is_strict
        made._of = what
        return made

    @property
    def record(self) -> type[Record] | None:
        return self._of.record

    def variant_core(self, variant: Variant) -> Any:
        return _narrowed(super().variant_core(variant))


class _ScopedSelect(_Scoped[T], Select[T]):
    pass


def _narrowed(core: Any) -> Any:
    _refuse_opaque(core)
    if isinstance(core, sa.Insert):
        raise StatementError("an INSERT cannot be narrowed to an owner.",
                             hint="Use insert, insert_many or put of db.owned_by(…).")  # fmt: skip
    inner = {id(each) for each in _selects_in(core) if _owned(each)}
    if inner:
        core = visitors.replacement_traverse(core, {}, _narrowing(core, inner))
    made = _with_guards(core)
    guarded = [table for each in _levels(made) for table in _owned(each)]
    if not guarded:
        raise StatementError(
            "the statement touches no record that is owned.",
            hint="Use db itself, or mark the owner's column with Owner().",
        )
    for level in _levels(made):
        _check_guarded(level)
    return made


def _narrowing(root: Any, inner: set[int]) -> Any:
    def replace(element: Any, **_: Any) -> Any:
        if element is root or not isinstance(element, sa.Select):
            return None
        # Its own inner selects are narrowed first; what owns nothing stays as it is.
        return _narrowed(element) if id(element) in inner else element

    return replace


def _with_guards(core: Any) -> Any:
    if isinstance(core, sa.Select):
        return _select_with_guards(core)
    if isinstance(core, (sa.Update, sa.Delete)):
        _refuse_giving_away(core)
        return core.where(*(_guard(table) for table in _owned(core)))
    return core


def _select_with_guards(core: sa.Select[Any]) -> sa.Select[Any]:
    made: Any = core._clone()
    optional: list[Any] = []
    made._from_obj = tuple(_join_with_guards(each, optional) for each in made._from_obj)
    made._setup_joins = tuple(_setup_with_guards(each, optional) for each in made._setup_joins)
    # By identity: in SQLAlchemy == on a table or a column makes an expression.
    done = {id(table) for table in optional}
    return made.where(  # type: ignore[no-any-return]
        *(_guard(table) for table in _owned(core) if id(table) not in done)
    )


def _join_with_guards(element: Any, optional: list[Any]) -> Any:
    """A join whose outer sides carry their owner in ON; tells which tables these are."""
    if not isinstance(element, sa.Join):
        return element
    left = _join_with_guards(element.left, optional)
    right = _join_with_guards(element.right, optional)
    flags = {"isouter": element.isouter, "full": element.full}
    on = _on_with_guards(element.right, element.onclause, flags, optional)
    return sa.join(left, right, on, **flags)


def _setup_with_guards(setup: Any, optional: list[Any]) -> Any:
    """The same for a join that was said with `.join(…)`."""
    target, on, left, flags = setup
    return target, _on_with_guards(target, on, flags, optional), left, flags


def _on_with_guards(right: Any, on: Any, flags: dict[str, bool], optional: list[Any]) -> Any:
    tables = [table for table in _leaves(right) if _owner_column(table) is not None]
    if flags["full"]:
        raise StatementError("a FULL JOIN cannot be narrowed to an owner.",
                             hint="Say it as two statements.")  # fmt: skip
    if not flags["isouter"] or not tables:
        return on
    if on is None:
        raise StatementError("an outer join of an owned record needs its condition said.",
                             hint="join(record, on, outer=True)")  # fmt: skip
    fresh = [table for table in tables if not any(table is each for each in optional)]
    optional.extend(fresh)
    return sa.and_(on, *(_guard(table) for table in fresh))


def _guard(table: Any) -> Any:
    return _owner_column(table) == param(OWNER)


def _owner_column(table: Any) -> Any:
    """The column of a table, or of its alias, that holds the owner; None without one."""
    origin = table.element if isinstance(table, sa.Alias) else table
    if not isinstance(origin, sa.Table):
        return None
    for column in origin.columns:
        if column.info.get("owner"):
            return table.c[column.key]
    return None


# -- what a statement is made of ------------------------------------------------------------


def _levels(core: Any) -> list[Any]:
    """The statement itself and every select inside it: each has tables of its own."""
    return [core, *_selects_in(core)]


def _selects_in(core: Any) -> list[Any]:
    return [
        each for each in visitors.iterate(core) if isinstance(each, sa.Select) and each is not core
    ]


def _owned(level: Any) -> list[Any]:
    """The owned tables of one level, without those of the selects inside it."""
    return [table for table in _tables(level) if _owner_column(table) is not None]


def _tables(level: Any) -> list[Any]:
    if isinstance(level, sa.Select):
        found = [leaf for each in level.get_final_froms() for leaf in _leaves(each)]
    elif isinstance(level, (sa.Update, sa.Delete)):
        found = [level.table, *_named_in(level)]
    else:
        found = []
    return list({id(table): table for table in found}.values())


def _leaves(element: Any) -> Iterator[Any]:
    if isinstance(element, sa.Join):
        yield from _leaves(element.left)
        yield from _leaves(element.right)
    elif isinstance(element, sa.sql.selectable.FromGrouping):
        yield from _leaves(element.element)
    else:
        yield element


def _named_in(core: Any) -> Iterator[Any]:
    """The tables that a change names beside its own, outside of selects."""
    stack = list(core.get_children())
    while stack:
        element = stack.pop()
        if isinstance(element, (sa.Select, sa.Table)):
            continue
        table = getattr(element, "table", None)
        if isinstance(table, (sa.Table, sa.Alias)):
            yield table
        stack.extend(element.get_children())


# -- what is refused ------------------------------------------------------------------------


def _refuse_opaque(core: Any) -> None:
    for element in visitors.iterate(core):
        is_text = isinstance(element, (sa.TextClause, sa.TextualSelect))
        hides = getattr(element, "is_literal", False) and _HIDES_SELECT.search(str(element))
        is_bare = isinstance(element, sa.TableClause) and not isinstance(element, sa.Table)
        if is_text or hides or is_bare:
            raise StatementError(
                "text, or a table that is no record, cannot be narrowed to an owner.",
                hint="Write the statement with the columns of records.",
            )


def _refuse_giving_away(core: Any) -> None:
    column = _owner_column(core.table)
    values: Any = getattr(core, "_values", None) or {}
    if column is not None and any(getattr(each, "name", each) == column.name for each in values):
        raise StatementError(
            f"the statement sets {column.name}, which says whose row it is.",
            hint="A row keeps its owner; copy it for another.",
        )


def _check_guarded(level: Any) -> None:
    """The last look: no owned record of the level is without its owner."""
    criteria = list(getattr(level, "_where_criteria", ()))
    if isinstance(level, sa.Select):
        criteria += [on for each in level.get_final_froms() for on in _conditions(each)]
    guarded = {id(column.table) for each in criteria for column in _guards_in(each)}
    for table in _owned(level):
        if id(table) not in guarded:
            raise StatementError(
                f"{table.name} cannot be narrowed to an owner where it stands.",
                hint="Join it, or read it by a statement of its own.",
            )


def _conditions(element: Any) -> Iterator[Any]:
    if isinstance(element, sa.Join):
        yield element.onclause
        yield from _conditions(element.left)
        yield from _conditions(element.right)
    elif isinstance(element, sa.sql.selectable.FromGrouping):
        yield from _conditions(element.element)


def _guards_in(condition: Any) -> Iterator[Any]:
    """The columns that a condition, or a part that it cannot hold without, holds to the owner."""
    if isinstance(condition, sa.sql.elements.Grouping):
        yield from _guards_in(condition.element)
    elif isinstance(condition, sa.BooleanClauseList) and condition.operator is operators.and_:
        for part in condition.clauses:
            yield from _guards_in(part)
    elif isinstance(condition, sa.BinaryExpression) and condition.operator is operators.eq:
        is_owner = isinstance(condition.right, sa.BindParameter) and condition.right.key == OWNER
        if is_owner and getattr(condition.left, "table", None) is not None:
            yield condition.left
