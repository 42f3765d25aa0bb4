"""
A little in-memory application behind a real server on real sockets, and a raw client.

The dispatcher keeps its own promises (exactly one answer, mutations later than queries) without
any database; the client sends and reads bytes, so that a test can send what no library would.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import uvloop
from starlette.routing import BaseRoute

from freehold.clock import Clock
from freehold.db.caller import Caller
from freehold.errors import Conflict, InvalidArgument, Unauthenticated, UnknownMethod
from freehold.rpc.dispatch import Answer, Request
from freehold.server import Gauge, Listen, Pages, Server, WriterState
from freehold.server.seams import ClockState, StorageState
from freehold.wire.frames import FrameSplitter, frame
from freehold.wire.limits import Limits

T = TypeVar("T")

KEY = "fh_test_good"
SOON_S = 5.0


class ToyKeys:
    """Keys that live until they are revoked; a trusted connection needs none."""

    def __init__(self) -> None:
        self.alive = {KEY}
        self.asked = 0

    def caller(self, raw_key: str | None, *, trusted: bool) -> Caller:
        self.asked += 1
        if raw_key is None and trusted:
            return Caller("local", trusted=True)
        if raw_key not in self.alive:
            raise Unauthenticated("No such key.", hint="Make one.")
        return Caller("toy", frozenset({"*"}))

    def acting_as(self, caller: Caller, user: str) -> Caller:
        return caller.acting_as(user)


class ToyHealth:
    """Health that a test can set."""

    def __init__(self) -> None:
        self.seq = 0
        self.writer: WriterState = "ok"
        self.storage: StorageState = "ok"
        self.clock: ClockState = "ok"


class ToyNotes:
    """
    Notes in a list.

    `get`, `echo`, `big` are answered at once; `add` in a batch in the next turn of the loop;
    `hold` when the test says; `clash` fails; `crash` is a defect.
    """

    names = tuple(f"Notes.{n}" for n in ("get", "echo", "big", "add", "hold", "clash", "crash"))

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.seen: list[Request] = []
        self.held: list[Request] = []
        self._batch: list[tuple[Request, dict[str, Any]]] = []
        self.health = ToyHealth()

    def call(self, request: Request, /) -> None:
        self.seen.append(request)
        if request.method not in self.names:
            self._fail(request, UnknownMethod(f"There is no method {request.method!r}."))
            return
        try:
            args = request.codec.decode(request.body) if request.body else {}
        except (msgspec.DecodeError, RecursionError):
            self._fail(request, InvalidArgument("The body cannot be read."))
            return
        name = request.method.partition(".")[2]
        if name == "hold":
            self.held.append(request)
        elif name == "add":
            if not self._batch:
                asyncio.get_running_loop().call_soon(self._commit)
            self._batch.append((request, args))
        elif name == "clash":
            self._fail(request, Conflict("It clashes."))
        elif name == "crash":
            raise RuntimeError("secret text of a defect")
        else:
            self._answer(request, self._read(name, args))

    def release(self) -> None:
        """Answer everything that is held."""
        held, self.held = self.held, []
        for request in held:
            self._answer(request, "released")

    def _read(self, name: str, args: Any) -> Any:
        if name == "big":
            return "x" * args["size"]
        return args if name == "echo" else self.notes

    def _commit(self) -> None:
        batch, self._batch = self._batch, []
        self.notes += [str(args.get("text")) for _, args in batch]
        for request, args in batch:
            self.health.seq += 1
            self._answer(request, args.get("text"))

    def _answer(self, request: Request, value: Any) -> None:
        request.reply(Answer(self.health.seq, request.codec.encode(value)))

    def _fail(self, request: Request, error: Any) -> None:
        request.reply(Answer(self.health.seq, b"", error))


@dataclass
class Toy:
    """A served toy: its parts, and where it is."""

    server: Server
    notes: ToyNotes
    keys: ToyKeys
    loop: asyncio.AbstractEventLoop
    clients: list[Client] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int((self.server.addresses.http or "").rpartition(":")[2])

    @property
    def unix_path(self) -> str:
        return (self.server.addresses.unix or "").removeprefix("unix:")

    def on_loop(self, work: Callable[[], T]) -> T:
        """Run something on the server's thread."""

        async def do() -> T:
            return work()

        return asyncio.run_coroutine_threadsafe(do(), self.loop).result(SOON_S)

    def stopping(self, *, grace_s: float | None = None) -> Any:
        """Begin to stop; the future says when it is done."""
        return asyncio.run_coroutine_threadsafe(self.server.stop(grace_s=grace_s), self.loop)

    def client(self) -> Client:
        """A new TCP connection."""
        return self._opened(socket.create_connection(("127.0.0.1", self.port), timeout=SOON_S))

    def unix_client(self) -> Client:
        """A new connection to the Unix socket."""
        raw = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        raw.settimeout(SOON_S)
        raw.connect(self.unix_path)
        return self._opened(raw)

    def _opened(self, raw: socket.socket) -> Client:
        client = Client(raw)
        self.clients.append(client)
        return client

    def wait_until(self, holds: Callable[[], object]) -> None:
        """Until something is true on the server's thread; fails after a while."""
        pause = threading.Event()
        for _ in range(500):
            if self.on_loop(holds):
                return
            pause.wait(0.01)
        raise AssertionError("it did not become true")


@contextlib.contextmanager
def served(
    *,
    limits: Mapping[str, object] | None = None,
    unix_path: Path | None = None,
    hosts: tuple[str, ...] = (),
    origins: tuple[str, ...] = (),
    routes: Sequence[BaseRoute] = (),
    clock: Clock | None = None,
) -> Iterator[Toy]:
    """The toy, served on a free port (and a Unix socket) from a thread of its own."""
    notes, keys = ToyNotes(), ToyKeys()
    server = Server(
        notes,
        keys,
        pages=Pages(
            service="toy",
            version="1.2.3",
            health=notes.health,
            contract_json=b'{"freehold":1}',
            contract_hash="abc",
            openapi_json=b'{"openapi":"3.1.0"}',
            gauges=[Gauge("freehold_seq", "The last commit.", lambda: notes.health.seq)],
            routes=routes,
        ),
        listen=Listen(port=0, unix_path=unix_path, hosts=hosts, origins=origins),
        limits=Limits().with_overrides(limits or {}),
        clock=clock,
    )
    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    toy = Toy(server, notes, keys, loop)
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(SOON_S)
        yield toy
    finally:
        for client in toy.clients:
            client.close()
        asyncio.run_coroutine_threadsafe(server.stop(grace_s=0), loop).result(SOON_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@dataclass
class HttpAnswer:
    """One answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """A raw connection."""

    def __init__(self, raw: socket.socket) -> None:
        self.raw = raw
        self._buffer = b""
        self._splitter = FrameSplitter(2**31)
        self._frames: list[Any] = []

    def send(self, data: bytes) -> None:
        self.raw.sendall(data)

    def answer(self, *, headless: bool = False) -> HttpAnswer:
        """The next HTTP answer."""
        while b"\r\n\r\n" not in self._buffer:
            self._more()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        status = int(first.split(" ")[1])
        length = 0 if headless or status in (100, 101, 204) else int(headers["content-length"])
        while len(self._buffer) < length:
            self._more()
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return HttpAnswer(status, headers, body)

    def until(self, mark: bytes) -> bytes:
        """All that comes, up to this mark."""
        while mark not in self._buffer:
            self._more()
        found, _, self._buffer = self._buffer.partition(mark)
        return found + mark

    def message(self) -> Any:
        """The next frame's message."""
        while not self._frames:
            if self._buffer:
                data, self._buffer = self._buffer, b""
            else:
                data = self.raw.recv(65536)
                if not data:
                    raise EOFError("the server hung up")
            self._frames = [msgspec.msgpack.decode(p) for p in self._splitter.split(data)]
        return self._frames.pop(0)

    def say(self, *messages: Any) -> None:
        """Send messages as frames, in one piece."""
        self.send(b"".join(frame(msgspec.msgpack.encode(m)) for m in messages))

    def hello(self, key: str | None = KEY) -> None:
        self.say(["hello", 1, {"key": key, "contract": None, "client": "toy/1"}])

    def is_ended(self) -> bool:
        """Whether the server ends the connection now, having sent nothing more."""
        try:
            return self._buffer == b"" and self.raw.recv(65536) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self.raw.close()

    def reset(self) -> None:
        """Go without a goodbye, as a killed process on a dead network does."""
        self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.raw.close()

    def _more(self) -> None:
        data = self.raw.recv(65536)
        if not data:
            raise EOFError(f"the server hung up after {len(self._buffer)} bytes")
        self._buffer += data


def dial_frames(port: int, key: str | None) -> Client:
    """A connection to the port that speaks frames; its hello is sent."""
    client = Client(socket.create_connection(("127.0.0.1", port), timeout=SOON_S * 6))
    client.send(
        b"GET /frames HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
        b"Upgrade: freehold\r\n\r\n"
    )
    client.answer()
    client.hello(key)
    return client


def post(
    method: str,
    body: bytes = b"{}",
    *,
    key: str | None = KEY,
    host: str = "localhost",
    content_type: str | None = "application/json",
    extra: str = "",
) -> bytes:
    """The bytes of a call."""
    lines = [f"POST /rpc/{method.replace('.', '/')} HTTP/1.1", f"Host: {host}"]
    if key is not None:
        lines.append(f"Authorization: Bearer {key}")
    if content_type is not None:
        lines.append(f"Content-Type: {content_type}")
    lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join(lines) + "\r\n" + extra + "\r\n"
    return head.encode("latin-1") + body


def get(path: str, *, key: str | None = None, verb: str = "GET", extra: str = "") -> bytes:
    """The bytes of a request for a page."""
    authorization = f"Authorization: Bearer {key}\r\n" if key else ""
    return f"{verb} {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}{extra}\r\n".encode()
