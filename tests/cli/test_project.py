"""`init`, `migrate`, `generate`, `doctor`, and how an application is found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commands import freehold, write_notes
from tests.e2e.processes import serving


def test_a_new_application_runs_at_once(tmp_path: Path) -> None:
    """`init` makes one whose own test passes and which `dev` serves."""
    made = freehold("init", "diary", cwd=tmp_path)
    assert made.code == 0
    folder = tmp_path / "diary"

    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert tested.returncode == 0, tested.stdout
    with serving(folder / ".freehold", app=folder / "diary" / "app.py", command="dev"):
        said = freehold("call", "Notes.addNote", "text=hi", cwd=folder)
    assert said.json()["text"] == "hi"
    assert (folder / "diary" / "clients" / "diary.py").is_file()


def test_init_leaves_what_is_there_alone(tmp_path: Path) -> None:
    """A folder with something in it is not touched."""
    (tmp_path / "diary").mkdir()
    (tmp_path / "diary" / "mine.txt").write_text("mine")

    said = freehold("init", "diary", cwd=tmp_path)

    assert said.code != 0
    assert [path.name for path in (tmp_path / "diary").iterdir()] == ["mine.txt"]


def test_a_changed_schema_goes_through_a_migration(tmp_path: Path) -> None:
    """plan writes a file, serve refuses the old database, apply changes it, rows stay."""
    app = write_notes(tmp_path, with_migrations=True)
    where = ("--app", "notes.py", "--data-dir", "data")
    assert freehold("migrate", "plan", "--app", "notes.py", cwd=tmp_path).code == 0
    assert freehold("seed", *where, cwd=tmp_path).code == 0
    assert freehold("migrate", "check", "--app", "notes.py", cwd=tmp_path).code == 0
    app.write_text(
        app.read_text().replace("    text: str\n", "    text: str\n    colour: str | None = None\n")
    )

    assert freehold("migrate", "check", "--app", "notes.py", cwd=tmp_path).code == 1
    planned = freehold("migrate", "plan", "--name", "notes have a colour", "--json",
                       "--app", "notes.py", cwd=tmp_path).json()  # fmt: skip
    assert planned["main"]["file"].endswith("0002_notes_have_a_colour.sqlite.sql")
    refused = freehold("serve", "notes.py", "--data-dir", "data", "--port", "0", cwd=tmp_path)
    assert refused.code == 78
    assert "0002_notes_have_a_colour" in refused.err
    waiting = freehold("migrate", "status", "--json", *where, cwd=tmp_path).json()
    assert [row["state"] for row in waiting] == ["applied", "waiting"]

    assert freehold("migrate", "apply", *where, cwd=tmp_path).code == 0

    shown = freehold("sql", "select text, colour from notes", "--json", *where, cwd=tmp_path)
    assert shown.json()["rows"] == [["hello", None]]
    assert list((tmp_path / "data").glob("main.before-0002*.db"))


def test_a_database_from_before_its_first_migration_is_adopted(tmp_path: Path) -> None:
    """`dev` takes it over by itself; elsewhere `migrate adopt` does; no row is touched."""
    app = write_notes(tmp_path, with_migrations=True)
    where = ("--app", "notes.py", "--data-dir")
    for folder in ("one", "two"):
        assert freehold("seed", *where, folder, cwd=tmp_path).code == 0
    assert freehold("migrate", "plan", "--app", "notes.py", cwd=tmp_path).code == 0

    with serving(tmp_path / "one", app=app, command="dev"):
        pass
    refused = freehold("migrate", "apply", *where, "two", cwd=tmp_path)
    adopted = freehold("migrate", "adopt", *where, "two", cwd=tmp_path)

    assert "freehold migrate adopt" in refused.err
    assert adopted.code == 0
    for folder in ("one", "two"):
        states = freehold("migrate", "status", "--json", *where, folder, cwd=tmp_path).json()
        assert [row["state"] for row in states] == ["applied"]
        shown = freehold("sql", "select text from notes", "--json", *where, folder, cwd=tmp_path)
        assert shown.json()["rows"] == [["hello"]]


def test_the_data_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    """Whichever command makes it, and what is missing above it too."""
    write_notes(tmp_path)

    said = freehold("seed", "--app", "notes.py", "--data-dir", "var/lib", cwd=tmp_path)

    assert said.code == 0
    assert {(tmp_path / each).stat().st_mode & 0o777 for each in ("var", "var/lib")} == {0o700}


def test_generated_clients_are_checked(tmp_path: Path) -> None:
    """--check is silent about fresh files and exits with 1 for stale ones."""
    app = write_notes(tmp_path)
    assert freehold("generate", "--app", app, cwd=tmp_path).code == 0
    assert freehold("generate", "--check", "--app", app, cwd=tmp_path).code == 0
    client = tmp_path / "clients" / "notes.py"
    before = client.read_bytes()

    client.write_text(client.read_text() + "# edited\n")
    stale = freehold("generate", "--check", "--app", app, cwd=tmp_path)
    freehold("generate", "--app", app, cwd=tmp_path)

    assert stale.code == 1
    assert "notes.py is stale" in stale.err
    assert client.read_bytes() == before


def test_doctor_finds_what_is_ill(tmp_path: Path) -> None:
    """All is well at first; a folder that others can open is named with its cure."""
    write_notes(tmp_path)
    where = ("--app", "notes.py", "--data-dir", "data")
    freehold("seed", *where, cwd=tmp_path)
    well = freehold("doctor", *where, cwd=tmp_path)

    (tmp_path / "data").chmod(0o755)
    ill = freehold("doctor", "--json", *where, cwd=tmp_path)

    assert well.code == 0
    assert ill.code == 1
    folder = next(finding for finding in ill.json() if finding["what"] == "folder")
    assert not folder["is_well"]
    assert "chmod" in folder["advice"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("nowhere.py", "nowhere.py"),
        ("nowhere.app:app", "nowhere"),
        ("notes.py:application", "application"),
    ],
)
def test_an_application_that_is_not_there_is_named(
    tmp_path: Path, said: str, expected: str
) -> None:
    """The sentence says what was looked for; no traceback."""
    write_notes(tmp_path)

    refused = freehold("generate", "--app", said, cwd=tmp_path)

    assert refused.code == 70
    assert expected in refused.err
    assert "Traceback" not in refused.err


def test_a_mistake_in_the_schema_is_a_sentence(tmp_path: Path) -> None:
    """Record, field and what to write instead, without a traceback."""
    app = write_notes(tmp_path)
    app.write_text(app.read_text().replace("    text: str\n", "    text: set[str]\n"))

    refused = freehold("dev", app, cwd=tmp_path)

    assert refused.code == 1
    assert "Note.text" in refused.err
    assert "Traceback" not in refused.err


def test_a_failing_import_is_a_sentence(tmp_path: Path) -> None:
    """Of whatever kind; `doctor` goes on and names it among its findings."""
    app = write_notes(tmp_path)
    app.write_text("from os import nonsense\n" + app.read_text())

    refused = freehold("dev", app, cwd=tmp_path)
    ill = freehold("doctor", "--app", "notes.py", "--json", cwd=tmp_path)

    assert refused.code == 70
    assert "nonsense" in refused.err
    assert "Traceback" not in refused.err
    found = {finding["what"]: finding["is_well"] for finding in ill.json()}
    assert found["engine"]
    assert not found["application"]


@pytest.mark.attack("A24")
@pytest.mark.parametrize("name", ["import", "freehold", "json", "Notes", "1note", "../up"])
def test_init_refuses_a_name_that_cannot_be_a_package(tmp_path: Path, name: str) -> None:
    """Keywords, modules that are there, and what is no name at all."""
    said = freehold("init", name, cwd=tmp_path)

    assert said.code == 70
    assert list(tmp_path.iterdir()) == []


def test_a_scope_that_opens_nothing_is_told(tmp_path: Path) -> None:
    """The key is made all the same: the method may come later."""
    write_notes(tmp_path)
    where = ("--app", "notes.py", "--data-dir", "data")

    idle = freehold("keys", "create", "a", "--scope", "Notes.listNote", *where, cwd=tmp_path)
    good = freehold("keys", "create", "b", "--scope", "Notes.list*", "--scope", "emptying",
                    *where, cwd=tmp_path)  # fmt: skip

    assert idle.code == good.code == 0
    assert "Notes.listNote" in idle.err
    assert "can do nothing" not in good.err


def test_help_teaches(tmp_path: Path) -> None:
    """Every command says what it does, most with an example."""
    said = freehold("--help", cwd=tmp_path)

    assert said.code == 0
    for name in ("init", "dev", "serve", "migrate", "generate", "call", "seed", "keys", "sql"):
        assert name in said.out
    assert "Example" in freehold("dev", "--help", cwd=tmp_path).out


def test_a_misspelt_command_exits_with_2(tmp_path: Path) -> None:
    """Usage errors have a code of their own."""
    assert freehold("serv", cwd=tmp_path).code == 2
