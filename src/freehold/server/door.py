"""
The door of the Unix socket: who is at the other end, and which of the two protocols it speaks.

A frame's length is below 2^24, so a client that speaks frames begins with a zero byte, and
one that speaks HTTP never does.
"""

from __future__ import annotations

import asyncio
import os
from typing import Final

from freehold.errors import PermissionDenied
from freehold.server.connection import LINGER, Connection
from freehold.server.frames import FramesConnection
from freehold.server.front import HttpConnection
from freehold.server.hub import Hub
from freehold.server.listen import peer_uid
from freehold.server.refusals import TooManyConnections, http_problem

_ROOT: Final = 0


class UnixDoor(Connection):
    """A connection to the Unix socket until its first byte."""

    __slots__ = ()

    def __init__(self, hub: Hub) -> None:
        super().__init__(hub, trusted=True)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        uid = peer_uid(self.transport.get_extra_info("socket"))
        if self.phase < LINGER and not trusts(uid, own=os.geteuid()):
            error = PermissionDenied(
                "The Unix socket serves only the user who owns it.",
                hint="Call the TCP port with a service key.",
            )
            self.put(http_problem(error, closes=True))
            self.end()

    def data_received(self, data: bytes) -> None:
        if self.phase >= LINGER:
            return
        speaks = FramesConnection if data[0] == 0 else HttpConnection
        connection: Connection = speaks(self.hub, trusted=True)
        self.hub.replace(self, connection)
        connection.adopt(self.transport)
        self.transport.set_protocol(connection)
        connection.data_received(data)

    def turn_away(self) -> None:
        error = TooManyConnections(f"All {self.hub.limits.connections_max} connections are taken.")
        self.put(http_problem(error, closes=True))
        self.end()


def trusts(uid: int | None, *, own: int) -> bool:
    """
    Whether that user may call without a key.

    Where the system does not tell who it is (None), the modes of the socket and of its
    directory have already kept everybody else out.
    """
    return uid is None or uid in (own, _ROOT)
