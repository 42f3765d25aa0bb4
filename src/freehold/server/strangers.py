"""
Who shows wrong keys, by address: after too many their refusals come late. Pure but for its memory.

A key has 256 random bits, so guessing finds none; but each guess costs us an HMAC and a line of
metrics, and whoever guesses should not get an answer at once each time. Only refusals are late:
a good key is answered as ever, also from the same address, because behind a proxy all callers
have the proxy's. Nobody is shut out, so nobody can shut another one out.
"""

from __future__ import annotations

import ipaddress
from typing import Final

from freehold.wire.limits import Limits

_NS: Final = 1_000_000_000
#: Addresses that are remembered; at this many those that have been quiet are forgotten, then all.
_SOURCES_MAX: Final = 10_000
#: Refusals that wait at the same time; beyond it they are told at once, and the connection ends.
LATE_MAX: Final = 1_024


class Strangers:
    """Counts wrong keys."""

    __slots__ = ("_ahead_ns", "_due_ns", "_step_ns", "_wait_s", "late")

    def __init__(self, limits: Limits) -> None:
        self._step_ns = 60 * _NS // limits.bad_keys_per_min_max
        self._ahead_ns = (limits.bad_keys_per_min_max - 1) * self._step_ns
        self._wait_s = limits.bad_key_wait_s
        #: By address: when its wrong keys will have been paid for, at the rate that is allowed.
        self._due_ns: dict[str, int] = {}
        #: Refusals that wait now.
        self.late = 0

    def wait_s(self, source: str, now_ns: int) -> float:
        """
        Count a wrong key from this address; how long its refusal waits.

        Args:
            source: The peer's address; empty on a Unix socket, whose peer is the owner.
            now_ns: Monotonic time.
        """
        if not source:
            return 0.0
        source = _network(source)
        due_ns = max(self._due_ns.get(source, 0), now_ns)
        if due_ns - now_ns > self._ahead_ns:
            return self._wait_s
        if len(self._due_ns) >= _SOURCES_MAX and source not in self._due_ns:
            self._forget(now_ns)
        self._due_ns[source] = due_ns + self._step_ns
        return 0.0

    def _forget(self, now_ns: int) -> None:
        self._due_ns = {each: due for each, due in self._due_ns.items() if due > now_ns}
        if len(self._due_ns) >= _SOURCES_MAX:
            self._due_ns = {}


def _network(source: str) -> str:
    """The address; of IPv6 the network that one customer is given, 64 bits."""
    if ":" not in source:
        return source
    try:
        return str(ipaddress.ip_network((source.partition("%")[0], 64), strict=False))
    except ValueError:
        return source
