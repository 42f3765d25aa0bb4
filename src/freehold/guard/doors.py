"""
Who may load what: the data layer's modules, and the doors that are open to everybody.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from typing import Final

from freehold.guard.globs import Globs

_ENDINGS: Final = ("", ".ts", ".tsx", ".js", ".mjs", ".cjs", ".mts", ".cts", ".jsx",
                   "/index.ts", "/index.js")  # fmt: skip
#: What a module of TypeScript is called where it is imported as what it will become.
_BECOMES: Final = {".js": ".ts", ".mjs": ".mts", ".cjs": ".cts", ".jsx": ".tsx"}
#: Folders from which imports begin.
_SOURCE_ROOTS: Final = ("", "src/", "lib/", "python/")


class Doors:
    """
    The modules of the repository, and which of them are the data layer's own.

    Args:
        paths: Every path of the repository.
        data_layer: Paths where the database is used.
        doors: Paths in the data layer that others may import.
        packages: Where a package of JavaScript is, by its name.
    """

    def __init__(
        self,
        paths: Iterable[str],
        *,
        data_layer: Globs,
        doors: Globs,
        packages: Mapping[str, str] | None = None,
    ) -> None:
        every = list(paths)
        self._inside = {path for path in every if data_layer.match(path)}
        self._open = {path for path in every if doors.match(path)}
        self._paths = set(every)
        self._packages = dict(packages or {})
        self._modules = self._by_module(path for path in every if path.endswith(".py"))
        self._by_end: dict[str, list[str]] = {}
        for path in self._inside:
            parts = path.removesuffix(".py").removesuffix("/__init__").split("/")
            for start in range(len(parts) - 1) if path.endswith(".py") else ():
                self._by_end.setdefault("/".join(parts[start:]), []).append(path)

    def owns(self, path: str) -> bool:
        """The path is in the data layer."""
        return path in self._inside

    def has_module(self, path: str, name: str) -> bool:
        """The repository has a module of that name which the file would import."""
        folder = posixpath.dirname(path)
        beside = f"{folder}/{name}" if folder else name
        roots = [f"{root}{name}" for root in _SOURCE_ROOTS]
        return any(
            found in self._paths
            for stem in (beside, *roots)
            for found in (f"{stem}.py", f"{stem}/__init__.py")
        )

    def is_behind(self, path: str, module: str) -> bool:
        """A Python module that is the data layer's own, imported by a file."""
        found = self._modules.get(module)
        if found is None and "." in module:
            # A package without __init__.py: where it begins cannot be read, so by its end.
            found = self._by_end.get(module.replace(".", "/"), [])
        return self._is_closed(found or ())

    def is_door(self, path: str, module: str) -> bool:
        """A Python module of this repository that others may import."""
        found = self._modules.get(module, ())
        return bool(found) and all(each in self._open for each in found)

    def is_relative_behind(self, path: str, level: int, name: str) -> bool:
        """The same for `from ..domains import ideas`."""
        folder = posixpath.dirname(path)
        for _ in range(level - 1):
            folder = posixpath.dirname(folder)
        stem = posixpath.join(folder, *name.split("."))
        parent = posixpath.dirname(stem)
        tried = (f"{stem}.py", f"{stem}/__init__.py", f"{parent}.py", f"{parent}/__init__.py")
        for each in tried:
            if each in self._paths:
                return self._is_closed((each,))
        return False

    def is_script_behind(self, path: str, target: str) -> bool:
        """A module of JavaScript or TypeScript that is the data layer's own."""
        if target.startswith("."):
            return self._is_closed(self._resolved(posixpath.join(posixpath.dirname(path), target)))
        for name, folder in self._packages.items():
            if target == name or target.startswith(f"{name}/"):
                inside = [each for each in self._inside if each.startswith(f"{folder}/")]
                return bool(inside) and not all(each in self._open for each in inside)
        return False

    def _resolved(self, stem: str) -> list[str]:
        stem = posixpath.normpath(stem)
        root, ending = posixpath.splitext(stem)
        tried = [stem + each for each in _ENDINGS]
        if ending in _BECOMES:
            tried.append(root + _BECOMES[ending])
        return [each for each in tried if each in self._paths]

    def _is_closed(self, found: Iterable[str]) -> bool:
        return any(each in self._inside and each not in self._open for each in found)

    def _by_module(self, paths: Iterable[str]) -> dict[str, list[str]]:
        """Files by the dotted name that an import would use: from the top of their package."""
        made: dict[str, list[str]] = {}
        for path in paths:
            stem = path.removesuffix(".py").removesuffix("/__init__")
            parts = stem.split("/")
            top = self._top_of_package(path, len(parts))
            made.setdefault(".".join(parts[top:]), []).append(path)
        return made

    def _top_of_package(self, path: str, length: int) -> int:
        parts = path.split("/")
        top = length - 1 if parts[-1] != "__init__.py" else length
        while top > 0 and "/".join((*parts[:top], "__init__.py")) in self._paths:
            top -= 1
        return min(top, length - 1)
