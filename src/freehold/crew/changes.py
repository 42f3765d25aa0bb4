"""
What a change of files means: which services are started again, or all of it.

    a service's own package or file      that service
    beside the services' packages        every service of that folder, which may share it
    the clients, tests, the data folder  nothing
    any other source of the application  the data layer, the clients, and then the services
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from freehold.app import Service

_SOURCES: Final = frozenset((".py", ".sql"))
#: What a service may read beside its source.
_ASSETS: Final = _SOURCES | {".html", ".css", ".js", ".json", ".toml", ".yaml", ".yml", ".j2"}
_OTHER_FOLDERS: Final = frozenset(("clients", "tests", "node_modules"))


@dataclass
class Meaning:
    """What is to be started again."""

    everything: bool = False
    services: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return self.everything or bool(self.services)

    def add(self, other: Meaning) -> None:
        """This too."""
        self.everything = self.everything or other.everything
        self.services |= other.services


def own_path(root: Path, module: str) -> Path | None:
    """The folder of a package, or the file of a module; None when it is not of this source."""
    path = root.joinpath(*module.split("."))
    if path.is_dir():
        return path
    file = path.with_name(f"{path.name}.py")
    return file if file.is_file() else None


class Sorter:
    """
    Args:
        folder: The application's own, where the file is that makes it.
        root: What modules are found from.
        services: Those that run.
        data: The data folder.
    """

    def __init__(
        self, *, folder: Path, root: Path, services: Sequence[Service], data: Path
    ) -> None:
        self._folder = folder
        self._data = data
        found = ((service.name, own_path(root, service.module)) for service in services)
        self._own = {name: path for name, path in found if path is not None}

    @property
    def watched(self) -> list[Path]:
        """The folders that are looked at."""
        others = {path for path in self._own.values() if not path.is_relative_to(self._folder)}
        # Not the file itself: an editor puts another one in its place.
        folders = {path if path.is_dir() else path.parent for path in others}
        return [self._folder, *sorted(folders)]

    def is_source(self, path: Path) -> bool:
        """Whether a change of it means anything."""
        return bool(self.meaning_of(path))

    def meaning(self, paths: Iterable[Path]) -> Meaning:
        """Of all these changes together."""
        whole = Meaning()
        for path in paths:
            whole.add(self.meaning_of(path))
        return whole

    def meaning_of(self, path: Path) -> Meaning:
        """Of one change."""
        if path.is_relative_to(self._data) or path.suffix not in _ASSETS:
            return Meaning()
        for name, own in self._own.items():
            if path.is_relative_to(own):
                return Meaning(services={name})
        if path.suffix not in _SOURCES or not path.is_relative_to(self._folder):
            return Meaning()
        inside = path.relative_to(self._folder)
        hidden = any(part.startswith((".", "__pycache__")) for part in inside.parts)
        if hidden or _OTHER_FOLDERS & set(inside.parts) or path.name.startswith("test_"):
            return Meaning()
        shared = {
            name
            for name, own in self._own.items()
            if own.parent != self._folder and path.is_relative_to(own.parent)
        }
        return Meaning(services=shared) if shared else Meaning(everything=True)


def mistake_in(paths: Iterable[Path]) -> str | None:
    """The first of these files that is not Python, with the place; None when all are."""
    for path in sorted(paths):
        if path.suffix != ".py":
            continue
        try:
            compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
        except FileNotFoundError:
            continue
        except SyntaxError as error:
            return f"{path}:{error.lineno}: {error.msg}"
        except (OSError, ValueError) as error:
            return f"{path}: {error}"
    return None
