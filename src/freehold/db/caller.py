"""
Who is calling: a service key, the scopes it has, and the user it acts for.

A scope is a pattern over `Entrypoint.method` (`DataLayer.get*`), or a plain word that one
method asks for by name. The word `act_as` lets a key name the user of each call, and
`act_as:alice` that one user; no wildcard gives either.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final, Protocol

from freehold.errors import PermissionDenied

#: The scope of a key that may name the user it calls for; `act_as:alice` is for that one.
ACT_AS: Final = "act_as"


class Allowance(Protocol):
    """What a key may use up: calls in a second, calls at the same time."""

    def begin(self, now_ns: int, /) -> None:
        """
        A call begins, at this monotonic time.

        Raises:
            RateLimited: There are too many; this one is not counted.
        """

    def spend(self, calls: int, /) -> None:
        """The call that was begun is worth so many more: those of one transaction."""

    def end(self) -> None:
        """A call that was begun is answered."""


@dataclass(eq=False)
class Caller:
    """
    The one who calls, as `db.caller`.

    Args:
        key_id: The service key's id; `local` on a Unix socket, `in process` without a wire.
        scopes: What the key may do.
        user: The user the key is bound to, or that the call names; None for nobody.
        trusted: The process's own owner: no scope is asked for.
        acts_for: The call named `user` itself (`Freehold-Act-As`); the key is not bound to him.
        allowance: What the key may use up; None for a caller without bounds.
    """

    key_id: str
    scopes: frozenset[str] = frozenset()
    user: str | None = None
    trusted: bool = False
    acts_for: bool = False
    allowance: Allowance | None = field(default=None, repr=False)
    _decided: dict[str, bool] = field(default_factory=dict, repr=False)

    def allows(self, method: str, scope: str | None) -> bool:
        """
        Whether the caller may call the method.

        Args:
            method: `DataLayer.getUserById`.
            scope: The word that the method asks for instead of a pattern; a wildcard does
                not give it.
        """
        if self.trusted:
            return True
        if scope is not None:
            return scope in self.scopes
        decided = self._decided.get(method)
        if decided is None:
            decided = any(fnmatchcase(method, pattern) for pattern in self.scopes)
            self._decided[method] = decided
        return decided

    def acting_as(self, user: str) -> Caller:
        """
        The same key, calling for this user.

        Raises:
            PermissionDenied: The key is bound to another user, or has not the scope.
        """
        if self.user is not None:
            if self.user == user:
                return self
            raise PermissionDenied(
                f"The key {self.key_id!r} is a user's own and may not act as another one.",
                hint="Leave the user out, or use a key that is bound to nobody.",
            )
        if not (self.trusted or ACT_AS in self.scopes or f"{ACT_AS}:{user}" in self.scopes):
            raise PermissionDenied(
                f"The key {self.key_id!r} may not act as {user!r}.",
                hint=f"Use a key that has the scope {ACT_AS!r}, or '{ACT_AS}:' and the user.",
            )
        return Caller(
            self.key_id,
            self.scopes,
            user,
            self.trusted,
            acts_for=True,
            allowance=self.allowance,
            _decided=self._decided,
        )


#: A function called in the same process, in a test or a seed, by the owner itself.
IN_PROCESS = Caller("in process", trusted=True)
