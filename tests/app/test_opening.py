"""Opening an application: several databases, in-process bindings, what is refused."""

from __future__ import annotations

import asyncio
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest

from freehold import App, Database, Entrypoint, PrimaryKey, Reader, Record, Writer
from freehold.app.opening import OpenApp, Options, open_app
from freehold.errors import ContractError, MigrationNeeded, NotFound, OwnerLocked, StartError
from freehold.generate import python_client


class Note(Record, table="notes"):
    """Something to remember."""

    id: Annotated[str, PrimaryKey()]
    text: str


class Entry(Record, table="entries"):
    """Something that happened."""

    id: Annotated[int, PrimaryKey()]


def get_note(db: Reader, id: str) -> Note:
    """The note of that id."""
    return db.get(Note, id)


def add_note(db: Writer, text: str) -> Note:
    """Remember something."""
    return db.insert(Note(id=db.new_id(), text=text))


def count_entries(db: Reader) -> int:
    """How many entries there are."""
    return len(db.all(Entry))


class Notes(Entrypoint):
    """The notes."""

    get_note = get_note
    add_note = add_note


class Log(Entrypoint):
    """Another database's."""

    database = "log"
    count_entries = count_entries


def two_databases() -> App:
    return App(
        "notes",
        databases=[Database("main", [Note]), Database("log", [Entry])],
        entrypoints=[Notes, Log],
    )


@pytest.fixture
def running(tmp_path: Path) -> Iterator[OpenApp]:
    opened = open_app(two_databases(), Options(folder=tmp_path))
    yield opened
    opened.close()


@pytest.fixture
def client(running: OpenApp) -> types.ModuleType:
    """The generated client, imported from its text."""
    module = types.ModuleType("generated_notes")
    sys.modules[module.__name__] = module
    text = python_client(msgspec.json.decode(running.contract.to_json()))
    exec(compile(text, "generated_notes.py", "exec"), module.__dict__)
    return module


def on_loop(running: OpenApp, run: Callable[[], Any]) -> Any:
    """Start the threads on a loop and run there."""

    async def main() -> Any:
        loop = asyncio.get_running_loop()
        running.start(lambda tell: void(loop.call_soon_threadsafe(tell)))
        return await run()

    return asyncio.run(main())


def void(_: object) -> None:
    return None


def test_a_binding_in_process_is_the_generated_client(
    running: OpenApp, client: types.ModuleType
) -> None:
    """The same methods, types and errors as over the wire, reading its own writes."""

    async def calls() -> None:
        async with running.bind(client.Notes) as notes:
            note = await notes.add_note(text="hello")
            assert await notes.get_note(id=note.id) == note
            assert notes.seq == running.seq
            with pytest.raises(NotFound):
                await notes.get_note(id="nobody")

    on_loop(running, calls)


def test_each_entrypoint_works_on_its_own_database(
    running: OpenApp, client: types.ModuleType, tmp_path: Path
) -> None:
    """Each database has a file, a writer and commits of its own."""

    async def calls() -> int:
        async with running.bind(client.Notes) as notes, running.bind(client.Log) as log:
            await notes.add_note(text="hello")
            return int(await log.count_entries())

    assert on_loop(running, calls) == 0
    assert running.databases["main"].seq == 1
    assert running.databases["log"].seq == 0
    assert {"main.db", "log.db"} <= {path.name for path in tmp_path.iterdir()}


def test_an_owned_application_is_not_opened_twice(running: OpenApp, tmp_path: Path) -> None:
    """And what was opened on the way is given back."""
    with pytest.raises(OwnerLocked):
        open_app(two_databases(), Options(folder=tmp_path))

    assert running.first.state == "ok"


def test_an_older_database_is_refused_unless_told_otherwise(tmp_path: Path) -> None:
    """`refuse` names the next step and changes nothing; `sync` adds what is new."""
    open_app(App("n", databases=[Database("main", [Note])], entrypoints=[Notes]),
             Options(folder=tmp_path)).close()  # fmt: skip
    newer = App("n", databases=[Database("main", [Note, Entry])], entrypoints=[Notes])

    with pytest.raises(MigrationNeeded, match="migrate plan"):
        open_app(newer, Options(folder=tmp_path))
    opened = open_app(newer, Options(folder=tmp_path, upgrade="sync"))
    tables = opened.first.inspect("select name from sqlite_schema where type = 'table'", 100).rows
    opened.close()

    assert ["entries"] in tables


def test_an_engine_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The address of another engine is a clear refusal."""
    with pytest.raises(StartError, match="postgresql"):
        open_app(two_databases(), Options(folder=tmp_path, database="postgresql://localhost/x"))


@pytest.mark.parametrize(
    "made",
    [
        lambda: App("Notes", databases=[Database("main", [Note])], entrypoints=[Notes]),
        lambda: App("notes", databases=[], entrypoints=[Notes]),
        lambda: App("notes", databases=[Database("main", [Note])], entrypoints=[]),
        lambda: App("notes", databases=[Database("main", [Note])], entrypoints=[Notes, Notes]),
        lambda: App("notes", databases=[Database("main", [Note])], entrypoints=[Log]),
        lambda: Database("Main", [Note]),
    ],
)
def test_an_application_that_cannot_be_is_told_at_import(made: Callable[[], object]) -> None:
    """Names, doubles, and an entrypoint without its database."""
    with pytest.raises(ContractError):
        made()
