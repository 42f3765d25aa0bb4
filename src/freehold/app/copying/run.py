"""
The order of a copy: both sides are opened, every table is loaded, compared, and committed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from freehold.app.copying.chain import require_chain
from freehold.app.copying.file_side import file_source, file_target
from freehold.app.copying.fingerprint import Fingerprint
from freehold.app.copying.parts import (
    HISTORY_COLUMNS,
    META_TABLE,
    NOT_COPIED,
    Part,
    Progress,
    Row,
    Source,
    Target,
    parts_of,
)
from freehold.app.copying.refusals import NOTHING_COPIED, CopyDiffers, CopyRefused
from freehold.app.declaration import App, Database
from freehold.app.opening import Options
from freehold.app.places import Place, places
from freehold.crypto import Secret
from freehold.errors import invariant
from freehold.migrate.history import HISTORY_TABLE, Entry

OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class TableCopied:
    """A table on both sides: its rows and their hash, and the last number of a counted key."""

    table: str
    rows: int
    hash: str
    target_rows: int
    target_hash: str
    counter: int = 0
    target_counter: int = 0

    @property
    def is_same(self) -> bool:
        """Both sides hold the same."""
        here = (self.rows, self.hash, self.counter)
        return here == (self.target_rows, self.target_hash, self.target_counter)


@dataclass(frozen=True)
class Copied:
    """
    One database.

    Args:
        database: Its name in the application.
        source: Where it was.
        target: Where it is too, now.
        seq: The last commit that is in the copy.
        later: Commits that the source has had since, which are not.
        tables: What was compared.
    """

    database: str
    source: str
    target: str
    seq: int
    later: int
    tables: tuple[TableCopied, ...]


def copy(
    app: App,
    source: str,
    target: str,
    *,
    options: Options | None = None,
    while_served: bool = False,
    pepper: Secret | None = None,
    on_progress: OnProgress = lambda _: None,
) -> list[Copied]:
    """
    Copy everything that an application keeps from one place to another.

    Each database is loaded and compared in one transaction. Several are committed one after
    the other, once all have been compared.

    Args:
        app: The application.
        source: A file, the folder of several, or the address of a server.
        target: The same; empty, or not there yet.
        options: The folder, clock and ids that the application is opened with.
        while_served: The source may be served; what is written meanwhile is not in the copy.
        pepper: Of the application's secrets: with it the audit log is walked before COMMIT.
        on_progress: Told before each table, and while it is copied and compared.

    Raises:
        CopyRefused: The two do not make a copy: see its kinds.
        CopyFailed: A disk or a server refused.
        StartError: A side cannot be opened, or is not of this version of the application.
    """
    options = options or Options()
    here, there = place_of(app, source, options.folder), place_of(app, target, options.folder)
    if any(_is_same_place(here[name], there[name]) for name in app.databases):
        raise CopyRefused(f"{source} and {target} are the same.", hint=NOTHING_COPIED)
    with ExitStack() as stack:
        pairs: list[_Pair] = []
        for declared in app.databases.values():
            is_first = not pairs
            come_from, go_to = here[declared.name], there[declared.name]
            pairs.append(
                _Pair(
                    declared.name, _shown(come_from), _shown(go_to),
                    parts_of(declared, is_first=is_first),
                    stack.enter_context(_source(
                        declared, come_from, options, is_first=is_first, while_served=while_served
                    )),
                    stack.enter_context(_target(declared, go_to, options, is_first=is_first)),
                )
            )  # fmt: skip
        copied = [_load(pair, on_progress) for pair in pairs]
        _require_same(copied)
        if pepper is not None:
            for pair in pairs:
                require_chain(pair.database, pair.parts, pair.target, pepper=pepper)
        # Looked at last of all, so that nothing slips in between.
        copied = [_with_seq(each, pair) for each, pair in zip(copied, pairs, strict=True)]
        _require_still(copied, while_served=while_served)
        for pair in pairs:
            pair.target.commit()
    return copied


@dataclass(frozen=True)
class _Pair:
    """One database, open on both sides."""

    database: str
    come_from: str
    go_to: str
    parts: list[Part]
    source: Source
    target: Target


def place_of(app: App, said: str, folder: Path) -> dict[str, Place]:
    """
    Where each database of one side is.

    Raises:
        CopyRefused: There are several databases, and one file was named.
    """
    if "://" in said:
        return places(app, folder, said)
    path = Path(said).resolve()
    if path.is_dir() or len(app.databases) > 1:
        if path.is_file():
            raise CopyRefused(
                f"{app.name} has {len(app.databases)} databases, and {said} is one file.",
                hint="Name the folder that holds, or will hold, all of them.",
            )
        return places(app, path, None)
    return places(app, folder, str(path))


def _source(
    declared: Database, place: Place, options: Options, *, is_first: bool, while_served: bool
) -> AbstractContextManager[Source]:
    options = replace(options, upgrade="refuse")
    if isinstance(place, Path):
        return file_source(declared, place, options, is_first=is_first, while_served=while_served)
    from freehold.app.copying.server_side import server_source

    return server_source(declared, place, options, is_first=is_first, while_served=while_served)


def _target(
    declared: Database, place: Place, options: Options, *, is_first: bool
) -> AbstractContextManager[Target]:
    options = replace(options, upgrade="sync" if declared.migrations is None else "apply")
    if isinstance(place, Path):
        return file_target(declared, place, options, is_first=is_first)
    from freehold.app.copying.server_side import server_target

    return server_target(declared, place, options, is_first=is_first)


def _load(pair: _Pair, on_progress: OnProgress) -> Copied:
    """Copy all tables into the target's open transaction, then read them back."""
    source, target, parts = pair.source, pair.target, pair.parts
    left = source.own_tables() - {part.table for part in parts} - NOT_COPIED
    invariant(not left, f"the copy leaves {', '.join(sorted(left))} behind")
    target.begin(parts)
    totals = {part.table: source.count(part) for part in parts}
    sent: dict[str, Fingerprint] = {}
    for part in parts:
        told = Progress(pair.database, part.table, "copy", 0, totals[part.table])
        sent[part.table] = _send(part, source, target, on_progress, told)
    for part in parts:
        if part.counted:
            target.count_from(part, source.counter(part))
    past = _carry_history(source, target)
    target.settle(parts)
    tables = []
    for part in parts:
        told = Progress(pair.database, part.table, "compare", 0, totals[part.table])
        tables.append(_compare(part, source, target, sent[part.table], on_progress, told))
    return Copied(pair.database, pair.come_from, pair.go_to, 0, 0, (*tables, *past))


def _send(
    part: Part, source: Source, target: Target, on_progress: OnProgress, told: Progress
) -> Fingerprint:
    sent = Fingerprint(part.table, part.columns)
    on_progress(told)
    for rows in source.rows(part):
        target.add(part, rows)
        sent.add(rows)
        on_progress(replace(told, rows=sent.rows))
    return sent


def _compare(
    part: Part,
    source: Source,
    target: Target,
    sent: Fingerprint,
    on_progress: OnProgress,
    told: Progress,
) -> TableCopied:
    arrived = Fingerprint(part.table, part.columns)
    on_progress(told)
    for rows in target.rows(part):
        arrived.add(rows)
        on_progress(replace(told, rows=arrived.rows))
    counters = (source.counter(part), target.counter(part)) if part.counted else (0, 0)
    return TableCopied(part.table, sent.rows, sent.hash, arrived.rows, arrived.hash, *counters)


def _carry_history(source: Source, target: Target) -> list[TableCopied]:
    """
    When each migration was applied; the target's own files were applied when it was built.

    Both engines' files have the same numbers and names, and each its own checksum.
    """
    had = {(entry.number, entry.name): entry for entry in source.history()}
    shared = [entry for entry in target.history() if (entry.number, entry.name) in had]
    for entry in shared:
        target.applied(entry.number, had[entry.number, entry.name].applied_at)
    if not shared:
        return []
    carried = {entry.number for entry in shared}
    here = _past([entry for entry in had.values() if entry.number in carried])
    there = _past([entry for entry in target.history() if entry.number in carried])
    return [TableCopied(HISTORY_TABLE, here.rows, here.hash, there.rows, there.hash)]


def _past(entries: list[Entry]) -> Fingerprint:
    found = Fingerprint(HISTORY_TABLE, HISTORY_COLUMNS)
    rows: list[Row] = [(entry.number, entry.name, entry.applied_at) for entry in entries]
    found.add(sorted(rows))
    return found


def _with_seq(copied: Copied, pair: _Pair) -> Copied:
    only_seq = Part(META_TABLE, ("seq",), ("id",))
    ((seq,),) = [row for rows in pair.target.rows(only_seq) for row in rows]
    return replace(copied, seq=seq, later=pair.source.end() - seq)


def _require_same(copied: list[Copied]) -> None:
    for database in copied:
        for table in database.tables:
            if not table.is_same:
                raise CopyDiffers(
                    f"{table.table} is not what it was: {table.rows} rows and hash "
                    f"{table.hash[:16]} in {database.source}, {table.target_rows} rows and hash "
                    f"{table.target_hash[:16]} in {database.target}.",
                    copied=list(copied),
                )


def _require_still(copied: list[Copied], *, while_served: bool) -> None:
    for database in copied:
        invariant(database.later >= 0, "commits were taken back while they were copied")
        if database.later and not while_served:
            raise CopyRefused(
                f"{database.source} has had {database.later} commits while it was copied.",
                hint=f"Stop whoever writes to it, then copy again. {NOTHING_COPIED}",
            )


def _is_same_place(here: Place, there: Place) -> bool:
    if isinstance(here, Path) and isinstance(there, Path):
        return here.resolve() == there.resolve()
    return here == there


def _shown(place: Place) -> str:
    return str(place) if isinstance(place, Path) else place.shown
