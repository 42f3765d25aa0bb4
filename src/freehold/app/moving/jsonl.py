"""
The lines of an export: a header, a line for each row, and a last one that says it is whole.

    {"freehold":"export","format":1,"app":"notes","database":"main","seq":7,"engine":"sqlite",
     "sealed":"kept","tables":{"notes":{"columns":{"id":"str",…},"key":["id"],"rows":2}}}
    {"table":"notes","row":{"id":"a","text":"hello"}}
    {"end":{"notes":2}}

A value stands as its column's type has it: bytes as base64, an int64 as a decimal text, JSON as
the text that is stored. NULL is null; a column that is not in the header is not in the rows.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from freehold.app.moving.refusals import SourceUnreadable
from freehold.app.moving.scratch import Scratch
from freehold.app.moving.source import CHUNK, SourceTable, is_inner
from freehold.app.moving.statements import STATEMENT_MAX
from freehold.schema.sqltext import quoted

FORMAT: Final = 1
_HOW: Final = "Export it again with this version: freehold export --format jsonl."


class TableHeader(msgspec.Struct):
    """A table in the header: its columns with their kinds, its key, and how many rows follow."""

    columns: dict[str, str]
    key: list[str]
    rows: int


class Header(msgspec.Struct):
    """The first line."""

    freehold: str
    format: int
    app: str
    database: str
    seq: int
    engine: str
    sealed: str
    tables: dict[str, TableHeader]
    version: str = ""


class _Line(msgspec.Struct):
    table: str | None = None
    row: dict[str, Any] | None = None
    end: dict[str, int] | None = None


def is_jsonl(path: Path) -> bool:
    """Whether the file begins as an export of lines does."""
    with path.open("rb") as file:
        return file.read(1) == b"{"


def written(kind: str, value: Any) -> Any:
    """An engine's value as it stands in a line."""
    if value is None:
        return None
    if kind == "bool":
        return bool(value)
    if kind == "int64":
        return str(value)
    if kind == "bytes":
        return base64.b64encode(value).decode()
    return value


def _engine(kind: str, value: Any) -> Any:
    """What stands in a line as the engine has it."""
    if kind == "bool" and type(value) is bool:
        return int(value)
    if kind == "int64" and type(value) is str:
        return int(value)
    if kind == "float" and type(value) is int:
        return float(value)
    if kind == "bytes" and type(value) is str:
        return base64.b64decode(value, validate=True)
    if isinstance(value, (bool, list, dict)):
        raise ValueError
    return value


def read_jsonl(path: Path, wants: Callable[[str], bool]) -> Scratch:
    """
    Read an export of lines.

    Args:
        path: The file.
        wants: Which tables' rows are kept.

    Raises:
        SourceUnreadable: It was cut off, or says what no export says; names the line.
    """
    scratch = Scratch(path, "JSONL", wants)
    try:
        with path.open("rb") as file:
            _Reading(scratch, path).read(file)
    except BaseException:
        scratch.close()
        raise
    scratch.done()
    return scratch


class _Reading:
    """A file on its way into the scratch database."""

    def __init__(self, scratch: Scratch, path: Path) -> None:
        self._scratch = scratch
        self._path = path
        self._line = 0
        self._decode = msgspec.json.Decoder(_Line).decode
        self._waiting: dict[str, list[tuple[Any, ...]]] = {}
        self._ended: dict[str, int] | None = None

    def read(self, file: BinaryIO) -> None:
        """All of it."""
        lines = self._lines(file)
        header = self._header(next(lines, b""))
        for name, table in header.tables.items():
            self._scratch.add_table(name, [(column, "BLOB") for column in table.columns])
        for raw in lines:
            if self._ended is not None:
                raise self._refused("there is more behind the end", _HOW)
            self._take(raw, header)
        for name in self._waiting:
            self._flush(name)
        self._require_whole(header)

    def _lines(self, file: BinaryIO) -> Iterator[bytes]:
        while raw := file.readline(STATEMENT_MAX):
            self._line += 1
            if len(raw) >= STATEMENT_MAX:
                raise self._refused(f"it is longer than {STATEMENT_MAX} bytes", _HOW)
            if raw.strip():
                yield raw

    def _header(self, raw: bytes) -> Header:
        try:
            header = msgspec.json.decode(raw, type=Header)
        except (msgspec.DecodeError, UnicodeDecodeError):
            header = None
        if header is None or header.freehold != "export":
            raise self._refused("it is no header of an export", _HOW)
        if header.format != FORMAT:
            raise self._refused(f"the export has format {header.format}, not {FORMAT}", _HOW)
        self._scratch.about.is_revealed = header.sealed == "revealed"
        return header

    def _take(self, raw: bytes, header: Header) -> None:
        try:
            line = self._decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._refused(
                f"it is no JSON of an export: {str(error)[:80].rstrip('.')}",
                "The file was cut off or changed. " + _HOW,
            ) from None
        if line.end is not None:
            self._ended = line.end
            return
        table = header.tables.get(line.table or "")
        if table is None or line.row is None:
            raise self._refused("it names no table of the header", _HOW)
        name = str(line.table)
        if line.row.keys() != table.columns.keys():
            wrong = sorted(line.row.keys() ^ table.columns.keys())
            raise self._refused(
                f"the row of {name} and the header differ in {', '.join(wrong)[:80]}",
                "Each row has every column of the header; a missing value is null.",
            )
        found = self._scratch.by_name[name.lower()]
        self._scratch.add_lines(found, self._line, 1)
        if self._scratch.wants(name) and not is_inner(name):
            waiting = self._waiting.setdefault(name, [])
            waiting.append(self._row(name, table, line.row))
            if len(waiting) >= CHUNK:
                self._flush(name)

    def _row(self, name: str, table: TableHeader, row: dict[str, Any]) -> tuple[Any, ...]:
        values = []
        for column, kind in table.columns.items():
            try:
                values.append(_engine(kind, row[column]))
            except (ValueError, binascii.Error):
                raise self._refused(
                    f"{name}.{column} is no {kind} as an export writes it", _HOW
                ) from None
        return tuple(values)

    def _flush(self, name: str) -> None:
        rows = self._waiting[name]
        if not rows:
            return
        self._scratch.fresh_look()
        marks = ", ".join("?" * len(rows[0]))
        sql = f"INSERT INTO {quoted(name)} VALUES ({marks})"  # noqa: S608 - quoted
        try:
            self._scratch.connection.executemany(sql, rows)
        except (OverflowError, UnicodeEncodeError):
            raise self._refused("a row before it holds what no engine stores", _HOW) from None
        rows.clear()

    def _require_whole(self, header: Header) -> None:
        """
        See that everything that was promised is there.

        Raises:
            SourceUnreadable: It is not.
        """
        if self._ended is None:
            raise SourceUnreadable(
                f"{self._path} has no last line that says it is whole: it was cut off.",
                hint="Export it again, and see that the whole file is copied.",
            )
        for name, table in header.tables.items():
            found: SourceTable = self._scratch.by_name[name.lower()]
            if not found.rows == table.rows == self._ended.get(name):
                raise SourceUnreadable(
                    f"{self._path} holds {found.rows} rows of {name} and promises {table.rows}.",
                    hint="Lines are missing or were added. " + _HOW,
                )

    def _refused(self, why: str, hint: str) -> SourceUnreadable:
        return SourceUnreadable(f"{self._path}, line {self._line}: {why}.", hint=hint)
