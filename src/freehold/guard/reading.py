"""
Reading one file: by its kind, to its places, or to the reason why it could not be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from freehold.guard.bindings import read_package, read_prisma, read_values, read_worker
from freehold.guard.compose import read_compose
from freehold.guard.documents import Entry, entries
from freehold.guard.doors import Doors
from freehold.guard.findings import NotRead, Place
from freehold.guard.globs import Globs
from freehold.guard.grammars import GrammarMissing, NotWellFormed
from freehold.guard.kinds import Kind, grammar_of, language_of
from freehold.guard.python import decoded, read_python
from freehold.guard.script import read_script as read_javascript
from freehold.guard.text import read_environment, read_pairs, read_script, read_text

INSTALL: Final = "Install what reads it: pip install 'freehold[guard]'."
_EXCLUDE: Final = "Mend it, or exclude it with a reason."
_SCRIPT_TAG: Final = re.compile(
    rb"<script\b(?P<attributes>[^>]*)>(?P<body>.*?)</script\s*>", re.IGNORECASE | re.DOTALL
)
_NO_PROGRAM: Final = re.compile(rb"type\s*=\s*[\"']?(?!module|text/(?:java|type)script)\w", re.I)
_FENCE: Final = re.compile(rb"\A---\r?\n(?P<body>.*?)\r?\n---", re.DOTALL)
_MAGIC: Final = re.compile(r"^(\s*)([%!?])", re.MULTILINE)


@dataclass(frozen=True)
class Ground:
    """What readers know of the repository around a file."""

    doors: Doors
    data_layer: Globs
    bindings: frozenset[str]
    services: frozenset[str]


@dataclass
class Reading:
    """
    What reading one file gave.

    Args:
        not_read: Why not all of it was read; there may be places all the same.
    """

    places: list[Place]
    lines: list[str]
    text: str = ""
    not_read: NotRead | None = None


def read_file(path: str, kind: Kind, content: bytes, *, ground: Ground) -> Reading:
    """The places of a file; never raises for what is in it."""
    try:
        text = decoded(content) if kind == "python" else content.decode("utf-8-sig")
    except (UnicodeDecodeError, SyntaxError, LookupError):
        return _unread(path, "it is not in UTF-8, or in no encoding that it names", _EXCLUDE)
    reading = Reading([], text.splitlines(), text)
    if kind == "unknown":
        said = f"it is {language_of(path)}, which the guard does not read"
        reading.not_read = NotRead(path, said, "Look at it, and exclude it with a reason.")
        return reading
    try:
        for place in _places(path, kind, text, ground):
            reading.places.append(_in_characters(place, kind, reading.lines))
    except GrammarMissing:
        language = grammar_of(path, kind) or kind
        reading.not_read = NotRead(path, f"the grammar of {language} is not installed", INSTALL)
    except NotWellFormed as error:
        said = f"line {error} is no {_called(kind)} that the guard understands"
        reading.not_read = NotRead(path, said, _EXCLUDE)
    except SyntaxError as error:
        said = f"line {error.lineno or 1} is no Python of this version: {error.msg}"
        reading.not_read = NotRead(path, said, _EXCLUDE)
    except (RecursionError, MemoryError, ValueError):
        reading.not_read = NotRead(path, "it is of an absurd depth or form", _EXCLUDE)
    return reading


def _unread(path: str, reason: str, next_step: str) -> Reading:
    return Reading([], [], "", NotRead(path, reason, next_step))


def _called(kind: Kind) -> str:
    named: dict[Kind, str] = {
        "typescript": "TypeScript", "tsx": "TypeScript", "javascript": "JavaScript",
        "page": "script of a page", "worker": "settings of a worker", "package": "JSON",
        "json": "JSON", "toml": "TOML", "yaml": "YAML", "compose": "YAML", "notebook": "notebook",
    }  # fmt: skip
    return named.get(kind, kind)


def _places(path: str, kind: Kind, text: str, ground: Ground) -> Iterator[Place]:
    match kind:
        case "python":
            yield from read_python(text, path, ground.doors)
        case "typescript" | "tsx" | "javascript":
            yield from _javascript(path, kind, text.encode(), ground)
        case "page":
            yield from _page(path, text.encode(), ground)
        case "notebook":
            yield from _notebook(path, entries("json", text.encode()), ground)
        case "json" | "toml" | "yaml":
            yield from _any_document(path, kind, text)
        case "worker" | "package" | "compose":
            yield from _document(path, kind, entries(grammar_of(path, kind) or "", text.encode()),
                                 ground)  # fmt: skip
        case "prisma":
            yield from read_prisma(text)
        case "environment":
            yield from read_environment(text)
        case "script":
            yield from read_script(text)
        case _:
            yield from read_text(text)


def _javascript(path: str, grammar: str, content: bytes, ground: Ground) -> Iterator[Place]:
    return read_javascript(content, path, ground.doors, grammar=grammar, bindings=ground.bindings)


def _document(path: str, kind: Kind, values: list[Entry], ground: Ground) -> Iterator[Place]:
    if kind == "worker":
        return read_worker(values)
    if kind == "package":
        return read_package(values)
    return read_compose(values, path, data_layer=ground.data_layer, services=ground.services)


def _any_document(path: str, kind: Kind, text: str) -> Iterator[Place]:
    """Nothing runs in it: one too large, or with a template's braces, is read line by line."""
    try:
        values = entries(grammar_of(path, kind) or "", text.encode())
    except GrammarMissing:
        if kind == "yaml":
            raise
        # Their keys and values are plain enough; a pipeline's steps in YAML are not.
        yield from read_pairs(text.replace("\\/", "/"))
    except NotWellFormed:
        yield from read_pairs(text.replace("\\/", "/"))
    else:
        yield from read_values(values)


def _page(path: str, content: bytes, ground: Ground) -> Iterator[Place]:
    """The scripts of a page, at their places: all around them is blank."""
    blank = bytearray(re.sub(rb"[^\r\n]", b" ", content))
    fence = _FENCE.match(content) if path.endswith(".astro") else None
    found = [fence] if fence else []
    found += [m for m in _SCRIPT_TAG.finditer(content) if not _NO_PROGRAM.search(m["attributes"])]
    for match in found:
        start, end = match.span("body")
        # A script of its own: names may be said twice.
        page = bytearray(blank)
        page[start:end] = content[start:end]
        yield from _javascript(path, "typescript", bytes(page), ground)


def _notebook(path: str, values: list[Entry], ground: Ground) -> Iterator[Place]:
    """The cells of a notebook; a line of one is a line of the file."""
    kinds = {e.path[1]: e.value for e in values if e.path[2:] == ("cell_type",)}
    cells: dict[str, list[Entry]] = {}
    for entry in values:
        if entry.path[:1] == ("cells",) and entry.path[2:3] == ("source",) and entry.value:
            cells.setdefault(entry.path[1], []).append(entry)
    for number, lines in cells.items():
        if kinds.get(number) != "code":
            continue
        said = "".join(_unescaped(line.value or "") for line in lines)
        if said.startswith("%%"):
            said = "#" + said.replace("\n", "\n#")
        said = _MAGIC.sub(r"\1#", said)
        for place in read_python(said, path, ground.doors):
            at = lines[min(place.line, len(lines)) - 1]
            yield replace(place, line=at.line, column=at.column)


def _unescaped(text: str) -> str:
    return msgspec.json.decode(f'"{text}"', type=str)


def _in_characters(place: Place, kind: Kind, lines: list[str]) -> Place:
    """Grammars count bytes; people count characters."""
    if kind in ("python", "notebook", "prisma", "environment", "script", "settings"):
        return place
    line = lines[place.line - 1] if 0 < place.line <= len(lines) else ""
    if line.isascii():
        return place
    before = line.encode()[: place.column - 1]
    return replace(place, column=len(before.decode(errors="replace")) + 1)
