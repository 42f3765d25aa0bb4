"""
A server of a few hundred bytes of state that speaks frames and HTTP as a data layer does.

It owns no database; each method does what its name says to the connection it came on, so
that a test can put the client into any situation and see what it does.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, cast

import msgspec

from freehold.errors import (
    CallError,
    Conflict,
    Internal,
    NotFound,
    Overloaded,
    Unavailable,
    problem,
)
from freehold.wire.frames import FrameSplitter, frame

encode = msgspec.msgpack.encode
decode = msgspec.msgpack.decode


class Taken(Conflict):
    """An error of the application's own."""


def _fail(name: str) -> CallError:
    known: dict[str, CallError] = {
        "NotFound": NotFound("no such thing.", hint="Look elsewhere."),
        "Taken": Taken("it is taken.", data={"takenBy": "ses_1", "tryAgainIn": 5}),
        "Overloaded": Overloaded("too much.", retry_after_s=0),
    }
    return known.get(name) or Internal("it broke.")


class TinyServer:
    """
    Counts what it saw; `calls` holds (method, args, options) in order of arrival.

    Methods, on any entrypoint: `echo(value)` · `add(value)` a mutation · `fail(name)` ·
    `hold()` answered by `release` · `drop()` hangs up · `dropOnce()` hangs up the first time ·
    `garbage()` · `wrongType()`. A transaction is dropped the first time, then answered with the
    values.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any, dict[str, Any]]] = []
        self.hellos: list[dict[str, Any]] = []
        self.requests: list[dict[str, str]] = []
        self.connections: list[Wire] = []
        self.opened = 0
        self.seq = 0
        self.held: list[Callable[[], None]] = []
        self.refusal: CallError | None = None
        self.frame_bytes_max = 1024 * 1024
        self.dropped = 0
        #: The next call is answered as by a server that is stopping, behind a goaway.
        self.is_leaving = False
        self._server: asyncio.Server | None = None

    async def start(self, address: str) -> str:
        """Listen; the address with the port that was found."""
        loop = asyncio.get_running_loop()
        if address.startswith("unix:"):
            path = address.removeprefix("unix:")
            self._server = await loop.create_unix_server(lambda: Wire(self), path)
            return address
        _, _, port = address.rpartition(":")
        self._server = await loop.create_server(
            lambda: Wire(self), "127.0.0.1", int(port), reuse_address=True
        )
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Hang up on everybody and stop listening."""
        if self._server is not None:
            self._server.close()
            self.hang_up()
            await self._server.wait_closed()
        while self.connections:  # noqa: ASYNC110 - until the loop has told them all
            await asyncio.sleep(0)

    def hang_up(self) -> None:
        """Close every connection without a word."""
        for wire in list(self.connections):
            wire.transport.abort()

    def go_away(self) -> None:
        """Ask every client to make its new calls elsewhere."""
        for wire in self.connections:
            wire.transport.write(frame(encode(["goaway", 1, {}])))

    def release(self) -> None:
        """Answer what was held, newest first."""
        held, self.held = self.held, []
        for answer in reversed(held):
            answer()

    def run(self, wire: Wire, method: str, args: Any, answer: Callable[..., None]) -> None:
        """Do what the method's name says."""
        name = method.partition(".")[2]
        if self.is_leaving:
            self.is_leaving = False
            wire.transport.write(frame(encode(["goaway", 1, {}])))
            answer(error=Unavailable("It is stopping."))
        elif name == "echo":
            answer(args.get("value"))
        elif name == "add":
            self.seq += 1
            answer(args.get("value"))
        elif name == "fail":
            answer(error=_fail(args["name"]))
        elif name.startswith("hold"):
            self.held.append(lambda: answer(args.get("value")))
        elif method == "$transaction" and self.dropped:
            answer([each["args"]["value"] for each in args])
        elif (
            method == "$transaction" or name == "drop" or (name == "dropOnce" and not self.dropped)
        ):
            self.dropped += 1
            wire.transport.abort()
        elif name == "dropOnce":
            answer("second time")
        elif name == "garbage":
            wire.transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        elif name == "wrongType":
            answer({"not": "a number"})


class Wire(asyncio.Protocol):
    """One connection: frames when its first byte is 0, else HTTP until it is upgraded."""

    def __init__(self, server: TinyServer) -> None:
        self._server = server
        self._splitter = FrameSplitter(2**24)
        self._head = b""
        self._speaks_frames = False
        self._is_greeted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._server.connections.append(self)
        self._server.opened += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.remove(self)

    def data_received(self, data: bytes) -> None:
        if not self._speaks_frames and not self._head and data[0] == 0:
            self._speaks_frames = True
        if not self._speaks_frames:
            self._head += data
            self._http()
            return
        for payload in self._splitter.split(data):
            self._message(decode(payload))

    def _message(self, message: list[Any]) -> None:
        server = self._server
        if not self._is_greeted:
            self._is_greeted = True
            server.hellos.append(message[2])
            if server.refusal is not None:
                said = ["refused", 1, problem(server.refusal)]
                self.transport.write(frame(encode(said)))
                self.transport.close()
            else:
                said = ["welcome", 1, {"seq": server.seq, "maxFrame": server.frame_bytes_max}]
                self.transport.write(frame(encode(said)))
            return
        number, method, args, options = message
        server.calls.append((method, args, options or {}))

        def answer(value: Any = None, error: CallError | None = None) -> None:
            parts = [1, server.seq, problem(error)] if error else [0, server.seq, value]
            self.transport.write(frame(encode([number, *parts])))

        server.run(self, method, args, answer)

    def _http(self) -> None:
        head, end, body = self._head.partition(b"\r\n\r\n")
        if not end:
            return
        first, *lines = head.decode().split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
        if headers.get("upgrade") == "freehold":
            self._speaks_frames = True
            self.transport.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: freehold\r\n\r\n")
            if body:
                self.data_received(body)
            return
        if len(body) < int(headers.get("content-length", "0")):
            return
        self._head = b""
        if first.startswith("GET "):
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            return
        self._post(first.split(" ")[1], headers, body)

    def _post(self, path: str, headers: dict[str, str], body: bytes) -> None:
        is_json = headers["content-type"] == "application/json"
        read, write = (msgspec.json.decode, msgspec.json.encode) if is_json else (decode, encode)
        server = self._server
        server.requests.append(headers)
        name = ".".join(path.split("/")[2:]) or "$transaction"
        args = read(body)
        server.calls.append((name, args, {}))

        def answer(value: Any = None, error: CallError | None = None) -> None:
            status, content, extra = "200 OK", write(value), ""
            if error is not None:
                status, content = f"{error.status} No", write(problem(error))
                extra = "Retry-After: 7\r\n"
            kind = headers["content-type"]
            if error is not None and is_json:
                kind = "application/problem+json"
            self.transport.write(
                f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\nContent-Type: {kind}\r\n"
                f"{extra}Freehold-Seq: {server.seq}\r\n\r\n".encode()
                + content
            )

        server.run(self, name, args, answer)


@asynccontextmanager
async def tiny(address: str) -> AsyncIterator[tuple[TinyServer, str]]:
    """A server in this event loop, and where it listens."""
    server = TinyServer()
    found = await server.start(address)
    try:
        yield server, found
    finally:
        await server.stop()


@contextmanager
def tiny_thread(address: str) -> Iterator[tuple[TinyServer, str, asyncio.AbstractEventLoop]]:
    """A server in a thread of its own, for blocking clients."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = TinyServer()

    def on_loop(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(10)

    try:
        yield server, on_loop(server.start(address)), loop
    finally:
        on_loop(server.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
