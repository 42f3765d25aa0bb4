"""
What a stock is, without a database: one caller after the other, all or nothing.

`World.call` answers as the data layer must, and changes as it must. What is stored can be had
from both as a `Contents`, so that they can be held against each other to the last row.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from tests.faults.power.stock import body_of


@dataclass(frozen=True)
class Ask:
    """One call."""

    method: str
    args: dict[str, Any]
    #: Names the logical call, None for a call that is not to be repeated.
    key: str | None = None
    #: It went away while it waited.
    is_withdrawn: bool = False
    #: Its time ran out while it waited.
    is_late: bool = False

    def __str__(self) -> str:
        said = ", ".join(f"{name}={value!r}" for name, value in self.args.items())
        away = ", too late" if self.is_withdrawn or self.is_late else ""
        return f"{self.method}({said}) under {self.key}{away}"


class Told(NamedTuple):
    """What a caller heard: a value, or the name of an error."""

    outcome: str
    value: Any


class Contents(NamedTuple):
    """All that is stored."""

    seq: int
    total: int | None
    #: (id, place, amount, body)
    items: tuple[tuple[Any, ...], ...]
    #: (id, item)
    parts: tuple[tuple[Any, ...], ...]
    #: (key, method, outcome)
    calls: tuple[tuple[Any, ...], ...]
    #: (number, method, seq) of the audit log
    audit: tuple[tuple[Any, ...], ...]


EMPTY: Final = Contents(0, None, (), (), (), ())
#: What is kept under its key, for it follows from the data.
_KEPT: Final = frozenset(("NotFound", "Conflict", "AlreadyExists", "ReferenceBroken", "RuleBroken"))


class _Refused(Exception):
    """The mutation ends with that error; whatever it changed is as it was."""

    def __init__(self, error: str, *, is_kept: bool | None = None) -> None:
        super().__init__(error)
        self.error = error
        self.is_kept = error in _KEPT if is_kept is None else is_kept


@dataclass
class World:
    """A stock."""

    seq: int = 0
    total: int | None = None
    items: dict[str, tuple[int, int, str]] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)
    calls: dict[tuple[str, str], tuple[Ask, Told]] = field(default_factory=dict)
    audit: tuple[tuple[Any, ...], ...] = ()

    def copy(self) -> World:
        """Another one of its own."""
        return replace(self, items=dict(self.items), parts=dict(self.parts), calls=dict(self.calls))

    def contents(self) -> Contents:
        """As it must be stored."""
        return Contents(
            self.seq,
            self.total,
            tuple(sorted((name, *item) for name, item in self.items.items())),
            tuple(sorted(self.parts.items())),
            tuple(
                sorted(
                    (key, method, told.outcome) for (method, key), (_, told) in self.calls.items()
                )
            ),
            self.audit,
        )

    def call(self, ask: Ask) -> Told:
        """Do it, or refuse it."""
        if ask.is_withdrawn or ask.is_late:
            return Told("failed", "DeadlineExceeded")
        known = self.calls.get((ask.method, ask.key or ""))
        if known is not None:
            first, told = known
            if first.args == ask.args:
                return told
            return Told("failed", "IdempotencyMismatch")
        before = self.copy()
        try:
            value = getattr(self, f"_{ask.method}")(**ask.args)
        except _Refused as refused:
            vars(self).update(vars(before))
            told = Told("failed", refused.error)
            if not refused.is_kept:
                return told
        else:
            self.seq += 1
            self.audit = (*self.audit, (len(self.audit) + 1, ask.method, self.seq))
            told = Told("ok", value)
        if ask.key is not None:
            self.calls[ask.method, ask.key] = (ask, told)
        return told

    def _count(self) -> int:
        if self.total is None:
            raise _Refused("NotFound")
        self.total += 1
        return self.total - 1

    def _begin(self) -> int:
        if self.total is not None:
            raise _Refused("AlreadyExists")
        self.total = 0
        return 0

    def _add(self, name: str, amount: int, size: int) -> int:
        place = self._count()
        if amount < 0:
            raise _Refused("RuleBroken")
        if name in self.items:
            raise _Refused("AlreadyExists")
        self.items[name] = (place, amount, body_of(name, size))
        return place

    def _take(self, name: str, amount: int) -> int:
        place, there, body = self._item(name)
        self._count()
        if there < amount:
            raise _Refused("RuleBroken")
        self.items[name] = (place, there - amount, body)
        return there - amount

    def _grow(self, name: str, size: int) -> int:
        count = self._count()
        place, there, _ = self._item(name)
        self.items[name] = (place, there, body_of(name, size))
        return count

    def _remove(self, name: str) -> int:
        count = self._count()
        self._item(name)
        if name in self.parts.values():
            raise _Refused("ReferenceBroken")
        del self.items[name]
        return count

    def _attach(self, part: str, name: str) -> int:
        count = self._count()
        if part in self.parts:
            raise _Refused("AlreadyExists")
        if name not in self.items:
            raise _Refused("ReferenceBroken")
        self.parts[part] = name
        return count

    def _detach(self, part: str) -> int:
        count = self._count()
        if part not in self.parts:
            raise _Refused("NotFound")
        del self.parts[part]
        return count

    def _refuse(self, name: str) -> int:
        self._add(name, 1, 10)
        raise _Refused("Conflict")

    def _explode(self, name: str) -> int:
        self._add(name, 1, 10)
        raise _Refused("Internal")

    def _ramble(self, name: str) -> int:
        self._add(name, 1, 10)
        raise _Refused("TooLarge")

    def _cancel(self, name: str) -> int:
        self._add(name, 1, 10)
        raise _Refused("Internal")

    def _undo(self, name: str) -> int:
        self._add(name, 1, 10)
        # It went with the whole transaction, so there was none to keep it in.
        raise _Refused("AlreadyExists", is_kept=False)

    def _linger(self, name: str) -> int:
        self._add(name, 1, 10)
        raise _Refused("DeadlineExceeded")

    def _item(self, name: str) -> tuple[int, int, str]:
        if name not in self.items:
            raise _Refused("NotFound")
        return self.items[name]
