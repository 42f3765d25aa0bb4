"""
Every old or damaged database of the corpus reaches the last version, or is left as it is.
"""

from __future__ import annotations

import gzip
import json
import os
import time
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from freehold.app.opening import Options, open_app
from freehold.app.upgrade import UpgradeMode
from freehold.clock import ManualClock
from freehold.errors import StartError
from freehold.migrate.files import load
from freehold.migrate.history import reading
from freehold.migrate.looks import Look, compared
from freehold.migrate.rehearse import look
from freehold.migrate.shape import shape_of, shape_of_schema
from tests.faults.figures import record
from tests.migrate.corpus_worlds import HERE, app_of, write_secrets

pytestmark = pytest.mark.promise("P19")

OUTCOMES: dict[str, dict[str, str]] = json.loads((HERE / "outcomes.json").read_text())
SUFFIXES = ("", "-wal", "-shm", "-journal")


def unpacked(name: str, path: Path) -> dict[str, bytes]:
    """The files of an entry at their place, with the secrets that it was written with."""
    path.parent.mkdir(parents=True)
    write_secrets(path.parent / "secrets.json")
    files = {}
    for suffix in SUFFIXES:
        packed = HERE / f"{name}{suffix}.gz"
        if packed.exists():
            files[suffix] = gzip.decompress(packed.read_bytes())
            Path(f"{path}{suffix}").write_bytes(files[suffix])
    return files


def outcome(kind: str, path: Path, mode: UpgradeMode, folder: Path) -> str:
    """`arrives`, or how it was refused."""
    app = app_of(kind, folder)
    try:
        open_app(app, Options(folder=path.parent, upgrade=mode, clock=ManualClock())).close()
    except StartError as error:
        return type(error).__name__
    return "arrives"


def looked(path: Path) -> Look | None:
    """What it holds; None when it cannot be read."""
    try:
        with reading(path) as connection:
            return look(connection)
    except Exception:
        return None


def has_arrived(kind: str, path: Path, folder: Path) -> None:
    """The last version, whole."""
    (declared,) = app_of(kind, folder).databases.values()
    assert declared.migrations is not None
    every = load(declared.migrations)
    with closing(apsw.Connection(str(path))) as connection:
        assert shape_of(connection) == shape_of_schema(declared.schema)
        assert connection.execute("PRAGMA user_version").get == len(every)
        assert connection.execute("PRAGMA integrity_check").get == "ok"
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def in_rest(data: bytes) -> bytes:
    """
    The file without what choosing the log writes into its header.

    The journal mode, the counter of changes and the version of SQLite that made the last one.
    """
    return data[:18] + data[20:24] + data[28:92] + data[100:]


@pytest.mark.parametrize("name", OUTCOMES)
def test_it_arrives_whole_or_is_left_alone(tmp_path: Path, name: str) -> None:
    """Content is compared value by value; a refusal is typed, and changes no byte."""
    kind, wanted = OUTCOMES[name]["of"], OUTCOMES[name]["outcome"]
    (database,) = app_of(kind, tmp_path).databases
    path = tmp_path / "data" / f"{database}.db"
    files = unpacked(name, path)
    (tmp_path / "copy").mkdir()
    for suffix, data in files.items():
        Path(f"{tmp_path / 'copy' / database}.db{suffix}").write_bytes(data)
    before = looked(tmp_path / "copy" / f"{database}.db")

    found = outcome(kind, path, "apply", tmp_path)

    if found == "arrives":
        has_arrived(kind, path, tmp_path)
        same_content(kind, path, before, tmp_path)
    else:
        assert in_rest(path.read_bytes()) == in_rest(files[""])
        assert list(path.parent.glob("*.before-*")) == []
        if wanted == "adopted":
            assert outcome(kind, path, "adopt", tmp_path) == "arrives"
            has_arrived(kind, path, tmp_path)
            found = "adopted"
    assert found == wanted


def same_content(kind: str, path: Path, before: Look | None, folder: Path) -> None:
    """Nothing is lost of what could be read before."""
    (declared,) = app_of(kind, folder).databases.values()
    after = looked(path)
    assert after is not None
    if before is not None and before.rows:
        assert declared.migrations is not None
        lost, _ = compared(before, after, load(declared.migrations)[1:])
        assert lost == []


def test_there_are_many(tmp_path: Path) -> None:
    """And some of every kind; the figures are those of the promise."""
    begun = time.monotonic()
    kinds: dict[str, int] = {}
    for each in OUTCOMES.values():
        kinds[each["outcome"]] = kinds.get(each["outcome"], 0) + 1
    assert len(OUTCOMES) >= 50
    assert kinds["arrives"] >= 15
    assert len(OUTCOMES) - kinds["arrives"] >= 30
    record(
        "P19", "corpus of old and damaged databases", files=len(OUTCOMES),
        arrive=kinds["arrives"], bad=0, seconds=time.monotonic() - begun,
    )  # fmt: skip


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    """As a sentence."""
    (tmp_path / "data" / "main.db").mkdir(parents=True)
    write_secrets(tmp_path / "data" / "secrets.json")
    assert outcome("shop", tmp_path / "data" / "main.db", "apply", tmp_path) == "StartError"
    assert list((tmp_path / "data" / "main.db").iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_a_file_that_may_only_be_read_is_refused(tmp_path: Path) -> None:
    """By another user, since root may write everything."""
    path = tmp_path / "data" / "main.db"
    files = unpacked("shop-1", path)
    for each in (path, path.parent, tmp_path, *tmp_path.parents):
        if each.is_relative_to("/tmp") and each != Path("/tmp"):
            os.chmod(each, 0o555 if each in (path, path.parent) else 0o755)
    child = os.fork()
    if child == 0:
        found = "?"
        try:
            os.setgid(65_534)
            os.setuid(65_534)
            found = outcome("shop", path, "apply", tmp_path)
        finally:
            os._exit(0 if found not in ("?", "arrives") else 1)
    _, status = os.waitpid(child, 0)
    os.chmod(path.parent, 0o755)
    assert status == 0
    assert path.read_bytes() == files[""]


def test_a_link_is_followed(tmp_path: Path) -> None:
    """The file behind it is migrated."""
    path = tmp_path / "data" / "main.db"
    unpacked("shop-1", path)
    path.rename(tmp_path / "elsewhere.db")
    path.symlink_to(tmp_path / "elsewhere.db")
    assert outcome("shop", path, "apply", tmp_path) == "arrives"
    has_arrived("shop", tmp_path / "elsewhere.db", tmp_path)
