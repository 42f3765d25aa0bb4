"""
What a repository says about itself: `[tool.freehold.guard]`, or `freehold-guard.toml`.
"""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import msgspec

from freehold.errors import StartError
from freehold.guard.rules import LEVELS, RULES, Level

OWN_FILE: Final = "freehold-guard.toml"
_FILE_BYTES_MAX: Final = 2 * 1024 * 1024


class Allowed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A path, and why it is not looked at or may use a database of its own."""

    path: str
    reason: str


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    The settings of the guard.

    Args:
        data_layer: Patterns of paths where the database is used, and may be.
        doors: Patterns of paths in the data layer which everybody may import.
        local_stores: Stores that a service has for itself, each with its reason.
        exclude: Patterns of paths that are not looked at, each with its reason.
        rules: Levels that differ from the rules' own.
        bindings: Names that are a database's binding wherever they stand.
        data_layer_services: Names of services in compose files that are the data layer.
        file_bytes_max: Larger files are not read, and told.
    """

    data_layer: list[str] = []
    doors: list[str] = []
    local_stores: list[Allowed] = []
    exclude: list[Allowed] = []
    rules: dict[str, str] = {}
    bindings: list[str] = []
    data_layer_services: list[str] = []
    file_bytes_max: int = _FILE_BYTES_MAX

    @property
    def levels(self) -> dict[str, Level]:
        """The level of each rule."""
        said: dict[str, Level] = {rule.id: rule.level for rule in RULES.values()}
        for level in LEVELS:
            said.update({id: level for id, each in self.rules.items() if each == level})
        return said


def find_root(start: Path) -> Path:
    """The repository that a folder is in: with settings of the guard, or the root of git's."""
    here = start.resolve()
    for folder in (here, *here.parents):
        if (folder / OWN_FILE).is_file() or (folder / ".git").exists() or _has_table(folder):
            return folder
    return here


def load_settings(root: Path, *, file: Path | None = None) -> Settings:
    """
    The settings of a repository; the empty ones when it has none.

    Args:
        root: Its root.
        file: A file of settings that is said; its table is its own or that of pyproject.toml.

    Raises:
        StartError: They cannot be read; names the key and what may stand there.
    """
    own = file or root / OWN_FILE
    if own.name != "pyproject.toml" and (file is not None or own.is_file()):
        return _settings(_read(own), own.name)
    project = file or root / "pyproject.toml"
    if file is not None or project.is_file():
        table = _read(project).get("tool", {}).get("freehold", {}).get("guard", {})
        return _settings(table, f"{project.name} [tool.freehold.guard]")
    return Settings()


def _has_table(folder: Path) -> bool:
    path = folder / "pyproject.toml"
    try:
        tables = tomllib.loads(path.read_text("utf-8")) if path.is_file() else {}
    except (OSError, ValueError):
        return False
    return "guard" in tables.get("tool", {}).get("freehold", {})


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise StartError(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise StartError(f"{path} is no TOML: {error}.") from None


def _settings(table: Any, where: str) -> Settings:
    known = Settings.__struct_fields__
    for key in table if isinstance(table, dict) else ():
        if key not in known:
            raise StartError(f"{where}: there is no {key!r}.", hint=_did_you_mean(key, known))
    try:
        settings = msgspec.convert(table, Settings)
    except msgspec.ValidationError as error:
        raise StartError(
            f"{where}: {error}.",
            hint='A store or an exclusion is written { path = "…", reason = "…" }.',
        ) from None
    for allowed in (*settings.local_stores, *settings.exclude):
        if not allowed.reason.strip():
            raise StartError(f"{where}: {allowed.path!r} has no reason.", hint="Write why.")
    for id, level in settings.rules.items():
        if id not in RULES:
            raise StartError(f"{where}: there is no rule {id!r}.", hint=_did_you_mean(id, RULES))
        if level not in LEVELS:
            raise StartError(f"{where}: {id} is {level!r}.", hint=f"One of {', '.join(LEVELS)}.")
    return settings


def _did_you_mean(word: str, known: Any) -> str:
    close = get_close_matches(word, list(known), 1)
    return f"Did you mean {close[0]!r}?" if close else f"There is: {', '.join(known)}."
