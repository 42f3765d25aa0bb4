"""
A proxy in front of PostgreSQL that breaks a connection where it hurts: around a COMMIT.

It knows just enough of the protocol to see the client's messages one by one. Which of them
are broken, and how, a `Choose` says: from a list, or by chance from a seed.

    async with proxying(cluster.port, by_chance(seed, share=0.1, faults=CUTS)) as proxy:
        url = cluster.tcp_url(port=proxy.port)
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final, Literal

#: before    the connection is cut, the server never saw the message
#: inside    the server has half of the message
#: after     the server has the message; cut before it can have answered
#: answered  the server has answered, and the answer is lost
#: reset     as `after`, with a reset instead of an end
#: delay     the message comes late
#: silence   the server has the message; nothing comes back, and nobody hangs up
#: hole      the server never sees the message, and nobody hangs up
Fault = Literal["before", "inside", "after", "answered", "reset", "delay", "silence", "hole"]
#: What ends at once.
CUTS: Final[tuple[Fault, ...]] = ("before", "inside", "after", "answered", "reset")

#: What to do with a message that is watched for; None lets it pass.
Choose = Callable[[bytes], Fault | None]

_SSL_REQUEST: Final = 80_877_103
_GSS_REQUEST: Final = 80_877_104
_CHUNK: Final = 65_536


def never(_: bytes) -> Fault | None:
    """Every message passes."""
    return None


def by_chance(seed: int, *, share: float, faults: Sequence[Fault]) -> Choose:
    """The same choices for the same seed: such a share of the messages meets a fault."""
    chance = random.Random(seed)

    def choose(_: bytes) -> Fault | None:
        return chance.choice(faults) if chance.random() < share else None

    return choose


def in_turn(faults: Iterable[Fault | None]) -> Choose:
    """The first message meets the first one, and so on; those after the last pass."""
    left = iter(faults)
    return lambda _: next(left, None)


class Proxy:
    """
    Made by `proxying`.

    Args:
        server_port: Where the server listens on 127.0.0.1.
        choose: Asked about every message that holds `watched`.
        watched: What such a message holds.
        delay_s: How late a delayed message comes.
    """

    def __init__(self, server_port: int, choose: Choose, *, watched: bytes, delay_s: float) -> None:
        self.choose = choose
        self.watched = watched
        self.delay_s = delay_s
        #: Where clients connect.
        self.port = 0
        #: Messages that held `watched`.
        self.seen = 0
        #: What was done, how often.
        self.done: Counter[Fault] = Counter()
        #: Set with the first of them.
        self.struck = asyncio.Event()
        #: Open for new connections; else they wait here.
        self.gate = asyncio.Event()
        self.gate.set()
        self._server_port = server_port
        self._links: set[asyncio.Task[None]] = set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client."""
        task = asyncio.current_task()
        if task is not None:
            self._links.add(task)
            task.add_done_callback(self._links.discard)
        try:
            await self.gate.wait()
            up_reader, up_writer = await _dial(self._server_port)
        except (OSError, asyncio.CancelledError):
            # A cancelled link has hung up, and that is all that is wanted of it.
            writer.transport.abort()
            return
        link = _Link(self, (reader, writer), (up_reader, up_writer))
        with suppress(asyncio.CancelledError):
            await link.run()

    async def cut_all(self) -> None:
        """Hang up on everybody, those who have just come too."""
        await asyncio.sleep(0)
        while self._links:
            links = list(self._links)
            for link in links:
                link.cancel()
            await asyncio.gather(*links, return_exceptions=True)
            await asyncio.sleep(0)


_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _dial(port: int) -> _Stream:
    """A connection; one that comes when nobody wants it any more is closed."""
    dialling = asyncio.create_task(asyncio.open_connection("127.0.0.1", port))
    try:
        return await asyncio.shield(dialling)
    except asyncio.CancelledError:
        with suppress(OSError):
            (await dialling)[1].transport.abort()
        raise


class _Hangup(Exception):
    """This link ends here."""


class _Link:
    """One connection: what a client sends is looked at, what the server sends is passed on."""

    def __init__(self, proxy: Proxy, client: _Stream, server: _Stream) -> None:
        self._proxy = proxy
        self._from_client, self._to_client = client
        self._from_server, self._to_server = server
        #: Nothing of the server's reaches the client any more.
        self._is_silent = False
        #: Set once the server has said something while it was silent.
        self._answered = asyncio.Event()

    async def run(self) -> None:
        ways = [asyncio.create_task(self._outward()), asyncio.create_task(self._homeward())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._to_client.transport.abort()
            self._to_server.transport.abort()

    async def _homeward(self) -> None:
        while data := await self._from_server.read(_CHUNK):
            if self._is_silent:
                self._answered.set()
            else:
                self._to_client.write(data)
                await self._to_client.drain()

    async def _outward(self) -> None:
        code = 0
        while code in (0, _SSL_REQUEST, _GSS_REQUEST):
            head = await self._from_client.readexactly(8)
            size, code = struct.unpack("!ii", head)
            self._to_server.write(head + await self._from_client.readexactly(size - 8))
        while True:
            head = await self._from_client.readexactly(5)
            (size,) = struct.unpack("!i", head[1:])
            message = head + await self._from_client.readexactly(size - 4)
            await self._pass_on(message)

    async def _pass_on(self, message: bytes) -> None:
        fault = None
        if self._proxy.watched in message:
            self._proxy.seen += 1
            fault = self._proxy.choose(message)
        if fault is not None:
            self._proxy.done[fault] += 1
            self._proxy.struck.set()
            await self._break(fault, message)
        if fault is None or fault == "delay":
            self._to_server.write(message)
            await self._to_server.drain()

    async def _break(self, fault: Fault, message: bytes) -> None:
        """Do it; whoever comes back may go on."""
        if fault == "delay":
            await asyncio.sleep(self._proxy.delay_s)
            return
        self._is_silent = fault != "before"
        if fault == "inside":
            await self._send(message[: len(message) // 2])
        elif fault in ("after", "answered", "reset", "silence"):
            await self._send(message)
        if fault == "answered":
            await self._answered.wait()
        if fault == "reset":
            _reset(self._to_client)
            _reset(self._to_server)
        if fault in ("silence", "hole"):
            # Until the server or the client hangs up.
            while await self._from_client.read(_CHUNK):
                pass
        raise _Hangup

    async def _send(self, data: bytes) -> None:
        """To the server, and out of this process."""
        self._to_server.transport.set_write_buffer_limits(0)
        self._to_server.write(data)
        await self._to_server.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Let the end of it be a reset."""
    line = writer.get_extra_info("socket")
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@asynccontextmanager
async def proxying(
    server_port: int | None,
    choose: Choose = never,
    *,
    watched: bytes = b"COMMIT",
    delay_s: float = 0.05,
) -> AsyncIterator[Proxy]:
    """A proxy for the time of a block, on the running event loop."""
    assert server_port is not None, "the server listens on no port"
    proxy = Proxy(server_port, choose, watched=watched, delay_s=delay_s)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.cut_all()
        await server.wait_closed()
