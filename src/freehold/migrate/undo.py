"""
Undoing migrations on SQLite: in place where nothing of it was thrown away, or from the copy
that was kept from before.

In place, every table that read otherwise then is made anew as its files made it, and its rows
are copied. From the copy, the application's tables are those of the copy again; Freehold's own
(keys, kept answers, the commit sequence) stay as they are, so that no revoked key comes back
and no number of a commit is given twice. Either is one transaction, whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw

from freehold.errors import MigrationFailed
from freehold.migrate.apply import foreign_keys_off, require_references, whole_or_nothing
from freehold.migrate.differences import differences
from freehold.migrate.draft import Piece, pieces_of
from freehold.migrate.engine import count_rows, number, rows
from freehold.migrate.files import Migration
from freehold.migrate.history import HISTORY_TABLE, entries, pending, reading
from freehold.migrate.reverse import (
    AS_IT_WAS,
    Moved,
    Undone,
    UndoRefused,
    additions,
    moves,
    names,
    obstacles,
    refuse_losses,
    refuse_seals,
    target_of,
)
from freehold.migrate.run import scratch
from freehold.migrate.shape import Shape, shape_of, table_names
from freehold.migrate.snapshot import has_rows, take_snapshot
from freehold.migrate.sqltext import normalised
from freehold.schema.sqltext import quoted

_META: Final = "_freehold_meta"
_ASIDE: Final = "__undone"
_COPY: Final = "kept_before"


def undo(
    connection: apsw.Connection,
    migrations: Sequence[Migration],
    database: Path,
    *,
    to: str | None = None,
    discard_since: bool = False,
) -> Undone:
    """
    Bring the database back to a migration that it has had, or leave it as it is.

    Args:
        database: Its file: the copies from before lie beside it, and one of how it is now
            is kept there when something goes.
        to: The migration that is to be the last one; left out, the one before the last.
        discard_since: What was written since, and has no place in the old tables, may go.

    Raises:
        UndoRefused: It cannot be undone, or something would be lost.
        DatabaseTooNew, MigrationFailed: The files are not those that were applied.
    """
    pending(connection, migrations)
    had = entries(connection)
    target = target_of(had, migrations, to)
    undone = list(migrations[target : len(had)])
    refuse_seals(undone)
    with scratch(migrations[:target]) as built:
        then, pieces = shape_of(built), _ordinary(built)
    now = shape_of(connection)
    hindered = obstacles(then, now, undone)
    kept = database.with_name(f"{database.stem}.undone-{len(had):04}{database.suffix}")
    told = tuple(migration.name for migration in reversed(undone))
    if not hindered:
        stay = moves(then, now, undone)
        lost = _losses(connection, then, now, stay)
        refuse_losses(undone, lost, may_lose=discard_since)
        kept_as = _keep(connection, kept) if lost else None
        with foreign_keys_off(connection), whole_or_nothing(connection):
            _in_place(connection, pieces, stay)
            _settle(connection, then, target)
        return Undone(told, target, tuple(lost), None, kept_as)
    copy = _copy_of(database, then, target)
    if copy is None:
        raise UndoRefused(
            f"{names(undone)} cannot be undone: {'; '.join(hindered)}, and no copy from before "
            f"is beside the database ({_copies(database, target)}).",
            hint=f"Restore a backup, or write the next migration. {AS_IT_WAS}",
        )
    lost = _lost_since(connection, copy)
    refuse_losses(undone, lost, may_lose=discard_since)
    kept_as = _keep(connection, kept) if lost else None
    with (
        _attached(connection, copy),
        foreign_keys_off(connection),
        whole_or_nothing(connection),
    ):
        _from_copy(connection, pieces)
        _settle(connection, then, target)
    return Undone(told, target, tuple(lost), copy, kept_as)


def _in_place(connection: apsw.Connection, pieces: Sequence[Piece], stay: Sequence[Moved]) -> None:
    """Tables that read otherwise are made anew; what stands on them is made again."""
    here = {(piece.kind, piece.name): piece for piece in _ordinary(connection)}
    wanted = {(piece.kind, piece.name): piece for piece in pieces}
    same = {
        each.then
        for each in stay
        if each.then == each.now
        and normalised(here["table", each.now].sql) == normalised(wanted["table", each.then].sql)
    }
    for key, piece in here.items():
        is_kept = key in wanted and normalised(wanted[key].sql) == normalised(piece.sql)
        if piece.kind != "table" and not (is_kept and (piece.table in same)):
            connection.execute(piece.drop)
    # Other tables' references keep the names that they say.
    connection.execute("PRAGMA legacy_alter_table = ON")
    for kind, name in list(here):
        if kind == "table" and name not in same:
            connection.execute(f"ALTER TABLE {quoted(name)} RENAME TO {quoted(name + _ASIDE)}")
    connection.execute("PRAGMA legacy_alter_table = OFF")
    by_then = {each.then: each for each in stay}
    for piece in pieces:
        if piece.kind == "table" and piece.name not in same:
            connection.execute(piece.sql)
            if piece.name in by_then:
                _copy_rows(connection, by_then[piece.name])
    for kind, name in list(here):
        if kind == "table" and name not in same:
            connection.execute(f"DROP TABLE {quoted(name + _ASIDE)}")
    there = {(piece.kind, piece.name) for piece in _ordinary(connection)}
    for piece in pieces:
        if (piece.kind, piece.name) not in there:
            connection.execute(piece.sql)


def _ordinary(connection: apsw.Connection) -> list[Piece]:
    """All pieces but virtual tables, which no record says."""
    tables = set(table_names(connection))
    return [p for p in pieces_of(connection) if p.kind != "table" or p.name in tables]


def _copy_rows(connection: apsw.Connection, moved: Moved) -> None:
    aside, name = quoted(moved.now + _ASIDE), quoted(moved.then)
    into = ", ".join(map(quoted, moved.columns))
    come_from = ", ".join(map(quoted, moved.columns.values()))
    before = count_rows(connection, moved.now + _ASIDE)
    connection.execute(f"INSERT INTO {name} ({into}) SELECT {come_from} FROM {aside}")  # noqa: S608
    if count_rows(connection, moved.then) != before:
        raise MigrationFailed(f"{moved.then} would lose rows.", hint=AS_IT_WAS)
    _keep_counting(connection, moved.now + _ASIDE, moved.then)


def _keep_counting(connection: apsw.Connection, old: str, new: str, where: str = "main") -> None:
    """A counted key never gives a number twice."""
    if rows(connection, f"SELECT 1 FROM {where}.sqlite_schema WHERE name = 'sqlite_sequence'"):  # noqa: S608
        sql = f"SELECT seq FROM {where}.sqlite_sequence WHERE name = ?"  # noqa: S608
        for (last,) in rows(connection, sql, old):
            connection.execute("DELETE FROM main.sqlite_sequence WHERE name = ?", (new,))
            connection.execute("INSERT INTO main.sqlite_sequence VALUES (?, ?)", (new, last))


def _from_copy(connection: apsw.Connection, pieces: Sequence[Piece]) -> None:
    counters = {
        name: seq
        for name in table_names(connection)
        for seq in [_counter(connection, name)]
        if seq is not None
    }
    for piece in _ordinary(connection):
        if piece.kind != "table":
            connection.execute(piece.drop)
    for name in table_names(connection):
        connection.execute(f"DROP TABLE {quoted(name)}")
    for piece in pieces:
        if piece.kind != "table":
            continue
        connection.execute(piece.sql)
        table = quoted(piece.name)
        columns = ", ".join(map(quoted, shape_of(connection).tables[piece.name].columns))
        connection.execute(
            f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM {_COPY}.{table}"  # noqa: S608
        )
        _keep_counting(connection, piece.name, piece.name, _COPY)
        if piece.name in counters:
            sql = "UPDATE main.sqlite_sequence SET seq = max(seq, ?) WHERE name = ?"
            connection.execute(sql, (counters[piece.name], piece.name))
    for piece in pieces:
        if piece.kind != "table":
            connection.execute(piece.sql)


def _counter(connection: apsw.Connection, table: str) -> int | None:
    if not rows(connection, "SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'"):
        return None
    found = rows(connection, "SELECT seq FROM sqlite_sequence WHERE name = ?", table)
    return int(found[0][0]) if found else None


def _settle(connection: apsw.Connection, then: Shape, target: int) -> None:
    """References hold, the tables are those of then, and the history ends there."""
    require_references(connection, "the undoing")
    left = differences(shape_of(connection), then)
    if left:
        raise MigrationFailed(
            f"The database would not be what it was: {' '.join(left)}", hint=AS_IT_WAS
        )
    connection.execute(f"DELETE FROM {HISTORY_TABLE} WHERE number > ?", (target,))  # noqa: S608
    connection.execute(f"PRAGMA user_version = {target}")


def _losses(
    connection: apsw.Connection, then: Shape, now: Shape, stay: Sequence[Moved]
) -> list[str]:
    """What has no place in the old tables, counted; a default that nobody changed is nothing."""
    lost = []
    for table, column, said in additions(then, now, stay):
        if said is None:
            count = count_rows(connection, table)
            lost += [f"{count} rows of {table}"] if count else []
            continue
        name = quoted(column)
        differs = f" AND {name} IS NOT ({said.default})" if said.default else ""
        sql = f"SELECT count(*) FROM {quoted(table)} WHERE {name} IS NOT NULL{differs}"  # noqa: S608
        count = number(connection, sql)
        lost += [f"{count} values of {table}.{column}"] if count else []
    return lost


def _copies(database: Path, target: int) -> str:
    return f"{database.stem}.before-{target + 1:04}*{database.suffix}"


def _copy_of(database: Path, then: Shape, target: int) -> Path | None:
    """The last copy that was kept before the first of what is undone."""
    found = sorted(
        database.parent.glob(_copies(database, target)), key=lambda each: each.stat().st_mtime_ns
    )
    for path in reversed(found):
        try:
            with reading(path) as copy:
                is_it = number(copy, "PRAGMA user_version") == target and shape_of(copy) == then
                if is_it and rows(copy, "PRAGMA quick_check(1)") == [("ok",)]:
                    return path
        except apsw.Error:
            continue
    return None


def _lost_since(connection: apsw.Connection, copy: Path) -> list[str]:
    """What was written since the copy was made; nothing when no commit came after it."""
    with reading(copy) as before:
        since = [_seq(connection), _seq(before)]
        if None not in since and since[0] == since[1]:
            return []
        there = {name: count_rows(before, name) for name in table_names(before)}
    commits = f"{since[0] - since[1]} commits" if None not in since else "every commit"  # type: ignore[operator]
    here = {name: count_rows(connection, name) for name in table_names(connection)}
    counted = [
        f"{name} had {there.get(name, 0)} rows and has {here.get(name, 0)}"
        for name in sorted({*here, *there})
        if here.get(name) != there.get(name)
    ]
    return [f"{commits} since {copy.name}", *counted]


def _seq(connection: apsw.Connection) -> int | None:
    if not rows(connection, "SELECT 1 FROM sqlite_schema WHERE name = ?", _META):
        return None
    return number(connection, f"SELECT seq FROM {_META}")  # noqa: S608 - a constant


def _keep(connection: apsw.Connection, path: Path) -> Path | None:
    if not has_rows(connection):
        return None
    free, place = path, 1
    while free.exists():
        place += 1
        free = path.with_name(f"{path.stem}-{place}{path.suffix}")
    take_snapshot(connection, free)
    return free


@contextmanager
def _attached(connection: apsw.Connection, copy: Path) -> Iterator[None]:
    connection.execute(f"ATTACH ? AS {_COPY}", (f"{copy.resolve()}",))
    try:
        yield
    finally:
        connection.execute(f"DETACH {_COPY}")
