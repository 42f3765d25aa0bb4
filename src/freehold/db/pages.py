"""
Pages by key: each page continues after the last row of the one before.

No row is counted over, so page 1,000 costs what page 1 costs, and rows that come or go in
between neither repeat nor hide others. The cursor holds the last row's order values; it is
signed and bound to the statement, its parameters and the caller, so it cannot be made up
or carried over to another question.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.sql import operators

from freehold.db.caller import Caller
from freehold.db.compiled import Compiled
from freehold.db.link import Context
from freehold.db.statements import Select, Variant
from freehold.errors import InvalidArgument, StatementError

T = TypeVar("T")
_MAC_BYTES: Final = 16


class Page(msgspec.Struct, Generic[T], kw_only=True, rename="camel"):
    """Some rows, and where the next ones begin."""

    items: list[T]
    #: Give it back to get the next page; None when there is none.
    next_cursor: str | None


class Part(NamedTuple):
    """
    One column of the order.

    Args:
        column: The column.
        descending: Largest first.
        nulls_first: Rows without a value come before all others.
        may_be_null: There can be such rows.
    """

    column: Any
    descending: bool
    nulls_first: bool
    may_be_null: bool


class Keyset:
    """
    The order of one variant of a statement, made total, and its texts.

    Raises:
        StatementError: The statement has no order, one that is no column, or one that does
            not tell its rows apart.
    """

    def __init__(self, statement: Select[Any], variant: Variant, dialect: str) -> None:
        self._statement = statement
        self._variant = variant
        self._dialect = dialect
        core = statement.variant_core(variant)
        if core._limit_clause is not None or core._offset_clause is not None:
            raise StatementError("a page has a limit of its own.",
                                 hint="Take .limit(…) away from the statement.")  # fmt: skip
        self.parts = _total_order(core, getattr(statement.into, "__table__", None))
        #: Where in a row the order values stand.
        self.positions = [_position(core, part.column) for part in self.parts]
        self.first = self._compiled(None)
        taken = self.first.names & {"limit", "cursor"}
        if taken:
            raise StatementError(f"the statement has a parameter {min(taken)!r}, as pages do.",
                                 hint="Call the parameter otherwise.")  # fmt: skip

    def after(self, values: list[Any]) -> Compiled:
        """The text for the rows after these order values."""
        return self._compiled(tuple(value is None for value in values))

    def _compiled(self, nulls: tuple[bool, ...] | None) -> Compiled:
        place = (self._dialect, self._variant, "page", nulls)
        return self._statement.compiled_as(place, lambda _: self._core(nulls), self._variant)

    def _core(self, nulls: tuple[bool, ...] | None) -> Any:
        """The statement after a cursor whose values are null or not as said, None for the first."""
        core = self._statement.variant_core(self._variant).order_by(None)
        for part in self.parts:
            order = part.column.desc() if part.descending else part.column.asc()
            if part.may_be_null:
                # The two engines disagree on where nulls go, so it is said.
                order = order.nulls_first() if part.nulls_first else order.nulls_last()
            core = core.order_by(order)
        if nulls is not None:
            core = core.where(self._later(nulls))
        return core.limit(sa.bindparam("_page_rows", required=True, type_=sa.BigInteger()))

    def _later(self, nulls: tuple[bool, ...]) -> Any:
        """Rows that come later than the cursor's in the order."""
        cases = []
        equal: list[Any] = []
        for number, (part, is_null) in enumerate(zip(self.parts, nulls, strict=True)):
            at: Any = sa.bindparam(f"_after_{number}", required=True)
            cases.append(sa.and_(*equal, _behind(part, at, is_null=is_null)))
            equal.append(part.column.is_(None) if is_null else part.column == at)
        lead = self.parts[0]
        if nulls[0] or (lead.may_be_null and not lead.nulls_first):
            return sa.or_(*cases)
        # The same again in a form that an index can be entered by; without it the engine
        # reads all rows before the page.
        start: Any = sa.bindparam("_after_0", required=True)
        bound = lead.column <= start if lead.descending else lead.column >= start
        return sa.and_(bound, sa.or_(*cases))


def keyset_of(statement: Select[Any], variant: Variant, dialect: str) -> Keyset:
    """The keyset of a statement's variant, made once."""
    place = ("page", dialect, variant)
    found: Keyset | None = statement.kept.get(place)
    if found is None:
        found = statement.kept[place] = Keyset(statement, variant, dialect)
    return found


def _behind(part: Part, at: Any, *, is_null: bool) -> Any:
    """The column's value comes later than the cursor's."""
    column = part.column
    if is_null:
        return column.is_not(None) if part.nulls_first else sa.false()
    later = column < at if part.descending else column > at
    if part.may_be_null and not part.nulls_first:
        return sa.or_(later, column.is_(None))
    return later


def _total_order(core: Any, table: sa.Table | None) -> tuple[Part, ...]:
    tables, outer = _tables(core)
    parts = [_part(clause, outer) for clause in core._order_by_clauses]
    if not parts:
        raise StatementError("a page needs an order.", hint="Add .order_by(…) to the statement.")
    if table is not None:
        # In the direction of the last column, so that one index gives the order both ways.
        last = parts[-1].descending
        said = {part.column.name for part in parts if part.column.table is table}
        parts += [Part(column, last, not last, False)
                  for column in table.primary_key.columns if column.name not in said]  # fmt: skip
    elif not any(_tells_apart(parts, each) for each in tables):
        raise StatementError(
            "the order of the page does not tell its rows apart.",
            hint="End it with the key of the record that gives the rows.",
        )
    return tuple(parts)


def _part(clause: Any, outer: list[Any]) -> Part:
    """One ORDER BY clause, taken apart."""
    descending = False
    nulls_first: bool | None = None
    said = clause
    while isinstance(clause, sa.UnaryExpression):
        descending = descending or clause.modifier is operators.desc_op
        if clause.modifier in (operators.nulls_first_op, operators.nulls_last_op):
            nulls_first = clause.modifier is operators.nulls_first_op
        clause = clause.element
    if not isinstance(clause, sa.Column):
        raise StatementError(
            f"a page cannot be ordered by {said}.", hint="Order it by columns of a record."
        )
    kind = getattr(clause.type, "kind", None)
    if kind is not None and kind.is_sealed:
        raise StatementError(f"a page cannot be ordered by the sealed column {clause}.",
                             hint="Order it by a column that is not sealed.")  # fmt: skip
    may_be_null = bool(clause.nullable) or any(clause.table is each for each in outer)
    return Part(clause, descending, not descending if nulls_first is None else nulls_first,
                may_be_null)  # fmt: skip


def _tables(core: Any) -> tuple[list[Any], list[Any]]:
    """Everything that rows come from, and of it what an outer join may leave empty."""
    found: list[Any] = []
    outer: list[Any] = []
    waiting = [(part, False) for part in core.get_final_froms()]
    while waiting:
        part, may_lack = waiting.pop()
        if isinstance(part, sa.Join):
            waiting.append((part.left, may_lack or part.full))
            waiting.append((part.right, may_lack or part.isouter or part.full))
            continue
        found.append(part)
        if may_lack:
            outer.append(part)
    return found, outer


def _tells_apart(parts: list[Part], table: Any) -> bool:
    said = {part.column.name for part in parts if part.column.table is table}
    key = {column.name for column in table.primary_key}
    return bool(key) and said >= key


def _position(core: Any, column: Any) -> int:
    for place, selected in enumerate(core.selected_columns):
        bare = selected.element if isinstance(selected, sa.Label) else selected
        if bare is column:
            return place
    raise StatementError(f"the page is ordered by {column}, which is not selected.",
                         hint="Select it too, under a label if need be.")  # fmt: skip


def write_cursor(context: Context, bound_to: bytes, values: list[Any]) -> str:
    """The values as an opaque text that only this process's key could have signed."""
    body = msgspec.msgpack.encode(values)
    return _base64(_mac(context, bound_to, body) + body)


def read_cursor(context: Context, bound_to: bytes, cursor: str, *, width: int) -> list[Any]:
    """
    The values of a cursor.

    Raises:
        InvalidArgument: It was altered, or belongs to another list, filter or caller.
    """
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        mac, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        # One cursor has one spelling: the last character may have bits to spare.
        if hmac.compare_digest(mac, _mac(context, bound_to, body)) and _base64(raw) == cursor:
            values: list[Any] = msgspec.msgpack.decode(body, type=list)
            if len(values) == width:
                return values
    except (ValueError, binascii.Error, msgspec.DecodeError):
        pass
    raise InvalidArgument(
        "the cursor is not one of this list.",
        hint="Give back `nextCursor` unchanged, with the same filters, or start without a cursor.",
        path="cursor",
    )


def binding(sql: str, given: dict[str, Any], caller: Caller) -> bytes:
    """What a cursor belongs to: the question, its parameters, who asks."""
    filters = sorted((name, repr(value)) for name, value in given.items())
    parts = [sql, filters, caller.key_id, caller.user]
    return hashlib.sha256(msgspec.msgpack.encode(parts)).digest()


def _mac(context: Context, bound_to: bytes, body: bytes) -> bytes:
    return hmac.digest(context.cursor_key, bound_to + body, "sha256")[:_MAC_BYTES]


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
