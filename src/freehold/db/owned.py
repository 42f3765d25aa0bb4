"""
The rows of one owner: `mine = db.owned_by(user_id)`.

A record says by `Owner()` which of its columns holds the owner. The handle made here adds that
owner to whatever it is asked, so that an author cannot forget to: to it, another owner's row
is like one that is not there, whether it is read, listed, counted, changed or removed, and it
adds no row for another. How a statement is narrowed is in `scoping`.

    mine = db.owned_by(user_id)
    mine.find(Post, id)                       None also for the post of another
    mine.all(_BY_STATUS, status="draft")      … AND user_id = :owner
    mine.update(Post, id, changes)            None also for the post of another

A key that is bound to a user works for that user and nobody else: `owned_by` of another is
refused, whatever the arguments of the call say.

What it does not do: look at what a row points to. A child that must have a parent of the same
owner says so in the schema: `ForeignKey(("user_id", "task_id"), "tasks(user_id, id)")`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, overload

import msgspec

from freehold.db.pages import Page
from freehold.db.scoping import OWNER, scoped
from freehold.db.statements import Select, Statement, select
from freehold.db.violations import shown
from freehold.errors import NotFound, PermissionDenied, StatementError
from freehold.schema import Field, Owner, Record, given

if TYPE_CHECKING:
    from freehold.db.reader import Reader
    from freehold.db.writer import Writer

T = TypeVar("T")
R = TypeVar("R", bound=Record)

_NO_KEY: Final[Any] = object()


class OwnedReader:
    """
    Reads of one owner's rows.

    Args:
        db: The handle that does it.
        owner: Whose rows.

    Raises:
        PermissionDenied: The caller's key is bound to another user.
        StatementError: The owner is None.
    """

    __slots__ = ("_db", "owner")

    def __init__(self, db: Reader, owner: str | int) -> None:
        said: Any = owner
        if said is None:
            raise StatementError("None owns no rows.", hint="Give the owner's key.")
        bound_to = db.caller.user
        if bound_to is not None and bound_to != str(owner):
            raise PermissionDenied(
                "the key is bound to a user and does not work for another.",
                hint="Name that user, or call with a key that is bound to nobody.",
            )
        self._db = db
        #: Whose rows.
        self.owner = owner

    def get(self, record: type[R], key: Any) -> R:
        """
        The owner's row with that key.

        Raises:
            NotFound: There is none, or it is another's: the error is the same.
        """
        row = self.find(record, key)
        if row is None:
            plan = self._db._plans[record]
            raise NotFound(
                f"there is no row {shown(plan, key)} in {plan.table}.", data={"table": plan.table}
            )
        return row

    def find(self, record: type[R], key: Any = _NO_KEY, /, **equals: Any) -> R | None:
        """
        The owner's row with that key, or whose fields equal these, or both; None without one.

        With neither it is the only row that the owner has.

        Raises:
            StatementError: More than one row fits.
        """
        field = owner_of(record)
        if equals.pop(field.name, self.owner) != self.owner:
            return None
        if key is _NO_KEY:
            return self._db.find(record, **equals, **{field.name: self.owner})
        place = self._place_in_key(record, field)
        if place is None:
            return self._db.find(record, key, **equals, **{field.name: self.owner})
        parts = key if isinstance(key, tuple) else (key,)
        if len(parts) > place and parts[place] != self.owner:
            return None
        return self._db.find(record, key, **equals)

    @overload
    def all(self, what: type[R], /) -> list[R]: ...
    @overload
    def all(self, what: Statement[T], /, **params: Any) -> list[T]: ...
    def all(self, what: Any, /, **params: Any) -> list[Any]:
        """Every row of a statement in its order, or of a record by key, that is the owner's."""
        if isinstance(what, Statement):
            return self._db.all(scoped(what), **self._with_owner(params))
        owner_of(what)
        if params:
            self._db.all(what, **params)
        return self._db.all(scoped(_every(what)), **self._with_owner({}))

    def first(self, what: Statement[T], /, **params: Any) -> T | None:
        """The first row of a statement that is the owner's, or None when there is none."""
        return self._db.first(scoped(what), **self._with_owner(params))

    def scalar(self, what: Statement[T], /, **params: Any) -> T | None:
        """The value of a statement's first row over the owner's rows; None without a row."""
        return self.first(what, **params)

    def page(
        self, what: Select[T], /, *, limit: int = 50, cursor: str | None = None, **params: Any
    ) -> Page[T]:
        """
        One page of the owner's rows; its cursor is of no use for another owner's.

        Raises:
            InvalidArgument: The limit is out of range, or the cursor of another list.
        """
        narrowed: Any = scoped(what)
        page: Page[T] = self._db.page(
            narrowed, limit=limit, cursor=cursor, **self._with_owner(params)
        )
        return page

    def _place_in_key(self, record: type[Record], field: Field) -> int | None:
        """Which part of the record's key is the owner, if one is."""
        key = self._db._plans[record].key
        return key.index(field) if field in key else None

    def _with_owner(self, params: dict[str, Any]) -> dict[str, Any]:
        if OWNER in params:
            raise StatementError(
                f"{OWNER} is given by the handle.", hint="Use db.owned_by(…) of that owner."
            )
        return {**params, OWNER: self.owner}


class OwnedWriter(OwnedReader):
    """Reads and writes of one owner's rows."""

    __slots__ = ()
    _db: Writer

    def insert(self, row: R) -> R:
        """
        Add a row of the owner; otherwise as `Writer.insert`.

        Raises:
            PermissionDenied: The row says that it is another's.
        """
        self._check(row)
        return self._db.insert(row)

    def insert_many(
        self, rows: Sequence[R], *, on_conflict: Literal["raise", "ignore"] = "raise"
    ) -> int:
        """
        Add rows of the owner; otherwise as `Writer.insert_many`.

        Raises:
            PermissionDenied: A row says that it is another's; none is added.
        """
        for row in rows:
            self._check(row)
        return self._db.insert_many(rows, on_conflict=on_conflict)

    def put(
        self,
        row: R,
        *,
        at: tuple[str, ...],
        keep: tuple[str, ...] = (),
        only: tuple[str, ...] = (),
    ) -> R:
        """
        Add a row of the owner, or overwrite the owner's; otherwise as `Writer.put`.

        Raises:
            PermissionDenied: The row says that it is another's.
            AlreadyExists: The row that has the same values in `at` is another's.
        """
        name = self._check(row).name
        if name not in at:
            only = (*only, name)
        return self._db.put(row, at=at, keep=keep, only=only)

    def update(
        self, record: type[R], key: Any, changes: msgspec.Struct | dict[str, Any]
    ) -> R | None:
        """
        Change the given fields of the owner's row; otherwise as `Writer.update`.

        Returns:
            The row as it is now, or None when there is none or it is another's.

        Raises:
            PermissionDenied: The row would become another's.
        """
        field = owner_of(record)
        if given(changes).get(field.name, self.owner) != self.owner:
            raise _of_another(record)
        if self.find(record, key) is None:
            return None
        return self._db.update(record, key, changes)

    def delete(self, record: type[Record], key: Any) -> bool:
        """Remove the owner's row; False when there is none or it is another's."""
        return self.find(record, key) is not None and self._db.delete(record, key)

    def execute(self, what: Statement[Any], /, **params: Any) -> int:
        """
        Run a statement that changes the owner's rows; how many it changed.

        Raises:
            StatementError: It touches no owned record, or would give a row away.
        """
        return self._db.execute(scoped(what), **self._with_owner(params))

    def _check(self, row: Record) -> Field:
        field = owner_of(type(row))
        if getattr(row, field.name) != self.owner:
            raise _of_another(type(row))
        return field


@cache
def owner_of(record: type[Record]) -> Field:
    """
    The field that says whose row it is.

    Raises:
        StatementError: The record has none.
    """
    for field in getattr(record, "__fields__", ()):
        if field.mark(Owner) is not None:
            found: Field = field
            return found
    raise StatementError(
        f"{getattr(record, '__name__', record)} does not say whose its rows are.",
        hint="Mark the column with Owner(), or use db itself if the rows are everybody's.",
    )


@cache
def _every(record: type[Record]) -> Select[Any]:
    return select(record).order_by(*record.__table__.primary_key.columns)


def _of_another(record: type[Record]) -> PermissionDenied:
    return PermissionDenied(
        f"the row of {record.__table__.name} would be another owner's.",
        hint="Use db.owned_by(…) of that owner.",
    )
