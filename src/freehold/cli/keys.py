"""
`freehold keys`: the keys that services call with. Made and revoked while the server runs.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Annotated, Any, Final

import typer

from freehold.app import App
from freehold.cli.console import say, show_json, show_table, tell
from freehold.cli.finding import (
    DEFAULT_FOLDER,
    AppOption,
    DatabaseOption,
    FolderOption,
    JsonOption,
    find_app,
)
from freehold.errors import StartError

commands = typer.Typer(help="Service keys: create, list, revoke.", no_args_is_help=True)

_AGE: Final = re.compile(r"(\d+)([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@commands.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Who will use it.")],
    scope: Annotated[
        list[str], typer.Option("--scope", help="A pattern such as 'DataLayer.get*', or '*'.")
    ],
    environment: Annotated[str, typer.Option("--env", help="live or test.")] = "live",
    expires_in: Annotated[
        str | None, typer.Option("--expires-in", help="90s, 12h, 30d; never when left out.")
    ] = None,
    user: Annotated[str | None, typer.Option("--user", help="Bind it to one user.")] = None,
    app: AppOption = None,
    database: DatabaseOption = None,
    folder: FolderOption = DEFAULT_FOLDER,
    as_json: JsonOption = False,
) -> None:
    """
    Make a key and show it, once.

    Example: [bold]freehold keys create scout --scope 'DataLayer.*' --expires-in 30d[/]
    """
    from freehold.cli.operator import operator

    if environment not in ("live", "test"):
        raise StartError(f"--env {environment} is neither live nor test.")
    data = {
        "name": name,
        "scopes": scope,
        "environment": environment,
        "user": user,
        "expiresInS": _seconds(expires_in),
    }
    found = find_app(app)
    for word in idle_scopes(found, scope):
        say(f"no method of {found.name} asks for {word!r}; the key can do nothing with it")
    with operator(found, folder, database) as owner:
        minted = owner.create_key(data)
    if as_json:
        show_json(minted)
        return
    tell(minted["key"])
    say("Keep it now: only its digest is stored.")


@commands.command("list")
def list_(
    app: AppOption = None,
    database: DatabaseOption = None,
    folder: FolderOption = DEFAULT_FOLDER,
    as_json: JsonOption = False,
) -> None:
    """Every key, oldest first, the revoked ones too."""
    from freehold.cli.operator import operator

    with operator(find_app(app), folder, database) as owner:
        found = owner.list_keys()
    if as_json:
        show_json(found)
        return
    show_table(
        ["id", "name", "env", "scopes", "created", "state"],
        [
            [k["id"], k["name"], k["environment"], " ".join(k["scopes"]),
             _time(k["createdAt"]), _state(k)]
            for k in found
        ],
    )  # fmt: skip


@commands.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `keys list` shows it.")],
    app: AppOption = None,
    database: DatabaseOption = None,
    folder: FolderOption = DEFAULT_FOLDER,
    as_json: JsonOption = False,
) -> None:
    """End a key: its next call is refused."""
    from freehold.cli.operator import operator

    with operator(find_app(app), folder, database) as owner:
        info = owner.revoke_key(key_id)
    if as_json:
        show_json(info)
        return
    say(f"{info['id']} ({info['name']}) is revoked")


def idle_scopes(app: App, scopes: list[str]) -> list[str]:
    """The scopes that match no method of the application and are no method's word."""
    methods = [m for each in app.entrypoints.values() for m in each.__methods__.values()]
    words = {method.scope for method in methods}
    return [
        scope
        for scope in scopes
        if scope not in words
        and not any(fnmatchcase(method.full_name, scope) for method in methods)
    ]


def _seconds(said: str | None) -> int | None:
    if said is None:
        return None
    match = _AGE.fullmatch(said)
    if match is None:
        raise StartError(f"--expires-in {said!r} is no time.", hint="Write 90s, 15m, 12h or 30d.")
    return int(match.group(1)) * _SECONDS[match.group(2)]


def _time(seconds: int | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%F %R")


def _state(key: dict[str, Any]) -> str:
    if key["revokedAt"] is not None:
        return f"revoked {_time(key['revokedAt'])}"
    return "lives" if key["expiresAt"] is None else f"until {_time(key['expiresAt'])}"
