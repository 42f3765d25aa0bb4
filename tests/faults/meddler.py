"""
A proxy between clients and the data layer that loses, repeats and holds back what passes.

It stands on a Unix socket before another one, and sees requests one by one:

    lost        the server never sees the request, and the client's connection ends
    unanswered  the server answers, and the answer is lost
    reset       the server has the request, and both connections end before it can have answered
    twice       the server gets the request twice at once, on two connections; both answers
                are compared
    late        the request comes late

Of a connection that speaks frames it knows nothing; that one is passed on, and cut at random.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, Literal

Meddling = Literal["lost", "unanswered", "reset", "twice", "late"]
MEDDLINGS: Final[tuple[Meddling, ...]] = ("lost", "unanswered", "reset", "twice", "late")
_LATE_S: Final = 0.05
#: Past what any answer takes.
_PATIENCE_S: Final = 20.0
_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Meddler:
    """
    Made by `meddling`.

    Args:
        server: The data layer's socket.
        seed: Every choice comes from it.
        share: How many of the requests meet something.
    """

    def __init__(self, server: Path, *, seed: int, share: float) -> None:
        #: Set to 0 for calm.
        self.share = share
        #: What was done, how often.
        self.done: Counter[str] = Counter()
        #: Pairs of answers to one request that are not the same.
        self.unequal: list[str] = []
        self._server = str(server)
        self._chance = random.Random(seed)
        self._links: set[asyncio.Task[None]] = set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client."""
        task = asyncio.current_task()
        if task is not None:
            self._links.add(task)
            task.add_done_callback(self._links.discard)
        up: _Stream | None = None
        # A cancelled link has hung up, and that is all that is wanted of it.
        with suppress(OSError, EOFError, asyncio.CancelledError, asyncio.LimitOverrunError):
            up = await asyncio.open_unix_connection(self._server)
            first = await reader.read(4)
            if first == b"POST":
                await self._requests(first, (reader, writer), up)
            else:
                up[1].write(first)
                await self._pump((reader, writer), up)
        writer.transport.abort()
        if up is not None:
            up[1].transport.abort()

    async def end(self) -> None:
        """Hang up on everybody."""
        links = list(self._links)
        for link in links:
            link.cancel()
        await asyncio.gather(*links, return_exceptions=True)

    def _choose(self) -> Meddling | None:
        if self._chance.random() >= self.share:
            return None
        kind = self._chance.choice(MEDDLINGS)
        self.done[kind] += 1
        return kind

    async def _requests(self, first: bytes, client: _Stream, server: _Stream) -> None:
        while True:
            request = first + await _message(client[0])
            first = b""
            kind = self._choose()
            if kind == "lost":
                return
            if kind == "late":
                await asyncio.sleep(self._chance.random() * _LATE_S)
            other = asyncio.create_task(self._again(request)) if kind == "twice" else None
            try:
                server[1].write(request)
                if kind == "reset":
                    await server[1].drain()
                    return
                async with asyncio.timeout(_PATIENCE_S):
                    answer = await _message(server[0])
            except TimeoutError:
                return
            finally:
                second = None if other is None else await other
            if kind == "unanswered":
                return
            if second is not None:
                self._compare(answer, second)
            client[1].write(answer)
            await client[1].drain()

    async def _again(self, request: bytes) -> bytes | None:
        """The same request on a connection of its own; None when it was not answered."""
        try:
            reader, writer = await asyncio.open_unix_connection(self._server)
        except OSError:
            return None
        try:
            writer.write(request)
            async with asyncio.timeout(_PATIENCE_S):
                return await _message(reader)
        except (OSError, EOFError, TimeoutError):
            return None
        finally:
            writer.transport.abort()

    def _compare(self, one: bytes, other: bytes) -> None:
        if _is_ok(one) and _is_ok(other) and _body(one) != _body(other):
            self.unequal.append(f"one request was answered {_body(one)!r} and {_body(other)!r}")

    async def _pump(self, client: _Stream, server: _Stream) -> None:
        """Frames: chunks in both directions, and now and then the end of it."""

        async def way(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(65_536):
                if self._chance.random() < self.share / 2:
                    self.done["cut"] += 1
                    # Half of it may have passed.
                    writer.write(data[: self._chance.randrange(len(data) + 1)])
                    await writer.drain()
                    return
                writer.write(data)
                await writer.drain()

        ways = [
            asyncio.create_task(way(client[0], server[1])),
            asyncio.create_task(way(server[0], client[1])),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in ways:
                each.cancel()
            await asyncio.gather(*ways, return_exceptions=True)


async def _message(reader: asyncio.StreamReader) -> bytes:
    """One request or answer, with its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    lower = head.lower()
    at = lower.find(b"content-length: ")
    if at < 0:
        return head
    size = int(lower[at + 16 : lower.find(b"\r", at)])
    return head + await reader.readexactly(size)


def _is_ok(answer: bytes) -> bool:
    return answer[9:12] == b"200"


def _body(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


@asynccontextmanager
async def meddling(
    server: Path, socket: Path, *, seed: int, share: float
) -> AsyncIterator[Meddler]:
    """A proxy on `socket` for the time of a block, on the running event loop."""
    meddler = Meddler(server, seed=seed, share=share)
    listening = await asyncio.start_unix_server(meddler.accept, str(socket))
    try:
        yield meddler
    finally:
        listening.close()
        await meddler.end()
        await listening.wait_closed()
