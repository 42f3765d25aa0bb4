"""
Reading compose files: which containers are given the database's address, file or folder.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from freehold.guard.documents import Entry, merged
from freehold.guard.findings import Place
from freehold.guard.globs import Globs
from freehold.guard.text import addresses
from freehold.guard.vocabulary import ADDRESS, DATABASE_FILE, DATABASE_VARIABLE

#: A container that is the database has its own address and its own folder.
_DATABASE_IMAGE: Final = re.compile(
    r"(?:[\w.:-]+/)*(?:postgres|postgresql|postgis|pgvector|timescaledb(?:-ha)?|mysql|mariadb|"
    r"percona|mssql/server|mssql-server|cockroach|yugabyte|libsql-server|sqld|pgbouncer|supabase-postgres)"
    r"(?:[:@][\w.@:-]+)?"
)
_SERVES: Final = re.compile(r"\bfreehold\b.*\b(?:serve|dev)\b")


@dataclass
class _Service:
    name: str
    image: str = ""
    build: str = ""
    command: list[str] = field(default_factory=list)
    environment: list[tuple[str, str, Entry]] = field(default_factory=list)
    volumes: list[tuple[str, str, Entry]] = field(default_factory=list)


def read_compose(
    entries: Iterable[Entry], path: str, *, data_layer: Globs, services: frozenset[str]
) -> Iterator[Place]:
    """
    The places of a compose file.

    Args:
        path: Where the file is; the folders that images are built in are relative to it.
        data_layer: Paths of the data layer; a container built there is it.
        services: Names of services that are the data layer.
    """
    found = _services(entries)
    folder = posixpath.dirname(path)
    owners = {
        name
        for name, each in found.items()
        if name in services
        or _SERVES.search(" ".join(each.command))
        or (each.build and data_layer.match(posixpath.normpath(posixpath.join(folder, each.build))))
    }
    servers = {
        name for name, each in found.items() if _DATABASE_IMAGE.fullmatch(each.image)
    } - owners
    held = {source for name in owners for source, _, _ in found[name].volumes if source}
    held |= {source for name in servers for source, _, _ in found[name].volumes if source}
    for name, each in found.items():
        if name not in owners and name not in servers:
            yield from _variables(each)
            yield from _mounts(each, held)


def _services(entries: Iterable[Entry]) -> dict[str, _Service]:
    found: dict[str, _Service] = {}
    long_form: dict[tuple[str, ...], dict[str, tuple[str, Entry]]] = {}
    for entry in entries:
        path = merged(entry.path)
        if len(path) < 3 or path[0] != "services" or entry.value is None:
            continue
        each = found.setdefault(path[1], _Service(path[1]))
        key, rest = path[2], path[3:]
        if key == "image":
            each.image = entry.value
        elif key == "build" and rest in ((), ("context",)):
            each.build = entry.value
        elif key in ("command", "entrypoint"):
            each.command.append(entry.value)
        elif key == "environment" and len(rest) == 1:
            name, _, value = entry.value.partition("=") if rest[0].isdigit() else (
                rest[0], "", entry.value)  # fmt: skip
            each.environment.append((name, value, entry))
        elif key == "volumes" and len(rest) == 1:
            source, _, behind = entry.value.partition(":")
            each.volumes.append((_folder(source), behind.split(":")[0], entry))
        elif key == "volumes" and len(rest) == 2:
            long_form.setdefault(path[:4], {})[rest[1]] = (entry.value, entry)
    for path, parts in long_form.items():
        if "source" in parts:
            target = parts.get("target", ("", parts["source"][1]))[0]
            source, entry = parts["source"]
            found[path[1]].volumes.append((_folder(source), target, entry))
    return found


def _folder(source: str) -> str:
    return posixpath.normpath(source) if source else ""


def _variables(each: _Service) -> Iterator[Place]:
    for name, value, entry in each.environment:
        if DATABASE_VARIABLE.fullmatch(name) or ADDRESS.search(value):
            has_address = any(addresses(value, 1))
            text = f"{name}={value}" if has_address else f"{name}=…"
            yield Place("compose-variable", entry.line, entry.column, f"{each.name}: {name}", text)


def _mounts(each: _Service, held: set[str]) -> Iterator[Place]:
    for source, target, entry in each.volumes:
        is_file = DATABASE_FILE.fullmatch(source) or DATABASE_FILE.fullmatch(target)
        is_held = any(_is_within(source, other) or _is_within(other, source) for other in held)
        if is_file or (source and is_held):
            yield Place("compose-volume", entry.line, entry.column, f"{each.name}: {source}")


def _is_within(inner: str, outer: str) -> bool:
    return inner == outer or inner.startswith(f"{outer}/")
