"""
The order of an import: the database is owned, the file read, all rows put into one mutation,
counted, and committed; or nothing was done.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from freehold.access import LOCAL
from freehold.app.declaration import App, Database
from freehold.app.moving.dump import read_dump
from freehold.app.moving.fitting import Fit, Wishes, fit
from freehold.app.moving.jsonl import is_jsonl, read_jsonl
from freehold.app.moving.loading import Loader, Moved
from freehold.app.moving.refusals import NOTHING_IMPORTED, ImportRefused, SourceUnreadable
from freehold.app.moving.source import Source, SourceTable, is_inner
from freehold.app.moving.sqlite_file import SqliteFile, is_sqlite, require_unowned
from freehold.app.moving.values import Opened, Seals
from freehold.app.opening import OpenApp, Options, open_app
from freehold.app.places import Place, places
from freehold.app.upkeep import upkeep_name
from freehold.db import Writer, statement
from freehold.drivers.sqlite import shim
from freehold.errors import invariant
from freehold.migrate import history
from freehold.migrate.snapshot import has_rows, take_snapshot
from freehold.wire.limits import Limits

#: An import is one mutation, however long it is; nobody waits behind it.
_LIMITS: Final = Limits(mutation_time_ms_max=7 * 86_400_000, statement_time_ms_max=86_400_000)


@dataclass(frozen=True)
class Progress:
    """How far it is: `reading` the file, or `rows` of `of` of a table taken in."""

    table: str
    rows: int
    of: int


OnProgress = Callable[[Progress], None]


@dataclass
class Imported:
    """
    What an import came to.

    Args:
        database: Which database.
        place: Where it is.
        source: The file.
        kind: What the file is.
        tables: What each table came to.
        left: Tables of the file that were not asked for, with their rows.
        sealed: What the sealed values of a column were before, by `table.column`.
        seq: The commit that it is; 0 when nothing was to be done, or for a rehearsal.
        snapshot: The copy of the database from before, None when there is none.
        is_rehearsal: Everything was taken back.
    """

    database: str
    place: str
    source: str
    kind: str
    tables: list[Moved] = field(default_factory=list)
    left: list[SourceTable] = field(default_factory=list)
    sealed: dict[str, Opened] = field(default_factory=dict)
    seq: int = 0
    snapshot: Path | None = None
    is_rehearsal: bool = False

    @property
    def changed(self) -> int:
        """How many rows were added or changed."""
        return sum(each.changed for each in self.tables)


class _TakenBack(Exception):
    """Ends the mutation without its commit."""


def import_file(
    app: App,
    source: Path,
    *,
    options: Options | None = None,
    name: str | None = None,
    wishes: Wishes | None = None,
    on_progress: OnProgress = lambda _: None,
) -> Imported:
    """
    Take the rows of a file into one database of an application, all of them or none.

    Args:
        app: The application.
        source: A SQL file, a SQLite file, or an export of lines.
        options: The folder, clock and ids that the application is opened with.
        name: Which of several databases.
        wishes: Which tables, under which names, and what is done about conflicts.
        on_progress: Told as rows go.

    Raises:
        ImportRefused: Rows do not fit; `report` has what was found, table by table.
        SourceUnreadable: The file is not what it should be.
        StartError: The database cannot be opened, or somebody serves it.
    """
    options = options or Options()
    wishes = wishes or Wishes()
    declared = one_of(app, name)
    place = places(app, options.folder, options.database)[declared.name]
    _require_file(source, place)
    _require_unserved(place)
    with ExitStack() as stack:
        running = stack.enter_context(
            closing(open_app(app, replace(options, limits=_LIMITS, upgrade=options.upgrade)))
        )
        options.on_progress(f"reading {source}")
        opened = stack.enter_context(closing(_open_source(source, wishes)))
        fits = fit(opened, declared.schema, wishes)
        _require_expected(opened, wishes)
        found = Imported(
            declared.name, running.databases[declared.name].place, str(source), opened.about.kind,
            left=_left(opened, fits), is_rehearsal=wishes.is_rehearsal,
        )  # fmt: skip
        if not wishes.is_rehearsal and isinstance(place, Path):
            found.snapshot = _snapshot(place)
        try:
            _load(running, declared, opened, fits=fits, found=found, wishes=wishes,
                  on_progress=on_progress)  # fmt: skip
        finally:
            if found.snapshot is not None and not found.seq:
                # The database is as it was; a copy would only look as if it were not.
                found.snapshot.unlink(missing_ok=True)
                found.snapshot = None
    return found


def one_of(app: App, name: str | None) -> Database:
    """
    The database that was named, or the only one.

    Raises:
        ImportRefused: There are several, or none of that name.
    """
    if name is None and len(app.databases) == 1:
        return next(iter(app.databases.values()))
    if name is None or name not in app.databases:
        said = "has several databases" if name is None else f"has no database {name!r}"
        raise ImportRefused(f"{app.name} {said}.", hint=f"Say --of {' or '.join(app.databases)}.")
    return app.databases[name]


def _load(
    running: OpenApp, declared: Database, source: Source, *, fits: list[Fit], found: Imported,
    wishes: Wishes, on_progress: OnProgress,
) -> None:  # fmt: skip
    database = running.databases[declared.name]
    seals = Seals(
        declared.name, running.secrets.ring, old_key=wishes.old_key,
        is_revealed=source.about.is_revealed,
    )  # fmt: skip
    found.sealed = seals.opened
    with suppress(_TakenBack), database.writing(caller=LOCAL) as db:
        loader = Loader(
            db, source, wishes, seals=seals,
            tell=lambda table, rows, of: on_progress(Progress(table, rows, of)),
        )  # fmt: skip
        before = {each.table: _count(db, each) for each in fits}
        for each in fits:
            found.tables.append(loader.load(each))
        for each, moved in zip(fits, found.tables, strict=True):
            loader.point(each, moved)
        _require_all(found)
        for each, moved in zip(fits, found.tables, strict=True):
            _require_sum(moved, _count(db, each) - before[each.table])
        if wishes.is_rehearsal or not found.changed:
            raise _TakenBack
        audit = running.audits[declared.name]
        said = (found.kind, source_name(found.source), [(m.table, m.changed) for m in found.tables])
        audit.append(db, f"{upkeep_name(declared.name)}.import", audit.arguments(said))
        seq = db.own_seq
    if not wishes.is_rehearsal and found.changed:
        found.seq = seq or database.seq


def _require_sum(moved: Moved, added: int) -> None:
    """
    As many rows are there more as were added, and every row that was read has come to something.

    Raises:
        ImportRefused: Somebody else added or took rows: a trigger of the schema.
    """
    done = moved.inserted + moved.same + moved.replaced + moved.kept
    invariant(moved.read == done, f"the rows of {moved.table} do not add up")
    if added != moved.inserted:
        raise ImportRefused(
            f"{moved.inserted} rows were added to {moved.table}, and it has {added} more than "
            "before: a trigger of the schema writes there.",
            hint=f"Leave that table to the trigger: --ignore-table {moved.source}.",
        )


def source_name(said: str) -> str:
    """A file's name without its folders, which may say more than an audit log needs."""
    return Path(said).name


def _count(db: Writer, each: Fit) -> int:
    core = sa.select(sa.func.count()).select_from(each.record.__table__)
    return db.scalar(statement(core, into=int)) or 0


def _require_all(found: Imported) -> None:
    refused = sum(each.refused for each in found.tables)
    if not refused:
        return
    all_of_them = [(each, why) for each in found.tables for why in each.refusals.values()]
    bad, first = min(all_of_them, key=lambda pair: pair[1].is_late)
    detail = (
        f"{refused} of {sum(each.read for each in found.tables)} rows are refused; the first is "
        f"{bad.source}, {first.examples[0]} ({first.reason})."
    )
    raise ImportRefused(detail, hint=first.hint, report=found)


def _open_source(path: Path, wishes: Wishes) -> Source:
    # Before anything opens it: a second handle would drop the locks of a database of ours.
    require_unowned(path)
    try:
        if is_sqlite(path):
            return SqliteFile(path)
        return (read_jsonl if is_jsonl(path) else read_dump)(path, wishes.wants)
    except OSError as error:
        raise SourceUnreadable(f"{path} cannot be read: {error.strerror}.",
                               hint="Look at the disk.") from None  # fmt: skip


def _require_file(source: Path, place: Place) -> None:
    if not source.is_file():
        raise SourceUnreadable(
            f"there is no file {source}.",
            hint="Name a SQL file, a SQLite file, or an export of lines.",
        )
    if not source.stat().st_size:
        raise SourceUnreadable(f"{source} is empty.", hint="Export it again.")
    if isinstance(place, Path) and place.exists() and source.samefile(place):
        raise SourceUnreadable(f"{source} is the database itself.",
                               hint="Name the file that rows come from.")  # fmt: skip


def _require_unserved(place: Place) -> None:
    """
    A file's owner is found by its lock when it is opened; a server's are asked for here.

    Raises:
        ImportRefused: Somebody serves it.
    """
    if isinstance(place, Path):
        return
    from freehold.drivers.postgres import blocking_connection, is_known, who_serves

    if not is_known(place):
        return
    with blocking_connection(place.url) as connection:
        serving = who_serves(connection)
    if serving:
        hosts = ", ".join(sorted({host for _, host in serving}))
        raise ImportRefused(
            f"{len(serving)} processes serve {place.shown} now, from {hosts}: their calls would "
            "wait for the whole import.",
            hint="Stop them first.",
        )


def _require_expected(source: Source, wishes: Wishes) -> None:
    for table in source.tables:
        count = wishes.expected.get(table.name)
        if count is not None and count != table.rows:
            raise ImportRefused(
                f"{table.name} has {table.rows} rows in the file, and {count} were expected.",
                hint="Export it again, or say another --expect.",
            )


def _left(source: Source, fits: list[Fit]) -> list[SourceTable]:
    taken = {each.source.name for each in fits}
    return [each for each in source.tables if each.name not in taken and not is_inner(each.name)]


def _snapshot(place: Path) -> Path | None:
    """A copy of the database from before the import; none of one without rows."""
    with history.reading(place, vfs=shim()) as connection:
        if not has_rows(connection):
            return None
        number = 1
        path = place.with_name(f"{place.stem}.before-import{place.suffix}")
        while path.exists():
            number += 1
            path = place.with_name(f"{place.stem}.before-import-{number}{place.suffix}")
        take_snapshot(connection, path)
    return path


__all__ = ["NOTHING_IMPORTED", "Imported", "Progress", "import_file", "one_of"]
