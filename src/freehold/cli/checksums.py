"""
`freehold checksums`: whether every page has one, and giving an old file its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from freehold.app.places import places
from freehold.cli.console import say, show_json, show_table
from freehold.cli.finding import (
    DEFAULT_FOLDER,
    AppOption,
    DatabaseOption,
    FolderOption,
    JsonOption,
    find_app,
)

_TENTHS = 10


def checksums(
    turn_on: Annotated[
        bool, typer.Option("--on", help="Write files without checksums anew, with them.")
    ] = False,
    accept: Annotated[
        bool,
        typer.Option(
            "--accept",
            help="Write every file anew and take each page for right as it is now: after another "
            "program has written into it.",
        ),
    ] = False,
    app: AppOption = None,
    database: DatabaseOption = None,
    folder: FolderOption = DEFAULT_FOLDER,
    as_json: JsonOption = False,
) -> None:
    """
    Say which files have a checksum on every page; with --on, give them to those that have none.

    Stop the server first: the file is written anew, and there must be room for a second copy.

    Example: [bold]freehold checksums --on[/]
    """
    from freehold.drivers.sqlite.rewrite import rewrite
    from freehold.drivers.sqlite.scrub import open_pages

    found = []
    for name, place in places(find_app(app), folder.resolve(), database).items():
        if not isinstance(place, Path):
            found.append((name, place.shown, "the server's own; see `freehold doctor`"))
            continue
        if place.exists() and (turn_on or accept):
            rewrite(place, accept=accept, on_progress=_Tenths(place.name))
        with open_pages(place) as pages:
            state = "no file yet" if pages is None else "on" if pages.has_checksums else "off"
        found.append((name, str(place), state))
    if as_json:
        show_json([dict(zip(("name", "place", "checksums"), row, strict=True)) for row in found])
    else:
        show_table(["database", "place", "checksums"], found)


class _Tenths:
    """A line for each tenth that is done."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._said = 0

    def __call__(self, done: int, expected: int) -> None:
        tenths = min(done * _TENTHS // max(expected, 1), _TENTHS)
        if tenths > self._said:
            self._said = tenths
            say(f"writing {self._name} anew: {tenths * 100 // _TENTHS} %")
