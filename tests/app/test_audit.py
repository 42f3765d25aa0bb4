"""
The audit log of an application: guarded by the engine, kept by the operator's own calls, one
chain over several processes, and the same after a copy. Where it matters, on both engines.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import apsw
import pytest

from freehold import App, Database, Entrypoint, PrimaryKey, Record, Writer
from freehold.app.copying import CopyRefused, copy
from freehold.app.opening import OpenApp, Options, open_app
from freehold.app.upkeep import upkeep_name
from freehold.crypto import SecretsFile
from freehold.db import IN_PROCESS
from freehold.drivers.sqlite import Place as FilePlace
from freehold.drivers.sqlite import open_connection
from freehold.errors import ContractError, RuleBroken, StartError
from freehold.rpc.audit import AuditEntry, entries_after
from freehold.rpc.dispatch import Answer, Request
from freehold.testing import shared_cluster
from freehold.wire.codec import JSON

pytestmark = [pytest.mark.promise("P1"), pytest.mark.attack("A36")]

ROWS = '"_freehold_audit"'
HEAD = '"_freehold_audit_head"'
FORBIDDEN = {
    "alter": f"UPDATE {ROWS} SET key_id = 'mallory' WHERE number = 1",
    "take out": f"DELETE FROM {ROWS} WHERE number = 1",
    "cut": f"DELETE FROM {ROWS} WHERE number = 2",
    "head back": f"UPDATE {HEAD} SET number = 1",
    "base back": f"UPDATE {HEAD} SET base_number = -1",
    "base past the head": f"UPDATE {HEAD} SET base_number = 9",
    "head out": f"DELETE FROM {HEAD}",
}


class Note(Record, table="notes"):
    """Something to remember."""

    id: Annotated[str, PrimaryKey()]


def add(db: Writer, id: str) -> Note:
    """Remember something."""
    return db.insert(Note(id=id))


class Notes(Entrypoint):
    """The notes."""

    add = add


def an_app() -> App:
    """Notes in a database whose every mutation is audited."""
    return App(
        "notes", databases=[Database("main", [Note], audit="mutations")], entrypoints=[Notes]
    )


@pytest.fixture(params=["file", "server"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    """Nowhere said, which is a file; or a schema of its own on a server."""
    return None if request.param == "file" else shared_cluster().new_schema()


def opened(place: str | None, tmp_path: Path) -> OpenApp:
    """The notes, opened there."""
    return open_app(an_app(), Options(folder=tmp_path, database=place, upgrade="sync"))


def log_of(running: OpenApp) -> list[AuditEntry]:
    """The rows."""
    found: list[AuditEntry] = running.first.read(lambda db: entries_after(db, 0, 10_000))
    return found


def verified(running: OpenApp) -> Any:
    """What a walk over the whole log says."""
    return running.ask("Freehold_main.checkAudit", {"number": -1, "digest": ""})


def raw(running: OpenApp, sql: str) -> None:
    """Run SQL past the data layer, as who has the file or the server."""
    if running.first.place.startswith("postgresql"):
        with running.first.blocking() as connection:  # type: ignore[union-attr]
            connection.run(sql)
    else:
        with closing(apsw.Connection(running.first.place)) as connection:
            connection.execute(sql)


def test_the_operators_calls_are_written_down(place: str | None, tmp_path: Path) -> None:
    """Keys made and revoked, without a running server; the key itself is not in it."""
    with closing(opened(place, tmp_path)) as running:
        made = running.ask("Freehold.createKey", {"data": {"name": "scout", "scopes": ["*"]}})
        running.ask("Freehold.revokeKey", {"id": made["info"]["id"]})
        running.ask("Freehold.listKeys", {})

        rows = log_of(running)
        assert [row.method for row in rows] == ["Freehold.createKey", "Freehold.revokeKey"]
        assert {row.key_id for row in rows} == {"local"}
        assert [row.seq for row in rows] == [1, 2]
        assert made["key"] not in str(rows)
        assert verified(running)["fault"] is None
        listed = running.ask("Freehold_main.listAudit", {"rows": 1})
        assert [row["method"] for row in listed] == ["Freehold.revokeKey"]


@pytest.mark.parametrize("how", FORBIDDEN)
def test_the_engine_refuses_to_change_it(place: str | None, tmp_path: Path, how: str) -> None:
    """By triggers, for whoever goes past the data layer."""
    with closing(opened(place, tmp_path)) as running:
        for name in "ab":
            running.ask("Freehold.createKey", {"data": {"name": name, "scopes": ["*"]}})

        with pytest.raises(Exception, match="audit log"):
            raw(running, FORBIDDEN[how])

        assert verified(running)["fault"] is None
        assert len(log_of(running)) == 2


def test_a_careless_function_is_refused_too(place: str | None, tmp_path: Path) -> None:
    """One that has got hold of Freehold's own record."""
    with closing(opened(place, tmp_path)) as running:
        running.ask("Freehold.createKey", {"data": {"name": "a", "scopes": ["*"]}})
        with pytest.raises(RuleBroken, match="written once"):
            running.first.write(lambda db: db.delete(AuditEntry, 1))
        with pytest.raises(RuleBroken, match="written once"):
            running.first.write(lambda db: db.update(AuditEntry, 1, {"key_id": "x"}))


def test_retention_is_a_call_and_is_written_down(place: str | None, tmp_path: Path) -> None:
    """The engine lets through what the operator's method takes, and nothing else."""
    with closing(opened(place, tmp_path)) as running:
        for name in "abc":
            running.ask("Freehold.createKey", {"data": {"name": name, "scopes": ["*"]}})

        gone = running.ask("Freehold_main.pruneAudit", {"beforeMs": 1 << 50, "rows": 2})

        assert gone == 2
        assert [(row.number, row.method) for row in log_of(running)] == [
            (3, "Freehold.createKey"), (4, "Freehold_main.pruneAudit"),
        ]  # fmt: skip
        assert verified(running)["fault"] is None


def test_a_copy_has_the_same_log(tmp_path: Path) -> None:
    """From a file to a server and back: the chain holds, and goes on."""
    there, back = shared_cluster().new_schema(), tmp_path / "back"
    with closing(opened(None, tmp_path)) as running:
        for name in "abc":
            running.ask("Freehold.createKey", {"data": {"name": name, "scopes": ["*"]}})
        before = log_of(running)
    options = Options(folder=tmp_path, upgrade="sync")
    pepper = SecretsFile.load(tmp_path / "secrets.json").pepper
    copy(an_app(), str(tmp_path / "main.db"), there, options=options, pepper=pepper)
    with closing(opened(there, tmp_path)) as running:
        assert log_of(running) == before
        running.ask("Freehold.createKey", {"data": {"name": "d", "scopes": ["*"]}})
        assert verified(running)["rows"] == 4
    back.mkdir(mode=0o700)
    copy(an_app(), there, str(back), options=options, pepper=pepper)
    (back / "secrets.json").write_bytes((tmp_path / "secrets.json").read_bytes())
    (back / "secrets.json").chmod(0o600)
    with closing(opened(None, back)) as running:
        assert verified(running)["fault"] is None
        assert len(log_of(running)) == 4


def test_a_log_that_does_not_hold_is_not_copied(tmp_path: Path) -> None:
    """It is walked where it has arrived, and nothing is committed."""
    with closing(opened(None, tmp_path)) as running:
        for name in "abc":
            running.ask("Freehold.createKey", {"data": {"name": name, "scopes": ["*"]}})
        pepper = running.secrets.pepper
    with closing(open_connection(FilePlace(str(tmp_path / "main.db")))) as connection:
        connection.execute("DROP TRIGGER _freehold_audit_kept")
        connection.execute(f"UPDATE {ROWS} SET key_id = 'mallory' WHERE number = 2")
    there = shared_cluster().new_schema()
    options = Options(folder=tmp_path, upgrade="sync")

    with pytest.raises(CopyRefused, match="row 2 is not what was written"):
        copy(an_app(), str(tmp_path / "main.db"), there, options=options, pepper=pepper)

    with closing(opened(there, tmp_path)) as running:
        assert log_of(running) == []


def test_several_processes_write_one_chain(tmp_path: Path) -> None:
    """Each reads the head behind the lock of all writers."""
    place = shared_cluster().new_schema()
    each = 25
    with closing(opened(place, tmp_path)) as one, closing(opened(place, tmp_path)) as other:

        def work(running: OpenApp, name: str) -> None:
            for number in range(each):
                data = {"name": f"{name}{number}", "scopes": ["*"]}
                running.ask("Freehold.createKey", {"data": data})

        threads = [
            threading.Thread(target=work, args=(running, name))
            for running, name in ((one, "a"), (other, "b"))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert verified(one)["fault"] is None
        assert [row.seq for row in log_of(other)] == list(range(1, 2 * each + 1))


def test_a_call_of_the_application_is_written_down(place: str | None, tmp_path: Path) -> None:
    """Its commit and its row, while it is served."""

    async def story(running: OpenApp) -> None:
        loop = asyncio.get_running_loop()

        def on_loop(run: Callable[[], None]) -> None:
            loop.call_soon_threadsafe(run)

        running.start(on_loop)
        answered: asyncio.Future[Answer] = loop.create_future()
        running.dispatcher.call(
            Request("Notes.add", b'{"id": "a"}', JSON, IN_PROCESS, answered.set_result)
        )
        assert (await answered).error is None
        await running.finish()

    with closing(opened(place, tmp_path)) as running:
        asyncio.run(story(running))
        said = [(row.key_id, row.method, row.seq) for row in log_of(running)]
        assert said == [("in process", "Notes.add", 1)]


def test_the_names_of_the_operators_entrypoints_are_taken(tmp_path: Path) -> None:
    """An application's entrypoint must not stand in for one."""
    taken: Any = type(upkeep_name("main"), (Entrypoint,), {"add": add})
    app = App("notes", databases=[Database("main", [Note])], entrypoints=[taken])
    with pytest.raises(StartError, match="the data layer's own"):
        open_app(app, Options(folder=tmp_path, upgrade="sync"))


def test_an_unknown_mode_is_refused() -> None:
    """At import, with what there is."""
    with pytest.raises(ContractError, match="no way to keep an audit log"):
        Database("main", [Note], audit="all")  # type: ignore[arg-type]
