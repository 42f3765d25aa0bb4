"""
The order of start and stop.

    start   sockets, then the sweep, then connections are accepted
    stop    accept no more · goaway · answer what was begun · after `shutdown_grace_s` cut the rest

The database is opened before and closed after, by whoever made the dispatcher. Signals are
handled here too: the first asks to stop, the second does not wait.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import uvloop

from freehold.clock import Clock, SystemClock
from freehold.errors import StartError, invariant
from freehold.ids import Ids, SystemIds
from freehold.server.door import UnixDoor
from freehold.server.front import HttpConnection
from freehold.server.gate import Gate
from freehold.server.hub import Hub
from freehold.server.listen import (
    BACKLOG,
    UNIX_BACKLOG,
    Addresses,
    remove_unix_socket,
    tcp_socket,
    unix_socket,
)
from freehold.server.meter import CallMeter, MetricsText
from freehold.server.pages import Pages, pages_app
from freehold.server.seams import Authenticator, CallDispatcher, Gauge
from freehold.server.strangers import Strangers
from freehold.wire.limits import Limits

T = TypeVar("T")

#: How long a cut connection may take to be gone; it is a matter of one turn of the loop.
_CUT_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """
    Where to listen.

    Args:
        host: An IP address, or localhost; None for no TCP port.
        port: 0 takes a free one.
        unix_path: The Unix socket; None for none.
        allow_remote: The host may be one that other machines reach.
        hosts: Names beside the loopback ones that callers use for this server.
        origins: Origins of web pages that may call.
    """

    host: str | None = "127.0.0.1"
    port: int = 8791
    unix_path: Path | None = None
    allow_remote: bool = False
    hosts: Iterable[str] = ()
    origins: Iterable[str] = ()


class Server:
    """One dispatcher on the network: `start`, `addresses`, `stop`, once each."""

    def __init__(
        self,
        dispatcher: CallDispatcher,
        authenticator: Authenticator,
        *,
        pages: Pages,
        listen: Listen | None = None,
        limits: Limits | None = None,
        clock: Clock | None = None,
        ids: Ids | None = None,
    ) -> None:
        """
        Args:
            dispatcher: Runs the calls.
            authenticator: Knows the callers.
            pages: What `/health` and its neighbours show.
            listen: Where.
            limits: What a stranger may ask for.
            clock: For deadlines.
            ids: For incident numbers.
        """
        self._listen = listen or Listen()
        self.limits = limits or Limits()
        meter = CallMeter()
        clock = clock or SystemClock()
        strangers = Strangers(self.limits)
        self._hub = Hub(
            dispatcher,
            authenticator,
            pages=pages_app(
                pages,
                authenticator,
                metrics=MetricsText(meter, (*pages.gauges, *self._gauges())),
                late_s=lambda source: strangers.wait_s(source, clock.monotonic_ns()),
            ),
            gate=Gate(self._listen.hosts, self._listen.origins),
            limits=self.limits,
            clock=clock,
            ids=ids or SystemIds(),
            meter=meter,
            strangers=strangers,
            welcome=lambda: {
                "app": pages.service,
                "version": pages.version,
                "contract": pages.contract_hash,
                "seq": pages.health.seq,
                "maxFrame": self.limits.frame_bytes_max,
            },
        )
        self._servers: list[asyncio.AbstractServer] = []
        self._unix: tuple[Path, int] | None = None
        #: Where it listens; empty before `start`.
        self.addresses = Addresses()

    def _gauges(self) -> tuple[Gauge, ...]:
        """What the connections come to, for `/metrics`."""
        return (
            Gauge("freehold_connections", "Open now.", lambda: len(self._hub.connections)),
            Gauge(
                "freehold_held_bytes",
                "What all connections hold: answers not taken, calls and bodies that wait.",
                lambda: self._hub.held.bytes,
            ),
            Gauge(
                "freehold_connections_cut",
                "Ended since the start because all of them held too much.",
                lambda: self._hub.held.cut,
            ),
        )

    @property
    def connections(self) -> int:
        """How many are open now."""
        return len(self._hub.connections)

    async def start(self) -> Addresses:
        """
        Listen. Nothing listens when this fails.

        Raises:
            StartError: A port or socket cannot be had; its sentence names which, and what to do.
        """
        invariant(not self._servers, "a server is started once")
        sockets: list[socket.socket] = []
        try:
            if self._listen.host is not None:
                sockets.append(self._open_tcp(self._listen.host))
            if self._listen.unix_path is not None:
                sockets.append(self._open_unix(self._listen.unix_path))
            if not sockets:
                raise StartError(
                    "There is nothing to listen on.", hint="Give a host and port, or a --socket."
                )
            await self._accept(sockets)
        except BaseException:
            for each in sockets:
                each.close()
            self._remove_unix()
            self._hub.stop_sweeping()
            raise
        return self.addresses

    def _open_tcp(self, host: str) -> socket.socket:
        listener = tcp_socket(host, self._listen.port, allow_remote=self._listen.allow_remote)
        name, port = listener.getsockname()[:2]
        shown = f"[{name}]" if ":" in name else name
        self.addresses = Addresses(http=f"http://{shown}:{port}")
        return listener

    def _open_unix(self, path: Path) -> socket.socket:
        listener = unix_socket(path)
        bound = Path(listener.getsockname())
        self._unix = (bound, bound.lstat().st_ino)
        self.addresses = Addresses(http=self.addresses.http, unix=f"unix:{bound}")
        return listener

    async def _accept(self, sockets: list[socket.socket]) -> None:
        loop = asyncio.get_running_loop()
        hub = self._hub
        hub.start_sweeping()
        for each in sockets:
            if each.family == socket.AF_UNIX:
                server = await loop.create_unix_server(
                    lambda: UnixDoor(hub), sock=each, backlog=UNIX_BACKLOG
                )
            else:
                server = await loop.create_server(
                    lambda: HttpConnection(hub), sock=each, backlog=BACKLOG
                )
            self._servers.append(server)

    async def stop(self, *, grace_s: float | None = None) -> None:
        """
        Stop: what was begun is answered, for `shutdown_grace_s` at most; the rest is cut.

        Args:
            grace_s: Another time than the limit's; 0 cuts at once.
        """
        for server in self._servers:
            server.close()
        self._remove_unix()
        hub = self._hub
        hub.stop()
        await _wait(hub.emptied, self.limits.shutdown_grace_s if grace_s is None else grace_s)
        hub.cut()
        await _wait(hub.emptied, _CUT_S)
        hub.stop_sweeping()
        if hub.page_tasks:
            await asyncio.wait(hub.page_tasks)
        self._servers.clear()

    def cut(self) -> None:
        """End every connection now, while `stop` still waits for them."""
        self._hub.cut()

    def _remove_unix(self) -> None:
        if self._unix is not None:
            remove_unix_socket(*self._unix)
            self._unix = None


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass


async def serve_until_signal(
    server: Server, *, started: Callable[[Addresses], None] | None = None
) -> None:
    """
    Start, serve until SIGINT or SIGTERM, stop. A second signal cuts what is still going on.

    Args:
        server: Not yet started.
        started: Told the addresses once calls are accepted.
    """
    loop = asyncio.get_running_loop()
    stopping, cutting = asyncio.Event(), asyncio.Event()

    def on_signal() -> None:
        (cutting if stopping.is_set() else stopping).set()

    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, on_signal)
    try:
        addresses = await server.start()
        if started is not None:
            started(addresses)
        await stopping.wait()
        stop = loop.create_task(server.stop())
        cut = loop.create_task(cutting.wait())
        await asyncio.wait({stop, cut}, return_when=asyncio.FIRST_COMPLETED)
        if not stop.done():
            server.cut()
        cut.cancel()
        await stop
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on uvloop, to its end."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def run_until_signal(server: Server, *, started: Callable[[Addresses], None] | None = None) -> None:
    """`serve_until_signal` on a loop of its own."""
    run(serve_until_signal(server, started=started))
