"""
An application on a PostgreSQL server: the same opener, the same answers, its own rules of place.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest

from freehold import (
    App,
    Database,
    Entrypoint,
    PrimaryKey,
    Reader,
    Record,
    Sealed,
    Writer,
)
from freehold.access import NewKey, create_key, revoke_key
from freehold.app.opening import OpenApp, Options, open_app
from freehold.app.places import places
from freehold.drivers.postgres import Address
from freehold.errors import (
    KeysInvalidHere,
    KeysMissing,
    MigrationNeeded,
    StartError,
    Unauthenticated,
)
from freehold.testing import shared_cluster


class Note(Record, table="notes"):
    """Something to remember."""

    id: Annotated[str, PrimaryKey()]
    text: str
    secret: Sealed[str] | None = None


class Visit(Record, table="visits"):
    """Somebody came by."""

    id: Annotated[str, PrimaryKey()]


def list_notes(db: Reader) -> list[Note]:
    """Every note."""
    return db.all(Note)


def add_visit(db: Writer, id: str) -> Visit:
    """Write a visit down."""
    return db.insert(Visit(id=id))


def plain_secret(db: Reader) -> str | None:
    """What the note of the test hides."""
    secret = db.get(Note, "n").secret
    return None if secret is None else db.open(secret)


class Notes(Entrypoint):
    """The notes."""

    list_notes = list_notes


class Visits(Entrypoint):
    """The visits, in a database of their own."""

    database = "visits-log"
    add_visit = add_visit


NOTES = App("notes", databases=[Database("main", [Note])], entrypoints=[Notes])
BOTH = App(
    "both",
    databases=[Database("main", [Note]), Database("visits-log", [Visit])],
    entrypoints=[Notes, Visits],
)


@pytest.fixture
def url() -> str:
    """An empty schema."""
    return shared_cluster().new_schema()


def opened(url: str, folder: Path, app: App = NOTES, *, secrets: Path | None = None) -> OpenApp:
    """The application on that server."""
    if secrets is not None:
        (folder / "secrets.json").write_bytes((secrets / "secrets.json").read_bytes())
        (folder / "secrets.json").chmod(0o600)
    return open_app(app, Options(folder=folder, database=url))


def test_what_one_process_wrote_another_opens(url: str, tmp_path: Path) -> None:
    """Rows, sealed values and the commit sequence are the database's, not the process's."""
    first, second = tmp_path / "a", tmp_path / "b"
    for folder in (first, second):
        folder.mkdir(mode=0o700)
    one = opened(url, first)
    note = Note(id="n", text="hello", secret=Sealed.of("42"))
    one.first.write(lambda db: db.insert(note))
    other = opened(url, second, secrets=first)
    try:
        assert other.seq == 1
        assert other.first.read(plain_secret) == "42"
    finally:
        other.close()
        one.close()


def test_a_second_process_without_the_secrets_is_refused(url: str, tmp_path: Path) -> None:
    """New ones would make keys that no other process knows, and values that nobody opens."""
    first, second = tmp_path / "a", tmp_path / "b"
    for folder in (first, second):
        folder.mkdir(mode=0o700)
    opened(url, first).close()

    with pytest.raises(KeysMissing, match="was written with its secrets"):
        opened(url, second)

    assert not (second / "secrets.json").exists()


def test_another_installation_s_secrets_are_refused(url: str, tmp_path: Path) -> None:
    """On a server and on a file: nobody else could open what would be written."""
    here, other = tmp_path / "a", tmp_path / "b"
    for folder in (here, other):
        folder.mkdir(mode=0o700)
    opened(url, here).close()
    open_app(NOTES, Options(folder=other)).close()
    elsewhere = tmp_path / "c"
    elsewhere.mkdir(mode=0o700)

    with pytest.raises(KeysInvalidHere, match="its pepper is another one"):
        opened(url, elsewhere, secrets=other)
    (other / "secrets.json").write_bytes((here / "secrets.json").read_bytes())
    with pytest.raises(KeysInvalidHere, match="its pepper is another one"):
        open_app(NOTES, Options(folder=other))
    opened(url, here).close()


def test_several_databases_live_in_schemas_of_their_names(tmp_path: Path) -> None:
    """One server holds them all, and they do not see each other's tables."""
    server = shared_cluster()
    name = server.new_database()
    running = opened(server.url(name), tmp_path, BOTH)
    try:
        running.databases["visits-log"].write(lambda db: add_visit(db, "v"))
    finally:
        running.close()

    assert server.sql("SELECT count(*) FROM visits_log.visits", database=name) == "1"
    assert server.sql("SELECT count(*) FROM main.notes", database=name) == "0"
    assert server.sql("SELECT to_regclass('main.visits') IS NULL", database=name) == "t"


def test_the_schema_of_a_lone_database_is_the_address_s(url: str, tmp_path: Path) -> None:
    """`search_path` in the address names it, and it is made when it is not there."""
    fresh = url.replace("search_path=", "search_path=made_")
    opened(fresh, tmp_path).close()

    place = Address.parse(fresh)
    assert place.schema.startswith("made_t")
    assert shared_cluster().sql(f"SELECT to_regclass('{place.schema}.notes') IS NOT NULL") == "t"


def test_a_key_is_known_and_revoked_in_every_process_s_database(url: str, tmp_path: Path) -> None:
    """A process that starts later knows all keys; one that was revoked is refused."""
    first, second = tmp_path / "a", tmp_path / "b"
    for folder in (first, second):
        folder.mkdir(mode=0o700)
    one = opened(url, first)
    minted = one.first.write(
        lambda db: create_key(db, NewKey(name="k", scopes=["*"]), pepper=one.secrets.pepper)
    )
    other = opened(url, second, secrets=first)
    try:
        assert other.authenticator.caller(minted.key, trusted=False).key_id == minted.info.id
        one.first.write(lambda db: revoke_key(db, minted.info.id))
        other.authenticator.changed()
        with pytest.raises(Unauthenticated):
            other.authenticator.caller(minted.key, trusted=False)
    finally:
        other.close()
        one.close()


def test_a_database_of_another_schema_is_refused_untouched(url: str, tmp_path: Path) -> None:
    """Without migrations and outside of development, nothing is changed."""
    opened(url, tmp_path).close()

    class Other(Record, table="notes"):
        """The same table with another column."""

        id: Annotated[str, PrimaryKey()]
        text: str
        more: str | None = None

    newer = App("notes", databases=[Database("main", [Other])], entrypoints=[Notes])
    with pytest.raises(MigrationNeeded):
        opened(url, tmp_path, newer)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://nobody@127.0.0.1:1/x", "does not answer"),
        ("postgresql://u:hidden@127.0.0.1:1/x", "does not answer"),
        ("mysql://u@h/x", "mysql:// is no engine"),
        ("postgresql://u:hidden@h:abc/x", "port of the address"),
        ("postgresql://u:hidden@127.0.0.1:1/x?sslmode=foo", "no address that can be used"),
    ],
)
def test_a_server_that_cannot_be_had_is_a_sentence(url: str, told: str, tmp_path: Path) -> None:
    """What happened and what to do, and never the password."""
    with pytest.raises(StartError, match=told) as caught:
        opened(url, tmp_path)

    assert "hidden" not in str(caught.value)
    assert caught.value.hint


def test_a_database_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The data layer makes schemas and tables, and no databases."""
    with pytest.raises(StartError, match="does not exist") as caught:
        opened(shared_cluster().url("no_such"), tmp_path)

    assert "CREATE DATABASE" in caught.value.hint


def test_a_setting_that_the_server_does_not_know_is_a_sentence(tmp_path: Path) -> None:
    """What stands in the address goes to the server, which says what it thinks of it."""
    url = shared_cluster().new_schema() + "&nosuchsetting=1"
    with pytest.raises(StartError, match="nosuchsetting"):
        opened(url, tmp_path)


def test_files_stay_where_they_were(tmp_path: Path) -> None:
    """Without an address each database is a file in the folder; a path is the first one's."""
    assert places(BOTH, tmp_path, None) == {
        "main": tmp_path / "main.db",
        "visits-log": tmp_path / "visits-log.db",
    }
    assert places(BOTH, tmp_path, "/srv/x.db")["main"] == Path("/srv/x.db")
