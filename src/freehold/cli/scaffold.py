"""
The files of a new application; NAME stands for its name.
"""

from __future__ import annotations

from typing import Final

_PYPROJECT: Final = """\
[project]
name = "NAME"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["freehold[server]"]

[tool.freehold]
app = "NAME.app:app"

[tool.pytest.ini_options]
pythonpath = ["."]
"""

_README: Final = """\
# NAME

A data layer: one process owns the database, everyone else calls its typed methods.

    freehold dev               serve it; prints a key and a first call
    freehold generate          write the typed client into NAME/clients/
    freehold migrate plan      write the next migration after a change of the schema
    python -m pytest           the tests

`NAME/schema.py` is the one source of truth, `NAME/domains/` holds the functions,
`NAME/entrypoints.py` says which of them may be called.
"""

_SCHEMA: Final = '''\
"""Every table of NAME."""

from typing import Annotated

from freehold import AUTO, CreatedAt, PrimaryKey, Record, UpdatedAt


class Note(Record, table="notes"):
    """Something to remember."""

    id: Annotated[str, PrimaryKey()]
    text: str
    is_done: bool = False
    created_at: CreatedAt = AUTO
    updated_at: UpdatedAt = AUTO
'''

_DOMAIN: Final = '''\
"""Notes: plain functions, the database first."""

from freehold import Reader, Writer, select

from NAME.schema import Note

_NEWEST = select(Note).order_by(Note.c.created_at.desc(), Note.c.id.desc())


def list_notes(db: Reader) -> list[Note]:
    """Every note, newest first."""
    return db.all(_NEWEST)


def add_note(db: Writer, text: str) -> Note:
    """Remember something."""
    return db.insert(Note(id=db.new_id(), text=text))


def finish_note(db: Writer, id: str) -> Note | None:
    """Mark a note as done; None when there is no such note."""
    return db.update(Note, id, {"is_done": True})
'''

_ENTRYPOINTS: Final = '''\
"""What other services may call."""

from freehold import Entrypoint

from NAME.domains import notes


class Notes(Entrypoint):
    """The notes."""

    list_notes = notes.list_notes
    add_note = notes.add_note
    finish_note = notes.finish_note
'''

_APP: Final = '''\
"""The application."""

from pathlib import Path

from freehold import App, Database

from NAME import schema
from NAME.entrypoints import Notes

app = App(
    "NAME",
    databases=[
        Database("main", schema, migrations=Path(__file__).with_name("migrations")),
    ],
    entrypoints=[Notes],
)
'''

_TEST: Final = '''\
"""Notes, against a real database in memory."""

from freehold import Schema
from freehold.testing import memory_database

from NAME import schema
from NAME.domains.notes import add_note, finish_note, list_notes


def test_a_note_is_remembered_and_finished() -> None:
    """What was added is listed, and can be marked as done."""
    with memory_database(Schema.of_module(schema)) as database:
        with database.write() as db:
            note = add_note(db, "water the plants")
        with database.write() as db:
            finish_note(db, note.id)

        with database.read() as db:
            [found] = list_notes(db)

    assert found.text == "water the plants"
    assert found.is_done
'''

FILES: Final[dict[str, str]] = {
    "pyproject.toml": _PYPROJECT,
    "README.md": _README,
    ".gitignore": ".freehold/\n__pycache__/\n.venv/\n",
    "NAME/__init__.py": '"""The NAME application."""\n',
    "NAME/schema.py": _SCHEMA,
    "NAME/domains/__init__.py": '"""One file for each noun."""\n',
    "NAME/domains/notes.py": _DOMAIN,
    "NAME/entrypoints.py": _ENTRYPOINTS,
    "NAME/app.py": _APP,
    "NAME/clients/__init__.py": '"""Generated clients of NAME."""\n',
    "tests/test_notes.py": _TEST,
}
