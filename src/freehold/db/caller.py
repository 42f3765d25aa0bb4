"""
Who is calling: a service key, the scopes it has, and the user it acts for.

A scope is a pattern over `Entrypoint.method` (`DataLayer.get*`), or a plain word that one
method asks for by name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase


@dataclass(eq=False)
class Caller:
    """
    The one who calls, as `db.caller`.

    Args:
        key_id: The service key's id; `local` on a Unix socket, `in process` without a wire.
        scopes: What the key may do.
        user: The user the key is bound to, None for a key that is bound to nobody.
        trusted: The process's own owner: no scope is asked for.
    """

    key_id: str
    scopes: frozenset[str] = frozenset()
    user: str | None = None
    trusted: bool = False
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


#: A function called in the same process, in a test or a seed, by the owner itself.
IN_PROCESS = Caller("in process", trusted=True)
