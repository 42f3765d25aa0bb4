"""`freehold import`: what a person sees, and what is left when it is killed in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from freehold.testing import shared_cluster
from tests.app.copy_worlds import dump
from tests.cli.commands import freehold, write_notes
from tests.e2e.processes import HOTMETAL, serving

ROWS = 30_000
HEAD = "CREATE TABLE notes (id TEXT PRIMARY KEY, text TEXT NOT NULL, created_at INTEGER);\n"


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """The folder of an application, and a dump whose import takes a moment."""
    app = write_notes(tmp_path)
    assert freehold("seed", "--app", app, "--data-dir", "data", cwd=tmp_path).code == 0
    with (tmp_path / "old.sql").open("w") as file:
        file.write(HEAD)
        for number in range(ROWS):
            file.write(f"INSERT INTO notes VALUES('n{number}','{'x' * 50}',1735689600);\n")
    return tmp_path


def test_it_says_what_it_did(tmp_path: Path) -> None:
    """A table for people, JSON for programs, the next step when it is refused."""
    app = write_notes(tmp_path)
    old = tmp_path / "old.sql"
    old.write_text(HEAD + "INSERT INTO notes VALUES('a','b',1735689600);\n")
    last = ("--app", app, "--data-dir", "data")

    rehearsed = freehold("import", old, "--dry-run", "--json", *last, cwd=tmp_path)
    first = freehold("import", old, "--expect", "notes=1", *last, cwd=tmp_path)
    again = freehold("import", old, *last, cwd=tmp_path)
    old.write_text(HEAD + "INSERT INTO notes VALUES('c',7,1735689600000);\n")
    refused = freehold("import", old, *last, cwd=tmp_path)

    [table] = rehearsed.json()["tables"]
    assert (table["read"], table["inserted"], rehearsed.json()["seq"]) == (1, 1, 0)
    assert "nothing was imported" in rehearsed.err
    assert (first.code, first.out.split()[-7:]) == (0, ["notes", "1", "1", "0", "0", "0", "0"])
    assert "imported 1 rows into" in first.err
    assert "nothing to do: every row is there already" in again.err
    assert refused.code == 1
    assert "notes, line 2, id='c', created_at: 1735689600000" in refused.err
    assert "divide milliseconds by 1,000" in refused.err
    assert "Traceback" not in refused.err


def test_options_that_mean_nothing_are_told(tmp_path: Path) -> None:
    """Misspelt ones end with 2, a key that is none with a sentence."""
    app = write_notes(tmp_path)
    old = tmp_path / "old.sql"
    old.write_text(HEAD)
    last = ("--app", app, "--data-dir", "data")

    said = freehold("import", old, "--on-conflict", "x", *last, cwd=tmp_path)
    key = freehold("import", old, "--open-sealed-with-env", "NO_KEY", *last, cwd=tmp_path)

    assert said.code == 2
    assert "NO_KEY holds no key of 64 hexadecimal characters" in key.err


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_ended_in_the_middle_it_did_nothing(many: Path, how: signal.Signals) -> None:
    """Killed or interrupted: the same rows as before, and it can be begun again."""
    before = dump(many / "data" / "main.db")
    command = [sys.executable, "-m", "freehold", "import", "old.sql",
               "--app", "notes.py", "--data-dir", "data"]  # fmt: skip
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=many, stderr=subprocess.PIPE, text=True, env=environment
    ) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if "20000 of" in line:
                break
        else:
            pytest.fail("it never came to the middle")
        running.send_signal(how)
        rest = running.stderr.read()

    assert running.returncode == (130 if how == signal.SIGINT else -signal.SIGKILL)
    if how == signal.SIGINT:
        assert "interrupted: nothing was imported" in rest
        assert not list((many / "data").glob("*before-import*"))
    assert dump(many / "data" / "main.db") == before
    done = freehold("import", "old.sql", "--app", "notes.py", "--data-dir", "data", cwd=many)
    assert f"imported {ROWS} rows" in done.err


def test_a_served_server_takes_nothing_in(tmp_path: Path) -> None:
    """An import holds the one writer of a server: its processes are named, and go on."""
    url = shared_cluster().new_schema()
    old = tmp_path / "old.sql"
    old.write_text("CREATE TABLE users (id TEXT, email TEXT, name TEXT);\n")
    with serving(tmp_path / "data", more=("--database", url)):
        said = freehold("import", old, "--app", HOTMETAL, "--data-dir", tmp_path / "data",
                        "--database", url, cwd=tmp_path)  # fmt: skip

    assert said.code == 1
    assert "processes serve" in said.err
    assert "Nothing was imported." in said.err
