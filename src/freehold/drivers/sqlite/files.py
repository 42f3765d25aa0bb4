"""
The files of an open database are SQLite's alone.

POSIX drops all of a process's locks on a file when any handle on it is closed. One
`open(...).close()` of the database, its log or its index in this process, and another
process can write while our writer believes that it alone does (reliability 4.13). A second
SQLite library in the process does the same. So while a database is open, both are refused
here, by an audit hook: in tests and in production.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Final

from freehold.errors import AuthoringError

_SUFFIXES: Final = ("", "-wal", "-shm", "-journal")
#: Full paths that may not be opened, and for a first quick look their last parts.
_paths: set[str] = set()
_names: set[str] = set()
_hooks: list[str] = []


class SecondHandle(AuthoringError):
    """Somebody opened a file that SQLite holds open in this process."""


def keep_off(database: Path) -> None:
    """Refuse, from now on, that this process opens the database's files itself."""
    _paths.update(_files(database))
    _names.update(os.path.basename(path) for path in _files(database))
    if not _hooks:
        # A hook cannot be taken away again, so there is one for all databases.
        _hooks.append("added")
        sys.addaudithook(_watch)


def give_free(database: Path) -> None:
    """The database is closed: its files may be opened again."""
    _paths.difference_update(_files(database))
    _names.clear()
    _names.update(os.path.basename(path) for path in _paths)


def _files(database: Path) -> list[str]:
    path = database.resolve()
    return [f"{path}{suffix}" for suffix in _SUFFIXES]


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in ("open", "sqlite3.connect") or not _paths:
        return
    path = _path_of(arguments[0])
    if path and os.path.basename(path) in _names and os.path.realpath(path) in _paths:
        raise SecondHandle(
            f"{path} is open in SQLite; closing another handle on it would drop SQLite's locks.",
            hint="Read through the database; copy it with SQLite's backup or from another process.",
        )


def _path_of(argument: Any) -> str:
    """What was opened, as text; empty when it was a descriptor."""
    if not isinstance(argument, (str, bytes, os.PathLike)):
        return ""
    path = os.fsdecode(argument)
    return path[5:].split("?", 1)[0] if path.startswith("file:") else path
