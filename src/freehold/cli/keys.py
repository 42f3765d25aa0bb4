"""
`freehold keys`: the keys that services call with. Made, replaced and revoked while it runs.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from freehold.app.services import idle_scopes
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

commands = typer.Typer(help="Service keys: create, list, rotate, revoke.", no_args_is_help=True)

_AGE: Final = re.compile(r"(\d+)([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@commands.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Who will use it.")],
    scope: Annotated[
        list[str], typer.Option("--scope", help="A pattern such as 'DataLayer.get*', or '*'.")
    ],
    environment: Annotated[
        str | None,
        typer.Option("--env", help="live or test; the running server's own when left out."),
    ] = None,
    expires_in: Annotated[
        str | None, typer.Option("--expires-in", help="90s, 12h, 30d; never when left out.")
    ] = None,
    user: Annotated[str | None, typer.Option("--user", help="Bind it to one user.")] = None,
    rate: Annotated[int | None, typer.Option("--rate", help="Calls in a second.")] = None,
    burst: Annotated[
        int | None, typer.Option("--burst", help="How many more may come at once.")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", help="Calls at the same time.")
    ] = None,
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

    if environment not in ("live", "test", None):
        raise StartError(f"--env {environment} is neither live nor test.")
    data = {
        "name": name,
        "scopes": scope,
        "environment": environment,
        "user": user,
        "expiresInS": None if expires_in is None else _seconds("--expires-in", expires_in),
        "rate": rate,
        "burst": burst,
        "concurrency": concurrency,
    }
    found = find_app(app)
    for word in idle_scopes(found.entrypoints.values(), scope):
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
        ["id", "name", "env", "scopes", "created", "last used", "state"],
        [
            [k["id"], k["name"], k["environment"], " ".join(k["scopes"]),
             _time(k["createdAt"]), _time(k["usedAt"]), _state(k)]
            for k in found
        ],
    )  # fmt: skip


@commands.command("rotate")
def rotate(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `keys list` shows it.")],
    overlap: Annotated[
        str, typer.Option("--overlap", help="How long the old one lives on: 0s, 12h, 7d.")
    ] = "7d",
    app: AppOption = None,
    database: DatabaseOption = None,
    folder: FolderOption = DEFAULT_FOLDER,
    as_json: JsonOption = False,
) -> None:
    """
    Make a key that replaces another, and show it, once. Both live until the overlap is over.

    Example: [bold]freehold keys rotate 4k2m9x0qz7ab --overlap 7d[/]
    """
    from freehold.cli.operator import operator

    overlap_s = _seconds("--overlap", overlap)
    with operator(find_app(app), folder, database) as owner:
        minted = owner.rotate_key(key_id, overlap_s)
    if as_json:
        show_json(minted)
        return
    tell(minted["key"])
    say(f"It replaces {key_id}, which lives for {overlap} more, or until you revoke it.")


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


def _seconds(option: str, said: str) -> int:
    match = _AGE.fullmatch(said)
    if match is None:
        raise StartError(f"{option} {said!r} is no time.", hint="Write 90s, 15m, 12h or 30d.")
    return int(match.group(1)) * _SECONDS[match.group(2)]


def _time(seconds: int | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%F %R")


def _state(key: dict[str, Any]) -> str:
    if key["revokedAt"] is not None:
        return f"revoked {_time(key['revokedAt'])}"
    return "lives" if key["expiresAt"] is None else f"until {_time(key['expiresAt'])}"
