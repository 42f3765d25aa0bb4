"""`freehold audit`: what a person sees of the log, with a running server and without."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import pytest

from freehold.drivers.sqlite import Place, open_connection
from tests.cli.commands import Said, freehold, write_notes
from tests.e2e.processes import serving

pytestmark = pytest.mark.attack("A36")


def audit(*words: str, cwd: Path) -> Said:
    """One command about the log of the notes in that folder."""
    return freehold("audit", *words, "--app", "notes.py", "--data-dir", "data", cwd=cwd)


def make_key(name: str, cwd: Path) -> Said:
    """A key, which is written down."""
    return freehold(
        "keys", "create", name, "--scope", "*", "--app", "notes.py", "--data-dir", "data", cwd=cwd
    )


def tamper(folder: Path, sql: str) -> None:
    """What somebody does who has the file: neither triggers nor checksums stop him."""
    with closing(open_connection(Place(str(folder / "data" / "main.db")))) as connection:
        for name in ("kept", "stays", "forward", "headed"):
            connection.execute(f"DROP TRIGGER _freehold_audit_{name}")
        connection.execute(sql)


def head_in(said: Said) -> str:
    """The head that a verify printed."""
    found = re.search(r"head (\d+:[0-9a-f]{64})", said.out)
    assert found, said
    return found[1]


def test_the_log_is_listed_and_verified_beside_a_server_and_without(tmp_path: Path) -> None:
    """The same rows and the same head, whoever is asked; a key made over the wire is there."""
    app = write_notes(tmp_path)
    assert make_key("one", tmp_path).code == 0
    with serving(tmp_path / "data", app=app, command="dev"):
        assert make_key("two", tmp_path).code == 0
        beside, rows = audit("verify", cwd=tmp_path), audit("list", cwd=tmp_path)
    alone = audit("verify", cwd=tmp_path)

    assert beside.code == alone.code == 0
    assert head_in(beside) == head_in(alone)
    assert "Freehold.createKey" in rows.out
    assert rows.out.count("local") >= 2
    kept = audit("verify", "--of", "main", "--head", head_in(alone), cwd=tmp_path)
    assert kept.code == 0


def test_what_was_done_to_it_is_named_and_ends_with_1(tmp_path: Path) -> None:
    """A person reads the row; a program reads the exit code."""
    write_notes(tmp_path)
    for name in ("one", "two", "three"):
        assert make_key(name, tmp_path).code == 0
    good = audit("verify", cwd=tmp_path)

    tamper(tmp_path, "UPDATE _freehold_audit SET method = 'Notes.addNote' WHERE number = 2")
    bad = audit("verify", cwd=tmp_path)
    as_json = audit("verify", "--json", cwd=tmp_path)

    assert good.code == 0
    assert bad.code == 1
    assert "✗ main: row 2 is not what was written" in bad.out
    assert as_json.json()[0]["fault"]["number"] == 2


def test_a_head_from_before_shows_that_the_file_was_put_back(tmp_path: Path) -> None:
    """The chain of the older file holds; it is only too short."""
    write_notes(tmp_path)
    assert make_key("one", tmp_path).code == 0
    older = (tmp_path / "data" / "main.db").read_bytes()
    assert make_key("two", tmp_path).code == 0
    head = head_in(audit("verify", cwd=tmp_path))

    (tmp_path / "data" / "main.db").write_bytes(older)
    # Who puts a file back with care takes this away too; else the start itself would say so.
    (tmp_path / "data" / "main.db.witness").unlink()

    assert audit("verify", cwd=tmp_path).code == 0
    found = audit("verify", "--head", head, cwd=tmp_path)
    assert found.code == 1
    assert "the log ends at row 1" in found.out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("verify", "--head", "7"), "is no head"),
        (("list", "--of", "other"), "has no database 'other'"),
        (("prune", "--older-than", "soon"), "is no age"),
    ],
)
def test_a_mistake_is_a_sentence(words: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    """And the next step."""
    write_notes(tmp_path)
    said = audit(*words, cwd=tmp_path)
    assert said.code > 0
    assert sentence in said.err


def test_retention_by_age(tmp_path: Path) -> None:
    """Nothing is as old as that yet; with 0 days all but the last row goes, and it is said."""
    write_notes(tmp_path)
    for name in ("one", "two", "three"):
        make_key(name, tmp_path)
    assert "main: 0 rows forgotten" in audit("prune", "--older-than", "365d", cwd=tmp_path).err
    said = audit("prune", "--older-than", "0d", cwd=tmp_path)
    assert re.search(r"main: [345] rows forgotten", said.err)
    assert audit("verify", cwd=tmp_path).code == 0
