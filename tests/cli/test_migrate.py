"""`freehold migrate` on both engines: the same commands with another address."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from freehold.testing import shared_cluster
from tests.cli.commands import Said, freehold, write_notes
from tests.e2e.processes import serving

COLOUR = ("    text: str\n", "    text: str\n    colour: str | None = None\n")


@pytest.fixture(params=["file", "server"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """How a command is told of the database."""
    database = (
        str(tmp_path / "notes.db") if request.param == "file" else shared_cluster().new_schema()
    )
    return ["--app", "notes.py", "--data-dir", "data", "--database", database]


def states(folder: Path, where: list[str]) -> list[tuple[str, str]]:
    said = freehold("migrate", "status", "--json", *where, cwd=folder)
    return [(row["name"], row["state"]) for row in said.json()]


def plan(folder: Path, *options: str) -> Said:
    return freehold("migrate", "plan", "--app", "notes.py", *options, cwd=folder)


def test_a_schema_goes_through_its_migrations(tmp_path: Path, where: list[str]) -> None:
    """plan writes for both engines; status, apply and a second apply say what is so."""
    app = write_notes(tmp_path, with_migrations=True)
    planned = plan(tmp_path)
    assert states(tmp_path, where) == [("0001_initial", "waiting")]
    assert freehold("seed", *where, cwd=tmp_path).code == 0
    app.write_text(app.read_text().replace(*COLOUR))
    checked = freehold("migrate", "check", "--app", "notes.py", cwd=tmp_path)
    later = plan(tmp_path, "--name", "colours", "--json").json()["main"]
    assert states(tmp_path, where) == [("0001_initial", "applied"), ("0002_colours", "waiting")]
    refused = freehold("seed", *where, cwd=tmp_path)

    applied = freehold("migrate", "apply", "--json", *where, cwd=tmp_path)
    again = freehold("migrate", "apply", "--json", *where, cwd=tmp_path)

    assert planned.out == "main: The table notes is new, with 3 columns.\n"
    wrote, read = planned.err.splitlines()
    assert wrote.endswith("/migrations/0001_initial.sqlite.sql")
    assert read.endswith("0001_initial.postgresql.sql: read them, then `freehold migrate apply`")
    assert (checked.code, checked.err) == (1, "main: notes: the column colour is missing.\n")
    assert [Path(path).name for path in later["files"]] == [
        "0002_colours.sqlite.sql",
        "0002_colours.postgresql.sql",
    ]
    assert "waits for 0002_colours" in refused.err
    assert [applied.json(), again.json()] == [{"applied": ["0002_colours"]}, {"applied": []}]
    assert states(tmp_path, where) == [("0001_initial", "applied"), ("0002_colours", "applied")]
    shown = freehold("sql", "select text, colour from notes", "--json", *where, cwd=tmp_path)
    assert shown.json()["rows"] == [["hello", None]]


def test_an_edited_and_an_unknown_migration_are_told(tmp_path: Path, where: list[str]) -> None:
    """status never refuses."""
    app = write_notes(tmp_path, with_migrations=True)
    plan(tmp_path)
    app.write_text(app.read_text().replace(*COLOUR))
    plan(tmp_path, "--name", "colours")
    assert freehold("migrate", "apply", *where, cwd=tmp_path).code == 0
    for path in (tmp_path / "migrations").glob("0002*"):
        path.unlink()
    for path in (tmp_path / "migrations").glob("0001*"):
        path.write_text(path.read_text().replace("created_at", "made_at"))

    assert states(tmp_path, where) == [("0001_initial", "edited"), ("0002_colours", "unknown")]


def test_a_database_from_before_its_first_migration(tmp_path: Path, where: list[str]) -> None:
    """apply refuses it and says what to do; adopt writes down what it has had."""
    write_notes(tmp_path, with_migrations=True)
    assert freehold("seed", *where, cwd=tmp_path).code == 0
    plan(tmp_path)

    refused = freehold("migrate", "apply", *where, cwd=tmp_path)
    adopted = freehold("migrate", "adopt", *where, cwd=tmp_path)

    assert (refused.code, adopted.code) == (70, 0)
    assert "freehold migrate adopt" in refused.err
    assert states(tmp_path, where) == [("0001_initial", "applied")]
    shown = freehold("sql", "select text from notes", "--json", *where, cwd=tmp_path)
    assert shown.json()["rows"] == [["hello"]]


def test_an_application_of_one_engine_gets_the_other_s_files(tmp_path: Path) -> None:
    """check says which are missing; plan writes them, though the schema is as it was."""
    write_notes(tmp_path, with_migrations=True)
    plan(tmp_path)
    missing = tmp_path / "migrations" / "0001_initial.postgresql.sql"
    text = missing.read_text()
    missing.unlink()

    checked = freehold("migrate", "check", "--app", "notes.py", cwd=tmp_path)
    rehearsed = plan(tmp_path, "--dry-run")
    assert not missing.exists()
    planned = plan(tmp_path)

    assert (checked.code, checked.err) == (1, "main: 0001_initial has no file for postgresql.\n")
    assert rehearsed.out == planned.out
    assert planned.out == (
        "main: postgresql gets the file it lacks; 1 step leads it to the schema\n"
    )
    assert missing.read_text() == text
    assert freehold("migrate", "check", "--app", "notes.py", cwd=tmp_path).code == 0
    assert "nothing to plan" in plan(tmp_path).err


@pytest.mark.promise("P19")
def test_a_rehearsal_counts_on_a_copy(tmp_path: Path, where: list[str]) -> None:
    """Nothing changes; exit 1 when something would be lost, which is named."""
    app = write_notes(tmp_path, with_migrations=True)
    plan(tmp_path)
    assert freehold("seed", *where, cwd=tmp_path).code == 0
    app.write_text(app.read_text().replace(*COLOUR))
    plan(tmp_path, "--name", "colours")

    told = freehold("migrate", "rehearse", *where, cwd=tmp_path)
    good = freehold("migrate", "rehearse", "--json", *where, cwd=tmp_path)
    for path in (tmp_path / "migrations").glob("0002*"):
        path.write_text(path.read_text() + "\n-- freehold:statement\nDELETE FROM notes;\n")
    bad = freehold("migrate", "rehearse", *where, cwd=tmp_path)

    assert told.code == good.code == 0
    assert "main: 0002_colours took" in told.err
    found = good.json()["main"]
    assert (found["migrations"], found["lost"]) == (["0002_colours"], [])
    assert found["before"]["rows"] == found["after"]["rows"] == {"notes": 1}
    assert bad.code == 1
    assert "LOST: notes: 1 of 1 rows are gone" in bad.err
    assert states(tmp_path, where) == [("0001_initial", "applied"), ("0002_colours", "waiting")]
    shown = freehold("sql", "select count(*) from notes", "--json", *where, cwd=tmp_path)
    assert "waits for 0002_colours" in shown.err or shown.json()["rows"] == [[1]]


@pytest.mark.promise("P19")
def test_a_migration_is_undone(tmp_path: Path, where: list[str]) -> None:
    """Where nothing is lost; what would be is counted, and goes only when that is said."""
    app = write_notes(tmp_path, with_migrations=True)
    plan(tmp_path)
    app.write_text(app.read_text().replace(*COLOUR))
    plan(tmp_path, "--name", "colours")
    assert freehold("migrate", "apply", *where, cwd=tmp_path).code == 0

    undone = freehold("migrate", "undo", "--json", *where, cwd=tmp_path)
    waiting = states(tmp_path, where)
    assert freehold("migrate", "apply", *where, cwd=tmp_path).code == 0
    assert freehold("seed", *where, cwd=tmp_path).code == 0
    refused = freehold("migrate", "undo", "--to", "0", *where, cwd=tmp_path)
    gone = freehold("migrate", "undo", "--to", "0", "--discard-since", *where, cwd=tmp_path)

    assert (undone.code, undone.json()["undone"]) == (0, ["0002_colours"])
    assert waiting == [("0001_initial", "applied"), ("0002_colours", "waiting")]
    assert refused.code == 1
    assert "would lose what was written since: 1 rows of notes" in refused.err
    assert gone.code == 0
    assert states(tmp_path, where) == [("0001_initial", "waiting"), ("0002_colours", "waiting")]


@pytest.mark.promise("P19")
def test_a_rehearsal_beside_a_server_harms_nobody(tmp_path: Path) -> None:
    """The owner goes on writing before and after; to apply and to undo it must be stopped."""
    old, new, data = tmp_path / "old", tmp_path / "new", tmp_path / "data"
    served = write_notes(old, with_migrations=True)
    assert freehold("migrate", "plan", "--app", served, cwd=old).code == 0
    shutil.copytree(old, new)
    app = new / "notes.py"
    app.write_text(app.read_text().replace(*COLOUR))
    assert freehold("migrate", "plan", "--app", app, "--name", "colours", cwd=new).code == 0
    where = ("--app", app, "--data-dir", data)
    assert freehold("seed", "--app", served, "--data-dir", data, cwd=old).code == 0

    def write() -> int:
        mine = ("--app", served, "--data-dir", data)
        return freehold("call", "Notes.addNote", "text=x", *mine, cwd=old).code

    with serving(data, app=served):
        assert write() == 0
        found = freehold("migrate", "rehearse", "--json", *where, cwd=new)
        assert write() == 0
        applied = freehold("migrate", "apply", *where, cwd=new)
        undone = freehold("migrate", "undo", *where, cwd=new)

    assert found.code == 0, found.err
    assert found.json()["main"]["before"]["rows"] == {"notes": 2}
    assert found.json()["main"]["after"]["rows"] == {"notes": 2}
    assert (applied.code, undone.code) == (73, 73)
    assert sorted(each.name for each in data.glob("*rehearsal*")) == []
