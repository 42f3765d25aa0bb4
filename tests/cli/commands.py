"""
Running `freehold` as a person does: a process, its exit code and what it said.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

NOTES = '''\
"""A small application in one file."""

from pathlib import Path
from typing import Annotated

from freehold import AUTO, App, CreatedAt, Database, Entrypoint, PrimaryKey, Reader, Record
from freehold import Writer, method


class Note(Record, table="notes"):
    """Something to remember."""

    id: Annotated[str, PrimaryKey()]
    text: str
    created_at: CreatedAt = AUTO


def list_notes(db: Reader) -> list[Note]:
    """Every note."""
    return db.all(Note)


def add_note(db: Writer, text: str) -> Note:
    """Remember something."""
    return db.insert(Note(id=db.new_id(), text=text))


def empty_bin(db: Writer) -> int:
    """Forget everything; asks for a scope of its own."""
    notes = db.all(Note)
    return sum(db.delete(Note, note.id) for note in notes)


def seed(db: Writer) -> None:
    """One note, once."""
    if db.find(Note, "first") is None:
        db.insert(Note(id="first", text="hello"))


class Notes(Entrypoint):
    """The notes."""

    list_notes = list_notes
    add_note = add_note
    empty_bin = method(empty_bin, scope="emptying")


app = App(
    "notes",
    databases=[Database("main", [Note], seed=seed, migrations=MIGRATIONS)],
    entrypoints=[Notes],
)
'''


@dataclass(frozen=True)
class Said:
    """What a command ended with."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Standard output as JSON."""
        return msgspec.json.decode(self.out)


def write_notes(folder: Path, *, with_migrations: bool = False) -> Path:
    """The application's file in a folder."""
    path = folder / "notes.py"
    folder.mkdir(parents=True, exist_ok=True)
    where = 'Path(__file__).with_name("migrations")' if with_migrations else "None"
    path.write_text(NOTES.replace("MIGRATIONS", where))
    return path


def freehold(*arguments: str | Path, cwd: Path, **environment: str) -> Said:
    """Run one command to its end."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("FREEHOLD_")}
    done = subprocess.run(
        [sys.executable, "-m", "freehold", *map(str, arguments)],
        cwd=cwd,
        env={**inherited, "COLUMNS": "200", "NO_COLOR": "1", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)
