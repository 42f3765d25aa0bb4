"""
`freehold serve`: the data layer in production.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from freehold.cli.console import say
from freehold.cli.finding import (
    DEFAULT_FOLDER,
    AppArgument,
    AppOption,
    DatabaseOption,
    FolderOption,
    find_app,
)
from freehold.cli.hardening import keep_memory_private
from freehold.cli.serving import DEFAULT_PORT, Serving, log_to_stderr, serve_app
from freehold.errors import StartError

if TYPE_CHECKING:
    from freehold.app.opening import OpenApp
    from freehold.server import Addresses

HostOption = Annotated[str, typer.Option("--host", help="An address of this machine.")]
PortOption = Annotated[int, typer.Option("--port", help="0 takes a free one.", min=0, max=65535)]
SocketOption = Annotated[
    Path | None, typer.Option("--socket", help="Default: freehold.sock in the data folder.")
]
LimitOption = Annotated[
    list[str] | None, typer.Option("--limit", help="name=number, as often as needed.")
]


def serve(
    app: AppArgument = None,
    app_option: AppOption = None,
    database: DatabaseOption = None,
    folder: FolderOption = DEFAULT_FOLDER,
    host: HostOption = "127.0.0.1",
    port: PortOption = DEFAULT_PORT,
    socket: SocketOption = None,
    tcp: Annotated[bool, typer.Option("--tcp/--no-tcp", help="Listen on a TCP port.")] = True,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Let other machines in; put TLS in front.")
    ] = False,
    allow_host: Annotated[
        list[str] | None, typer.Option("--allow-host", help="A name that callers use for it.")
    ] = None,
    allow_origin: Annotated[
        list[str] | None, typer.Option("--allow-origin", help="An origin of web pages that call.")
    ] = None,
    upgrade: Annotated[
        str, typer.Option("--upgrade", help="An old database: refuse it, or apply migrations.")
    ] = "refuse",
    environment: Annotated[
        str, typer.Option("--environment", help="Which keys are taken: live or test ones.")
    ] = "live",
    limit: LimitOption = None,
    log_json: Annotated[bool, typer.Option("--log-json", help="Log JSON lines.")] = False,
) -> None:
    """
    Serve an application until a signal; Ctrl-C and SIGTERM stop it cleanly.

    Example: [bold]freehold serve hotmetal.app:app --data-dir /var/lib/hotmetal[/]
    """
    if upgrade not in ("refuse", "apply"):
        raise StartError(f"--upgrade {upgrade} is neither refuse nor apply.")
    if environment not in ("live", "test"):
        raise StartError(f"--environment {environment} is neither live nor test.")
    keep_memory_private()
    log_to_stderr(as_json=log_json)
    serve_app(
        find_app(app or app_option),
        Serving(
            folder=folder,
            database=database,
            host=host if tcp else None,
            port=port,
            socket=socket,
            allow_remote=allow_remote,
            hosts=tuple(allow_host or ()),
            origins=tuple(allow_origin or ()),
            upgrade="apply" if upgrade == "apply" else "refuse",
            limits=tuple(limit or ()),
            environment="test" if environment == "test" else "live",
        ),
        opened=_opened,
    )
    say("stopped")


def _opened(running: OpenApp, addresses: Addresses) -> None:
    where = " and ".join(str(each) for each in (addresses.http, addresses.unix) if each)
    say(f"{running.app.service} listens on {where}")
