"""
Handing a request over to an ASGI application: the pages, and whatever is slow and rich.

The request's body is already whole (its limit is small), so the application receives it in
one piece. An answer may be streamed; a reader that does not read is waited for, and dropped by
the connection's write deadline. Which pages there are: `pages`.
"""

from __future__ import annotations

import asyncio
import urllib.parse
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from freehold.errors import CallError, invariant
from freehold.server.refusals import SAFE_HEADERS, http_problem

if TYPE_CHECKING:
    from freehold.server.front import HttpConnection

_STATUS_LINES: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}
#: A page costs about as much as so many calls more.
_TURN_SHARE: Final = 15
_NO_BODY: Final = frozenset({204, 304})


class PageExchange:
    """One request on its way through the ASGI application, and its answer."""

    __slots__ = (
        "_body_read",
        "_chunked",
        "_connection",
        "_cors",
        "_gone",
        "_head",
        "_scope",
        "_started",
        "_turn",
        "answer",
        "body",
        "closes",
        "headless",
        "refusal",
    )

    def __init__(
        self,
        connection: HttpConnection,
        verb: bytes,
        url: bytes,
        *,
        headers: list[tuple[bytes, bytes]],
        closes: bool,
        headless: bool,
    ) -> None:
        path, _, query = url.partition(b"?")
        self._connection = connection
        self._cors = connection.cors
        self._scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": verb.decode("ascii"),
            "scheme": "http",
            "path": urllib.parse.unquote(path.decode("ascii")),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": headers,
            "client": None,
            "server": None,
            "state": {"trusted": connection.trusted, "source": connection.source},
        }
        self.closes = closes
        self.headless = headless
        self.body = b""
        self.refusal: CallError | None = None
        #: The end of the answer; None until the application has come to it.
        self.answer: bytes | None = None
        self._head = b""
        self._started = False
        self._chunked = False
        self._body_read = False
        self._gone: asyncio.Future[None] | None = None
        self._turn: asyncio.Future[None] | None = None

    # -- what the connection calls -------------------------------------------------------

    def run(self) -> None:
        """Start the application."""
        loop = asyncio.get_running_loop()
        self._connection.turn_calls += _TURN_SHARE
        self._gone = loop.create_future()
        tasks = self._connection.hub.page_tasks
        task = loop.create_task(self._run())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def your_turn(self) -> None:
        """The answers before this one are written."""
        if self._turn is not None and not self._turn.done():
            self._turn.set_result(None)

    def hung_up(self) -> None:
        """The peer is gone."""
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)
        self.your_turn()

    # -- what the application calls ------------------------------------------------------

    async def _run(self) -> None:
        hub = self._connection.hub
        try:
            await hub.pages(self._scope, self._receive, self._send)
        except Exception as error:
            self._broke(error)
        else:
            if self.answer is None and not self._is_gone():
                self._broke(RuntimeError("the ASGI application returned without a whole answer"))

    def _broke(self, error: BaseException) -> None:
        if self._is_gone():
            return
        internal = self._connection.hub.broke(error)
        if self.answer is not None:
            return
        if self._started:
            # Half an answer is out; only a cut tells the peer that it is not whole.
            self._connection.abort()
        else:
            self.closes = True
            self._connection.settle(
                self,
                http_problem(internal, closes=True, headless=self.headless, cors=self._cors),
            )

    async def _receive(self) -> dict[str, Any]:
        if not self._body_read:
            self._body_read = True
            return {"type": "http.request", "body": self.body, "more_body": False}
        invariant(self._gone is not None, "the application runs")
        if self._gone is not None:
            await asyncio.shield(self._gone)
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            invariant(not self._head, "an answer starts once")
            self._head = self._make_head(message["status"], message.get("headers", ()))
            return
        invariant(self._head and self.answer is None, "a body stands between start and end")
        data: bytes = message.get("body", b"")
        more: bool = message.get("more_body", False)
        self._check_peer()
        if more:
            await self._stream(data)
        else:
            self._connection.settle(self, self._last_piece(data))

    async def _stream(self, data: bytes) -> None:
        connection = self._connection
        if not connection.is_first(self):
            self._turn = asyncio.get_running_loop().create_future()
            await self._turn
        self._check_peer()
        connection.put(self._piece(data, last=False))
        connection.flush()
        await connection.drained()
        self._check_peer()

    def _last_piece(self, data: bytes) -> bytes:
        if not self._started and self._chunked:
            # The whole answer at once: its length is known after all.
            self._chunked = False
            self._head += b"content-length: %d\r\n" % len(data)
        return self._piece(data, last=True)

    def _piece(self, data: bytes, *, last: bool) -> bytes:
        head = b""
        if not self._started:
            self._started = True
            if self._chunked:
                self._head += b"transfer-encoding: chunked\r\n"
            head = self._head + b"\r\n"
        if self.headless:
            return head
        if not self._chunked:
            return head + data
        chunk = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
        return head + chunk + (b"0\r\n\r\n" if last else b"")

    def _make_head(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        lines = [_STATUS_LINES[status]]
        said = set()
        for name, value in headers:
            invariant(b"\r" not in value and b"\n" not in value, "a header is one line")
            said.add(name.lower())
            lines += [name, b": ", value, b"\r\n"]
        for name, value in SAFE_HEADERS.items():
            if name not in said:
                lines += [name, b": ", value, b"\r\n"]
        lines.append(self._cors)
        length_is_said = status in _NO_BODY or b"content-length" in said
        if self.closes:
            lines.append(b"connection: close\r\n")
        # A connection that ends after the answer marks the answer's end by that, and HTTP/1.0
        # knows no chunks.
        self._chunked = not length_is_said and not self.closes
        return b"".join(lines)

    def _check_peer(self) -> None:
        """ASGI has it that writing to nobody is an OSError, which ends the application's work."""
        if self._is_gone():
            raise OSError("the peer is gone")

    def _is_gone(self) -> bool:
        return self._gone is not None and self._gone.done()
