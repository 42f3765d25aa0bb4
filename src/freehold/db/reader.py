"""
`Reader`: what a query function holds.

It reads one snapshot of the database, knows the call's time and caller, and is gone with the
call. It is the same class over every driver; the driver hands it a `Link`.
"""

from __future__ import annotations

from typing import Any, TypeVar, overload

from freehold.db.caller import Caller
from freehold.db.link import ConstraintViolation, Context, Link
from freehold.db.pages import Keyset, Page, binding, read_cursor, write_cursor
from freehold.db.plans import PLANS
from freehold.db.rows import opened
from freehold.db.statements import Compiled, Select, Statement
from freehold.db.violations import explain
from freehold.errors import InvalidArgument, NotFound, StatementError
from freehold.scalars import Sealed
from freehold.schema import Record

T = TypeVar("T")
R = TypeVar("R", bound=Record)


class Reader:
    """
    Reads of one snapshot.

    Args:
        link: The driver's connection inside its transaction.
        context: What all handles of the database share.
        caller: Who calls.
        now_ns: The call's wall time in nanoseconds; stays the same when the call runs again.
    """

    __slots__ = ("_context", "_link", "_now_ns", "_plans", "caller")

    def __init__(self, link: Link, context: Context, caller: Caller, now_ns: int) -> None:
        self._link = link
        self._context = context
        self._plans = PLANS[context.dialect]
        self._now_ns = now_ns
        self.caller = caller

    @property
    def now(self) -> int:
        """The call's time in whole epoch seconds."""
        return self._now_ns // 1_000_000_000

    @property
    def now_ms(self) -> int:
        """The call's time in whole epoch milliseconds."""
        return self._now_ns // 1_000_000

    def get(self, record: type[R], key: Any) -> R:
        """
        The row with that key; a tuple for a key of several columns.

        Raises:
            NotFound: There is none.
        """
        plan = self._plans[record]
        if plan.simple_key and not plan.one_column:
            row = self._link.row(plan.get_sql, (key,))
            if row is not None:
                return plan.read(row)  # type: ignore[no-any-return]
        else:
            rows = self._link.rows(plan.get_sql, plan.key_values(key))
            if rows:
                return plan.read(rows[0])  # type: ignore[no-any-return]
        raise NotFound(f"there is no row {key!r} in {plan.table}.", data={"table": plan.table})

    def find(self, record: type[R], key: Any = None, /, **equals: Any) -> R | None:
        """
        The row with that key, or the one whose fields equal these; None when there is none.

        Raises:
            StatementError: More than one row fits; use `all` or `first` with an order.
        """
        plan = self._plans[record]
        if equals:
            names = tuple(equals)
            values = []
            for name in names:
                write = plan.field(name).kind.write
                value = equals[name]
                if value is None:
                    raise StatementError(f"find({name}=None) matches nothing in SQL.")
                values.append(write(value) if write else value)
            rows = self._link.rows(plan.find_sql(names), values)
            if len(rows) > 1:
                raise StatementError(
                    f"more than one row of {plan.table} fits {', '.join(names)}.",
                    hint="Use db.first(select(…).order_by(…)) to say which one.",
                )
        else:
            rows = self._link.rows(plan.get_sql, plan.key_values(key))
        return plan.read(rows[0]) if rows else None

    @overload
    def all(self, what: type[R], /) -> list[R]: ...
    @overload
    def all(self, what: Statement[T], /, **params: Any) -> list[T]: ...
    def all(self, what: Any, /, **params: Any) -> list[Any]:
        """Every row of a statement in its order, or of a record by key."""
        if isinstance(what, Statement):
            compiled = self._compiled(what, params)
            rows = self._rows(compiled, params)
            read = compiled.read
            if read is None:
                raise StatementError("the statement gives no rows.", hint="Use db.execute.")
            return [read(row) for row in rows]
        plan = self._plans[what]
        return [plan.read(row) for row in self._link.rows(plan.all_sql(), ())]

    def first(self, what: Statement[T], /, **params: Any) -> T | None:
        """The first row of a statement, or None when it has none."""
        compiled = self._compiled(what, params)
        if compiled.read is None:
            raise StatementError("the statement gives no rows.", hint="Use db.execute.")
        rows = self._rows(compiled, params)
        return compiled.read(rows[0]) if rows else None

    def scalar(self, what: Statement[T], /, **params: Any) -> T | None:
        """The first column of the first row, or None when there is no row."""
        return self.first(what, **params)

    def page(
        self, what: Select[T], /, *, limit: int = 50, cursor: str | None = None, **params: Any
    ) -> Page[T]:
        """
        One page of a statement, after the cursor of the page before.

        Args:
            what: A statement with an order; the key is added to it, so that it is total.
            limit: Rows of the page, 1 to 1,000.
            cursor: `next_cursor` of the page before, None for the first.
            **params: The statement's parameters.

        Raises:
            InvalidArgument: The limit is out of range, or the cursor of another list.
        """
        if not 1 <= limit <= self._context.page_rows_max:
            raise InvalidArgument(
                f"limit {limit} is not between 1 and {self._context.page_rows_max}.", path="limit"
            )
        dialect = self._context.dialect
        variant = what.variant(params)
        keyset = Keyset(what, variant)
        base = what.compiled_as((dialect, variant, "page"), lambda _: keyset.core(None), variant)
        who = f"{self.caller.key_id}/{self.caller.user or ''}"
        bound_to = binding(base.sql, params, who)
        compiled, given = base, {**params, "_page_rows": limit + 1}
        if cursor is not None:
            after = read_cursor(self._context, bound_to, cursor, len(keyset.columns))
            nulls = tuple(value is None for value in after)
            place = (dialect, variant, nulls)
            compiled = what.compiled_as(place, lambda _: keyset.core(nulls), variant)
            given |= {f"_after_{n}": value for n, value in enumerate(after) if value is not None}
        rows = self._link.rows(compiled.sql, compiled.values(given, raw="_after_"))
        read = compiled.read
        if read is None:
            raise StatementError("the statement gives no rows.")
        more = len(rows) > limit
        last = [rows[limit - 1][place] for place in keyset.positions] if more else []
        return Page(
            items=[read(row) for row in rows[:limit]],
            next_cursor=write_cursor(self._context, bound_to, last) if more else None,
        )

    def open(self, sealed: Sealed[T]) -> T:
        """
        The plain text of a sealed value.

        Raises:
            KeysMissing: The column key is not at hand.
            CallError: The value was altered, or belongs to another row.
        """
        return opened(self._context, sealed)  # type: ignore[no-any-return]

    def _compiled(self, what: Statement[Any], params: dict[str, Any]) -> Compiled:
        return what.compiled(self._context.dialect, params)

    def _rows(self, compiled: Compiled, params: dict[str, Any]) -> list[tuple[Any, ...]]:
        if len(params) != len(compiled.names):
            _refuse_unknown(compiled, params)
        try:
            return self._link.rows(compiled.sql, compiled.values(params))
        except ConstraintViolation as violation:
            raise explain(violation, self._link, self._context) from None


def _refuse_unknown(compiled: Compiled, params: dict[str, Any]) -> None:
    unknown = sorted(set(params) - compiled.names)
    if unknown:
        raise StatementError(
            f"the statement has no parameter {unknown[0]!r}.",
            hint=f"It takes {', '.join(sorted(compiled.names)) or 'none'}.",
        )
