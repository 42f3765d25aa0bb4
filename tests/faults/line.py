"""
HTTP by hand: one connection, one call at a time, and never again by itself.

What it says is what happened: `NotSent` when no byte left, `Lost` when the answer never came.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final, cast

_SEQ: Final = b"freehold-seq: "
_LENGTH: Final = b"content-length: "


class NotSent(Exception):
    """Nobody was there."""


class Lost(Exception):
    """It was sent, and the answer never came."""


class Answered:
    """One answer: its status, its `seq` or 0, its body."""

    __slots__ = ("body", "seq", "status")

    def __init__(self, status: int, seq: int, body: bytes) -> None:
        self.status = status
        self.seq = seq
        self.body = body


class _Link(asyncio.Protocol):
    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.answer: asyncio.Future[Answered] | None = None
        self._heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(Lost(type(exc).__name__))

    def data_received(self, data: bytes) -> None:
        self._heard = heard = self._heard + data if self._heard else data
        end = heard.find(b"\r\n\r\n")
        if end < 0:
            return
        head = heard[:end].lower()
        body_at = end + 4
        if len(heard) < body_at + _number(head, _LENGTH):
            return
        self._heard = b""
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(Answered(int(head[9:12]), _number(head, _SEQ), heard[body_at:]))


def _number(head: bytes, name: bytes) -> int:
    at = head.find(name)
    if at < 0:
        return 0
    at += len(name)
    end = head.find(b"\r", at)
    return int(head[at:] if end < 0 else head[at:end])


class Line:
    """
    Calls to one socket; a lost connection is made anew with the next call.

    Args:
        socket: The Unix socket.
        timeout_s: After that long an answer counts as lost.
    """

    def __init__(self, socket: Path, *, timeout_s: float) -> None:
        self._socket = str(socket)
        self._timeout_s = timeout_s
        self._link: _Link | None = None

    async def ask(self, path: str, body: bytes, headers: str = "") -> Answered:
        """
        Send it once.

        Raises:
            NotSent: Nobody listens, so nothing happened.
            Lost: There is no saying what happened.
        """
        loop = asyncio.get_running_loop()
        link = self._link
        if link is None or link.transport is None:
            try:
                _, link = await loop.create_unix_connection(_Link, self._socket)
            except OSError as error:
                raise NotSent(type(error).__name__) from None
            self._link = link
        if link.transport is None:
            raise NotSent("ConnectionReset")
        answer: asyncio.Future[Answered] = loop.create_future()
        link.answer = answer
        link.transport.write(
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n{headers}\r\n".encode()
            + body
        )
        timer = loop.call_later(self._timeout_s, self.cut)
        try:
            return await answer
        finally:
            timer.cancel()

    @property
    def is_busy(self) -> bool:
        """A call is under way."""
        link = self._link
        return link is not None and link.answer is not None and not link.answer.done()

    def cut(self) -> None:
        """Hang up, in the middle of whatever it is."""
        if self._link is not None and self._link.transport is not None:
            self._link.transport.abort()
