"""
Reading text of no particular language: addresses of databases, and their own command lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from freehold.guard.findings import Place
from freehold.guard.vocabulary import ADDRESS, COMMAND, DATABASE_FILE, DATABASE_VARIABLE

_ASSIGNMENT: Final = re.compile(r"\s*(?:export\s+)?(?P<name>[A-Za-z_][\w.]*)\s*=\s*(?P<value>.*)")
_PAIR: Final = re.compile(r"[\"']?(?P<name>[A-Z_][A-Z0-9_]*)[\"']?\s*[:=]\s*[\"']?[^\s\"'#]")
_COMMENT: Final = re.compile(r"\s*(?:#|//|;|--)")


def read_text(text: str) -> Iterator[Place]:
    """The places of a file of settings: addresses, outside comments."""
    for number, line in enumerate(text.splitlines(), 1):
        if not _COMMENT.match(line):
            yield from addresses(line, number)


def read_pairs(text: str) -> Iterator[Place]:
    """The places of keys and values: addresses, and variables that name a database."""
    for number, line in enumerate(text.splitlines(), 1):
        if _COMMENT.match(line):
            continue
        found = list(addresses(line, number))
        yield from found
        for pair in _PAIR.finditer(line) if not found else ():
            if DATABASE_VARIABLE.fullmatch(pair["name"]):
                what = pair["name"]
                yield Place("env-variable", number, pair.start("name") + 1, what, f"{what}: …")


def read_script(text: str) -> Iterator[Place]:
    """The places of a script: addresses, and programs that open a database."""
    for number, line in enumerate(text.splitlines(), 1):
        if _COMMENT.match(line):
            continue
        yield from addresses(line, number)
        yield from commands(line, number)


def read_environment(text: str) -> Iterator[Place]:
    """The places of an environment file: variables that name a database."""
    for number, line in enumerate(text.splitlines(), 1):
        if _COMMENT.match(line):
            continue
        found = _ASSIGNMENT.match(line)
        if found is None:
            continue
        value = found["value"].strip().strip("\"'")
        names_one = DATABASE_VARIABLE.fullmatch(found["name"].upper())
        if value and (names_one or ADDRESS.search(value) or DATABASE_FILE.fullmatch(value)):
            column = found.start("name") + 1
            # The value of a password is one whatever it looks like.
            text_shown = None if ADDRESS.search(value) else f"{found['name']}=…"
            yield Place("env-variable", number, column, found["name"], text_shown)


def addresses(line: str, number: int, *, column: int = 1) -> Iterator[Place]:
    """The addresses in a line."""
    for found in ADDRESS.finditer(line):
        scheme = found[0].split(":")[0]
        yield Place("connection-string", number, found.start() + column, f"{scheme}://…")


def commands(line: str, number: int, *, column: int = 1) -> Iterator[Place]:
    """The programs in a line of a script that open a database."""
    for found in COMMAND.finditer(line):
        what = " ".join(found["program"].split())
        yield Place("command-line-client", number, found.start("program") + column, what)
