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

from freehold.crypto import Place
from freehold.db.caller import Caller
from freehold.db.link import ConstraintViolation, Context, Link
from freehold.db.plans import RecordPlan
from freehold.db.reader import Reader
from freehold.db.rows import stored_value
from freehold.db.statements import Statement
from freehold.db.violations import explain
from freehold.errors import StatementError
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

    def __init__(
        self, link: Link, context: Context, caller: Caller, now_ns: int, seed: bytes
    ) -> None:
        super().__init__(link, context, caller, now_ns)
        self._stream = IdStream(seed, now_ns // 1_000_000)

    def new_id(self) -> str:
        """A new UUID (version 7) as text."""
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
            AlreadyExists: The key or a unique value is taken.
            ReferenceBroken: It points at a row that is not there.
            RuleBroken: A check or a trigger refuses it.
        """
        plan = self._plans[type(row)]
        stored = self._stamped(plan, row)
        values = self._values(plan, stored)
        try:
            if plan.counted is None:
                self._link.change(plan.insert_sql, values)
            else:
                counted = self._link.rows(plan.insert_counted_sql(), values)
                setattr(stored, plan.counted.name, counted[0][0])
        except ConstraintViolation as violation:
            raise self._explained(violation, plan, values) from None
        return stored if not _has_sealed(plan) else self._as_stored(plan, stored, values)

    def insert_many(
        self, rows: Sequence[R], *, on_conflict: Literal["raise", "ignore"] = "raise"
    ) -> int:
        """
        Add rows of one record; `ignore` leaves out those whose key or unique value exists.

        A reference that points nowhere is refused in both cases.

        Returns:
            How many rows were really added.

        Raises:
            AlreadyExists, ReferenceBroken, RuleBroken: As `insert`; no row is added then.
        """
        if not rows:
            return 0
        plan = self._plans[type(rows[0])]
        ignore = on_conflict == "ignore"
        added = 0
        for start in range(0, len(rows), plan.many_rows_max):
            chunk = rows[start : start + plan.many_rows_max]
            values = [self._values(plan, self._stamped(plan, row)) for row in chunk]
            sql = plan.insert_many_sql(len(chunk), ignore=ignore)
            flat = [value for row in values for value in row]
            try:
                added += self._link.change(sql, flat)
            except ConstraintViolation as violation:
                raise self._explained_many(violation, plan, values) from None
        return added

    def put(self, row: R, *, at: tuple[str, ...], keep: tuple[str, ...] = ()) -> R:
        """
        Add the row, or overwrite the one that has the same values in the unique fields `at`.

        One statement, so two callers cannot both add it. The key, the time of creation and
        the fields in `keep` stay as they were.

        Returns:
            The row as it is now.
        """
        plan = self._plans[type(row)]
        values = self._values(plan, self._stamped(plan, row))
        if _has_sealed(plan):
            raise StatementError(
                f"{plan.table} has sealed columns, which need the row's key before it is known.",
                hint="Use db.find with db.update or db.insert.",
            )
        try:
            rows = self._link.rows(plan.put_sql(at, keep), values)
        except ConstraintViolation as violation:
            raise self._explained(violation, plan, values) from None
        return plan.read(rows[0])  # type: ignore[no-any-return]

    def update(
        self, record: type[R], key: Any, changes: msgspec.Struct | dict[str, Any]
    ) -> R | None:
        """
        Change the given fields of the row with that key; what is UNSET stays, None is NULL.

        Returns:
            The row as it is now, or None when there is none. With nothing given it is a read.

        Raises:
            AlreadyExists, ReferenceBroken, RuleBroken: The change is refused.
        """
        plan = self._plans[record]
        changed = given(changes)
        if not changed:
            return self.find(record, key)
        for field in plan.restamped:
            changed.setdefault(field.name, self._time(field))
        names = tuple(changed)
        fields = [plan.changeable(name) for name in names]
        keys = plan.key_values(key)
        values = [
            stored_value(self._context, field, changed[field.name], self._place(plan, field, keys))
            for field in fields
        ]
        try:
            rows = self._link.rows(plan.update_sql(names), [*values, *keys])
        except ConstraintViolation as violation:
            columns = {field.column: value for field, value in zip(fields, values, strict=True)}
            raise explain(
                violation, self._link, self._context, record=record, values=columns
            ) from None
        return plan.read(rows[0]) if rows else None

    def delete(self, record: type[Record], key: Any) -> bool:
        """
        Remove the row with that key; False when there is none.

        Raises:
            ReferenceBroken: Another row still points at it.
        """
        plan = self._plans[record]
        keys = plan.key_values(key)
        try:
            return self._link.change(plan.delete_sql, keys) > 0
        except ConstraintViolation as violation:
            raise explain(
                violation, self._link, self._context, record=record, removing=tuple(keys)
            ) from None

    def execute(self, what: Statement[Any], /, **params: Any) -> int:
        """Run a statement that changes rows; how many it changed."""
        compiled = self._compiled(what, params)
        if len(params) != len(compiled.names):
            unknown = sorted(set(params) - compiled.names)
            if unknown:
                raise StatementError(f"the statement has no parameter {unknown[0]!r}.")
        try:
            return self._link.change(compiled.sql, compiled.values(params))
        except ConstraintViolation as violation:
            raise explain(violation, self._link, self._context) from None

    def _compiled(self, what: Statement[Any], params: dict[str, Any]) -> Any:
        compiled = super()._compiled(what, params)
        if "_now_s" in compiled.names:
            params["_now_s"] = self.now
        if "_now_ms" in compiled.names:
            params["_now_ms"] = self.now_ms
        return compiled

    def _stamped(self, plan: RecordPlan, row: R) -> R:
        stored = copy.copy(row)
        for field in plan.stamped:
            if getattr(row, field.name) is msgspec.UNSET:
                setattr(stored, field.name, self._time(field))
        return stored

    def _time(self, field: Field) -> int:
        return self.now if field.stamp and field.stamp.unit == "s" else self.now_ms

    def _values(self, plan: RecordPlan, row: Any) -> list[Any]:
        keys: list[Any] = []

        def write(field: Field, value: Any) -> Any:
            if field.kind.is_sealed and not keys:
                parts = tuple(getattr(row, part.name) for part in plan.key)
                keys.extend(plan.key_values(parts if len(parts) > 1 else parts[0]))
            return stored_value(self._context, field, value, self._place(plan, field, keys))

        return plan.values(row, write)

    def _place(self, plan: RecordPlan, field: Field, keys: Sequence[Any]) -> Callable[[], Place]:
        return lambda: Place(self._context.database, plan.table, field.column, tuple(keys))

    def _as_stored(self, plan: RecordPlan, stored: R, values: list[Any]) -> R:
        """The row with its sealed values as ciphertext, as a read would give it."""
        if plan.counted is not None:
            return self.get(type(stored), getattr(stored, plan.counted.name))
        return plan.read(tuple(values))  # type: ignore[no-any-return]

    def _explained(
        self, violation: ConstraintViolation, plan: RecordPlan, values: list[Any]
    ) -> Exception:
        columns = {
            field.column: value for field, value in zip(plan.insert_fields, values, strict=True)
        }
        return explain(violation, self._link, self._context, record=plan.record, values=columns)

    def _explained_many(
        self, violation: ConstraintViolation, plan: RecordPlan, rows: list[list[Any]]
    ) -> Exception:
        """Look for the row whose reference is broken; other kinds name their columns anyway."""
        found = self._explained(violation, plan, rows[0])
        for values in rows[1:] if violation.kind == "reference" else ():
            if getattr(found, "path", None) is not None:
                break
            found = self._explained(violation, plan, values)
        return found


def _has_sealed(plan: RecordPlan) -> bool:
    return any(field.kind.is_sealed for field in plan.fields)
