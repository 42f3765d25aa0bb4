"""
Data layers that break a promise over the power, to see that the simulator finds them out.

Each is the real driver with one thing changed while the block lasts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

import apsw
import pytest

from freehold.drivers.pending import Pending
from freehold.drivers.sqlite import pragmas
from freehold.drivers.sqlite.batch import GroupCommit
from freehold.drivers.sqlite.outcomes import refusal


@contextmanager
def _instead(owner: Any, name: str, other: Any) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, other)
        yield


def relaxed() -> AbstractContextManager[None]:
    """`synchronous = NORMAL`: COMMIT comes back before its fsync."""

    def synchronous_normal(connection: apsw.Connection) -> None:
        connection.pragma("synchronous", "normal")

    return _instead(pragmas, "synchronous_full", synchronous_normal)


def early() -> AbstractContextManager[None]:
    """Everybody is told, and then comes the COMMIT."""
    commit_all = GroupCommit._commit_all

    def told_first(self: GroupCommit, batch: list[Pending], seq: int) -> None:
        for pending in batch:
            if pending.error is None:
                pending.call.done(pending.seq, pending.value)
        commit_all(self, batch, seq)

    return _instead(GroupCommit, "_commit_all", told_first)


def careless() -> AbstractContextManager[None]:
    """A transaction that one lost is lost for all, and only that one hears of it."""
    attempt = GroupCommit._attempt

    def nobody_again(self: GroupCommit, batch: list[Pending]) -> list[Pending]:
        for innocent in attempt(self, batch):
            innocent.is_settled = True
        return []

    return _instead(GroupCommit, "_attempt", nobody_again)


def harsh() -> AbstractContextManager[None]:
    """A transaction that one lost fails for all: those before were done, as they see it."""
    attempt = GroupCommit._attempt

    def all_guilty(self: GroupCommit, batch: list[Pending]) -> list[Pending]:
        for innocent in attempt(self, batch):
            innocent.settle(next(each.error for each in batch if each.error is not None))
        return []

    return _instead(GroupCommit, "_attempt", all_guilty)


def naive() -> AbstractContextManager[None]:
    """A COMMIT that failed is not there; so everybody is told, and the writer goes on."""

    def commit_all(self: GroupCommit, batch: Sequence[Pending], seq: int) -> None:
        try:
            self._guard.run(self._advance, (seq,))
            self._guard.run(self._commit)
        except apsw.Error as error:
            self._roll_back()
            for pending in batch:
                if not pending.is_settled and pending.error is None:
                    told = refusal(error, link=None, context=self._context)  # type: ignore[arg-type]
                    pending.settle(told)
        else:
            self.seq = self.committing = seq
            for pending in batch:
                pending.is_settled = True

    return _instead(GroupCommit, "_commit_all", commit_all)


KINDS: Final[dict[str, Callable[[], AbstractContextManager[None]]]] = {
    "relaxed": relaxed,
    "early": early,
    "careless": careless,
    "harsh": harsh,
    "naive": naive,
}
