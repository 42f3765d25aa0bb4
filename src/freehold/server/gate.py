"""
Which Host and Origin headers are let in.

A web page can make a browser send requests to a server on the same machine, under a name of
the page's own that was made to point at 127.0.0.1. Such a request says that name in Host
and the page's origin in Origin, and neither is ever in these lists. An image or a link sends no
Origin; browsers then say in Sec-Fetch-Site that another site made them ask. Who calls and what
it may do is decided later and elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from freehold.errors import StartError
from freehold.server.headers import readable
from freehold.server.refusals import MalformedRequest, OriginRefused, WrongHost

#: Names that mean this machine and that nobody else's name server can give away.
LOOPBACK_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})

_HOST: Final = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z_.-]+)(?::[0-9]{1,5})?")
_ORIGIN: Final = re.compile(r"https?://(\[[0-9a-f:.]+\]|[0-9a-z_.-]+)(:[0-9]{1,5})?")
#: What a browser says of a request that no page of another origin caused.
_OWN_SITES: Final = frozenset({b"none", b"same-origin"})
_REMEMBERED_MAX: Final = 64


class BadName(StartError):
    """A host or origin was given that no browser and no client could ever send."""

    exit_code = 78


class Gate:
    """The two lists; a Host that passed once passes by one look-up."""

    __slots__ = ("_hosts", "_origins", "passed_hosts")

    def __init__(self, hosts: Iterable[str] = (), origins: Iterable[str] = ()) -> None:
        """
        Args:
            hosts: Names beside the loopback ones, with a port (that port only) or without.
            origins: `https://studio.example`, as a browser writes them.

        Raises:
            BadName: One of them could never match.
        """
        hosts, origins = tuple(hosts), tuple(origins)
        _check_names(hosts, origins)
        self._hosts = LOOPBACK_HOSTS | {host.lower() for host in hosts}
        self._origins = frozenset(origin.lower().encode() for origin in origins)
        #: Header values that were let in; bounded, since the port is the caller's to choose.
        self.passed_hosts: set[bytes] = set()

    def check_host(self, value: bytes | None) -> None:
        """
        Let a Host header pass.

        Raises:
            MalformedRequest: There is none, or it is not a host.
            WrongHost: It is not in the list.
        """
        if value is None or (parts := _HOST.fullmatch(value)) is None:
            raise MalformedRequest(
                "The request has no Host header, or one that is not a host.",
                hint="Send the host and port that the request goes to.",
            )
        name = parts[1].decode("ascii").lower()
        if name not in self._hosts and value.decode("ascii").lower() not in self._hosts:
            raise WrongHost(
                f"This server is not {readable(value)!r}.",
                hint="Call it by a loopback name, or start it with --allow-host for that name.",
            )
        if len(self.passed_hosts) < _REMEMBERED_MAX:
            self.passed_hosts.add(value)

    def check_origin(self, value: bytes) -> None:
        """
        Let an Origin header pass; a request without one is not a web page's.

        Raises:
            OriginRefused: It is not in the list.
        """
        if value.lower() not in self._origins:
            raise OriginRefused(
                f"The origin {readable(value)!r} is not allowed to call.",
                hint="Start the server with --allow-origin for it if that page is yours.",
            )

    def check_site(self, value: bytes) -> None:
        """
        Let a request without an Origin pass of which a browser says where it comes from.

        A page on another port of this machine is of the `same-site` and a stranger all the same.

        Raises:
            OriginRefused: A page of another origin caused it.
        """
        if value.lower() not in _OWN_SITES:
            raise OriginRefused(
                f"A web page of another origin caused this request ({readable(value)}).",
                hint="Start the server with --allow-origin for that page, and let it use fetch.",
            )


def _check_names(hosts: tuple[str, ...], origins: tuple[str, ...]) -> None:
    for host in hosts:
        if not host.isascii() or _HOST.fullmatch(host.encode("ascii")) is None:
            raise BadName(
                f"The host {host!r} can be in no Host header.",
                hint="Give a name like data.example, or data.example:8443 for that port only.",
            )
    for origin in origins:
        if _ORIGIN.fullmatch(origin.lower()) is None:
            raise BadName(
                f"The origin {origin!r} is not one that a browser sends.",
                hint="Give scheme, host and port alone: https://studio.example, without a path.",
            )
