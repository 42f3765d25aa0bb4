"""
Serving an application from the command line: `serve` and `dev` have this in common.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from freehold.app import App
from freehold.cli.console import say
from freehold.errors import StartError, StorageBroken
from freehold.rpc.failures import CONTROLS

if TYPE_CHECKING:
    from freehold.access import Environment
    from freehold.app.opening import OpenApp
    from freehold.app.upgrade import UpgradeMode
    from freehold.server import Addresses, Server

DEFAULT_PORT: Final = 8791
SOCKET_NAME: Final = "freehold.sock"
_GAUGES: Final = {
    "seq": "The last commit.",
    "writer_queue_length": "Mutations that wait for the writer.",
    "writer_busy_s": "How long the present batch has been running; 0 between batches.",
    "wal_pages": "Pages in the write-ahead log.",
    "checkpoints": "Checkpoints made since the start.",
    "batches": "Batches that the writer has run.",
    "batch_restarts": "Batches that were begun again without the one that lost them.",
    "reader_queue_length": "Long queries that wait for a reader thread.",
    "oldest_reader_s": "How long the oldest query on a reader thread has been running.",
    "disk_free_bytes": "What is free on the database's disk.",
    "is_short_of_space": "1 while mutations are refused for want of space.",
    "damaged_reads": "Calls refused since the start because a page is damaged.",
}


@dataclass(frozen=True)
class Serving:
    """
    How an application is served.

    Args:
        folder: Where its files are.
        database: The first database's file, when it is elsewhere.
        host: None for no TCP port.
        port: 0 takes a free one.
        socket: The Unix socket; `<folder>/freehold.sock` when None.
        allow_remote: The host may be one that other machines reach.
        upgrade: What happens to an old database.
        limits: Changed limits, `name=value`.
        hosts: Names beside the loopback ones that callers use for this server.
        origins: Origins of web pages that may call.
        environment: Whether it takes live or test keys.
    """

    folder: Path
    database: str | None
    host: str | None
    port: int
    socket: Path | None
    allow_remote: bool
    upgrade: UpgradeMode
    limits: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    environment: Environment = "live"


def serve_app(app: App, how: Serving, *, opened: Callable[[OpenApp, Addresses], None]) -> None:
    """
    Open, serve until a signal, close.

    Args:
        app: The application.
        how: Where and how.
        opened: Told once calls are accepted.

    Raises:
        StartError: It cannot be opened, or its storage broke while it served.
    """
    from freehold.app.opening import Options, open_app, private_folder
    from freehold.server import run
    from freehold.server.descriptors import leave_some
    from freehold.wire.limits import Limits

    folder = private_folder(how.folder)
    limits = leave_some(Limits().with_overrides(_limits(how.limits)))
    options = Options(
        folder=folder,
        database=how.database,
        upgrade=how.upgrade,
        limits=limits,
        on_progress=say,
        environment=how.environment,
    )
    running = open_app(app, options)
    broken: list[BaseException] = []
    try:
        if running.secrets.is_new:
            say(f"made {running.secrets.path}: keep a copy, sealed columns open with nothing else")
        run(_serve(running, how, opened, broken))
    finally:
        running.close()
    if broken:
        raise StorageBroken(
            f"the storage failed: {broken[0]}.",
            hint="Look at the disk, then start again: the start recovers what is there.",
        )


async def _serve(
    running: OpenApp,
    how: Serving,
    opened: Callable[[OpenApp, Addresses], None],
    broken: list[BaseException],
) -> None:
    from freehold.app.housekeeping import kept_house
    from freehold.server import serve_until_signal

    loop = asyncio.get_running_loop()

    def on_broken(error: BaseException) -> None:
        broken.append(error)
        os.kill(os.getpid(), signal.SIGTERM)

    for database in running.databases.values():
        database.broken = on_broken

    def on_loop(run: Callable[[], None]) -> None:
        # A thread that ends after the loop has nobody left to tell.
        if not loop.is_closed():
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(run)

    running.start(on_loop)
    server = make_server(running, how)

    def started(addresses: Addresses) -> None:
        running.announce(socket=addresses.unix, address=addresses.http)
        opened(running, addresses)

    try:
        async with kept_house(running):
            await serve_until_signal(server, started=started)
    finally:
        await running.finish()


def make_server(running: OpenApp, how: Serving) -> Server:
    """The server of an open application, not yet listening."""
    from freehold.generate import openapi
    from freehold.server import Gauge, Listen, Pages, Server

    contract = running.contract
    first = running.first

    def gauge(name: str, words: str) -> Gauge:
        return Gauge(f"freehold_{name}", words, lambda: first.gauges[name])

    return Server(
        running.dispatcher,
        running.authenticator,
        pages=Pages(
            running.app.service,
            running.app.version,
            running,
            contract.to_json(),
            contract.hash,
            openapi_json=openapi(msgspec.json.decode(contract.to_json())),
            gauges=[
                *(gauge(name, words) for name, words in _GAUGES.items() if name in first.gauges),
                Gauge(
                    "freehold_clock_jumps",
                    "How often the wall clock was set since the start.",
                    lambda: running.clock_watch.jumps,
                ),
            ],
        ),
        listen=Listen(
            host=how.host,
            port=how.port,
            unix_path=how.socket or running.options.folder / SOCKET_NAME,
            allow_remote=how.allow_remote,
            hosts=how.hosts,
            origins=how.origins,
        ),
        limits=running.options.limits,
        clock=running.options.clock,
        ids=running.options.ids,
    )


def _limits(said: tuple[str, ...]) -> dict[str, int | float]:
    found: dict[str, int | float] = {}
    for each in said:
        name, equals, value = each.partition("=")
        try:
            found[name] = float(value) if "." in value else int(value)
        except ValueError:
            equals = ""
        if not equals:
            raise StartError(f"--limit {each!r} is no limit.", hint="Write --limit name=number.")
    return found


def _one_line(_logger: object, _method: str, said: MutableMapping[str, Any]) -> Any:
    """Nothing that a caller sent begins a line of its own, or colours one."""
    for name, value in said.items():
        if isinstance(value, str):
            said[name] = value.translate(CONTROLS)
    return said


def _exception_behind(_logger: object, _method: str, said: MutableMapping[str, Any]) -> Any:
    """On the same line; the renderer for people would begin another one."""
    if exception := said.pop("exception", None):
        said["event"] = f"{said.get('event', '')}: {exception}"
    return said


def log_to_stderr(*, as_json: bool) -> None:
    """Send the library's log to standard error: a line for people, or JSON for programs."""
    import structlog

    shape: structlog.types.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.processors.TimeStamper(fmt="iso"),
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _one_line,
                *(() if as_json else (_exception_behind,)),
                shape,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("freehold").setLevel(logging.INFO)
