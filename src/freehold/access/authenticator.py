"""
Who calls, told by the key that is shown, on every call and from memory.

Live keys are held in memory and read again when one was made or revoked: the change marks
the commit it waits for, and the first call after that commit reads. So a revoked key is
refused at the next call after the revocation was answered.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from freehold.access.budget import KeyBudget
from freehold.access.keys import live_keys
from freehold.access.schema import Environment, ServiceKey
from freehold.clock import Clock
from freehold.crypto import Secret, service_keys
from freehold.db import Caller, Reader
from freehold.errors import Unauthenticated
from freehold.wire.limits import Limits

T = TypeVar("T")
_REMEMBERED_MAX: Final = 10_000
_NEVER: Final = 1 << 62

#: The owner of the process, on a Unix socket that only he can open.
LOCAL: Final = Caller("local", trusted=True)


class KeysDatabase(Protocol):
    """Where the keys are."""

    @property
    def own_seq(self) -> int:
        """The last commit made by this process."""

    def read(self, run: Callable[[Reader], T], /) -> T:
        """Run a query and wait for it."""


class KeyAuthenticator:
    """
    Tells a caller by the key.

    Args:
        database: Where the keys are.
        pepper: What their digests are made with.
        clock: For expiry.
        environment: Keys of the other one are refused; None takes both.
        limits: What a key may use up, unless it has bounds of its own.
    """

    def __init__(
        self,
        database: KeysDatabase,
        *,
        pepper: Secret,
        clock: Clock,
        environment: Environment | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._database = database
        self._pepper = pepper
        self._clock = clock
        self._limits = limits or Limits()
        #: By key, for as long as it lives; calls in flight are counted over a new reading.
        self._budgets: dict[str, KeyBudget] = {}
        #: The uses that were told last, see `uses`.
        self._told: dict[str, int] = {}
        self.environment = environment
        self._by_id: dict[str, ServiceKey] = {}
        #: Keys that were checked before: the caller and when the key expires.
        self._known: dict[str, tuple[Caller, int]] = {}
        #: Callers who act for a user, by the key's own caller.
        self._acting: dict[tuple[Caller, str], Caller] = {}
        self._stale_after_seq: int | None = None
        self._reading = threading.Lock()
        self._read()

    def caller(self, raw_key: str | None, *, trusted: bool) -> Caller:
        """
        The caller who shows this key.

        Args:
            raw_key: The key, None when none was shown.
            trusted: The connection is the owner's own; then no key is needed.

        Raises:
            Unauthenticated: There is no key where one is needed, or it does not live here.
                Which of the reasons it was is not told.
        """
        if self._stale_after_seq is not None and self._database.own_seq > self._stale_after_seq:
            self._read()
        if raw_key is None:
            if trusted:
                return LOCAL
            raise no_living_key()
        known = self._known.get(raw_key)
        if known is None:
            known = self._check(raw_key)
        caller, expires_at_ns = known
        if expires_at_ns != _NEVER and self._clock.wall_ns() >= expires_at_ns:
            raise no_living_key()
        return caller

    def acting_as(self, caller: Caller, user: str) -> Caller:
        """
        The same key, calling for a user that the call names.

        Raises:
            PermissionDenied: The key may not.
        """
        acting = self._acting.get((caller, user))
        if acting is None:
            acting = caller.acting_as(user)
            if len(self._acting) >= _REMEMBERED_MAX:
                self._acting.clear()
            self._acting[caller, user] = acting
        return acting

    def changing(self) -> None:
        """A key is about to change: read them all again after the next commit."""
        self._stale_after_seq = self._database.own_seq

    def changed(self) -> None:
        """
        Another process has changed a key, or may have: read them all now, and wait for it.

        Raises:
            CallError: The database does not answer; whoever told this tells it again.
        """
        self._read()

    def uses(self) -> dict[str, int]:
        """Which keys were used since the last time this was asked: each one's epoch second."""
        behind_ns = self._clock.wall_ns() - self._clock.monotonic_ns()
        # As they are now: another thread may read the keys anew meanwhile.
        budgets = self._budgets
        found = {
            id: (budget.used_ns + behind_ns) // 1_000_000_000
            for id, budget in budgets.items()
            if budget.used_ns > self._told.get(id, 0)
        }
        for id in found:
            self._told[id] = budgets[id].used_ns
        return found

    def _read(self) -> None:
        with self._reading:
            stale_after, own_seq = self._stale_after_seq, self._database.own_seq
            rows = self._database.read(live_keys)
            taken = self.environment
            self._by_id = {row.id: row for row in rows if taken in (None, row.environment)}
            self._budgets = {id: self._budget(row) for id, row in self._by_id.items()}
            self._known = {}
            self._acting = {}
            # What is about to change here has not, unless its commit came before the look.
            is_fresh = stale_after is None or own_seq > stale_after
            if is_fresh and self._stale_after_seq == stale_after:
                self._stale_after_seq = None

    def _budget(self, row: ServiceKey) -> KeyBudget:
        budget = self._budgets.get(row.id) or KeyBudget(row.id)
        budget.allow(self._limits, rate=row.rate, burst=row.burst, concurrency=row.concurrency)
        return budget

    def _check(self, raw_key: str) -> tuple[Caller, int]:
        # Taken before the rows are: one that was read anew meanwhile does not get old ones.
        known = self._known
        parsed = service_keys.parse(raw_key)
        row = self._by_id.get(parsed.id) if parsed is not None else None
        digest = row.digest if row is not None else None
        # Compared also when there is no such key, so that its absence takes as long.
        is_right = service_keys.matches(raw_key, digest, pepper=self._pepper)
        if row is None or not is_right:
            raise no_living_key()
        caller = Caller(
            row.id,
            scopes=frozenset(row.scopes),
            user=row.user,
            allowance=self._budgets.get(row.id),
        )
        expires_at_ns = _NEVER if row.expires_at is None else row.expires_at * 1_000_000_000
        if len(known) >= _REMEMBERED_MAX:
            known.clear()
        known[raw_key] = caller, expires_at_ns
        return caller, expires_at_ns


def no_living_key() -> Unauthenticated:
    """
    The one refusal of everybody who shows no key that lives here, word for word the same.

    Which of the reasons it was would tell a stranger which keys there are.
    """
    return Unauthenticated(
        "The call shows no key that lives here.",
        hint="Send `Authorization: Bearer fh_…`. `freehold keys list` shows which keys live, and "
        "whether a key is a live or a test one; a server takes one of the two kinds.",
    )
