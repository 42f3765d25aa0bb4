"""
`freehold call`: one call from the shell.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from freehold.cli.console import show_json
from freehold.cli.finding import (
    DEFAULT_FOLDER,
    AppOption,
    DatabaseOption,
    FolderOption,
    find_app,
)
from freehold.errors import InvalidArgument, Unavailable


def call(
    method: Annotated[str, typer.Argument(help="Entrypoint.method")],
    arguments: Annotated[
        list[str] | None, typer.Argument(help="One JSON object, or name=value pairs.")
    ] = None,
    app: AppOption = None,
    database: DatabaseOption = None,
    folder: FolderOption = DEFAULT_FOLDER,
) -> None:
    """
    Call a method and print the answer as JSON.

    To FREEHOLD_DAL (with FREEHOLD_DAL_KEY) when that is set, else to the owner of the database.

    Example: [bold]freehold call DataLayer.getUserById id=u1[/]
    """
    from freehold.cli.operator import AnyBinding

    with AnyBinding.connect(_address(app, database, folder)) as binding:
        show_json(binding.ask(method, named(arguments or [])))


def named(said: list[str]) -> dict[str, Any]:
    """
    The arguments by name. A value is JSON when it can be read as such, else a text.

    Raises:
        InvalidArgument: It is neither an object nor pairs.
    """
    if len(said) == 1 and said[0].lstrip().startswith("{"):
        try:
            return msgspec.json.decode(said[0], type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise InvalidArgument(f"the arguments are not JSON: {error}.") from None
    found: dict[str, Any] = {}
    for each in said:
        name, equals, value = each.partition("=")
        if not equals:
            raise InvalidArgument(
                f"{each!r} is no argument.", hint="Write name=value, or one JSON object."
            )
        try:
            found[name] = msgspec.json.decode(value)
        except msgspec.DecodeError:
            found[name] = value
    return found


def _address(app: str | None, database: str | None, folder: Path) -> str | None:
    if os.environ.get("FREEHOLD_DAL"):
        return None
    from freehold.cli.operator import owner_socket

    found = find_app(app)
    socket = owner_socket(found, folder, database)
    if socket is None:
        raise Unavailable(
            f"nobody serves {found.name} from {folder}.",
            hint="Start it with `freehold dev`, or set FREEHOLD_DAL to where it listens.",
        )
    return socket
