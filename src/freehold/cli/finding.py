"""
Finding the application that a command is about.

`--app hotmetal.app:app`, `--app notes.py`, `[tool.freehold] app = "…"` in a pyproject.toml of
this folder or one above, or an `app.py` right here; in this order.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Annotated, Final

import typer

from freehold.app import App
from freehold.errors import FreeholdError, StartError

_HELP: Final = "module:attribute or path/to/file.py; default: pyproject.toml, then app.py"
AppOption = Annotated[str | None, typer.Option("--app", help=_HELP, show_default=False)]
AppArgument = Annotated[str | None, typer.Argument(metavar="[APP]", help=_HELP)]
FolderOption = Annotated[
    Path, typer.Option("--data-dir", help="Where databases, secrets and the socket are.")
]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database",
        envvar="FREEHOLD_DATABASE",
        help="The database's file, or postgresql://user@host/name.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for a program.")]
DEFAULT_FOLDER: Final = Path(".freehold")


def find_app(said: str | None) -> App:
    """
    The application.

    Raises:
        StartError: There is none where it was said to be; names what was tried.
    """
    where = said or _configured() or ("app.py" if Path("app.py").is_file() else None)
    if where is None:
        raise StartError(
            "no application was named, and there is no app.py here.",
            hint='Say --app notes.py, or put `[tool.freehold] app = "notes.app:app"` into '
            "pyproject.toml. `freehold init notes` makes a new one.",
        )
    target, _, attribute = where.partition(":")
    is_path = target.endswith(".py") or "/" in target
    module = _load_file(Path(target)) if is_path else _load_module(target)
    return _app_of(module, attribute or None, where)


def _configured() -> str | None:
    here = Path.cwd()
    for folder in (here, *here.parents):
        path = folder / "pyproject.toml"
        if path.is_file():
            said = tomllib.loads(path.read_text()).get("tool", {}).get("freehold", {}).get("app")
            if said is None:
                return None
            target, colon, attribute = str(said).partition(":")
            if target.endswith(".py"):
                target = str(folder / target)
            else:
                sys.path.insert(0, str(folder))
            return f"{target}{colon}{attribute}"
    return None


def _load_module(name: str) -> ModuleType:
    sys.path.insert(0, str(Path.cwd()))
    return _imported(name, name)


def _load_file(path: Path) -> ModuleType:
    """Import a file; one inside a package as that package's module, so its imports work."""
    path = path.resolve()
    if not path.is_file():
        raise StartError(f"there is no file {path}.", hint="Name the file that makes the App.")
    parts = [path.stem]
    folder = path.parent
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    sys.path.insert(0, str(folder))
    return _imported(".".join(parts), str(path))


def _imported(name: str, said: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except FreeholdError:
        raise
    except ModuleNotFoundError as error:
        if error.name is not None and name.split(".")[0] == error.name.split(".")[0]:
            raise StartError(
                f"there is no module {error.name!r} ({said}).",
                hint="Run the command in the application's folder, or give a path to its file.",
            ) from None
        raise StartError(
            f"{said} needs the module {error.name!r}, which is not installed.",
            hint="Install the application's dependencies into this environment.",
        ) from None
    except SyntaxError as error:
        raise StartError(f"{said} is not valid Python: {error}.") from None
    except Exception as error:
        # The author's own code failed; where, the traceback knows.
        raise StartError(
            f"{said} cannot be imported: {type(error).__name__}: {error}.",
            hint="Set FREEHOLD_DEBUG=1 to see where.",
        ) from error


def _app_of(module: ModuleType, attribute: str | None, said: str) -> App:
    if attribute is not None:
        found = getattr(module, attribute, None)
        if isinstance(found, App):
            return found
        raise StartError(f"{said} is no App.", hint=f"{module.__name__} has no such {attribute!r}.")
    apps = [value for value in vars(module).values() if isinstance(value, App)]
    if len(apps) == 1:
        return apps[0]
    raise StartError(f"{said} holds {len(apps)} Apps.", hint=f"Name one: {said}:app.")
