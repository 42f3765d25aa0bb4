"""
The statements of a SQL file, one after the other, each with its line; never the whole file.

A statement is found by its quotes and comments alone and is not understood here.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import apsw

from freehold.app.moving.refusals import SourceUnreadable

#: Bytes of one statement: what one row of a database that a service used can need.
STATEMENT_MAX: Final = 64 * 1024 * 1024
_CHUNK: Final = 1024 * 1024
_STATEMENT: Final = re.compile(
    r"""(?: [^'"`\[;/-]++ | '[^']*+' | "[^"]*+" | `[^`]*+` | \[[^\]]*+\]
        | --[^\n]*+\n | /\*(?:[^*]|\*(?!/))*+\*/ | -(?!-) | /(?!\*) )*+ ;""",
    re.VERBOSE,
)
#: In front of a statement.
_BLANK: Final = re.compile(r"(?:\s++|--[^\n]*+(?:\n|$)|/\*(?:[^*]|\*(?!/))*+\*/|;)*+")
_TRIGGER: Final = re.compile(r"CREATE\s+(?:TEMP\w*\s+)?TRIGGER\b", re.IGNORECASE)
_OTHER_ENCODINGS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def text_of(file: BinaryIO, path: Path) -> Iterator[str]:
    """
    A file's text, a piece at a time.

    Raises:
        SourceUnreadable: It is not UTF-8; says in which line.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    line, is_first = 1, True
    while True:
        raw = file.read(_CHUNK)
        if is_first and raw.startswith(_OTHER_ENCODINGS):
            raise SourceUnreadable(
                f"{path} is UTF-16.", hint="Write it as UTF-8: iconv -f UTF-16 -t UTF-8."
            )
        if is_first:
            raw = raw.removeprefix(codecs.BOM_UTF8)
        is_first = False
        try:
            text = decoder.decode(raw, final=not raw)
        except UnicodeDecodeError as error:
            line += error.object[: error.start].count(b"\n")
            raise SourceUnreadable(
                f"{path}, line {line}: the byte 0x{error.object[error.start]:02x} is no UTF-8.",
                hint="Export it again, or write it as UTF-8 with iconv.",
            ) from None
        if "\0" in text:
            line += text[: text.index("\0")].count("\n")
            raise SourceUnreadable(f"{path}, line {line}: there is a NUL character.",
                                   hint="No text of a database holds one.")  # fmt: skip
        if not raw:
            return
        line += text.count("\n")
        yield text


def statements(pieces: Iterator[str], path: Path) -> Iterator[tuple[int, str]]:
    """
    Each statement with the line that it begins in.

    Raises:
        SourceUnreadable: The last one does not end, or one is too long.
    """
    buffer, line, wanted = "", 1, 0
    for piece in pieces:
        buffer += piece
        if len(buffer) < wanted:
            continue
        place = 0
        while True:
            blank = _BLANK.match(buffer, place)
            start = blank.end() if blank else place
            found = _whole(buffer, start)
            if found is None:
                break
            line += buffer.count("\n", place, start)
            yield line, buffer[start:found]
            line += buffer.count("\n", start, found)
            place = found
        buffer = buffer[place:]
        # A long statement is looked at again only when there is twice as much of it.
        wanted = 2 * len(buffer)
        if len(buffer) > STATEMENT_MAX:
            raise SourceUnreadable(
                f"{path}, line {line}: a statement is longer than {STATEMENT_MAX} bytes.",
                hint="No row of a database that served calls is as long.",
            )
    yield from _rest(buffer, line, path)


def _rest(buffer: str, line: int, path: Path) -> Iterator[tuple[int, str]]:
    """What is behind the last piece: nothing but blanks, or statements that were waiting."""
    place = 0
    while True:
        blank = _BLANK.match(buffer, place)
        start = blank.end() if blank else place
        found = _whole(buffer, start)
        line += buffer.count("\n", place, start)
        if found is None:
            break
        yield line, buffer[start:found]
        line += buffer.count("\n", start, found)
        place = found
    if start < len(buffer):
        raise SourceUnreadable(
            f"{path} ends in the middle of a statement that begins in line {line}: it was cut off.",
            hint="Export it again, and see that the whole file is copied.",
        )


def _whole(buffer: str, start: int) -> int | None:
    """Where the statement ends that begins there; a trigger holds statements of its own."""
    found = _STATEMENT.match(buffer, start)
    if found is None or not _TRIGGER.match(buffer, start):
        return found.end() if found else None
    while found is not None and not apsw.complete(buffer[start : found.end()]):
        found = _STATEMENT.match(buffer, found.end())
    return found.end() if found else None
