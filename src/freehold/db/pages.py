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
from typing import Any, Final, Generic, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.sql import operators

from freehold.db.link import Context
from freehold.db.statements import Select, Variant, param
from freehold.errors import InvalidArgument, StatementError

T = TypeVar("T")
_MAC_BYTES: Final = 16


class Page(msgspec.Struct, Generic[T], kw_only=True, rename="camel"):
    """Some rows, and where the next ones begin."""

    items: list[T]
    #: Give it back to get the next page; None when there is none.
    next_cursor: str | None


class Keyset:
    """
    The order of a statement, made total, and what a cursor of it holds.

    Raises:
        StatementError: The statement has no order, or one that is no column.
    """

    def __init__(self, statement: Select[Any], variant: Variant) -> None:
        self._statement = statement
        self._variant = variant
        core = statement.variant_core(variant)
        columns = [_ordered(clause) for clause in core._order_by_clauses]
        if not columns:
            raise StatementError(
                "a page needs an order.", hint="Add .order_by(…) to the statement."
            )
        table = getattr(statement.into, "__table__", None)
        if table is not None:
            said = {str(column.key) for column, _ in columns}
            columns += [(c, False) for c in table.primary_key.columns if c.name not in said]
        self.columns = columns
        selected = [str(column.key) for column in core.selected_columns]
        for column, _ in columns:
            if str(column.key) not in selected:
                raise StatementError(f"the page is ordered by {column}, which is not selected.")
        #: Where in a row the order values stand.
        self.positions = [selected.index(str(column.key)) for column, _ in columns]

    def core(self, nulls: tuple[bool, ...] | None) -> Any:
        """The statement after a cursor whose values are null or not as said, None for the first."""
        core = self._statement.variant_core(self._variant).order_by(None)
        for column, descending in self.columns:
            # The two engines disagree on where nulls go, so it is always said.
            order = column.desc().nulls_last() if descending else column.asc().nulls_first()
            core = core.order_by(order)
        if nulls is not None:
            core = core.where(self._after(nulls))
        return core.limit(param("_page_rows"))

    def _after(self, nulls: tuple[bool, ...]) -> Any:
        """Rows that come later than the cursor's in the order."""
        cases = []
        equal: list[Any] = []
        for number, ((column, descending), is_null) in enumerate(
            zip(self.columns, nulls, strict=True)
        ):
            at = param(f"_after_{number}")
            later: Any
            if is_null:
                later = sa.false() if descending else column.is_not(None)
            elif descending:
                later = sa.or_(column < at, column.is_(None)) if column.nullable else column < at
            else:
                later = column > at
            cases.append(sa.and_(*equal, later))
            equal.append(column.is_(None) if is_null else column == at)
        return sa.or_(*cases)


def _ordered(clause: Any) -> tuple[Any, bool]:
    """(column, descending) of one ORDER BY clause."""
    descending = False
    while isinstance(clause, sa.UnaryExpression):
        descending = descending or clause.modifier is operators.desc_op
        clause = clause.element
    if not isinstance(clause, sa.Column):
        raise StatementError(
            f"a page cannot be ordered by {clause}.", hint="Order it by columns of a record."
        )
    return clause, descending


def write_cursor(context: Context, bound_to: bytes, values: list[Any]) -> str:
    """The values as an opaque text that only this process's key could have signed."""
    body = msgspec.msgpack.encode(values)
    return base64.urlsafe_b64encode(_mac(context, bound_to, body) + body).decode().rstrip("=")


def read_cursor(context: Context, bound_to: bytes, cursor: str, width: int) -> list[Any]:
    """
    The values of a cursor.

    Raises:
        InvalidArgument: It was altered, or belongs to another list, filter or caller.
    """
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        mac, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if hmac.compare_digest(mac, _mac(context, bound_to, body)):
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


def binding(sql: str, given: dict[str, Any], caller: str) -> bytes:
    """What a cursor belongs to: the question, its parameters, who asks."""
    parts = [sql, sorted((name, repr(value)) for name, value in given.items()), caller]
    return hashlib.sha256(msgspec.msgpack.encode(parts)).digest()


def _mac(context: Context, bound_to: bytes, body: bytes) -> bytes:
    return hmac.digest(context.cursor_key, bound_to + body, "sha256")[:_MAC_BYTES]
