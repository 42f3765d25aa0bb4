"""
`freehold dev`: the data layer on a developer's machine, with everything set up by itself.

It makes the folder, the secrets, the database and a key, loads the sample data, keeps the
generated clients up to date, and says how to make the first call.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, Final

import msgspec
from rich.text import Text

from freehold.cli.console import TALK, say
from freehold.cli.finding import (
    DEFAULT_FOLDER,
    AppArgument,
    AppOption,
    DatabaseOption,
    FolderOption,
    find_app,
)
from freehold.cli.generate import clients_folder, write_clients
from freehold.cli.serve import HostOption, LimitOption, PortOption, SocketOption
from freehold.cli.serving import DEFAULT_PORT, Serving, log_to_stderr, serve_app
from freehold.errors import Unauthenticated

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
) -> None:
    """
    Set everything up, serve, and show the first call. Started again, it keeps its data.

    It takes test keys only, and `freehold keys create` makes such while it runs.

    Example: [bold]freehold dev notes.py[/]
    """
    log_to_stderr(as_json=False)
    found = find_app(app or app_option)
    changed = write_clients(found, clients_folder(found)) if clients_folder(found).is_dir() else []
    for path in changed:
        say(f"generated {path}")

    def opened(running: OpenApp, addresses: Addresses) -> None:
        running.seed()
        key = dev_key(running)
        _welcome(found, running, addresses, key)

    serve_app(
        found,
        Serving(
            folder=folder,
            database=database,
            host=host,
            port=port,
            socket=socket,
            allow_remote=False,
            upgrade="sync",
            limits=tuple(limit or ()),
            environment="test",
        ),
        opened=opened,
    )
    say("stopped; the data is kept")


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
    """What to do first; nothing is wrapped, so that it can be copied."""
    variable = f"FREEHOLD_{app.binding}"
    entrypoint = next(iter(app.entrypoints))
    title = f"{app.service} · {app.name} {app.version} · commit {running.seq}"
    TALK.print(Text(f"\n{title}", style="bold green"))
    rows = [
        ("listens on", str(addresses.http)),
        ("and on", str(addresses.unix)),
        ("data", running.first.place),
        ("key", key),
        ("in Python", f"{entrypoint}.connect(), with {variable} and {variable}_KEY set to these"),
    ]
    for name, value in rows:
        TALK.print(Text.assemble((f"  {name:<11}", "bold"), value))
    TALK.print(Text("\na first call", style="bold green"))
    TALK.print(Text(first_call(app, str(addresses.http), key) + "\n"))


def first_call(app: App, address: str, key: str) -> str:
    """A curl command of a query that needs no arguments, or of the first method there is."""
    name, entrypoint = next(iter(app.entrypoints.items()))
    methods = list(entrypoint.__methods__.values())
    easy = [m for m in methods if m.kind == "query" and not any(p.required for p in m.params)]
    method = (easy or methods)[0]
    body: dict[str, Any] = {p.wire: "…" for p in method.params if p.required}
    return (
        f"curl -X POST {address}/rpc/{name}/{method.wire} \\\n"
        f"  -H 'Authorization: Bearer {key}' \\\n"
        f"  -H 'Content-Type: application/json' \\\n"
        f"  -d {shlex.quote(msgspec.json.encode(body).decode())}"
    )
