"""
`Writer`: what a mutation function holds.

It reads what the mutations before it in the batch wrote, and its own; all of it becomes
durable together or not at all. It draws ids and random bytes from the call's seed, so a
function that is run again gives the same.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

import msgspec
import sqlalchemy as sa
from msgspec import UNSET
from msgspec.structs import force_setattr

from freehold.crypto import Place
from freehold.db.caller import Caller
from freehold.db.link import ConstraintViolation, Context, Link
from freehold.db.owned import OwnedWriter
from freehold.db.plans import RecordPlan
from freehold.db.reader import Reader
from freehold.db.statements import Statement
from freehold.db.values import UNBINDABLE, sealed_value, stored_value, unbindable
from freehold.db.violations import explain
from freehold.errors import AlreadyExists, FreeholdError, StatementError
from freehold.ids import IdStream
from freehold.schema import Field, Record, given

R = TypeVar("R", bound=Record)


class Writer(Reader):
    """
    Reads and writes of one mutation.

    Args:
        link: The driver's connection inside the mutation's savepoint or transaction.
        context: What all handles of the database share.
        caller: Who calls.
        now_ns: The call's wall time in nanoseconds.
        seed: 32 bytes that all ids of the call are spun from.
    """

    __slots__ = ("_stream",)
    _may_change = True

    def __init__(
        self, link: Link, context: Context, caller: Caller, now_ns: int, seed: bytes
    ) -> None:
        super().__init__(link, context, caller, now_ns)
        self._stream = IdStream(seed, now_ns // 1_000_000)

    @property
    def is_tentative(self) -> bool:
        """
        An INSERT whose key is taken makes the driver run the mutation again, not tentatively.

        So in this run a row that is to be added need not be looked for first.
        """
        return bool(getattr(self._link, "is_tentative", False))

    @property
    def own_seq(self) -> int:
        """The number that this mutation is committed under; 0 when the driver does not say."""
        return getattr(self._link, "seq", 0)

    def new_id(self) -> str:
        """A new UUID (version 7) as text; it sorts behind all that the call drew before."""
        return self._stream.new_id()

    def random_bytes(self, count: int) -> bytes:
        """Random bytes that nobody can guess; fit for tokens."""
        return self._stream.random_bytes(count)

    def insert(self, row: R) -> R:
        """
        Add a row.

        Returns:
            The row as it is stored: times set, key counted up. The one given stays as it was.

        Raises:
            InvalidArgument: A value is outside what its type allows; `path` names the field.
            AlreadyExists: The key or a unique value is taken.
            ReferenceBroken: It points at a row that is not there.
            RuleBroken: A check or a trigger refuses it.
        """
        plan = self._plans[type(row)]
        stored = self._stamped(plan, row)
        counts = plan.counted is not None and getattr(row, plan.counted.name) is UNSET
        values = self._values(plan, stored, counts=counts)
        try:
            if plan.fits:
                values = plan.stored(plan.insert_fields if counts else plan.fields, values)
            if counts:
                counted = self._link.rows(plan.insert_counted_sql(), values)
                self._set_key(plan, stored, counted[0][0])
            elif plan.counted is None:
                self._link.change(plan.insert_sql, values)
            else:
                self._link.change(plan.insert_many_sql(1, ignore=False, counted=False), values)
        except ConstraintViolation as violation:
            raise self._refused(violation, plan, [values], counts=counts) from None
        except UNBINDABLE as error:
            raise self._unbindable(error, plan, values, counts=counts) from None
        if not plan.is_rewritten:
            return stored
        key = [getattr(stored, plan.counted.name)] if counts and plan.counted else []
        return self._as_stored(plan, [*key, *values], counts=counts)  # type: ignore[no-any-return]

    def insert_many(
        self, rows: Sequence[R], *, on_conflict: Literal["raise", "ignore"] = "raise"
    ) -> int:
        """
        Add rows of one record; `ignore` leaves out those whose key or unique value exists.

        A reference that points nowhere is refused in both cases. The rows go to the engine by
        the hundred; let the error end the mutation: when it is caught, the hundreds before the
        one with the refused row stay.

        Returns:
            How many rows were really added.

        Raises:
            InvalidArgument, AlreadyExists, ReferenceBroken, RuleBroken: As `insert`.
            StatementError: The rows are of several records, or some give the counted key.
        """
        if on_conflict not in ("raise", "ignore"):
            raise StatementError(f"on_conflict={on_conflict!r} is no way to go on.",
                                 hint='Use "raise" or "ignore".')  # fmt: skip
        if not rows:
            return 0
        plan = self._plans[type(rows[0])]
        counts = self._counts(plan, rows)
        ready = [self._values(plan, self._stamped(plan, row), counts=counts) for row in rows]
        added = 0
        for start in range(0, len(ready), plan.many_rows_max):
            chunk = ready[start : start + plan.many_rows_max]
            sql = plan.insert_many_sql(len(chunk), ignore=on_conflict == "ignore", counted=counts)
            try:
                if plan.fits:
                    fields = plan.insert_fields if counts else plan.fields
                    chunk = [plan.stored(fields, row) for row in chunk]
                added += self._link.change(sql, [value for row in chunk for value in row])
            except ConstraintViolation as violation:
                raise self._refused(violation, plan, chunk, counts=counts) from None
            except UNBINDABLE as error:
                raise self._unbindable(error, plan, *chunk, counts=counts) from None
        return added

    def put(
        self,
        row: R,
        *,
        at: tuple[str, ...],
        keep: tuple[str, ...] = (),
        only: tuple[str, ...] = (),
    ) -> R:
        """
        Add the row, or overwrite the one that has the same values in the unique fields `at`.

        One statement, so two callers cannot both add it. The key, the time of creation and
        the fields in `keep` stay as they were. A row that differs in one of the fields `only`
        is not overwritten: that is an `AlreadyExists`.

        A record with sealed columns has its key among `at` or `only`: its values are sealed for
        their row before it is known whether there is one.

        Returns:
            The row as it is now.

        Raises:
            StatementError: Nothing makes `at` unique, or sealed columns lack their row's key.
            InvalidArgument, AlreadyExists, ReferenceBroken, RuleBroken: As `insert`.
        """
        plan = self._plans[type(row)]
        if plan.has_sealed and not {field.name for field in plan.key} <= {*at, *only}:
            raise StatementError(
                f"{plan.table} has sealed columns, which need the row's key before it is known.",
                hint="Name the key in at=(…) or only=(…), or use db.find with db.update.",
            )
        if plan.counted is not None and getattr(row, plan.counted.name) is not UNSET:
            raise StatementError(f"put counts the key of {plan.table} up and takes none.",
                                 hint="Use db.insert or db.update.")  # fmt: skip
        sql = plan.put_sql(at, keep, only)
        values = self._values(plan, self._stamped(plan, row), counts=True)
        try:
            if plan.fits:
                values = plan.stored(plan.insert_fields, values)
            rows = self._link.rows(sql, values)
        except ConstraintViolation as violation:
            at_columns = [plan.field(name).column for name in at]
            raise self._refused(violation, plan, [values], counts=True, own=at_columns) from None
        except UNBINDABLE as error:
            raise self._unbindable(error, plan, values, counts=True) from None
        if not rows:
            raise AlreadyExists(
                f"{plan.table} has another row with the same {', '.join(at)}.",
                hint="Read that row, or choose another value.",
                data={"table": plan.table, "columns": [plan.field(name).column for name in at]},
            )
        return plan.read(rows[0])  # type: ignore[no-any-return]

    def update(
        self, record: type[R], key: Any, changes: msgspec.Struct | dict[str, Any]
    ) -> R | None:
        """
        Change the given fields of the row with that key; what is UNSET stays, None is NULL.

        Returns:
            The row as it is now, or None when there is none. With nothing given it is a read.

        Raises:
            InvalidArgument: The key is among the changes, or a value is not allowed.
            AlreadyExists, ReferenceBroken, RuleBroken: The change is refused.
        """
        plan = self._plans[record]
        changed = given(changes)
        if not changed:
            return self.find(record, key)
        for field in plan.restamped:
            changed.setdefault(field.name, self._time(field))
        fields = [plan.changeable(name) for name in changed]
        keys = plan.key_values(key)
        values = [
            stored_value(
                self._context, field, changed[field.name], place=self._place(plan, field, keys)
            )
            for field in fields
        ]
        try:
            if plan.fits:
                values = plan.stored(fields, values)
            rows = self._link.rows(plan.update_sql(tuple(changed)), [*values, *keys])
        except ConstraintViolation as violation:
            columns = {field.column: value for field, value in zip(fields, values, strict=True)}
            raise explain(
                violation, self._link, self._context, record=record, written=[columns],
                before=self._before(plan, keys),
            ) from None  # fmt: skip
        except UNBINDABLE as error:
            names = [field.name for field in (*fields, *plan.key)]
            named = zip(names, [*values, *keys], strict=True)
            raise unbindable(error, named, table=plan.table) from None
        return plan.read(rows[0]) if rows else None

    def delete(self, record: type[Record], key: Any) -> bool:
        """
        Remove the row with that key; False when there is none.

        Raises:
            ReferenceBroken: Another row still points at it.
            RuleBroken: A trigger refuses it.
        """
        plan = self._plans[record]
        keys = plan.key_values(key)
        try:
            return self._link.change(plan.delete_sql, keys) > 0
        except ConstraintViolation as violation:
            raise explain(
                violation, self._link, self._context, record=record,
                before=self._before(plan, keys),
            ) from None  # fmt: skip
        except UNBINDABLE as error:
            named = zip((field.name for field in plan.key), keys, strict=True)
            raise unbindable(error, named, table=plan.table) from None

    def execute(self, what: Statement[Any], /, **params: Any) -> int:
        """
        Run a statement that changes rows; how many it changed.

        Raises:
            StatementError: It changes nothing, or was called with other parameters.
            AlreadyExists, ReferenceBroken, RuleBroken: A change is refused.
        """
        core = getattr(what, "core", None)
        if core is None or isinstance(core, sa.SelectBase):
            raise StatementError("execute takes a statement that changes rows.",
                                 hint="Use db.all, db.first or db.scalar to read.")  # fmt: skip
        compiled = what.compiled(self._context.dialect, params)
        if len(params) != len(compiled.names):
            compiled.refuse_unknown(params)
        filled = params
        if compiled.own:
            filled = {**params, "_now_s": self.now, "_now_ms": self.now_ms}
        try:
            if compiled.places is not None:
                return self._link.change(*compiled.fitted(filled))
            return self._link.change(compiled.sql, compiled.values(filled))
        except ConstraintViolation as violation:
            raise self._explained(violation, what) from None
        except UNBINDABLE as error:
            raise unbindable(error, compiled.named_values(filled), table=what.table_name) from None

    def owned_by(self, owner: str | int) -> OwnedWriter:
        """
        The same over the rows of one owner: those of others are as if they were not there.

        Raises:
            PermissionDenied: The caller's key is bound to another user.
        """
        return OwnedWriter(self, owner)

    def _stamped(self, plan: RecordPlan, row: R) -> R:
        stored = copy.copy(row)
        for field in plan.stamped:
            if getattr(row, field.name) is UNSET:
                force_setattr(stored, field.name, self._time(field))
        return stored

    def _time(self, field: Field) -> int:
        return self.now if field.stamp and field.stamp.unit == "s" else self.now_ms

    def _counts(self, plan: RecordPlan, rows: Sequence[Record]) -> bool:
        """Whether the engine counts the keys of these rows up."""
        for row in rows:
            if type(row) is not plan.record:
                raise StatementError(
                    f"insert_many was given a {type(row).__name__} among {plan.record.__name__}s.",
                    hint="Call it once for each record.",
                )
        if plan.counted is None:
            return False
        name = plan.counted.name
        open_keys = sum(getattr(row, name) is UNSET for row in rows)
        if open_keys not in (0, len(rows)):
            raise StatementError(
                f"some rows of {plan.table} give {name} and some leave it to be counted.",
                hint="Insert them in two calls.",
            )
        return open_keys > 0

    def _values(self, plan: RecordPlan, row: Any, *, counts: bool) -> list[Any]:
        """
        A row's values as the driver takes them.

        Raises:
            InvalidArgument, StatementError: One cannot be stored; it is named.
        """
        keys: list[Any] = []

        def seal(field: Field, value: Any) -> str:
            if not keys:
                keys.extend(plan.key_of(row))
            return sealed_value(self._context, value, self._place(plan, field, keys)())

        write = plan.values if counts else plan.all_values
        try:
            return write(row, seal)
        except (FreeholdError, TypeError, AttributeError):
            for field in plan.fields:
                value = getattr(row, field.name)
                if field is not plan.counted or value is not UNSET:
                    place = self._place(plan, field, keys)
                    stored_value(self._context, field, value, place=place)
            raise

    def _place(self, plan: RecordPlan, field: Field, keys: Sequence[Any]) -> Callable[[], Place]:
        return lambda: Place(self._context.database, plan.table, field.column, tuple(keys))

    def _set_key(self, plan: RecordPlan, row: Any, number: int) -> None:
        if plan.counted is not None:
            read = plan.counted.kind.read
            force_setattr(row, plan.counted.name, number if read is None else read(number))

    def _as_stored(self, plan: RecordPlan, values: list[Any], *, counts: bool) -> Any:
        """The row as a read would give it: sealed values as ciphertext, tokens as digests."""
        if counts and plan.counted is not None:
            fields = [plan.counted, *plan.insert_fields]
            by_name = {field.name: value for field, value in zip(fields, values, strict=True)}
            values = [by_name[field.name] for field in plan.fields]
        return plan.read(tuple(values))

    def _before(self, plan: RecordPlan, keys: Sequence[Any]) -> dict[str, Any]:
        """The row as it is stored, to explain why it cannot change."""
        rows = self._link.rows(plan.get_sql, keys)
        columns = [field.column for field in plan.fields]
        return dict(zip(columns, rows[0], strict=True)) if rows else {}

    def _refused(
        self, violation: ConstraintViolation, plan: RecordPlan, rows: list[list[Any]], *,
        counts: bool, own: Sequence[str] = (),
    ) -> Exception:  # fmt: skip
        fields = plan.insert_fields if counts else plan.fields
        columns = [field.column for field in fields]
        written = [dict(zip(columns, values, strict=True)) for values in rows]
        return explain(
            violation, self._link, self._context, record=plan.record, written=written, own=own
        )

    def _unbindable(
        self, error: Exception, plan: RecordPlan, *rows: list[Any], counts: bool
    ) -> Exception:
        fields = plan.insert_fields if counts else plan.fields
        names = [field.name for field in fields]
        named = [pair for values in rows for pair in zip(names, values, strict=True)]
        return unbindable(error, named, table=plan.table)
