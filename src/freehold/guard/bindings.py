"""
Reading settings: a worker's bindings, a package's dependencies, a Prisma schema, other addresses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from freehold.guard.documents import Entry
from freehold.guard.findings import Place
from freehold.guard.text import addresses, commands
from freehold.guard.vocabulary import DATABASE_VARIABLE, js_kind

_TABLES: Final = ("d1_databases", "hyperdrive")
_DEPENDENCIES: Final = ("dependencies", "optionalDependencies", "peerDependencies")
#: Keys of pipelines and task files whose values are run.
_STEPS: Final = frozenset({"run", "script", "command", "cmd", "before_script", "after_script"})
_DATASOURCE: Final = re.compile(r"^[ \t]*datasource\s+(\w+)\s*\{", re.MULTILINE)


def read_worker(entries: Iterable[Entry]) -> Iterator[Place]:
    """The databases that a worker's settings (wrangler) bind, in each of its environments."""
    every = list(entries)
    names = {entry.path[:-1]: entry.value for entry in every if entry.path[-1:] == ("binding",)}
    for entry in every:
        depth = 2 if entry.path[:1] == ("env",) else 0
        inner = entry.path[depth:]
        if len(inner) == 2 and inner[0] in _TABLES and entry.value is None:
            name = names.get(entry.path)
            what = f"{inner[0]} {name}" if name else inner[0]
            yield Place("worker-binding", entry.line, entry.column, what, what)
    yield from read_values(every)


def binding_names(entries: Iterable[Entry]) -> set[str]:
    """What the databases of a worker's settings are bound to."""
    return {
        entry.value
        for entry in entries
        if entry.value and entry.path[-1] == "binding" and entry.path[-3:-2] in
        [(name,) for name in _TABLES]
    }  # fmt: skip


def read_package(entries: Iterable[Entry]) -> Iterator[Place]:
    """A package's drivers and ORMs, and the programs in its scripts."""
    for entry in entries:
        if len(entry.path) != 2 or entry.value is None:
            continue
        group, name = entry.path
        if group in _DEPENDENCIES and js_kind(name):
            yield Place("package-driver", entry.line, entry.column, name)
        elif group == "scripts":
            for found in commands(entry.value, entry.line):
                yield Place(found.rule, entry.line, entry.column, found.what)
        yield from _address(entry)


def read_values(entries: Iterable[Entry]) -> Iterator[Place]:
    """Addresses, variables that name a database, and programs, in any settings."""
    for entry in entries:
        found = list(_address(entry))
        yield from found
        key = entry.path[-1] if entry.path else ""
        if entry.value and not found and DATABASE_VARIABLE.fullmatch(key):
            yield Place("env-variable", entry.line, entry.column, key, f"{key}: …")
        if key in _STEPS and entry.value:
            for line in entry.value.splitlines():
                for each in commands(line, entry.line):
                    yield Place(each.rule, entry.line, entry.column, each.what, line)


def read_prisma(text: str) -> Iterator[Place]:
    """The datasources of a Prisma schema."""
    for found in _DATASOURCE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        column = len(found[0]) - len(found[0].lstrip()) + 1
        yield Place("prisma-datasource", line, column, f"datasource {found[1]}")
    for number, line_text in enumerate(text.splitlines(), 1):
        if not line_text.lstrip().startswith("//"):
            yield from addresses(line_text, number)


def _address(entry: Entry) -> Iterator[Place]:
    for found in addresses(entry.value or "", entry.line, column=entry.column):
        said = (entry.value or "")[found.column - entry.column :]
        yield Place(found.rule, entry.line, entry.column, found.what, said)
        return
