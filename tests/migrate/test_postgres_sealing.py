"""A column of PostgreSQL that stood in clear becomes a sealed one."""

from __future__ import annotations

import pytest

from freehold.clock import ManualClock
from freehold.crypto import Place, open_sealed, seal
from freehold.errors import KeysMissing, MigrationFailed
from freehold.migrate.postgres.apply import apply
from freehold.migrate.postgres.sync import sync
from freehold.testing.cluster import Cluster
from tests.migrate.postgres_worlds import Blocking, built_for_postgres, content, left, run_on
from tests.migrate.sealing_worlds import RING, SEALER, canaries, in_clear, renamed, rows, sealed

pytestmark = pytest.mark.promise("P7")

COUNT = 2_500


def fill(connection: Blocking, count: int = COUNT) -> None:
    """Accounts in clear, in a table with a past, which the engine has looked at."""
    connection.run("INSERT INTO changes VALUES (1, 0)")
    for row in rows(count):
        connection.rows("INSERT INTO accounts VALUES ($1, $2, $3, $4)", *row)
    connection.run(
        "DELETE FROM accounts WHERE number % 5 = 4; UPDATE accounts SET note = 'x';ANALYZE accounts"
    )


def values(connection: Blocking, table: str, column: str) -> list[str]:
    found = connection.rows(f"SELECT provider, number, {column} FROM {table} ORDER BY number")
    return [
        open_sealed(RING, text, Place("main", table, column, (provider, number)))
        for provider, number, text in found
    ]


def wanted(count: int = COUNT) -> list[str]:
    return [token for _, number, token, _ in rows(count) if number % 5 != 4]


def test_no_table_of_the_server_holds_a_value_in_clear(postgres: Cluster, pg: Blocking) -> None:
    """Only its log does, until it is written over."""
    apply(pg, built_for_postgres(in_clear()), clock=ManualClock())
    fill(pg)
    postgres.sql("CHECKPOINT")
    folder = postgres.folder / "data"
    assert any(name.startswith("base/") for name in canaries(folder))

    apply(
        pg, built_for_postgres(in_clear(), sealed()), clock=ManualClock(), expected=sealed(),
        sealer=SEALER,
    )  # fmt: skip

    assert values(pg, "accounts", "token") == wanted()
    assert left(pg, sealed()) == []
    ((changes,),) = pg.rows("SELECT count FROM changes")
    assert changes == 0, "triggers rest"
    postgres.sql("VACUUM FULL pg_statistic")
    postgres.sql("CHECKPOINT")
    assert canaries(folder, besides=("pg_wal",)) == {}


def test_without_writing_the_table_anew_values_are_left(postgres: Cluster, pg: Blocking) -> None:
    """Negative control: the same values, by UPDATE alone."""
    apply(pg, built_for_postgres(in_clear()), clock=ManualClock())
    fill(pg, 100)
    pg.run("DROP TRIGGER accounts_count ON accounts; DROP INDEX idx_accounts_token")
    for provider, number, token in pg.rows("SELECT provider, number, token FROM accounts"):
        place = Place("main", "accounts", "token", (provider, number))
        pg.rows(
            "UPDATE accounts SET token = $1 WHERE provider = $2 AND number = $3",
            seal(RING, token, place), provider, number,
        )  # fmt: skip
    postgres.sql("CHECKPOINT")
    assert canaries(postgres.folder / "data", besides=("pg_wal",))


def test_a_renamed_sealed_column_still_opens(pg: Blocking) -> None:
    """Its place is sealed with it, so the values are sealed anew for the new names."""
    apply(pg, built_for_postgres(in_clear()), clock=ManualClock())
    fill(pg, 50)
    migrations = built_for_postgres(in_clear(), sealed(), renamed())
    apply(pg, migrations, clock=ManualClock(), expected=renamed(), sealer=SEALER)
    assert values(pg, "logins", "secret") == wanted(50)


def test_without_a_key_nothing_changes(pg: Blocking) -> None:
    """And a value that looks sealed is not sealed once more."""
    apply(pg, built_for_postgres(in_clear()), clock=ManualClock())
    fill(pg, 20)
    before = content(pg)
    migrations = built_for_postgres(in_clear(), sealed())
    with pytest.raises(KeysMissing):
        apply(pg, migrations, clock=ManualClock())
    assert content(pg) == before
    other = seal(RING, "x", Place("main", "accounts", "token", ("p0", 999)))
    pg.rows("UPDATE accounts SET token = $1 WHERE number = 0", other)
    before = content(pg)
    with pytest.raises(MigrationFailed, match="does not open in its place"):
        apply(pg, migrations, clock=ManualClock(), sealer=SEALER)
    assert content(pg) == before


def test_development_without_files_seals_too(pg: Blocking) -> None:
    """`sync` asks the values, since no file tells; a second time there is nothing to do."""
    run_on(pg, lambda: sync(pg, in_clear(), sealer=SEALER))
    fill(pg, 30)
    run_on(pg, lambda: sync(pg, sealed(), sealer=SEALER))
    assert values(pg, "accounts", "token") == wanted(30)
    assert run_on(pg, lambda: sync(pg, sealed(), sealer=SEALER)).is_empty
    run_on(pg, lambda: sync(pg, renamed(), sealer=SEALER))
    assert values(pg, "logins", "secret") == wanted(30)
