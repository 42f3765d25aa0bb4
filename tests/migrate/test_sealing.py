"""A column that stood in clear becomes a sealed one, and nothing of it is left in clear."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from freehold.app.declaration import App, Database
from freehold.app.opening import Options, open_app
from freehold.clock import ManualClock
from freehold.crypto import KeyRing, Place, open_sealed, seal
from freehold.errors import KeysMissing, MigrationFailed, MigrationNeeded, SchemaError
from freehold.migrate import history
from freehold.migrate.apply import apply, require_current
from freehold.migrate.files import load, write
from freehold.migrate.pairs import check_pair, plan_pair
from freehold.migrate.plan import plan_next
from freehold.migrate.sealing import PLAINTEXT_TABLE, Sealer, scrub
from freehold.migrate.sync import sync
from freehold.schema import Schema
from tests.migrate.corpus_worlds import Ping
from tests.migrate.sealing_worlds import (
    CANARY,
    RING,
    SEALER,
    canaries,
    in_clear,
    renamed,
    rows,
    sealed,
)
from tests.migrate.worlds import built, content, opened

pytestmark = pytest.mark.promise("P7")

COUNT = 2_500


def filled(path: Path, count: int = COUNT, *, secure: bool = True) -> None:
    """Accounts in clear, changed and deleted a few times, as in a file with a past."""
    with opened(path) as connection:
        if not secure:
            connection.execute("PRAGMA secure_delete = OFF").fetchall()
        apply(connection, built(in_clear()), clock=ManualClock())
        connection.execute("INSERT INTO changes VALUES (1, 0)")
        sql = "INSERT INTO accounts (provider, number, token, note) VALUES (?, ?, ?, ?)"
        with connection:
            connection.executemany(sql, rows(count))
        with connection:
            connection.execute("DELETE FROM accounts WHERE number % 5 = 4")
        connection.execute("UPDATE changes SET count = 0")


def opened_values(connection: apsw.Connection, table: str, column: str) -> list[str]:
    found = connection.execute(f"SELECT provider, number, {column} FROM {table} ORDER BY number")
    return [
        open_sealed(RING, text, Place("main", table, column, (provider, number)))
        for provider, number, text in found
    ]


def wanted(count: int = COUNT) -> list[str]:
    return [token for _, number, token, _ in rows(count) if number % 5 != 4]


@pytest.mark.parametrize("secure", [True, False])
def test_every_value_is_sealed_and_no_byte_of_it_is_left(tmp_path: Path, *, secure: bool) -> None:
    """Also in a file whose past had no secure_delete; no copy from before is kept."""
    path = tmp_path / "main.db"
    filled(path, secure=secure)
    assert canaries(tmp_path)

    with opened(path) as connection:
        migrations = built(in_clear(), sealed())
        done = apply(
            connection, migrations, clock=ManualClock(), snapshot_to=tmp_path / "main.before.db",
            expected=sealed(), sealer=SEALER,
        )  # fmt: skip

        assert done.snapshot is None
        assert canaries(tmp_path) == {}
        assert opened_values(connection, "accounts", "token") == wanted()
        ((changes,),) = connection.execute("SELECT count FROM changes").fetchall()
        assert changes == 0, "triggers rest"
        require_current(connection, migrations, expected=sealed())
    assert canaries(tmp_path) == {}


def test_without_the_last_of_it_values_are_left(tmp_path: Path) -> None:
    """Negative control: the same statements, and neither VACUUM nor secure_delete."""
    path = tmp_path / "main.db"
    filled(path, secure=False)
    with opened(path) as connection:
        connection.execute("PRAGMA secure_delete = OFF").fetchall()
        found: list[Any] = connection.execute(
            "SELECT provider, number, token FROM accounts"
        ).fetchall()
        connection.execute("DROP TRIGGER accounts_count; DROP INDEX idx_accounts_token").fetchall()
        with connection:
            for provider, number, token in found:
                place = Place("main", "accounts", "token", (provider, number))
                connection.execute(
                    "UPDATE accounts SET token = ? WHERE provider = ? AND number = ?",
                    (seal(RING, token, place), provider, number),
                )
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        left = canaries(tmp_path)
    assert left.get("main.db", 0) > 0


def test_who_dies_before_the_last_of_it_leaves_a_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next opening does the rest."""
    path = tmp_path / "main.db"
    filled(path)

    class Died(Exception):
        pass

    def die(_: apsw.Connection) -> bool:
        raise Died

    with opened(path) as connection:
        monkeypatch.setattr("freehold.migrate.apply.scrub", die)
        with pytest.raises(Died):
            apply(connection, built(in_clear(), sealed()), clock=ManualClock(), sealer=SEALER)
        assert connection.execute(f"SELECT count(*) FROM {PLAINTEXT_TABLE}").fetchall() == [(0,)]
        assert canaries(tmp_path)
    with opened(path) as connection:
        assert scrub(connection)
        assert not scrub(connection)
        assert canaries(tmp_path) == {}
        assert opened_values(connection, "accounts", "token") == wanted()


def test_a_value_that_is_sealed_already_stays(tmp_path: Path) -> None:
    """Sealing what was sealed changes nothing: old files say nothing of sealed columns."""
    path = tmp_path / "main.db"
    filled(path, 20)
    migrations = built(in_clear(), sealed())
    with opened(path) as connection:
        apply(connection, migrations, clock=ManualClock(), sealer=SEALER)
        before = content(connection)["rows"]["accounts"]
        again = built(in_clear(), sealed())[1]
        again = type(again)(3, "again", tuple(s for s in again.statements if s.seal))
        apply(connection, [*migrations, again], clock=ManualClock(), sealer=SEALER)
        assert content(connection)["rows"]["accounts"] == before


def test_a_renamed_sealed_column_still_opens(tmp_path: Path) -> None:
    """Its place is sealed with it, so the values are sealed anew for the new names."""
    path = tmp_path / "main.db"
    filled(path, 50)
    with opened(path) as connection:
        migrations = built(in_clear(), sealed(), renamed())
        apply(connection, migrations, clock=ManualClock(), expected=renamed(), sealer=SEALER)
        assert opened_values(connection, "logins", "secret") == wanted(50)


@pytest.mark.parametrize(
    ("sealer", "error"),
    [
        (None, KeysMissing),
        (Sealer("main", None), KeysMissing),
        (Sealer("other", RING), MigrationFailed),
        (Sealer("main", KeyRing.from_hex("cd" * 32, "k9")), KeysMissing),
    ],
)
def test_without_the_right_key_nothing_is_sealed(
    tmp_path: Path, sealer: Sealer | None, error: type[Exception]
) -> None:
    """A value that looks sealed and does not open is nobody's to seal once more."""
    path = tmp_path / "main.db"
    filled(path, 20)
    place = Place("main", "accounts", "token", ("p0", 0))
    with opened(path) as connection:
        connection.execute(
            "UPDATE accounts SET token = ? WHERE number = 0", (seal(RING, "x", place),)
        )
        before = content(connection)
        with pytest.raises(error) as refused:
            apply(connection, built(in_clear(), sealed()), clock=ManualClock(), sealer=sealer)
        assert content(connection) == before
        assert CANARY not in f"{refused.value} {refused.value.__dict__}"


def test_development_without_files_seals_too(tmp_path: Path) -> None:
    """`sync` asks the values, since no file tells; a second time there is nothing to do."""
    path = tmp_path / "main.db"
    with opened(path) as connection:
        sync(connection, in_clear(), sealer=SEALER)
        sql = "INSERT INTO accounts (provider, number, token, note) VALUES (?, ?, ?, ?)"
        connection.executemany(sql, [row for row in rows(30) if row[1] % 5 != 4])
        kept = tmp_path / "copy.db"
        assert sync(connection, sealed(), sealer=SEALER, snapshot_to=kept).snapshot is None
        assert opened_values(connection, "accounts", "token") == wanted(30)
        assert canaries(tmp_path) == {}
        assert sync(connection, sealed(), sealer=SEALER).plan.is_empty
        sync(connection, renamed(), sealer=SEALER)
        assert opened_values(connection, "logins", "secret") == wanted(30)


def test_the_files_say_what_is_sealed(tmp_path: Path) -> None:
    """Both engines' files; what is new and sealed is marked, what was in clear is sealed."""
    plan_pair(in_clear(), tmp_path).write(tmp_path, "initial")
    assert check_pair(in_clear(), tmp_path) == []
    assert check_pair(sealed(), tmp_path)[-2:] == [
        "The trigger accounts_count is not in the schema.",
        "accounts: the values of token should be sealed.",
    ]
    plan_pair(sealed(), tmp_path).write(tmp_path, "seal tokens")
    assert check_pair(sealed(), tmp_path) == []
    for engine in ("sqlite", "postgresql"):
        text = (tmp_path / f"0002_seal_tokens.{engine}.sql").read_text()
        assert "-- freehold:seal accounts.token\n" in text
    plan_pair(renamed(), tmp_path).write(tmp_path, "logins")
    text = (tmp_path / "0003_logins.postgresql.sql").read_text()
    assert "-- freehold:seal logins.secret was accounts.token\n" in text
    assert check_pair(renamed(), tmp_path) == []
    assert plan_pair(renamed(), tmp_path).is_empty


def test_a_column_that_is_new_and_sealed_is_marked(tmp_path: Path) -> None:
    """There is nothing to seal."""
    write(tmp_path, plan_next(sealed(), []), "initial")
    (only,) = load(tmp_path)
    assert only.sealed == (("accounts.token", True),)
    assert not any(statement.seal for statement in only.statements)
    assert plan_next(sealed(), [only]).is_empty


def test_sealed_values_are_never_opened_by_a_migration(tmp_path: Path) -> None:
    """The reverse is refused, with the way that there is."""
    migrations = built(sealed())
    with pytest.raises(SchemaError, match="No migration opens sealed values"):
        write(tmp_path, plan_next(in_clear(), migrations), "open")
    with closing(apsw.Connection(":memory:")) as connection:
        apply(connection, migrations, clock=ManualClock())
        with pytest.raises(MigrationNeeded, match="should be in clear"):
            require_current(connection, migrations, expected=in_clear())


def test_a_served_application_opens_what_was_sealed(tmp_path: Path) -> None:
    """The whole way: planned files, its own secrets, page checksums, and a start after it."""
    files, folder = tmp_path / "migrations", tmp_path / "data"
    in_clear_schema = in_clear()
    plan_pair(in_clear_schema, files).write(files, "initial")
    app = application(in_clear_schema, files)
    with closing(open_app(app, Options(folder=folder, upgrade="apply"))) as opened_app:
        record = in_clear_schema.by_table["accounts"]
        made = [record(provider=p, number=n, token=t, note=x) for p, n, t, x in rows(300)]
        opened_app.first.write(lambda db: [db.insert(each) for each in made])
    assert canaries(folder)
    plan_pair(sealed(), files).write(files, "seal")
    told: list[str] = []

    options = Options(folder=folder, upgrade="apply", on_progress=told.append)
    with closing(open_app(application(sealed(), files), options)) as opened_app:
        ring = opened_app.secrets.ring
    with closing(open_app(application(sealed(), files), Options(folder=folder))):
        pass

    assert canaries(folder) == {}
    assert any("older ones hold in clear" in line for line in told)
    with history.reading(folder / "main.db") as connection:
        ((text,),) = connection.execute("SELECT token FROM accounts WHERE number = 7").fetchall()
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    place = Place("main", "accounts", "token", ("p1", 7))
    assert open_sealed(ring, str(text), place) == f"{CANARY}-00007"


def application(schema: Schema, files: Path) -> App:
    return App("accounts", databases=[Database("main", schema, migrations=files)],
               entrypoints=[Ping])  # fmt: skip


def test_sealing_cannot_be_forgotten() -> None:
    """A schema that says Sealed over files that do not is refused before it serves."""
    with closing(apsw.Connection(":memory:")) as connection:
        apply(connection, built(in_clear()), clock=ManualClock())
        with pytest.raises(MigrationNeeded, match="the values of token should be sealed"):
            require_current(connection, built(in_clear()), expected=sealed())
