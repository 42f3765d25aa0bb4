"""`freehold checksums` and `freehold doctor --scrub`: what the operator sees of the pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from freehold.drivers.sqlite import SqliteDatabase
from freehold.schema import Schema
from tests.cli.commands import freehold, write_notes

pytestmark = pytest.mark.promise("P14")


def test_an_old_file_is_given_them_and_doctor_says_so(tmp_path: Path) -> None:
    """Off, then on; the rows are the same."""
    app = write_notes(tmp_path)
    where = ("--app", app, "--data-dir", "data")
    # For the secrets; then the file is one from before there were checksums.
    freehold("seed", *where, cwd=tmp_path)
    for path in (tmp_path / "data").glob("main.db*"):
        path.unlink()
    old = SqliteDatabase(tmp_path / "data" / "main.db", Schema([]), has_checksums=False)
    with old.opened():
        pass
    freehold("seed", *where, cwd=tmp_path)
    before = freehold("sql", "SELECT * FROM notes", "--json", *where, cwd=tmp_path)

    assert freehold("checksums", "--json", *where, cwd=tmp_path).json()[0]["checksums"] == "off"
    assert "freehold checksums --on" in freehold("doctor", *where, cwd=tmp_path).out
    turned = freehold("checksums", "--on", "--json", *where, cwd=tmp_path)

    assert turned.json()[0]["checksums"] == "on"
    after = freehold("sql", "SELECT * FROM notes", "--json", *where, cwd=tmp_path)
    assert before.json()["rows"]
    assert after.json() == before.json()


def test_a_scrub_names_what_is_damaged(tmp_path: Path) -> None:
    """Exit code 1, the page's number, and what to do."""
    app = write_notes(tmp_path)
    where = ("--app", app, "--data-dir", "data")
    freehold("seed", *where, cwd=tmp_path)
    well = freehold("doctor", "--scrub", *where, cwd=tmp_path)
    path = tmp_path / "data" / "main.db"
    raw = bytearray(path.read_bytes())
    raw[2 * 4096 + 500] ^= 4
    path.write_bytes(raw)

    ill = freehold("doctor", "--scrub", "--json", *where, cwd=tmp_path)

    assert well.code == 0, well.out
    assert "as they were written" in well.out
    assert ill.code == 1
    found = next(finding for finding in ill.json() if finding["what"] == "pages")
    assert not found["is_well"]
    assert found["detail"].endswith("are damaged: 3")
    assert "backup" in found["advice"]
