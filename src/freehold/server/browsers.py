"""
What is said to browsers: whose pages may read an answer, and what else may be done with one.

A page of an allowed origin (`gate`) asks first, with OPTIONS, whether it may send what a call
needs; then it calls, and is told in the answer that it may read it. Cookies are not looked at
anywhere, so no page ever calls with rights that its own code does not have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from freehold.errors import CallError
from freehold.server.headers import WANTED
from freehold.server.refusals import SAFE_LINES

if TYPE_CHECKING:
    from freehold.server.front import HttpConnection

#: How long a browser may remember that it may; short enough for a setting that was changed.
_REMEMBERED_S: Final = 600
_GIVEN: Final = b", ".join(
    sorted(
        {name for name in WANTED if name.startswith(b"freehold-")}
        | {b"authorization", b"content-type", b"idempotency-key", b"traceparent"}
    )
)
_PREFLIGHT: Final = (
    b"HTTP/1.1 204 No Content\r\n"
    b"access-control-allow-methods: GET, HEAD, POST\r\n"
    b"access-control-allow-headers: %b\r\n"
    b"access-control-max-age: %d\r\n"
) % (_GIVEN, _REMEMBERED_S)


def may_read(origin: bytes) -> bytes:
    """The header lines that let a page of this origin, which was let in, read the answer."""
    return (
        b"access-control-allow-origin: %b\r\n"
        b"access-control-expose-headers: freehold-seq, retry-after\r\n"
    ) % origin


class PreflightExchange:
    """A browser's question whether a page may call; who was let in to ask it may."""

    __slots__ = ("_connection", "_cors", "answer", "body", "closes", "headless", "refusal")

    def __init__(self, connection: HttpConnection, *, closes: bool) -> None:
        self._connection = connection
        self._cors = connection.cors
        self.closes = closes
        self.headless = True
        self.body = b""
        self.refusal: CallError | None = None
        #: The answer as bytes, kept while an earlier one is not there yet.
        self.answer: bytes | None = None

    def run(self) -> None:
        """Answer."""
        end = b"connection: close\r\n\r\n" if self.closes else b"\r\n"
        self._connection.settle(self, _PREFLIGHT + self._cors + SAFE_LINES + end)

    def your_turn(self) -> None:
        """Nothing stands before it any more."""

    def hung_up(self) -> None:
        """The peer is gone."""
