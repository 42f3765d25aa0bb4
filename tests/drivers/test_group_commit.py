"""
Group commit against its specification: as if each caller had been alone, one after the other.

The model knows no batches, savepoints or transactions: it is a dict.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.db import Writer
from freehold.drivers.sqlite import Pending, SqliteDatabase
from freehold.errors import (
    AlreadyExists,
    Conflict,
    DeadlineExceeded,
    ReferenceBroken,
    RuleBroken,
    StatementError,
)
from tests.drivers.ledger import Entry, Total, ledger, pending, sql
from tests.drivers.share import share

_DDL = (
    """CREATE TABLE children (id INTEGER PRIMARY KEY,
       parent TEXT REFERENCES totals(id) DEFERRABLE INITIALLY DEFERRED) STRICT""",
    """CREATE TRIGGER trip BEFORE INSERT ON children WHEN NEW.id = 13
       BEGIN SELECT RAISE(ROLLBACK, 'tripped'); END""",
)
_LIMIT = 1_000_000


@dataclass
class Model:
    """What is stored."""

    totals: dict[str, int] = field(default_factory=dict)
    entries: dict[str, tuple[str, int]] = field(default_factory=dict)


#: What a caller asks for, and what it must hear: a value, or an error's class.
Expected = tuple[Any, type[BaseException] | None]


@dataclass(frozen=True)
class Open:
    """A new total, or a conflict with the one that is there."""

    name: str
    amount: int

    def run(self, db: Writer) -> int:
        return db.insert(Total(id=self.name, amount=self.amount)).amount

    def model(self, model: Model) -> Expected:
        if self.amount >= _LIMIT:
            return None, RuleBroken
        if self.name in model.totals:
            return None, AlreadyExists
        model.totals[self.name] = self.amount
        return self.amount, None


@dataclass(frozen=True)
class Move:
    """From one total to another, if there is enough; two rows change or none."""

    source: str
    target: str
    amount: int

    def run(self, db: Writer) -> tuple[int, int]:
        source, target = db.find(Total, self.source), db.find(Total, self.target)
        if source is None or target is None:
            raise Conflict("there is no such total.")
        db.update(Total, self.source, {"amount": source.amount - self.amount})
        target = db.get(Total, self.target)
        db.update(Total, self.target, {"amount": target.amount + self.amount})
        if source.amount < self.amount:
            raise Conflict("there is not enough.")
        return source.amount, target.amount

    def model(self, model: Model) -> Expected:
        totals = model.totals
        if self.source not in totals or self.target not in totals:
            return None, Conflict
        if totals[self.source] < self.amount:
            return None, RuleBroken if self._is_too_much(totals) else Conflict
        if self._is_too_much(totals):
            return None, RuleBroken
        source = totals[self.source]
        totals[self.source] -= self.amount
        target = totals[self.target]
        totals[self.target] += self.amount
        return (source, target), None

    def _is_too_much(self, totals: dict[str, int]) -> bool:
        there = totals[self.target] - (self.amount if self.source == self.target else 0)
        return there + self.amount >= _LIMIT


@dataclass(frozen=True)
class Note:
    """An entry that says how many there were; of a total that may not be there."""

    name: str
    total: str

    def run(self, db: Writer) -> int:
        place = len(db.all(Entry))
        db.insert(Entry(id=self.name, total_id=self.total, place=place))
        return place

    def model(self, model: Model) -> Expected:
        place = len(model.entries)
        if self.name in model.entries:
            return None, AlreadyExists
        if self.total not in model.totals:
            return None, ReferenceBroken
        model.entries[self.name] = (self.total, place)
        return place, None


@dataclass(frozen=True)
class Ruin:
    """Write, then fail in one of the ways that can hit everybody."""

    how: str

    def run(self, db: Writer) -> None:
        db.execute(sql("UPDATE totals SET amount = 0"))
        _RUINS[self.how][0](db)

    def model(self, model: Model) -> Expected:
        return None, _RUINS[self.how][1]


@dataclass(frozen=True)
class Late:
    """Its time is up before it begins."""

    def run(self, db: Writer) -> None:
        db.execute(sql("DELETE FROM entries"))

    def model(self, model: Model) -> Expected:
        return None, DeadlineExceeded


def _raise(db: Writer) -> None:
    raise ZeroDivisionError


def _exit(db: Writer) -> None:
    raise SystemExit(2)


def _swallow(db: Writer) -> None:
    try:
        db.execute(sql("INSERT INTO children VALUES (13, 'a')"))
    except BaseException:
        db.insert(Total(id="stolen"))


def _saying(text: str) -> Callable[[Writer], Any]:
    return lambda db: db.execute(sql(text))


_RUINS: dict[str, tuple[Callable[[Writer], Any], type[BaseException]]] = {
    "raise": (_raise, ZeroDivisionError),
    "exit": (_exit, SystemExit),
    "trip": (_saying("INSERT INTO children VALUES (13, 'a')"), RuleBroken),
    "swallow": (_swallow, RuleBroken),
    "or rollback": (_saying("UPDATE OR ROLLBACK totals SET id = NULL"), RuleBroken),
    "deferred": (_saying("INSERT INTO children VALUES (1, 'nobody')"), ReferenceBroken),
    "commit": (_saying("COMMIT"), StatementError),
    "rollback": (_saying("ROLLBACK"), StatementError),
}

Action = Open | Move | Note | Ruin | Late
_names = st.sampled_from(["a", "b", "c"])
_amounts = st.sampled_from([0, 1, 5, 400_000, 999_999, 1_000_000])
_actions = st.one_of(
    st.builds(Open, _names, _amounts),
    st.builds(Move, _names, _names, _amounts),
    st.builds(Note, st.sampled_from([f"n{number}" for number in range(12)]), _names),
    st.builds(Ruin, st.sampled_from(sorted(_RUINS))),
    st.builds(Late),
)
_batches = st.lists(st.lists(_actions, min_size=1, max_size=14), min_size=1, max_size=4)


def _pending(action: Action) -> Pending:
    return pending(action.run, deadline_ns=0 if isinstance(action, Late) else 1 << 62)


def _state(database: SqliteDatabase) -> Model:
    with database.reading() as db:
        return Model(
            {row.id: row.amount for row in db.all(Total)},
            {row.id: (row.total_id, row.place) for row in db.all(Entry)},
        )


@pytest.mark.fault
@pytest.mark.promise("P2")
@pytest.mark.timeout(share(120, 7_200))
@settings(max_examples=share(120, 20_000), deadline=None)
@given(_batches)
def test_a_batch_is_as_its_callers_one_after_the_other(batches: list[list[Action]]) -> None:
    """Each hears what it would have heard alone; the state and the sequence are the model's."""
    model, seq = Model({"all": 0}), 1
    with ledger(None, *_DDL) as database:
        for actions in batches:
            batch = [_pending(action) for action in actions]
            database.commits.step(batch)

            for action, each in zip(actions, batch, strict=True):
                value, error = action.model(model)
                assert type(each.error) is (error or type(None)), (action, each.error)
                assert each.value == value, action
                if isinstance(action, Ruin) or error is not None:
                    continue
                seq += 1
                assert each.seq == seq
            assert database.seq == seq
            assert all(each.seq == seq for each in batch if each.error is not None)
            assert _state(database) == model
