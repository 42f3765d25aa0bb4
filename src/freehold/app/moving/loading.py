"""
Rows into one open mutation: each is added, is there already, or is refused with its reason.

A row is known by its key. One that is there with the same values is left alone, so that an
import can be run again; one that is there with others is a conflict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from msgspec import UNSET

from freehold.app.moving.fitting import Fit, Wishes, absent
from freehold.app.moving.source import Row, Source
from freehold.app.moving.values import Seals, Unfit, shown
from freehold.crypto import SealError
from freehold.db import Writer, any_of, param, select
from freehold.errors import CallError, KeysMissing
from freehold.scalars import Hashed, Sealed
from freehold.schema import Field, Record

_EXAMPLES: Final = 3
_REASONS_MAX: Final = 50
#: Rows and parameters of one INSERT.
_ROWS_MAX: Final = 100
_PARAMETERS_MAX: Final = 8_000
_LISTED: Final = ("str", "int", "int64", "literal")
#: 20 years from now, and 1973: a time beyond is more likely of another unit.
_LATER_S: Final = 20 * 366 * 86_400
_EARLY_S: Final = 100_000_000
_UNITS: Final = {"epoch_seconds": 1, "epoch_millis": 1_000}


@dataclass
class Refusal:
    """One reason with how many rows it has, and the first of them."""

    reason: str
    hint: str
    rows: int = 0
    examples: list[str] = field(default_factory=list)
    #: It was found when rows were pointed at each other, and may follow from another one.
    is_late: bool = False


@dataclass
class Moved:
    """What one table came to; `read` is the sum of all that follow it."""

    table: str
    source: str
    read: int = 0
    inserted: int = 0
    same: int = 0
    replaced: int = 0
    kept: int = 0
    refusals: dict[tuple[str, str], Refusal] = field(default_factory=dict)
    warnings: dict[str, Refusal] = field(default_factory=dict)

    @property
    def refused(self) -> int:
        """How many rows were refused."""
        return sum(each.rows for each in self.refusals.values())

    @property
    def changed(self) -> int:
        """How many rows are there now, or are other ones."""
        return self.inserted + self.replaced


@dataclass
class _Made:
    """A row on its way: its number in the source, and what it becomes."""

    number: int
    key: tuple[Any, ...]
    given: dict[str, Any]
    record: Record


class Loader:
    """
    Puts one table's rows in.

    Args:
        db: The handle of the mutation.
        source: Where the rows are.
        wishes: What is done about conflicts.
        seals: Opens and takes sealed values.
        tell: Told of rows as they go.
    """

    def __init__(
        self, db: Writer, source: Source, wishes: Wishes, *,
        seals: Seals, tell: Callable[[str, int, int], None],
    ) -> None:  # fmt: skip
        self._db = db
        self._source = source
        self._wishes = wishes
        self._seals = seals
        self._tell = tell
        #: Rows that stay as they are, whatever the source says.
        self._left: set[tuple[str, tuple[Any, ...]]] = set()

    def load(self, fit: Fit) -> Moved:
        """All rows of a table; references that may point ahead are left out until `point`."""
        moved = Moved(fit.table, fit.source.name)
        lister = _Lister(self._db, fit.record)
        self._tell(fit.table, 0, fit.source.rows)
        for made in self._made(fit, moved):
            there = lister.there(made)
            news = []
            for each in made:
                found = there.get(each.key)
                if found is None:
                    news.append(each)
                else:
                    self._beside(fit, moved, each, found)
            self._add(fit, moved, news)
            self._tell(fit.table, moved.read, fit.source.rows)
        return moved

    def point(self, fit: Fit, moved: Moved) -> None:
        """Set the references that were left out."""
        if not fit.late:
            return
        # What was refused before was counted then.
        again = Moved(fit.table, fit.source.name)
        for made in self._made(fit, again):
            for each in made:
                late = {name: each.given.get(name) for name in fit.late}
                if all(value is None for value in late.values()):
                    continue
                self._point(fit, moved, each, late)

    def _point(self, fit: Fit, moved: Moved, each: _Made, late: dict[str, Any]) -> None:
        found = self._find(fit, each)
        if found is None or (fit.table, each.key) in self._left:
            return
        if all(getattr(found, name) == value for name, value in late.items()):
            return
        try:
            self._db.update(fit.record, _as_key(each.key), {**_stamps(fit.record, found), **late})
        except CallError as error:
            moved.inserted -= 1
            self._refuse(fit, moved, each.number, error=error, key=each.key, is_late=True)

    def _made(self, fit: Fit, moved: Moved) -> Iterator[list[_Made]]:
        columns = [each.source for each in fit.taken]
        extra = absent(fit.record, [each.field.name for each in fit.taken])
        make = _Maker(fit, self._seals, self._db.now)
        number = 0
        for rows in self._source.rows(fit.source.name, columns):
            made = []
            for row in rows:
                number += 1
                moved.read += 1
                try:
                    key, given = make.values(row)
                except _Refused as refused:
                    self._refuse(fit, moved, number, refused=refused)
                    continue
                record = fit.record(**given, **extra)
                made.append(_Made(number, key, given, record))
            yield made
        for column, doubt in make.doubts.items():
            doubt.examples = [self._source.where(fit.source.name, int(n)) for n in doubt.examples]
            moved.warnings[column] = doubt

    def _add(self, fit: Fit, moved: Moved, news: list[_Made]) -> None:
        """As many at once as one statement takes; where one is refused, each alone."""
        at_once = max(1, min(_ROWS_MAX, _PARAMETERS_MAX // len(fit.record.__fields__)))
        for start in range(0, len(news), at_once):
            some = news[start : start + at_once]
            try:
                self._db.insert_many([self._without_late(fit, each) for each in some])
                moved.inserted += len(some)
            except CallError:
                # One statement, so none of them is there.
                for each in some:
                    self._add_one(fit, moved, each)

    def _add_one(self, fit: Fit, moved: Moved, each: _Made) -> None:
        found = self._find(fit, each)
        if found is not None:
            # The source has it twice.
            self._beside(fit, moved, each, found)
            return
        try:
            self._db.insert(self._without_late(fit, each))
            moved.inserted += 1
        except CallError as error:
            self._refuse(fit, moved, each.number, error=error, key=each.key)

    def _without_late(self, fit: Fit, each: _Made) -> Record:
        if not fit.late:
            return each.record
        given = {name: None if name in fit.late else v for name, v in each.given.items()}
        extra = absent(fit.record, list(given))
        return fit.record(**given, **extra)

    def _beside(self, fit: Fit, moved: Moved, each: _Made, found: Any) -> None:
        """There is a row of that key."""
        if self._is_same(each, found):
            moved.same += 1
        elif self._wishes.on_conflict == "keep":
            moved.kept += 1
            self._left.add((fit.table, each.key))
        elif self._wishes.on_conflict == "replace":
            self._replace(fit, moved, each, found)
        else:
            names = [n for n, v in each.given.items() if not self._equal(getattr(found, n), v)]
            columns = [f.column for f in fit.record.__fields__ if f.name in names]
            refused = _Refused("", f"a row of that key is there with another {', '.join(columns)}",
                               "--on-conflict keep leaves it, --on-conflict replace changes it.",
                               "", each.key)  # fmt: skip
            self._refuse(fit, moved, each.number, refused=refused)

    def _replace(self, fit: Fit, moved: Moved, each: _Made, found: Any) -> None:
        keys = {str(column.name) for column in fit.record.__table__.primary_key.columns}
        changes = {
            f.name: each.given[f.name]
            for f in fit.record.__fields__
            if f.name in each.given and f.column not in keys and f.name not in fit.late
            and each.given[f.name] is not UNSET
        }  # fmt: skip
        try:
            self._db.update(
                fit.record, _as_key(each.key), {**_stamps(fit.record, found), **changes}
            )
            moved.replaced += 1
        except CallError as error:
            self._refuse(fit, moved, each.number, error=error, key=each.key)

    def _find(self, fit: Fit, each: _Made) -> Any:
        return self._db.find(fit.record, _as_key(each.key))

    def _is_same(self, each: _Made, found: Any) -> bool:
        return all(self._equal(getattr(found, name), value) for name, value in each.given.items())

    def _equal(self, stored: Any, value: Any) -> bool:
        if value is UNSET:
            # It was left to the default; what that was is not known any more.
            return True
        if isinstance(stored, Sealed) and isinstance(value, Sealed):
            try:
                return bool(self._db.open(stored) == value.plain())
            except (SealError, KeysMissing):
                return False
        return bool(stored == value)

    def _refuse(
        self, fit: Fit, moved: Moved, number: int, *,
        refused: _Refused | None = None, error: CallError | None = None,
        key: tuple[Any, ...] = (), is_late: bool = False,
    ) -> None:  # fmt: skip
        if refused is not None:
            said = (refused.column, refused.rule)
            reason, hint, key = refused.reason, refused.hint, refused.key or key
            value = refused.value
        else:
            detail, hint = (error.detail, error.hint) if error else ("", "")
            said = (type(error).__name__, (error.path if error else None) or detail[:80])
            reason, value = detail.rstrip("."), ""
        found = moved.refusals.get(said)
        if found is None:
            if len(moved.refusals) >= _REASONS_MAX:
                said = ("", "…")
                found = moved.refusals.setdefault(said, Refusal("other reasons", ""))
            else:
                found = moved.refusals[said] = Refusal(reason, hint, is_late=is_late)
        found.rows += 1
        if len(found.examples) < _EXAMPLES:
            where = self._source.where(fit.source.name, number)
            found.examples.append(f"{where}{_of_key(fit.record, key)}{value}")


class _Refused(Exception):
    """A row that does not become a record: its column, the rule, the value for people."""

    def __init__(self, column: str, rule: str, hint: str, value: str, key: tuple[Any, ...]) -> None:
        super().__init__(rule)
        self.column, self.rule, self.hint, self.value, self.key = column, rule, hint, value, key

    @property
    def reason(self) -> str:
        return f"{self.column}: {self.rule}" if self.column else self.rule


class _Maker:
    """Rows as the engine has them, as values of a record's fields."""

    def __init__(self, fit: Fit, seals: Seals, now: int) -> None:
        keys = [str(column.name) for column in fit.record.__table__.primary_key.columns]
        self._fit = fit
        self._seals = seals
        self._late_s = now + _LATER_S
        self._row = 0
        self._keys = [
            next(n for n, each in enumerate(fit.taken) if each.field.column == key) for key in keys
        ]
        self.doubts: dict[str, Refusal] = {}
        self._timed = [
            (each.field.name, each.field.column, _UNITS[each.field.kind.name])
            for each in fit.taken if each.field.kind.name in _UNITS
        ]  # fmt: skip

    def values(self, row: Row) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """
        The key as the engine takes it, and the values by field.

        Raises:
            _Refused: One does not fit.
        """
        self._row += 1
        given: dict[str, Any] = {}
        key: tuple[Any, ...] | None = None
        for taken, value in zip(self._fit.taken, row, strict=True):
            each = taken.field
            try:
                if value is None:
                    given[each.name] = self._null(taken)
                elif taken.convert is not None:
                    given[each.name] = taken.convert(value)
                else:
                    key = key or self._key(given)
                    given[each.name] = self._seals.take(
                        self._fit.table, each.column, key=key, value=value
                    )
            except Unfit as unfit:
                said = f": {shown(each.kind, value)}" if value is not None else ""
                raise _Refused(
                    each.column, unfit.rule, unfit.hint, f", {each.column}{said}", self._told(row)
                ) from None
        for name, column, unit in self._timed:
            if (value := given[name]) is not None and value is not UNSET:
                self._doubt(column, value // unit)
        return key or self._key(given), given

    def _null(self, taken: Any) -> Any:
        each: Field = taken.field
        if taken.is_filled:
            return UNSET if each.is_automatic else each.default
        if not each.is_nullable:
            name = f"{self._fit.table}.{each.column}"
            raise Unfit("it is NULL, and the schema says NOT NULL",
                        f"--fill-null {name} puts the field's default there."
                        if each.is_automatic else "Give it a value in the source.")  # fmt: skip
        return None

    def _key(self, given: dict[str, Any]) -> tuple[Any, ...]:
        names = [self._fit.taken[place].field.name for place in self._keys]
        return tuple(_driver(given[name]) for name in names)

    def _told(self, row: Row) -> tuple[Any, ...]:
        return tuple(row[place] for place in self._keys)

    def _doubt(self, column: str, seconds: int) -> None:
        if seconds == 0 or _EARLY_S <= seconds <= self._late_s:
            return
        found = self.doubts.get(column)
        if found is None:
            found = self.doubts[column] = Refusal(
                f"{column}: times before 1973 or more than 20 years ahead; is it another unit?", ""
            )
        found.rows += 1
        if len(found.examples) < _EXAMPLES:
            found.examples.append(str(self._row))


class _Lister:
    """Looks for rows by their keys, many at once where the key allows it."""

    def __init__(self, db: Writer, record: type[Record]) -> None:
        self._db = db
        self._record = record
        names = [str(column.name) for column in record.__table__.primary_key.columns]
        self._key = [next(f for f in record.__fields__ if f.column == name) for name in names]
        self._is_empty = db.first(select(record)) is None
        self._many: Any = None
        if len(self._key) == 1 and self._key[0].kind.name in _LISTED:
            column = getattr(record.c, self._key[0].name)
            self._many = select(record).where(any_of(column, param("keys")))

    def there(self, made: list[_Made]) -> dict[tuple[Any, ...], Any]:
        """The rows of these keys that the table had before the import; by key."""
        if self._is_empty or not made:
            return {}
        if self._many is not None:
            rows = self._db.all(self._many, keys=[each.key[0] for each in made])
            return {(_driver(getattr(row, self._key[0].name)),): row for row in rows}
        found = ((each.key, self._db.find(self._record, _as_key(each.key))) for each in made)
        return {key: row for key, row in found if row is not None}


def _stamps(record: type[Record], found: Any) -> dict[str, Any]:
    """Times that an update would set anew stay as they are, unless the source has them."""
    return {
        each.name: getattr(found, each.name)
        for each in record.__fields__
        if each.stamp is not None and each.stamp.on_update
    }


def _driver(value: Any) -> Any:
    if isinstance(value, Hashed):
        return value.digest
    return int(value) if isinstance(value, int) else value


def _as_key(key: tuple[Any, ...]) -> Any:
    return key if len(key) > 1 else key[0]


def _of_key(record: type[Record], key: tuple[Any, ...]) -> str:
    if not key:
        return ""
    by_column = {each.column: each for each in record.__fields__}
    names = [str(column.name) for column in record.__table__.primary_key.columns]
    said = (f"{n}={shown(by_column[n].kind, v)}" for n, v in zip(names, key, strict=True))
    return f", {', '.join(said)}"
