"""
`freehold dev`: the data layer on a developer's machine, with everything set up by itself.

It makes the folder, the secrets, the database and a key, loads the sample data, keeps the
generated clients up to date, and says how to make the first call. An application with services
is run as a crew: the data layer in a process of its own, the services beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from freehold.cli.console import say, tell
from freehold.cli.crew import run_crew
from freehold.cli.finding import (
    DEFAULT_FOLDER,
    AppArgument,
    AppOption,
    DatabaseOption,
    FolderOption,
    find_app,
)
from freehold.cli.generate import renew_clients
from freehold.cli.serve import HostOption, LimitOption, PortOption, SocketOption
from freehold.cli.serving import DEFAULT_PORT, Serving, log_to_stderr, serve_app
from freehold.cli.welcome import show_welcome
from freehold.clock import SystemClock
from freehold.errors import StartError, Unauthenticated

if TYPE_CHECKING:
    from pathlib import Path

    from freehold.access import MintedKey
    from freehold.app import App
    from freehold.app.opening import OpenApp
    from freehold.db import Writer
    from freehold.server import Addresses

_KEY_FILE: Final = "dev.key"


def dev(
    app: AppArgument = None,
    app_option: AppOption = None,
    database: DatabaseOption = None,
    folder: FolderOption = DEFAULT_FOLDER,
    host: HostOption = "127.0.0.1",
    port: PortOption = DEFAULT_PORT,
    socket: SocketOption = None,
    limit: LimitOption = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="Start this service or the data layer alone."),
    ] = None,
    reload: Annotated[
        bool, typer.Option("--reload/--no-reload", help="Start again what was changed.")
    ] = True,
    in_crew: Annotated[bool, typer.Option("--in-crew", hidden=True)] = False,
    describe: Annotated[bool, typer.Option("--describe", hidden=True)] = False,
) -> None:
    """
    Set everything up, serve, and show the first call. Started again, it keeps its data.

    The application's services are started beside it, each with its own key, in one log.

    It takes test keys only, and `freehold keys create` makes such while it runs.

    Example: [bold]freehold dev notes.py[/]
    """
    began_ns = SystemClock().monotonic_ns()
    log_to_stderr(as_json=False)
    found = find_app(app or app_option)
    if describe:
        from freehold.crew import written

        renew_clients(found)
        tell(written(found))
        return
    how = Serving(
        folder=folder,
        database=database,
        host=host,
        port=port,
        socket=socket,
        allow_remote=False,
        upgrade="sync",
        limits=tuple(limit or ()),
        environment="test",
    )
    wanted = chosen(found, only)
    if wanted == [found.service] or not found.services:
        serve_alone(found, how, in_crew=in_crew)
        return
    run_crew(found, how, wanted, said=app or app_option, reload=reload, began_ns=began_ns)


def chosen(app: App, only: list[str] | None) -> list[str]:
    """
    The names of what is started: all, or those that were asked for.

    Raises:
        StartError: There is no service of a name; the names are listed.
    """
    names = [app.service, *(service.name for service in app.services)]
    for name in only or ():
        if name not in names:
            raise StartError(
                f"{app.name} has no service {name!r}.", hint=f"It has {', '.join(names)}."
            )
    return [name for name in names if only is None or name in only]


def serve_alone(found: App, how: Serving, *, in_crew: bool) -> None:
    """
    Serve the data layer in this process.

    Args:
        found: The application.
        how: Where and how.
        in_crew: Another process of this command speaks to the developer.
    """
    if not in_crew:
        renew_clients(found)

    def opened(running: OpenApp, addresses: Addresses) -> None:
        running.seed()
        key = dev_key(running)
        if in_crew:
            say(f"listens on {addresses.http} and {addresses.unix}")
        else:
            _welcome(found, running, addresses, key)

    serve_app(found, how, opened=opened)
    say("stopped" if in_crew else "stopped; the data is kept")


def dev_key(running: OpenApp) -> str:
    """The developer's key: kept in the data folder, made anew when it lives no more."""
    from freehold.access import NewKey, create_key

    path = running.options.folder / _KEY_FILE
    if path.is_file():
        raw = path.read_text().strip()
        try:
            running.authenticator.caller(raw, trusted=False)
        except Unauthenticated:
            path.unlink()
        else:
            return raw
    data = NewKey(name="dev", scopes=["*", *_scope_words(running)], environment="test")

    def make(db: Writer) -> MintedKey:
        # Inside: the commit that it waits for is this one.
        running.authenticator.changing()
        return create_key(db, data, pepper=running.secrets.pepper)

    minted = running.first.write(make)
    _write_private(path, minted.key)
    return minted.key


def _write_private(path: Path, text: str) -> None:
    import os

    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text + "\n")


def _scope_words(running: OpenApp) -> list[str]:
    """The words that single methods ask for; a wildcard does not give them."""
    words = {
        method.scope
        for entrypoint in running.app.entrypoints.values()
        for method in entrypoint.__methods__.values()
        if method.scope
    }
    return sorted(words)


def _welcome(app: App, running: OpenApp, addresses: Addresses, key: str) -> None:
    rows = [
        ("listens on", str(addresses.http)),
        ("and on", str(addresses.unix)),
        ("data", running.first.place),
    ]
    show_welcome(app, rows, seq=running.seq, key=key, address=str(addresses.http))
