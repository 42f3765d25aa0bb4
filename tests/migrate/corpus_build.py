"""
Makes the corpus: old and damaged databases, each a compressed file in `corpus/`.

    python -m tests.migrate.corpus_build          # what is missing; what is there stays for ever

A file's outcome stands in `outcomes.json`; one that is new gets what it has now, to be read
by a person before it is committed.
"""

from __future__ import annotations

import gzip
import json
import random
import re
import shutil
import struct
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import apsw

from freehold.app.opening import Options, open_app
from freehold.clock import ManualClock
from freehold.drivers.sqlite import Place, open_connection
from freehold.migrate.pairs import plan_pair
from tests.migrate.corpus_worlds import (
    DATABASE,
    HERE,
    MIGRATIONS,
    app_of,
    shop_app,
    versions,
    write_secrets,
)
from tests.migrate.sealing_worlds import rows as accounts
from tests.schema.applications import SCHEMAS

Files = dict[str, bytes]
_PAGE = 4096


def database(
    folder: Path,
    kind: str,
    *,
    version: int = 0,
    sql: str = "",
    seed: bool = False,
    checksums: bool = True,
) -> Files:
    """A database as its application leaves it, and what somebody did to it after that."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    write_secrets(folder / "secrets.json")
    app = app_of(kind, folder.parent)
    if version:
        files = folder / "files"
        files.mkdir()
        for path in MIGRATIONS.glob("*.sql"):
            if int(path.name[:4]) <= version:
                shutil.copy(path, files / path.name)
        app = shop_app(version, folder=files)
    opened = open_app(app, Options(folder=folder, upgrade="apply", clock=ManualClock()))
    if seed:
        opened.seed()
    opened.close()
    (name,) = app.databases
    path = folder / f"{name}.db"
    with closing(open_connection(Place(str(path)))) as connection:
        if kind == "shop":
            connection.execute(_fill(version or len(versions()))).fetchall()
            if version == 3:
                connection.executemany("INSERT INTO accounts VALUES (?, ?, ?, ?)", accounts(40))
        connection.execute(sql).fetchall()
        if not checksums:
            connection.execute("PRAGMA journal_mode = DELETE; PRAGMA application_id = 0").fetchall()
            connection.reserve_bytes(reserve=0)
            connection.execute("VACUUM; PRAGMA journal_mode = WAL").fetchall()
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    return {"": path.read_bytes()}


def _fill(version: int) -> str:
    count = "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {})"
    return f"""
    INSERT INTO users (id, email, created_at)
    {count.format(40)} SELECT 'u' || n, 'a' || n || '@x', {version} FROM c;
    INSERT INTO notes (user_id, title, score)
    {count.format(120)} SELECT 'u' || (1 + n % 40), 'note ' || n, n FROM c;
    INSERT INTO entries (id, note_id) {count.format(60)} SELECT 'e' || n, n FROM c;
    """


def by_hand(folder: Path, name: str, *, strict: bool = True) -> Files:
    """A system's tables as its authors made them: no history, no log."""
    path = folder / "hand.db"
    path.unlink(missing_ok=True)
    with closing(apsw.Connection(str(path))) as connection:
        for sql in SCHEMAS[name].ddl("sqlite"):
            text = sql if strict else re.sub(r"\)\s*(WITHOUT ROWID,)?\s*STRICT\s*$", r") \1", sql)
            connection.execute(text.rstrip().rstrip(","))
    return {"": path.read_bytes()}


def patched(files: Files, *changes: tuple[int, bytes]) -> Files:
    """Other bytes at these places."""
    data = bytearray(files[""])
    for offset, new in changes:
        data[offset : offset + len(new)] = new
    return {**files, "": bytes(data)}


def entries(folder: Path) -> dict[str, tuple[str, Callable[[], Files]]]:
    """Every file by name: which application's it is, and how it is made."""
    place = folder / "data"

    def shop(version: int, sql: str = "") -> Callable[[], Files]:
        return lambda: database(place, "shop", version=version, sql=sql)

    def plain(version: int) -> Callable[[], Files]:
        return lambda: database(place, "shop", version=version, checksums=False)

    def of(kind: str, sql: str = "", *, seed: bool = False) -> Callable[[], Files]:
        return lambda: database(place, kind, sql=sql, seed=seed)

    found: dict[str, tuple[str, Callable[[], Files]]] = {}
    for kind in ("hotmetal", "linkie_claw"):
        found[f"{kind}-1-empty"] = kind, of(kind)
        found[f"{kind}-1-seeded"] = kind, of(kind, seed=True)
        for table in ("calls", "checks", "meta", "keys"):
            found[f"{kind}-1-without-{table}"] = kind, of(kind, _without(table), seed=True)
    for version in range(1, len(versions()) + 1):
        found[f"shop-{version}"] = "shop", shop(version)
        found[f"shop-{version}-without-checksums"] = "shop", plain(version)
    for name in SCHEMAS:
        found[f"hand-{name}"] = f"seed {name}", partial(by_hand, folder, name)
        found[f"hand-{name}-loose"] = (
            f"seed {name}",
            partial(by_hand, folder, name, strict=False),
        )
    for name, sql in _LOGICAL.items():
        found[f"odd-{name}"] = "shop", shop(1, sql)
    for name, damage in _damages().items():
        found[f"checked-{name}"] = "shop", partial(_damaged, damage, shop(1))
        found[f"damaged-{name}"] = "shop", partial(_damaged, damage, plain(1))
    return found


def _damaged(damage: Callable[[Files], Files], make: Callable[[], Files]) -> Files:
    return damage(make())


def _without(table: str) -> str:
    names = {"calls": "_freehold_calls", "checks": "_freehold_checks", "meta": "_freehold_meta",
             "keys": "_freehold_keys"}  # fmt: skip
    return f"DROP TABLE IF EXISTS {names[table]}"


_LOGICAL = {
    "index-missing": "DROP INDEX titled",
    "index-more": "CREATE INDEX more ON notes (status)",
    "index-other": "DROP INDEX titled; CREATE INDEX titled ON notes (score)",
    "trigger-missing": "DROP TRIGGER notes_keep_title",
    "trigger-foreign": "CREATE TRIGGER spy AFTER INSERT ON users BEGIN "
    "DELETE FROM notes WHERE user_id = NEW.id; END",
    "column-more": "ALTER TABLE notes ADD COLUMN extra TEXT",
    "column-missing": "DROP INDEX idx_notes_user_id_score; DROP TRIGGER entries_touch;"
    "ALTER TABLE notes DROP COLUMN score",
    "column-renamed": "ALTER TABLE users RENAME COLUMN email TO mail",
    "table-more": "CREATE TABLE extra (id TEXT PRIMARY KEY); INSERT INTO extra VALUES ('x')",
    "table-missing": "DROP TABLE entries",
    "table-taken": "CREATE TABLE tags (anything)",
    "view": "CREATE VIEW all_notes AS SELECT * FROM notes",
    "full-text": "CREATE VIRTUAL TABLE words USING fts5(body); INSERT INTO words VALUES ('a word')",
    "reference-broken": "PRAGMA foreign_keys = OFF; DELETE FROM users WHERE id = 'u3'",
    "value-refused": "PRAGMA ignore_check_constraints = ON; UPDATE users SET email = ''",
    "not-utf8": "UPDATE users SET email = CAST(x'ff00fe' AS TEXT) WHERE id = 'u1'",
    "history-newer": "INSERT INTO _freehold_migrations VALUES (2, '0002_step_2', 'x', 0),"
    "(3, '0003_step_3', 'x', 0), (4, '0004_step_4', 'x', 0), (5, '0005_step_5', 'x', 0),"
    "(6, '0006_of_tomorrow', 'x', 0); PRAGMA user_version = 6",
    "history-edited": "UPDATE _freehold_migrations SET checksum = 'other'",
    "history-renamed": "UPDATE _freehold_migrations SET name = '0001_else'",
    "history-gap": "UPDATE _freehold_migrations SET number = 2; PRAGMA user_version = 2",
    "history-half": "INSERT INTO _freehold_migrations VALUES (2, '0002_step_2', 'x', 0)",
    "history-header-only": "PRAGMA user_version = 4",
    "history-gone": "DROP TABLE _freehold_migrations; PRAGMA user_version = 0",
    "history-alone": "DROP TABLE entries; DROP TABLE notes; DROP TABLE users",
    "history-other-shape": "ALTER TABLE _freehold_migrations DROP COLUMN checksum",
    "half-applied": "CREATE TABLE tags (id TEXT PRIMARY KEY, note_id INTEGER REFERENCES notes)",
    "half-rebuilt": "CREATE TABLE users__new (id TEXT PRIMARY KEY)",
    "sealing-unfinished": "CREATE TABLE _freehold_plaintext (id INTEGER PRIMARY KEY)",
    "auto-vacuum": "PRAGMA journal_mode = DELETE; PRAGMA auto_vacuum = FULL; VACUUM;"
    "PRAGMA journal_mode = WAL",
    "page-size": "PRAGMA journal_mode = DELETE; PRAGMA page_size = 1024; VACUUM;"
    "PRAGMA journal_mode = WAL",
    "rollback-journal": "PRAGMA journal_mode = DELETE",
}


def _damages() -> dict[str, Callable[[Files], Files]]:
    draw = random.Random(19)

    def cut(count: int) -> Callable[[Files], Files]:
        return lambda files: {"": files[""][:count]}

    def half(files: Files) -> Files:
        return {"": files[""][: len(files[""]) // 2 // _PAGE * _PAGE]}

    def page(number: int, new: bytes, at: int = 0) -> Callable[[Files], Files]:
        return lambda files: patched(files, ((number - 1) * _PAGE + at, new))

    def all_types(files: Files) -> Files:
        pages = len(files[""]) // _PAGE
        return patched(files, *((number * _PAGE, b"\x05") for number in range(1, pages)))

    noise = draw.randbytes(2 * _PAGE)
    log = struct.pack(">8I", 0x377F0682, 3007000, _PAGE, 0, 1, 2, 3, 4) + noise
    return {
        "no-byte": lambda _: {"": b""},
        "one-byte": cut(1),
        "header-half": cut(50),
        "header-only": cut(100),
        "first-page-only": cut(_PAGE),
        "half": half,
        "last-page-short": lambda files: {"": files[""][:-100]},
        "magic": page(1, b"Sqlite format 3"),
        "noise": lambda _: {"": noise},
        "text": lambda _: {"": b"-- no database at all\n" * 400},
        "page-size-none": page(1, b"\x00\x00", 16),
        "page-size-other": page(1, b"\x20\x00", 16),
        "write-version": page(1, b"\x09", 18),
        "read-version": page(1, b"\x09", 19),
        "schema-format": page(1, b"\x00\x00\x00\x09", 44),
        "encoding": page(1, b"\x00\x00\x00\x02", 56),
        "free-list": page(1, b"\x00\x00\x00\x03\x00\x00\x00\x04", 32),
        "root-page-type": page(1, b"\x0a", 100),
        "page-3-type": page(3, b"\x05"),
        "page-4-zero": page(4, bytes(_PAGE)),
        "page-5-noise": page(5, noise[:_PAGE]),
        "page-6-cells": page(6, b"\xff\xff", 3),
        "every-type": all_types,
        "log-noise": lambda files: {**files, "-wal": noise},
        "log-of-another": lambda files: {**files, "-wal": log},
        "journal-noise": lambda files: {**files, "-journal": noise},
        "index-noise": lambda files: {**files, "-shm": noise},
    }


def build() -> int:
    """Write what is missing; how many that were."""
    HERE.mkdir(exist_ok=True)
    if not MIGRATIONS.exists():
        for number, schema in enumerate(versions(), start=1):
            plan_pair(schema, MIGRATIONS).write(MIGRATIONS, f"step_{number}")
    told = HERE / "outcomes.json"
    known: dict[str, dict[str, str]] = json.loads(told.read_text()) if told.exists() else {}
    count = 0
    with tempfile.TemporaryDirectory() as temporary:
        for name, (kind, make) in entries(Path(temporary)).items():
            if name in known:
                continue
            for suffix, data in make().items():
                path = HERE / f"{name}{suffix}.gz"
                path.write_bytes(gzip.compress(data, mtime=0))
            known[name] = {"of": kind, "outcome": "?"}
            count += 1
    told.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")
    return count


if __name__ == "__main__":
    sys.stdout.write(f"{build()} new, of {DATABASE}\n")
