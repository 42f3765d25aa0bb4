"""
What the server asks of the rooms around it, said as Protocols.

The rooms that implement them (dispatch, access, the application's opener) are handed in when a
`Server` is made; nothing here knows them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal, Protocol

from freehold.db.caller import Caller
from freehold.rpc.dispatch import Request

WriterState = Literal["ok", "recovering", "stopped"]
#: How the disk is, as far as anybody has noticed.
StorageState = Literal["ok", "full", "damaged"]
ClockState = Literal["ok", "jumped"]


class Authenticator(Protocol):
    """Says who calls. Asked on every call, so it keeps what it knows close at hand."""

    def caller(self, raw_key: str | None, *, trusted: bool) -> Caller:
        """
        The caller who shows this key.

        Args:
            raw_key: What stood behind `Bearer`, or in the hello; None when nothing did.
            trusted: The connection is a Unix socket and its other end is our own user.

        Raises:
            Unauthenticated: There is no key where one is needed, or it does not live.
        """

    def acting_as(self, caller: Caller, user: str) -> Caller:
        """
        The same key, calling for a user that the call names.

        Raises:
            PermissionDenied: The key may not.
        """


class CallDispatcher(Protocol):
    """Runs calls. Called on the event loop's thread."""

    @property
    def names(self) -> Collection[str]:
        """Every name that can be called (`DataLayer.getIdeaById`), in every spelling."""

    def call(self, request: Request, /) -> None:
        """Answer exactly once by `request.reply`, at once or later, on this same thread."""


class HealthSource(Protocol):
    """What `/health` tells of the database."""

    @property
    def seq(self) -> int:
        """The last commit."""

    @property
    def writer(self) -> WriterState:
        """`stopped` means that mutations cannot be served any more."""

    @property
    def storage(self) -> StorageState:
        """`full` means that mutations wait for space, `damaged` that some pages are refused."""

    @property
    def clock(self) -> ClockState:
        """`jumped` for an hour after the wall clock was set; nothing is wrong with the data."""


@dataclass(frozen=True, slots=True)
class Gauge:
    """A number that `/metrics` shows as it is at that moment."""

    name: str
    help: str
    read: Callable[[], float]
