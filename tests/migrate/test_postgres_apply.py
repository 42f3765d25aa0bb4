"""On PostgreSQL migrations are applied whole or not at all, and only one process does it."""

from __future__ import annotations

from typing import Annotated

import pytest

from freehold.clock import ManualClock
from freehold.errors import MigrationFailed, MigrationNeeded
from freehold.migrate.files import Migration, Statement
from freehold.migrate.postgres.apply import adopt, apply, require_current
from freehold.migrate.postgres.connection import namespace
from freehold.migrate.postgres.history import entries, status
from freehold.migrate.postgres.transaction import Bounds
from freehold.migrate.run import Progress
from freehold.schema import PrimaryKey, Record, Schema
from freehold.testing.cluster import Cluster
from tests.migrate.postgres_worlds import (
    Blocking,
    built_for_postgres,
    by_hand,
    connected,
    content,
    fill_shop,
    left,
    run_on,
)
from tests.migrate.test_apply import shop_later
from tests.migrate.worlds import shop
from tests.schema.applications import SCHEMAS

CLOCK = ManualClock(wall_s=7)
QUICK = Bounds(lock_ms=50, tries=2, other_s=1)


@pytest.fixture
def filled(pg: Blocking) -> Blocking:
    """A shop that serves: migrated, filled, with its history."""
    apply(pg, built_for_postgres(shop()), clock=CLOCK)
    fill_shop(pg)
    return pg


def later() -> list[Migration]:
    return built_for_postgres(shop(), shop_later())


@pytest.mark.parametrize("application", SCHEMAS)
def test_every_application_is_built(pg: Blocking, application: str) -> None:
    """From the files and from the schema directly, and the engine sees the same."""
    schema = SCHEMAS[application]

    done = apply(pg, built_for_postgres(schema), clock=CLOCK, expected=schema)

    assert done.migrations == ("0001_step_1",)
    assert left(pg, schema) == []


def test_all_that_waits_is_applied_and_written_down(filled: Blocking) -> None:
    """Rows stay, the history has the same checksums as the files, and a second run does nothing."""
    done = apply(filled, later(), clock=CLOCK, expected=shop_later())
    again = apply(filled, later(), clock=CLOCK, expected=shop_later())

    assert (done.migrations, done.version, again.migrations) == (("0002_step_2",), 2, ())
    assert [(e.number, e.checksum, e.applied_at) for e in entries(filled)] == [
        (m.number, m.checksum, 7) for m in later()
    ]
    assert [s.state for s in status(filled, later())] == ["applied", "applied"]
    assert [tuple(row) for row in filled.rows("SELECT count(*) FROM notes")] == [(3,)]
    assert left(filled, shop_later()) == []


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("INSERT INTO nowhere VALUES (1)", "nowhere"),
        ("ALTER TABLE users ADD CHECK (email <> 'a@x')", "violated by some row"),
        ("SELECT 1 / 0", "division by zero"),
        ("COMMIT", "a transaction statement"),
        ("ROLLBACK", "a transaction statement"),
        ("SAVEPOINT mine", "a savepoint"),
        ("SET search_path = public", "a setting that stays"),
        ('DELETE FROM "_freehold_migrations"', "Freehold's own"),
        ("CREATE INDEX CONCURRENTLY later ON users (email)", "cannot run inside a transaction"),
    ],
)
def test_a_failing_statement_leaves_the_database_as_it_was(
    filled: Blocking, statement: str, reason: str
) -> None:
    """Also what stood before it in the same run; the message names the statement and its line."""
    before = content(filled)
    second = by_hand(2, "DROP TABLE entries", "CREATE TABLE t (id TEXT)", statement)

    with pytest.raises(MigrationFailed, match=rf"(?s)line 3 .*{reason}") as failed:
        apply(filled, [*built_for_postgres(shop()), second], clock=CLOCK)

    assert "as it was" in failed.value.hint
    assert content(filled) == before


def test_a_procedure_that_ends_the_transaction_is_refused(filled: Blocking) -> None:
    """The engine itself keeps a CALL inside the transaction."""
    filled.run("CREATE PROCEDURE ends() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$")
    before = content(filled)
    second = by_hand(2, "CREATE TABLE t (id TEXT)", "CALL ends()")

    with pytest.raises(MigrationFailed, match="invalid transaction termination"):
        apply(filled, [*built_for_postgres(shop()), second], clock=CLOCK)

    assert content(filled) == before


def test_rows_that_a_rewrite_lost_are_noticed(filled: Blocking) -> None:
    """A table in a rebuild block is counted with its children."""
    lossy = Migration(2, "lossy", (Statement("DELETE FROM users WHERE id = 'u2'", 0, "users"),))

    with pytest.raises(MigrationFailed, match=r"users had 2 rows before .* would have 1 after"):
        apply(filled, [*built_for_postgres(shop()), lossy], clock=CLOCK)

    assert [tuple(row) for row in filled.rows("SELECT count(*) FROM notes")] == [(3,)]


def test_a_migration_that_does_not_arrive_is_refused(filled: Blocking) -> None:
    """What the schema says and the files do not is said, and nothing is changed."""
    before = content(filled)
    half = by_hand(2, "CREATE TABLE tags (id TEXT)")

    with pytest.raises(MigrationFailed, match=r"not be what the schema says: .*tags: the column"):
        apply(filled, [*built_for_postgres(shop()), half], clock=CLOCK, expected=shop_later())

    assert content(filled) == before


def test_serving_needs_a_current_database(filled: Blocking) -> None:
    """What waits is named; what no file does is said; a current one is accepted."""
    with pytest.raises(MigrationNeeded, match="waits for 0002_step_2"):
        run_on(filled, lambda: require_current(filled, later(), expected=shop_later()))
    with pytest.raises(MigrationNeeded, match="The table tags is missing"):
        run_on(filled, lambda: require_current(filled, later()[:1], expected=shop_later()))

    run_on(filled, lambda: require_current(filled, later()[:1], expected=shop()))


def test_a_change_past_the_files_is_noticed(filled: Blocking) -> None:
    """Somebody's ALTER, another table in the schema, a trigger that is off."""
    for change, said in (
        ("ALTER TABLE users ALTER email DROP NOT NULL", "users: the column email should refuse"),
        ("ALTER TABLE notes RENAME CONSTRAINT fk_notes_user_id TO f", "is called f and should"),
        ("CREATE TABLE other (id TEXT)", "The table other is not in the schema"),
        ("ALTER TABLE notes DISABLE TRIGGER notes_keep_title", "notes_keep_title says something"),
        ('ALTER TABLE users ALTER email TYPE text COLLATE "POSIX"', "collated POSIX"),
    ):
        filled.run(f"BEGIN; {change}")
        found = " ".join(left_inside(filled))
        filled.run("ROLLBACK")
        assert said in found


def left_inside(connection: Blocking) -> list[str]:
    try:
        require_current(connection, built_for_postgres(shop()), expected=shop())
    except MigrationNeeded as error:
        return [error.detail]
    return []


def test_each_step_is_told_before_it_is_done(filled: Blocking) -> None:
    """With the rows of a table that is rewritten; an exception from it ends the run."""

    class User(Record, table="users"):
        id: Annotated[str, PrimaryKey()]
        email: int

    other = Schema([User])
    filled.run("UPDATE users SET email = '7'")
    told: list[Progress] = []
    migrations = built_for_postgres(shop(), other)
    apply(filled, migrations, clock=CLOCK, on_progress=told.append)

    phases = [(p.phase, p.migration) for p in told]
    assert ("rows", "users") in phases
    assert next(p.count for p in told if p.phase == "rows") == 2
    assert phases[-2:] == [(w, "0002_step_2") for w in ("verify", "commit")]


def test_stopped_anywhere_the_old_database_is_there(filled: Blocking) -> None:
    """Whoever is told of the steps may end the run at each of them."""
    before = content(filled)
    count = len(later()[1].statements) + 2
    for stops_at in range(1, count + 1):
        left_to_tell = iter(range(stops_at))

        def stop(_: Progress, left_to_tell: object = left_to_tell) -> None:
            if next(left_to_tell, None) is None:  # type: ignore[call-overload]
                raise KeyboardInterrupt

        if stops_at == count:
            continue
        with pytest.raises(KeyboardInterrupt):
            apply(filled, later(), clock=CLOCK, on_progress=stop)
        assert content(filled) == before


def test_a_reader_who_does_not_end_is_named_and_waited_for_shortly(
    filled: Blocking, postgres: Cluster
) -> None:
    """The lock's bound holds, each try is undone whole, and the message says who it was."""
    before = content(filled)
    told: list[Progress] = []
    with connected(postgres.url(schema=namespace(filled))) as reader:
        reader.run("SET application_name = 'report'; BEGIN; SELECT * FROM users")
        with pytest.raises(MigrationFailed, match=r"within 0\.05 s, tried 2 times: .*report") as no:
            apply(filled, later(), clock=CLOCK, bounds=QUICK, on_progress=told.append)
        # Nobody waits behind a lock that was asked for and not given.
        with connected(postgres.url(schema=namespace(filled))) as another:
            another.run("SET lock_timeout = '1s'; SELECT * FROM users")

    assert "users" in no.value.detail
    assert [p.phase for p in told if p.phase == "locked"] == ["locked"]
    assert content(filled) == before


def test_a_lock_that_is_given_back_is_taken_at_the_next_try(
    filled: Blocking, postgres: Cluster
) -> None:
    """A reader who ends between two tries does no harm."""
    with connected(postgres.url(schema=namespace(filled))) as reader:
        reader.run("BEGIN; SELECT * FROM users")

        def end(progress: Progress) -> None:
            if progress.phase == "locked":
                reader.run("COMMIT")

        done = apply(filled, later(), clock=CLOCK, bounds=QUICK, on_progress=end)

    assert done.version == 2


def test_every_wait_has_a_bound(filled: Blocking) -> None:
    """For locks, for statements, and for a process that holds locks and says nothing."""
    seen: list[list[str]] = []

    def look(progress: Progress) -> None:
        names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
        seen.append([filled.rows(f"SHOW {name}")[0][0] for name in names])

    apply(filled, later(), clock=CLOCK, on_progress=look)

    assert seen[0] == ["3s", "30min", "2min"]
    assert all(each == seen[0] for each in seen)


def test_writers_wait_while_tables_change(filled: Blocking, postgres: Cluster) -> None:
    """The lock of the driver's writer is taken first, so no mutation is in the middle."""
    filled.run('CREATE TABLE "_freehold_writer" (id BIGINT)')
    with connected(postgres.url(schema=namespace(filled))) as writer:
        writer.run('BEGIN; LOCK TABLE "_freehold_writer" IN EXCLUSIVE MODE')
        with pytest.raises(MigrationFailed, match="_freehold_writer"):
            apply(filled, later(), clock=CLOCK, bounds=QUICK)


def test_another_process_that_migrates_is_waited_for(filled: Blocking, postgres: Cluster) -> None:
    """Told while it waits, refused in the end."""
    told: list[Progress] = []
    with connected(postgres.url(schema=namespace(filled))) as other:

        def hold(progress: Progress) -> None:
            if progress.phase == "verify":
                with pytest.raises(MigrationFailed, match="Another process has been migrating"):
                    apply(filled, later(), clock=CLOCK, bounds=QUICK, on_progress=told.append)

        apply(other, later(), clock=CLOCK, on_progress=hold)

    assert [p.phase for p in told] == ["wait", "wait"]
    assert apply(filled, later(), clock=CLOCK).migrations == ()


def test_a_statement_that_takes_too_long_ends_the_run(filled: Blocking) -> None:
    """With a bound of its own, far above what a lock may take."""
    slow = by_hand(2, "SELECT pg_sleep(30)")

    with pytest.raises(MigrationFailed, match="statement timeout"):
        apply(
            filled,
            [*built_for_postgres(shop()), slow],
            clock=CLOCK,
            bounds=Bounds(statement_ms=100),
        )


def test_a_role_that_owns_the_schema_only_is_enough(postgres: Cluster) -> None:
    """No superuser, no right to make schemas in the database."""
    postgres.sql(
        "CREATE ROLE modest LOGIN; CREATE SCHEMA modest AUTHORIZATION modest;"
        "REVOKE CREATE ON DATABASE postgres FROM modest"
    )
    url = postgres.url(schema="modest").replace("freehold@", "modest@")
    with connected(url) as connection:
        apply(connection, later(), clock=CLOCK, expected=shop_later())
        assert left(connection, shop_later()) == []
    with (
        connected(url.replace("search_path=modest", "search_path=elsewhere")) as connection,
        pytest.raises(MigrationFailed, match="elsewhere is not there, and this role may not"),
    ):
        apply(connection, later(), clock=CLOCK)
    with (
        connected(url.replace("search_path=modest", "search_path=public")) as connection,
        pytest.raises(MigrationFailed, match="permission denied") as refused,
    ):
        apply(connection, later(), clock=CLOCK)
    assert "must own the schema" in refused.value.hint


def test_a_schema_that_is_missing_is_made(postgres: Cluster) -> None:
    """The first of the search path, whatever its name."""
    url = postgres.url(schema='"New%20one"')
    with connected(url) as connection:
        apply(connection, later(), clock=CLOCK, expected=shop_later())

        assert namespace(connection) == "New one"


def test_a_database_of_known_shape_is_adopted(pg: Blocking) -> None:
    """Nothing is run; another shape is not adopted, and a second time neither."""
    pg.run(";\n".join(Schema(shop().records).ddl("postgresql")))
    before = content(pg)
    with pytest.raises(MigrationFailed, match="no history") as refused:
        apply(pg, later(), clock=CLOCK)
    assert "0001_step_1" in refused.value.hint

    done = run_on(pg, lambda: adopt(pg, later(), clock=CLOCK))

    assert done.migrations == ("0001_step_1",)
    assert {**content(pg)["rows"], "_freehold_migrations": []} == {
        **before["rows"], "_freehold_migrations": []
    }  # fmt: skip
    with pytest.raises(MigrationFailed, match="has a history already"):
        run_on(pg, lambda: adopt(pg, later(), clock=CLOCK))


def test_another_shape_is_not_adopted(pg: Blocking) -> None:
    """The nearest is compared, so that one sees what is in the way."""
    pg.run(";\n".join(Schema(shop().records).ddl("postgresql")))
    pg.run("ALTER TABLE users DROP COLUMN email")

    with pytest.raises(MigrationFailed, match="users: the column email is missing"):
        run_on(pg, lambda: adopt(pg, built_for_postgres(shop()), clock=CLOCK))


def test_tables_of_something_else_are_left_alone(pg: Blocking) -> None:
    """The message advises a schema of one's own; a view or Freehold's own tables do not matter."""
    pg.run('CREATE TABLE "_freehold_meta" (id BIGINT); CREATE VIEW v AS SELECT 1')
    apply(pg, [], clock=CLOCK)
    pg.run("CREATE TABLE theirs (id TEXT)")
    before = content(pg)

    with pytest.raises(MigrationFailed, match=r"holds tables \(theirs\) and no history") as refused:
        apply(pg, later(), clock=CLOCK)

    assert "search_path" in refused.value.hint
    assert content(pg) == before


def test_what_is_refused_in_commit_leaves_the_database_as_it_was(filled: Blocking) -> None:
    """A constraint that is looked at last of all."""
    before = content(filled)
    second = by_hand(
        2,
        "ALTER TABLE entries ADD CONSTRAINT late UNIQUE (note_id) DEFERRABLE INITIALLY DEFERRED",
        "INSERT INTO entries (id, note_id) VALUES ('e3', 1)",
    )

    with pytest.raises(MigrationFailed, match=r"duplicate key value .*late") as refused:
        apply(filled, [*built_for_postgres(shop()), second], clock=CLOCK)

    assert "as it was" in refused.value.hint
    assert content(filled) == before


def test_a_mistake_of_the_caller_is_not_taken_for_the_server_s(filled: Blocking) -> None:
    """An error that is neither the engine's nor the network's goes through as it is."""
    before = content(filled)

    def fail(_: Progress) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        apply(filled, later(), clock=CLOCK, on_progress=fail)

    assert content(filled) == before


def test_a_server_that_goes_away_is_said(filled: Blocking, postgres: Cluster) -> None:
    """The engine undoes what was not committed."""
    ((pid,),) = filled.rows("SELECT pg_backend_pid()")
    schema = namespace(filled)

    def cut(progress: Progress) -> None:
        if progress.phase == "verify":
            postgres.sql(f"SELECT pg_terminate_backend({pid})")

    with pytest.raises(MigrationFailed, match="The connection broke") as broken:
        apply(filled, later(), clock=CLOCK, on_progress=cut)
    assert "undoes what was not committed" in broken.value.hint

    with connected(postgres.url(schema=schema)) as again:
        assert [e.number for e in entries(again)] == [1]
        assert left(again, shop()) == []
        apply(again, later(), clock=CLOCK, expected=shop_later())
