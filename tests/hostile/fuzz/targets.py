"""
What the fuzzer calls: each takes any bytes, and raises when a promise is broken.

`TARGETS` names them; `target(name)` prepares one. What may be raised at strangers' bytes is a
`CallError` that is not `Internal`; each target lets those pass and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from freehold.clock import ManualClock
from freehold.crypto import service_keys
from freehold.db import IN_PROCESS
from freehold.db.pages import read_cursor, write_cursor
from freehold.drivers.sqlite import SqliteDatabase
from freehold.errors import CallError, Internal, InvalidArgument, TooLarge
from freehold.ids import SeededIds
from freehold.rpc.contract import contract_of
from freehold.rpc.dispatch import Answer, Dispatcher, Request
from freehold.rpc.together import TOGETHER, _Results
from freehold.server import headers
from freehold.server.frames import FramesConnection
from freehold.server.front import HttpConnection
from freehold.server.gate import Gate
from freehold.server.hub import Hub
from freehold.server.meter import CallMeter
from freehold.server.strangers import Strangers
from freehold.wire.codec import JSON, MSGPACK
from freehold.wire.frames import FrameSplitter, frame
from freehold.wire.inspect_body import inspect_json, inspect_msgpack
from freehold.wire.limits import Limits
from tests.rpc.shop import Desk, Shop
from tests.server.toy import KEY, ToyKeys, ToyNotes

Target = Callable[[bytes], None]
LIMITS: Final = Limits(body_bytes_max=2_000, header_bytes_max=600, url_bytes_max=100)
_METHODS: Final = sorted(set(Shop.__methods__) - {"breakInside", "breakThePromise", "returnNan"})


class Broken(Exception):
    """A promise that was broken."""


def promised(error: CallError | None) -> None:
    """Let pass what may be answered."""
    if isinstance(error, Internal):
        raise Broken(f"internal: {error}")


# -- bodies --------------------------------------------------------------------------------


def inspecting() -> Target:
    """The look at a body before its meaning, in both codecs: it refuses, or says nothing."""

    def run(data: bytes) -> None:
        for inspect in (inspect_json, inspect_msgpack):
            with suppress(InvalidArgument):
                inspect(data, 32)

    return run


def bodies() -> Target:
    """Arguments of a whole application's methods; the first byte says which, and the codec."""
    desk = Desk()

    def run(data: bytes) -> None:
        lead = data[0] if data else 0
        method = _METHODS[(lead >> 1) % len(_METHODS)]
        promised(desk.ask(method, data[1:], codec=MSGPACK if lead & 1 else JSON).error)

    return run


def transactions() -> Target:
    """Lists of calls and their references, read and run."""
    desk = Desk()

    def run(data: bytes) -> None:
        codec = MSGPACK if data[:1] == b"\x01" else JSON
        answers: list[Answer] = []
        desk.dispatcher.call(Request(TOGETHER, data[1:], codec, IN_PROCESS, answers.append))
        while not answers:
            desk.turn()
        promised(answers[0].error)

    return run


def references() -> Target:
    """Ways into earlier results, whatever they say."""
    earlier = [JSON.encode({"id": "a", "list": [1, {"b": None}], "": 0}), b"[]", b"7"]

    def run(data: bytes) -> None:
        try:
            value = JSON.decode(data)
        except Exception:
            return
        steps = value if isinstance(value, list) else [value]
        # What else a way may hold is refused before anything runs.
        if not all(type(step) in (int, str) for step in steps):
            return
        results = _Results(earlier, JSON, bytes_max=1_000)
        with suppress(InvalidArgument, TooLarge):
            results.resolved([{"$result": [len(data) % 3, *steps]}] * 3)

    return run


# -- cursors and lists ---------------------------------------------------------------------


def cursors() -> Target:
    """Texts that are no cursor, and signed ones that were altered: never taken, never a defect."""
    from freehold.db.link import Context

    context = Context("main", "sqlite", None, b"k" * 32, 1000, {})
    good = write_cursor(context, b"q" * 32, ["a", 1, None])

    def run(data: bytes) -> None:
        text = data.decode("latin-1")
        altered = good[: len(good) - len(text) % 40] + text
        for cursor in (text, altered):
            if cursor == good:
                continue
            try:
                read_cursor(context, b"q" * 32, cursor, width=3)
            except InvalidArgument:
                continue
            raise Broken(f"a cursor that nobody signed was taken: {cursor!r}")

    return run


def lists() -> Target:
    """Filters, orders, limits and cursors of every method that lists, on a real engine."""
    from tests.lockstep.engines import tables_of
    from tests.lockstep.shelf import SHELF

    clock = ManualClock(1_800_000_000)
    database = SqliteDatabase(None, tables_of(SHELF), clock=clock)
    database.open()
    turns: list[Callable[[], None]] = []
    database.start(turns.append)
    entrypoints = list(SHELF.app.entrypoints.values())
    contract = contract_of("shelf", entrypoints)
    dispatcher = Dispatcher(
        entrypoints, {"main": database}, contract=contract, clock=clock, ids=SeededIds()
    )
    queries = [
        f"{entrypoint}.{wire}"
        for entrypoint, said in contract.document["entrypoints"].items()
        for wire, method in said["methods"].items()
        if method["kind"] == "query"
    ]

    def run(data: bytes) -> None:
        answers: list[Answer] = []
        method = queries[(data[0] if data else 0) % len(queries)]
        dispatcher.call(Request(method, data[1:], JSON, IN_PROCESS, answers.append))
        while not answers:
            while turns:
                turns.pop(0)()
        promised(answers[0].error)

    return run


# -- keys and headers ----------------------------------------------------------------------


def keys() -> Target:
    """What is no service key is none, and one that is has its own text."""

    def run(data: bytes) -> None:
        for text in (data.decode("latin-1"), data.decode("utf-8", "replace")):
            parsed = service_keys.parse(text)
            if parsed is not None and f"_{parsed.id}_" not in text:
                raise Broken(f"a key of another id: {text!r}")

    return run


def options() -> Target:
    """The values of the headers of a call, and of a frame's options."""
    named, plain = Gate(["a.example:1"], ["http://b.example"]), Gate()
    readers: list[Callable[[bytes], Any]] = [
        lambda raw: headers.idempotency_key(raw.decode("latin-1"), LIMITS),
        lambda raw: headers.min_seq(raw.decode("latin-1")),
        lambda raw: headers.timeout_ms(raw.decode("latin-1"), LIMITS),
        lambda raw: headers.contract_hash(raw.decode("latin-1")),
        lambda raw: headers.act_as(raw.decode("latin-1")),
        lambda raw: headers.codec_of(raw, has_body=True),
        headers.key_of,
        named.check_host,
        named.check_origin,
        plain.check_site,
    ]

    def run(data: bytes) -> None:
        for read in readers:
            try:
                read(data)
            except CallError as error:
                promised(error)
        seen = headers.readable(data)
        if not seen.isprintable():
            raise Broken(f"a stranger's control characters are shown: {seen!r}")

    return run


# -- connections ---------------------------------------------------------------------------


class Wire:
    """Stands for the socket: keeps what is written, and hangs up when it is told to."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.is_over = False

    def write(self, data: bytes) -> None:
        """Keep it."""
        self.written += data

    def write_eof(self) -> None:
        """Nothing more is written."""
        self.is_over = True

    abort = close = write_eof

    def is_closing(self) -> bool:
        """Whether it was hung up."""
        return self.is_over

    def get_write_buffer_size(self) -> int:
        """The peer reads at once."""
        return 0

    def get_extra_info(self, name: str) -> None:
        """Nothing is known."""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """The peer reads at once."""

    def pause_reading(self) -> None:
        """The bytes are there already."""

    resume_reading = pause_reading

    def set_protocol(self, protocol: Any) -> None:
        """The upgrade: what comes then goes to the other one."""
        self.protocol = protocol


class Notes(ToyNotes):
    """The toy, without its own defects: what it cannot do, it refuses."""

    def call(self, request: Request, /) -> None:
        """Answer, now or with the others of this turn."""
        try:
            super().call(request)
        except Exception:
            self._fail(request, InvalidArgument("The toy cannot."))

    def _commit(self) -> None:
        self._batch = [(request, args) for request, args in self._batch if "text" in str(args)]
        with suppress(TypeError, KeyError):
            super()._commit()


class Front:
    """A hub on a loop of its own, whose defects are raised and not answered."""

    def __init__(self) -> None:
        async def pages(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})

        self.loop = asyncio.new_event_loop()
        self.hub = Hub(
            Notes(),
            ToyKeys(),
            pages=pages,
            gate=Gate(origins=["http://b.example"]),
            limits=LIMITS,
            clock=ManualClock(),
            ids=SeededIds(),
            meter=CallMeter(),
            welcome=dict,
            strangers=Strangers(LIMITS),
        )
        self.hub.broke = self._raise  # type: ignore[method-assign]

    def _raise(self, error: BaseException) -> CallError:
        raise Broken(repr(error)) from error

    def feed(self, connection: Any, pieces: list[bytes]) -> Wire:
        """Bring the pieces one after the other, then hang up."""

        async def do() -> Wire:
            wire = Wire()
            wire.set_protocol(connection)
            connection.connection_made(wire)
            for piece in pieces:
                if piece and not wire.is_over:
                    wire.protocol.data_received(piece)
                    await asyncio.sleep(0)
            wire.protocol.eof_received()
            wire.protocol.connection_lost(None)
            return wire

        wire = self.loop.run_until_complete(do())
        if self.hub.connections:
            raise Broken("a connection that is gone is still counted")
        return wire


def http() -> Target:
    """HTTP as bytes in two pieces; what is answered is HTTP, and never of a defect."""
    front = Front()

    def run(data: bytes) -> None:
        cut = data[0] if data else 0
        front.hub.dispatcher.seen.clear()  # type: ignore[attr-defined]
        wire = front.feed(HttpConnection(front.hub), [data[1:cut], data[max(1, cut) :]])
        if wire.written and not wire.written.startswith(b"HTTP/1.1 "):
            raise Broken(f"it answered {bytes(wire.written[:60])!r}")

    return run


def frames() -> Target:
    """Frames behind a hello, whole and cut; every answer is a frame."""
    front = Front()
    hello = frame(MSGPACK.encode(["hello", 1, {"key": KEY}]))

    def run(data: bytes) -> None:
        lead = data[0] if data else 0
        rest = data[1:]
        front.hub.dispatcher.seen.clear()  # type: ignore[attr-defined]
        stream = rest if lead & 1 else frame(rest) if rest else b""
        greeting = b"" if lead & 2 else hello
        connection = FramesConnection(front.hub, trusted=bool(lead & 4))
        wire = front.feed(connection, [greeting + stream[: lead >> 3], stream[lead >> 3 :]])
        splitter = FrameSplitter(2**20)
        for payload in splitter.split(bytes(wire.written)):
            MSGPACK.decode(payload)
        if splitter.broken or splitter.unfinished:
            raise Broken("an answer is no frame")

    return run


# -- the control ---------------------------------------------------------------------------


def planted() -> Target:
    """A reader of a made-up header with a defect behind four bytes that only coverage can find."""

    def run(data: bytes) -> None:
        if data[:1] == b"f" and data[1:2] == b"h" and data[2:3] == b"_" and data[3:4] == b"!":
            raise Broken("the planted one")

    return run


def every() -> Target:
    """All of them in one process: the first byte says which."""
    targets = [make() for make in TARGETS.values()]

    def run(data: bytes) -> None:
        targets[(data[0] if data else 0) % len(targets)](data[1:])

    return run


TARGETS: Final[dict[str, Callable[[], Target]]] = {
    each.__name__: each
    for each in (
        inspecting, bodies, transactions, references, cursors, lists, keys, options, http, frames,
    )
}  # fmt: skip
#: Those and what is made of them.
ALL: Final = TARGETS | {"every": every, "planted": planted}
