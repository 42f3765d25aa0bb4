"""
Looking at a port: whether somebody has it, and whether who has it is well.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from contextlib import suppress
from typing import Any, Final

import msgspec

from freehold.errors import AddressInUse

LOOPBACK: Final = "127.0.0.1"
_LOOK_S: Final = 2.0
_ANSWER_BYTES_MAX: Final = 64 * 1024


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def require_free(port: int, *, who: str, hint: str) -> None:
    """
    Refuse a port that is taken.

    Raises:
        AddressInUse: Somebody listens there; names the port and who wants it.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise AddressInUse(
                    f"port {port} of {who} cannot be had: {error.strerror}.", hint=hint
                ) from error
            raise AddressInUse(
                f"port {port} of {who} is taken: something listens there already.", hint=hint
            ) from None


async def health(host: str, port: int) -> dict[str, Any] | None:
    """What `GET /health` answers; None while it does not say 200."""
    with suppress(OSError, TimeoutError, ValueError):
        async with asyncio.timeout(_LOOK_S):
            answer = await _get(host, port)
        head, _, body = answer.partition(b"\r\n\r\n")
        if head.split(b" ", 2)[1:2] == [b"200"]:
            with suppress(msgspec.DecodeError):
                found = msgspec.json.decode(body)
                return found if isinstance(found, dict) else {}
            return {}
    return None


async def _get(host: str, port: int) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        # 1.0, so that the answer ends with the connection and is in one piece.
        writer.write(f"GET /health HTTP/1.0\r\nHost: {host}:{port}\r\n\r\n".encode())
        answer = b""
        while len(answer) < _ANSWER_BYTES_MAX:
            piece = await reader.read(_ANSWER_BYTES_MAX)
            if not piece:
                break
            answer += piece
        return answer
    finally:
        writer.close()
