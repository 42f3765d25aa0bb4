"""
An export: one snapshot of a database as a file, beside its running owner or without it.

Sealed columns stay sealed, and Freehold's own tables stay out. The file is whole or not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

import msgspec

from freehold.app.copying.file_side import file_source
from freehold.app.copying.parts import META_TABLE, Part, Source, parts_of
from freehold.app.declaration import App, Database
from freehold.app.moving.jsonl import FORMAT, Header, TableHeader, written
from freehold.app.moving.refusals import ExportRefused
from freehold.app.moving.run import Progress
from freehold.app.moving.sql_text import closing, opening, row_writer
from freehold.app.moving.whole_file import whole_file
from freehold.app.opening import Options, secrets_folder
from freehold.app.places import Place, places
from freehold.app.secrets import find_secrets
from freehold.crypto import KeyRing, SealError, open_sealed
from freehold.crypto import Place as SealedPlace
from freehold.errors import KeysMissing
from freehold.schema import Field

Format = Literal["sql", "jsonl"]
Dialect = Literal["sqlite", "postgresql"]
OnProgress = Callable[[Progress], None]
_ENCODE: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Given:
    """
    What an export is to be.

    Args:
        format: SQL, or a line of JSON for each row.
        dialect: Of SQL: whose.
        tables: Only these; all when empty.
        is_revealed: Sealed columns are opened.
        may_replace: A file that is there is replaced.
    """

    format: Format = "jsonl"
    dialect: Dialect = "sqlite"
    tables: tuple[str, ...] = ()
    is_revealed: bool = False
    may_replace: bool = False


@dataclass
class Exported:
    """What was written: which commit it shows, and how many rows each table has in it."""

    database: str
    place: str
    path: Path | None
    seq: int
    is_revealed: bool
    tables: dict[str, int] = field(default_factory=dict)


def export_file(
    app: App,
    declared: Database,
    path: Path | None,
    *,
    given: Given | None = None,
    options: Options | None = None,
    on_progress: OnProgress = lambda _: None,
) -> Exported:
    """
    Write one database of an application to a file.

    Args:
        app: The application.
        declared: Which of its databases.
        path: The file; None is standard output.
        given: What it is to be.
        options: The folder, clock and ids that the application is opened with.
        on_progress: Told as rows go.

    Raises:
        ExportRefused: There is no such table, a sealed value does not open, the disk refuses.
        StartError: The database cannot be read.
    """
    given = given or Given()
    options = options or Options()
    place = places(app, options.folder, options.database)[declared.name]
    is_first = next(iter(app.databases)) == declared.name
    parts = _chosen(declared, given)
    ring = _ring(app, options, place) if given.is_revealed else None
    shown = str(place) if isinstance(place, Path) else place.shown
    with _reading(declared, place, options, is_first=is_first) as source:
        exported = Exported(declared.name, shown, path, _seq(source), given.is_revealed)
        counts = {part.table: source.count(part) for part in parts}
        with whole_file(path, may_replace=given.may_replace) as file:
            writing = _Writing(app, declared, source, ring=ring, file=file)
            heads = {part.table: _head(declared, part, counts[part.table]) for part in parts}
            header = Header(
                freehold="export", format=FORMAT, app=app.name, database=declared.name,
                seq=exported.seq, engine="sqlite" if isinstance(place, Path) else "postgresql",
                sealed="revealed" if given.is_revealed else "kept", tables=heads,
                version=app.version,
            )  # fmt: skip
            write = writing.lines if given.format == "jsonl" else writing.sql
            for part, rows in write(header, parts, given.dialect):
                exported.tables[part.table] = rows
                on_progress(Progress(part.table, rows, counts[part.table]))
    return exported


class _Writing:
    """A file that is being written from one snapshot."""

    def __init__(
        self, app: App, declared: Database, source: Source, *, ring: KeyRing | None, file: BinaryIO
    ) -> None:
        self._app = app
        self._declared = declared
        self._source = source
        self._ring = ring
        self._file = file

    def lines(self, header: Header, parts: list[Part], _: Dialect) -> Iterator[tuple[Part, int]]:
        """A line for each row; tells how far it is."""
        self._file.write(_ENCODE(header) + b"\n")
        totals = {}
        for part in parts:
            kinds = list(header.tables[part.table].columns.values())
            bent = [n for n, kind in enumerate(kinds) if kind in ("bool", "int64", "bytes")]
            total = 0
            yield part, total
            for rows in self._rows(part):
                lines = []
                for row in rows:
                    for n in bent:
                        row[n] = written(kinds[n], row[n])
                    said = dict(zip(part.columns, row, strict=True))
                    lines.append(_ENCODE({"table": part.table, "row": said}))
                lines.append(b"")
                self._file.write(b"\n".join(lines))
                total += len(rows)
                yield part, total
            totals[part.table] = total
        self._file.write(_ENCODE({"end": totals}) + b"\n")

    def sql(
        self, header: Header, parts: list[Part], dialect: Dialect
    ) -> Iterator[tuple[Part, int]]:
        """Statements; tells how far it is."""
        schema = self._declared.schema
        names = [part.table for part in parts]
        about = f"-- {header.app}, database {header.database}, commit {header.seq}, for {dialect}\n"
        self._file.write(about.encode())
        self._statements(opening(schema, names, dialect))
        for part in parts:
            insert, total = row_writer(part.table, part.columns, dialect), 0
            yield part, total
            for rows in self._rows(part):
                self._file.write("".join([insert(row) for row in rows]).encode())
                total += len(rows)
                yield part, total
        counters = {part.table: self._source.counter(part) for part in parts if part.counted}
        self._statements(closing(schema, names, dialect, counters=counters))

    def _statements(self, statements: Iterator[str]) -> None:
        for statement in statements:
            self._file.write(f"{statement};\n".encode())

    def _rows(self, part: Part) -> Iterator[list[list[Any]]]:
        fields = _fields(self._declared, part)
        sealed = [n for n, each in enumerate(fields) if each.kind.is_sealed]
        keys = [part.columns.index(name) for name in part.key]
        for rows in self._source.rows(part):
            found = [list(row) for row in rows]
            if self._ring is not None:
                for row in found:
                    for n in sealed:
                        if row[n] is not None:
                            key = tuple(row[k] for k in keys)
                            row[n] = self._opened(part, part.columns[n], key=key, text=row[n])
            yield found

    def _opened(self, part: Part, column: str, *, key: tuple[Any, ...], text: str) -> str:
        place = SealedPlace(self._declared.name, part.table, column, key)
        try:
            if self._ring is not None:
                return open_sealed(self._ring, text, place)
        except (SealError, KeysMissing):
            pass
        raise ExportRefused(
            f"a value of {part.table}.{column} does not open.",
            hint="`freehold secrets status` tells which keys are needed. No file was written.",
        )


def _chosen(declared: Database, given: Given) -> list[Part]:
    parts = [part for part in parts_of(declared, is_first=False)
             if not part.is_own and part.table in declared.schema.metadata.tables]  # fmt: skip
    known = [part.table for part in parts]
    for name in given.tables:
        if name not in known:
            raise ExportRefused(f"{declared.name} has no table {name!r}.",
                                hint=f"It has {', '.join(known)}.")  # fmt: skip
    return [part for part in parts if not given.tables or part.table in given.tables]


def _fields(declared: Database, part: Part) -> list[Field]:
    record = declared.schema.by_table[part.table.lower()]
    by_column = {each.column: each for each in record.__fields__}
    return [by_column[column] for column in part.columns]


def _head(declared: Database, part: Part, rows: int) -> TableHeader:
    kinds = {each.column: each.kind.name for each in _fields(declared, part)}
    return TableHeader({str(c): kinds[c] for c in part.columns}, [*map(str, part.key)], rows)


def _seq(source: Source) -> int:
    (((seq,),),) = source.rows(Part(META_TABLE, ("seq",), ("id",)))
    return int(seq)


def _reading(
    declared: Database, place: Place, options: Options, *, is_first: bool
) -> AbstractContextManager[Source]:
    options = replace(options, upgrade="refuse")
    if isinstance(place, Path):
        return file_source(declared, place, options, is_first=is_first, while_served=True)
    from freehold.app.copying.server_side import server_source

    return server_source(declared, place, options, is_first=is_first, while_served=True)


def _ring(app: App, options: Options, place: Place) -> KeyRing:
    folder = secrets_folder(options, place)
    return find_secrets(app, folder, may_create=False, clock=options.clock, ids=options.ids).ring
