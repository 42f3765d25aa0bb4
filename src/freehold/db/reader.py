"""
`Reader`: what a query function holds.

It reads one snapshot of the database, knows the call's time and caller, and is gone with the
call. It is the same class over every driver; the driver hands it a `Link`.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar, overload

import sqlalchemy as sa

from freehold.db.caller import Caller
from freehold.db.compiled import Compiled
from freehold.db.link import ConstraintViolation, Context, Link
from freehold.db.owned import OwnedReader
from freehold.db.pages import Page, binding, keyset_of, read_cursor, write_cursor
from freehold.db.plans import PLANS, RecordPlan
from freehold.db.rows import RowReader
from freehold.db.statements import Select, Statement
from freehold.db.values import UNBINDABLE, opened, unbindable
from freehold.db.violations import explain, shown
from freehold.errors import FreeholdError, InvalidArgument, NotFound, StatementError
from freehold.scalars import Sealed
from freehold.schema import Record, wire_name

T = TypeVar("T")
R = TypeVar("R", bound=Record)

#: No key was given; None is one that no row has.
_NO_KEY: Final[Any] = object()


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
    _may_change = False

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
        if plan.is_bare:
            try:
                row = self._link.row(plan.get_sql, (key,))
            except UNBINDABLE as error:
                raise _of_key(error, plan, (key,)) from None
        else:
            row = self._row(plan, key)
        if row is None:
            raise NotFound(
                f"there is no row {shown(plan, key)} in {plan.table}.", data={"table": plan.table}
            )
        return plan.read(row)  # type: ignore[no-any-return]

    def find(self, record: type[R], key: Any = _NO_KEY, /, **equals: Any) -> R | None:
        """
        The row with that key, or whose fields equal these, or both; None when there is none.

        Raises:
            StatementError: More than one row fits; use `all` or `first` with an order.
        """
        plan = self._plans[record]
        if not equals:
            if key is _NO_KEY:
                raise StatementError(
                    "find needs a key, or fields and what they equal.",
                    hint="db.find(User, id), db.find(User, email=email)",
                )
            row = self._row(plan, key)
            return None if row is None else plan.read(row)
        keys = () if key is _NO_KEY else plan.key_values(key)
        key_names = () if key is _NO_KEY else tuple(field.name for field in plan.key)
        names = (*key_names, *equals)
        if len(set(names)) != len(names):
            raise StatementError(f"the key of {plan.table} is given twice.",
                                 hint="Give it as key or by name.")  # fmt: skip
        values = [*keys, *(_equal(plan, name, value) for name, value in equals.items())]
        try:
            if plan.fits:
                values = plan.equalled([plan.field(name) for name in names], values)
            rows = self._link.rows(plan.find_sql(names), values)
        except UNBINDABLE as error:
            named = zip(names, values, strict=True)
            raise unbindable(error, named, table=plan.table) from None
        if len(rows) > 1:
            raise StatementError(
                f"more than one row of {plan.table} fits {', '.join(names)}.",
                hint="Use db.first(select(…).order_by(…)) to say which one.",
            )
        return plan.read(rows[0]) if rows else None

    @overload
    def all(self, what: type[R], /) -> list[R]: ...
    @overload
    def all(self, what: Statement[T], /, **params: Any) -> list[T]: ...
    def all(self, what: Any, /, **params: Any) -> list[Any]:
        """Every row of a statement in its order, or of a record by key."""
        if isinstance(what, Statement):
            compiled = what.compiled(self._context.dialect, params)
            read = compiled.read or _no_rows()
            return [read(row) for row in self._rows(what, compiled, params)]
        plan = self._plans[what]
        if params:
            raise StatementError(
                f"db.all({what.__name__}) gives every row and takes no {next(iter(params))!r}.",
                hint=f"Use db.all(select({what.__name__}).where(…)).",
            )
        return [plan.read(row) for row in self._link.rows(plan.all_sql(), ())]

    def first(self, what: Statement[T], /, **params: Any) -> T | None:
        """The first row of a statement, or None when it has none."""
        if not isinstance(what, Statement):
            raise StatementError("first needs a statement.", hint="db.first(select(Record))")
        compiled = what.first_compiled(self._context.dialect, params)
        read = compiled.read or _no_rows()
        rows = self._rows(what, compiled, params)
        return read(rows[0]) if rows else None

    def scalar(self, what: Statement[T], /, **params: Any) -> T | None:
        """The value of a statement's first row, or None when there is no row."""
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
                f"limit {limit} is not between 1 and {self._context.page_rows_max}.",
                hint="Ask for the next page with the cursor.",
                path="limit",
            )
        if not isinstance(what, Select):
            raise StatementError("page needs a statement that reads.", hint="Use select(Record).")
        keyset = keyset_of(what, what.variant(params), self._context.dialect)
        bound_to = binding(keyset.first.sql, params, self.caller)
        compiled, own = keyset.first, {"_page_rows": limit + 1}
        if cursor is not None:
            after = read_cursor(self._context, bound_to, cursor, width=len(keyset.parts))
            compiled = keyset.after(after)
            own |= {f"_after_{number}": value for number, value in enumerate(after)}
        rows = self._rows(what, compiled, params, own)
        read = compiled.read or _no_rows()
        more = len(rows) > limit
        last = [rows[limit - 1][place] for place in keyset.positions] if more else []
        if more and last == [rows[limit][place] for place in keyset.positions]:
            raise StatementError(
                "the order of the page does not tell its rows apart.",
                hint="End it with the key of the record that gives the rows.",
            )
        return Page(
            items=[read(row) for row in rows[:limit]],
            next_cursor=write_cursor(self._context, bound_to, last) if more else None,
        )

    def open(self, sealed: Sealed[T]) -> T:
        """
        The plain text of a sealed value.

        Raises:
            KeysMissing: The column key is not at hand.
            SealError: The value was altered, or belongs to another row.
        """
        return opened(self._context, sealed)  # type: ignore[no-any-return]

    def owned_by(self, owner: str | int) -> OwnedReader:
        """
        The same over the rows of one owner: those of others are as if they were not there.

        Raises:
            PermissionDenied: The caller's key is bound to another user.
        """
        return OwnedReader(self, owner)

    def _row(self, plan: RecordPlan, key: Any) -> tuple[Any, ...] | None:
        """The row of that key as the driver has it."""
        values = plan.key_values(key)
        try:
            if plan.is_direct:
                return self._link.row(plan.get_sql, values)
            rows = self._link.rows(plan.get_sql, values)
        except UNBINDABLE as error:
            raise _of_key(error, plan, values) from None
        return rows[0] if rows else None

    def _rows(
        self,
        what: Statement[Any],
        compiled: Compiled,
        params: dict[str, Any],
        own: dict[str, Any] | None = None,
    ) -> list[tuple[Any, ...]]:
        if compiled.changes and not self._may_change:
            raise StatementError(
                "a query cannot write.", hint="Take a Writer, and it is a mutation."
            )
        if len(params) != len(compiled.names):
            compiled.refuse_unknown(params)
        given = params
        if compiled.own:
            given = {**params, "_now_s": self.now, "_now_ms": self.now_ms, **(own or {})}
        try:
            if compiled.places is not None:
                return self._link.rows(*compiled.fitted(given))
            return self._link.rows(compiled.sql, compiled.values(given))
        except ConstraintViolation as violation:
            raise self._explained(violation, what) from None
        except UNBINDABLE as error:
            raise unbindable(error, compiled.named_values(given), table="the database") from None

    def _explained(self, violation: ConstraintViolation, what: Statement[Any]) -> FreeholdError:
        if isinstance(what.core, sa.SelectBase):
            return StatementError(f"the statement cannot be computed: {violation.name}.")
        record = what.record or self._context.records.get(what.table_name)
        return explain(violation, self._link, self._context, record=record)


def _no_rows() -> RowReader:
    raise StatementError("the statement gives no rows.", hint="Use db.execute.")


def _equal(plan: RecordPlan, name: str, value: Any) -> Any:
    """A value that a field is to equal, as the driver takes it."""
    kind = plan.field(name).kind
    if value is None:
        raise StatementError(
            f"find({name}=None) matches nothing in SQL.",
            hint=f"Use db.first(select(…).where({plan.record.__name__}.c.{name}.is_(None))).",
        )
    if kind.is_sealed:
        raise StatementError(f"{name} is sealed and equals nothing.",
                             hint="Keep a Hashed column beside it.")  # fmt: skip
    try:
        return value if kind.compare is None else kind.compare(value)
    except InvalidArgument as error:
        raise InvalidArgument(
            f"{name}: {error.detail}", hint=error.hint, path=wire_name(name)
        ) from None


def _of_key(error: Exception, plan: RecordPlan, values: Any) -> Exception:
    named = zip((field.name for field in plan.key), values, strict=True)
    return unbindable(error, named, table=plan.table)
