"""
`freehold init`: a small application that runs at once.
"""

from __future__ import annotations

import importlib.util
import keyword
import re
from pathlib import Path
from typing import Annotated, Final

import typer

from freehold.cli.console import say
from freehold.cli.scaffold import FILES
from freehold.errors import StartError

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,40}")


def init(
    name: Annotated[str, typer.Argument(help="Lower-case; also the package's name.")] = "notes",
) -> None:
    """
    Make a folder with a schema, two functions, an entrypoint, a test and a README.

    Example: [bold]freehold init notes && cd notes && freehold dev[/]
    """
    if not _NAME.fullmatch(name):
        raise StartError(
            f"{name!r} is no name of an application.",
            hint="Use lower-case letters, digits and _, a letter first.",
        )
    if keyword.iskeyword(name) or importlib.util.find_spec(name) is not None:
        raise StartError(
            f"{name!r} is a word of Python, or a module that is here already.",
            hint="Choose a name of your own; it becomes a package.",
        )
    folder = Path(name)
    if folder.exists() and any(folder.iterdir()):
        raise StartError(f"{folder} is there and not empty.", hint="Choose another name.")
    for path, text in FILES.items():
        target = folder / path.replace("NAME", name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text.replace("NAME", name))
    say(f"made {folder}/. Next:")
    say(f"  cd {name}")
    say("  freehold dev            serve it, with a key and a first call")
    say("  python -m pytest        its test")
