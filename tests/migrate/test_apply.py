"""Migrations are applied whole or not at all, and a rebuild takes nothing along."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import apsw
import pytest

from freehold.clock import ManualClock
from freehold.errors import MigrationFailed, MigrationNeeded, StorageBroken
from freehold.migrate.apply import apply, check
from freehold.migrate.files import Migration, Statement
from freehold.migrate.run import Progress
from freehold.migrate.shape import shape_of, shape_of_schema
from freehold.schema import Check, Index, PrimaryKey, Record, References, Schema
from tests.migrate.worlds import built, by_hand, content, fill_shop, opened, rows, shop

REBUILD = [
    "CREATE TABLE users__new (id TEXT PRIMARY KEY NOT NULL, email TEXT) STRICT",
    "INSERT INTO users__new SELECT id, email FROM users",
    "DROP TABLE users",
    "ALTER TABLE users__new RENAME TO users",
]


def shop_later() -> Schema:
    """The shop with a stricter table of users, which has to be rebuilt, and a new table."""

    class User(Record, table="users", checks=[Check("email <> ''", name="ck_users_email")]):
        id: Annotated[str, PrimaryKey()]
        email: str
        is_active: bool = True
        created_at: int = 0

    class Tag(Record, table="tags"):
        id: Annotated[str, PrimaryKey()]
        note_id: Annotated[int, References("notes.id"), Index()]

    others = [r for r in shop().records if r.__name__ != "User"]
    return Schema([User, *others, Tag])


@contextmanager
def filled(path: Path | None = None) -> Iterator[apsw.Connection]:
    """A shop that serves: migrated, filled, with its history."""
    with opened(path) as connection:
        apply(connection, built(shop()), clock=ManualClock())
        fill_shop(connection)
        yield connection


def rebuild(*statements: str) -> Migration:
    """A rebuild of users by hand."""
    return Migration(2, "rebuild", tuple(Statement(sql, 0, "users") for sql in statements))


@pytest.mark.promise("P19")
def test_a_rebuild_inside_enforced_foreign_keys_deletes_the_children() -> None:
    """The trap: the pragma inside a transaction does nothing, and nobody notices the loss."""
    with filled() as connection:
        before = rows(connection, "SELECT count(*) FROM notes")
        connection.execute("BEGIN; PRAGMA foreign_keys = OFF").fetchall()
        for statement in REBUILD:
            connection.execute(statement)
        connection.execute("COMMIT")

        assert before == [(3,)]
        assert rows(connection, "SELECT count(*) FROM notes") == [(0,)]
        assert rows(connection, "PRAGMA foreign_key_check") == []


@pytest.mark.promise("P19")
def test_apply_keeps_the_children_of_what_it_rebuilds() -> None:
    """The same statements through `apply`: every note is there, and references hold again."""
    with filled() as connection:
        notes = rows(connection, "SELECT * FROM notes")

        applied = apply(connection, [*built(shop()), rebuild(*REBUILD)], clock=ManualClock())

        assert applied.migrations == ("0002_rebuild",)
        assert rows(connection, "SELECT * FROM notes") == notes
        assert rows(connection, "PRAGMA foreign_keys") == [(1,)]
        connection.execute("DELETE FROM users WHERE id = 'u1'")
        assert rows(connection, "SELECT user_id FROM notes") == [("u2",)]


def test_an_open_transaction_is_refused() -> None:
    """Inside one, foreign keys could not be turned off."""
    with filled() as connection, connection:
        with pytest.raises(MigrationFailed, match="A transaction is open"):
            apply(connection, built(shop(), shop_later()), clock=ManualClock())

        assert rows(connection, "PRAGMA foreign_keys") == [(1,)]


def test_all_that_waits_is_one_transaction(tmp_path: Path) -> None:
    """Rows, history, version and shape arrive together, on a file with everything in it."""
    migrations = built(shop(), shop_later())
    with filled(tmp_path / "app.db") as connection:
        users = rows(connection, "SELECT id, email, is_active, created_at FROM users")
        notes = rows(connection, "SELECT * FROM notes")

        applied = apply(connection, migrations, clock=ManualClock(), expected=shop_later())

        assert (applied.version, applied.warnings) == (2, ())
        assert shape_of(connection) == shape_of_schema(shop_later())
        assert rows(connection, "SELECT id, email, is_active, created_at FROM users") == users
        assert rows(connection, "SELECT * FROM notes") == notes
        assert rows(connection, "SELECT * FROM entries ORDER BY id") == [("e1", 1), ("e2", None)]
        with pytest.raises(apsw.ConstraintError, match="a note keeps its title"):
            connection.execute("UPDATE notes SET title = ''")
        assert check(shop_later(), migrations) == []


def test_applying_again_does_nothing() -> None:
    """And says so; without a schema it says that nothing was compared."""
    with opened() as connection:
        first = apply(connection, built(shop()), clock=ManualClock())
        before = content(connection)

        again = apply(connection, built(shop()), clock=ManualClock(), expected=shop())

        assert first.warnings == ("The shape was not compared with a schema.",)
        assert (again.migrations, again.version) == ((), 1)
        assert content(connection) == before


def test_a_failing_statement_leaves_the_database_as_it_was(tmp_path: Path) -> None:
    """Two migrations that worked before it are taken back too; the message says where and why."""
    good = by_hand(2, "CREATE TABLE more (id TEXT)", "DELETE FROM notes")
    bad = by_hand(3, "ALTER TABLE users ADD COLUMN x TEXT", "INSERT INTO users (id) VALUES ('u1')")
    with filled(tmp_path / "app.db") as connection:
        before = content(connection)

        with pytest.raises(MigrationFailed) as failure:
            apply(connection, [*built(shop()), good, bad], clock=ManualClock())

        assert str(failure.value) == (
            "0003_by_hand, line 2 (INSERT INTO users (id) VALUES ('u1')): NOT NULL constraint "
            "failed: users.email. The database is as it was."
        )
        assert content(connection) == before
        assert rows(connection, "PRAGMA foreign_keys") == [(1,)]
        assert not connection.in_transaction


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("COMMIT", "a migration may not contain a transaction statement (COMMIT)"),
        ("BEGIN", "a transaction statement (BEGIN)"),
        ("ROLLBACK", "a transaction statement (ROLLBACK)"),
        ("SAVEPOINT s", "a savepoint"),
        ("RELEASE s", "a savepoint"),
        ("ATTACH ':memory:' AS other", "ATTACH"),
        ("DETACH main", "DETACH"),
        ("PRAGMA foreign_keys = ON", "PRAGMA (foreign_keys)"),
        ("PRAGMA user_version = 99", "PRAGMA (user_version)"),
        (
            "DELETE FROM _freehold_migrations",
            "a change of _freehold_migrations, which is Freehold's",
        ),
        ("UPDATE _freehold_migrations SET name = 'x'", "a change of _freehold_migrations"),
        ("CREATE TABLE _freehold_mine (a)", "a change of _freehold_mine"),
        ("ALTER TABLE _freehold_migrations ADD COLUMN a", "a change of _freehold_migrations"),
        ("DROP TABLE _freehold_migrations", "a change of _freehold_migrations"),
        ("CREATE INDEX i ON _freehold_migrations (name)", "a change of _freehold_migrations"),
        ("SELECT load_extension('x')", "load_extension"),
        (
            "CREATE TEMP TRIGGER g AFTER INSERT ON notes BEGIN DELETE FROM users; END",
            "a temporary trigger",
        ),
        ("VACUUM", "cannot VACUUM from within a transaction"),
    ],
)
def test_a_file_cannot_leave_its_transaction(statement: str, reason: str) -> None:
    """Nor reach past the application's tables; also when the engine has the statement cached."""
    with filled() as connection:
        connection.execute("BEGIN; SAVEPOINT s; RELEASE s; COMMIT").fetchall()
        connection.execute("BEGIN")
        connection.execute("COMMIT")
        before = content(connection)
        bad = by_hand(2, "DELETE FROM notes", statement)

        with pytest.raises(MigrationFailed) as failure:
            apply(connection, [*built(shop()), bad], clock=ManualClock())

        assert reason in str(failure.value)
        assert content(connection) == before
        connection.execute("CREATE TABLE after_it (a)")
        assert connection.authorizer is None


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT OR ROLLBACK INTO users (id, email, created_at) VALUES ('u1', 'x', 1)",
        "INSERT INTO stop VALUES (1)",
    ],
)
def test_a_statement_that_rolls_back_by_itself_stops_the_run(statement: str) -> None:
    """What stands after it would otherwise run outside of a transaction."""
    stop = by_hand(
        2,
        "CREATE TABLE stop (a)",
        "CREATE TRIGGER stops AFTER INSERT ON stop BEGIN SELECT RAISE(ROLLBACK, 'stopped'); END",
        statement,
        "CREATE TABLE later (a)",
    )
    with filled() as connection:
        before = content(connection)

        with pytest.raises(MigrationFailed):
            apply(connection, [*built(shop()), stop], clock=ManualClock())

        assert content(connection) == before


def test_an_authorizer_of_the_connection_is_put_back() -> None:
    """Whoever opened the connection keeps their own rules."""
    asked: list[int] = []

    def own(operation: int, *_: Any) -> int:
        asked.append(operation)
        return apsw.SQLITE_OK

    with opened() as connection:
        connection.authorizer = own

        apply(connection, built(shop()), clock=ManualClock())

        assert connection.authorizer is own
    assert asked


def test_rows_that_a_rebuild_lost_are_noticed() -> None:
    """The table and its children are counted before and after."""
    fewer = [sql.replace("FROM users", "FROM users WHERE id = 'u1'") for sql in REBUILD]
    childless = [*REBUILD, "DELETE FROM notes WHERE user_id = 'u2'"]
    with filled() as connection:
        before = content(connection)

        with pytest.raises(MigrationFailed, match=r"users had 2 rows before .* would have 1 after"):
            apply(connection, [*built(shop()), rebuild(*fewer)], clock=ManualClock())
        with pytest.raises(MigrationFailed, match="notes had 3 rows before users was rebuilt"):
            apply(connection, [*built(shop()), rebuild(*childless)], clock=ManualClock())
        later = (*rebuild(*fewer).statements, Statement("CREATE TABLE later (a)", 0))
        with pytest.raises(MigrationFailed, match="users had 2 rows before"):
            apply(connection, [*built(shop()), Migration(2, "x", later)], clock=ManualClock())
        with pytest.raises(MigrationFailed, match="users cannot be counted: no such table"):
            apply(connection, [*built(shop()), rebuild("DROP TABLE users")], clock=ManualClock())

        assert content(connection) == before


def test_indexes_and_triggers_that_a_rebuild_forgot_are_noticed() -> None:
    """Dropping a table takes them along; the rebuild must make them again."""
    forgetful = [sql.replace("users", "entries").replace("email", "note_id") for sql in REBUILD]
    statements = tuple(Statement(sql, 0, "entries") for sql in forgetful)
    bad = Migration(2, "forgetful", statements)
    with filled() as connection:
        before = content(connection)

        with pytest.raises(MigrationFailed, match="the index idx_entries_note_id is gone after"):
            apply(connection, [*built(shop()), bad], clock=ManualClock())

        assert content(connection) == before


def test_broken_references_are_refused() -> None:
    """With foreign keys off nothing cascades, so what is left pointing nowhere is found."""
    bad = by_hand(2, "DELETE FROM users WHERE id = 'u1'")
    with filled() as connection:
        before = content(connection)

        with pytest.raises(
            MigrationFailed, match=r"rows of notes would point at rows of users .*: 2"
        ):
            apply(connection, [*built(shop()), bad], clock=ManualClock())

        assert content(connection) == before


def test_a_migration_that_does_not_arrive_is_refused() -> None:
    """The schema is what must be there afterwards; what is missing is said."""
    partly = by_hand(2, "CREATE TABLE tags (id TEXT PRIMARY KEY NOT NULL)")
    with filled() as connection:
        before = content(connection)

        with pytest.raises(MigrationFailed, match=r"After 0002_by_hand .*tags: the column note_id"):
            apply(connection, [*built(shop()), partly], clock=ManualClock(), expected=shop_later())
        with pytest.raises(MigrationNeeded, match="says what no migration does"):
            apply(connection, built(shop()), clock=ManualClock(), expected=shop_later())

        assert content(connection) == before


def test_check_says_where_the_two_roads_part() -> None:
    """From nothing and through the migrations must be the same database."""
    assert check(shop(), built(shop())) == []
    assert "The table tags is missing." in check(shop_later(), built(shop()))
    assert check(shop(), [by_hand(1, "CREATE TABLE t (a)")])[-1] == (
        "The trigger notes_keep_title is missing."
    )
    with pytest.raises(MigrationFailed, match="0001_by_hand, line 1"):
        check(shop(), [by_hand(1, "DROP TABLE t")])


def test_each_step_is_told_before_it_is_done() -> None:
    """Phases and statements in order, so that a person sees where a long run stands."""
    told: list[tuple[str, str, int, int]] = []

    def note(at: Progress) -> None:
        told.append((at.phase, at.migration, at.number, at.count))

    with opened() as connection:
        apply(connection, [by_hand(1, "CREATE TABLE t (a)")], clock=ManualClock(), on_progress=note)

    assert told == [
        ("statement", "0001_by_hand", 1, 1),
        ("verify", "0001_by_hand", 0, 0),
        ("commit", "0001_by_hand", 0, 0),
        ("done", "0001_by_hand", 0, 0),
    ]


class Stop(BaseException):
    """What a test throws into the middle of a run."""


class StopAt:
    """Lets so many steps pass and stops before the next."""

    def __init__(self, count: int) -> None:
        self.left = count

    def __call__(self, _: Progress) -> None:
        if self.left == 0:
            raise Stop
        self.left -= 1


def test_a_run_that_is_stopped_anywhere_leaves_the_old_database(tmp_path: Path) -> None:
    """At every statement and phase before COMMIT; at the end of it all is there."""
    migrations = built(shop(), shop_later())
    with filled(tmp_path / "app.db") as connection:
        before = content(connection)
        last = len(migrations[1].statements) + 2
        for stops_at in range(last + 1):
            with pytest.raises(Stop):
                apply(connection, migrations, clock=ManualClock(), on_progress=StopAt(stops_at))

            if stops_at < last:
                assert content(connection) == before
            assert rows(connection, "PRAGMA foreign_keys") == [(1,)]

        assert shape_of(connection) == shape_of_schema(shop_later())
        assert apply(connection, migrations, clock=ManualClock()).migrations == ()


def test_another_writer_is_told(tmp_path: Path) -> None:
    """Somebody without the owner lock holds the database; nothing is changed."""
    path = tmp_path / "app.db"
    with filled(path) as connection, opened(path) as other:
        connection.set_busy_timeout(0)
        with other:
            other.execute("DELETE FROM notes")
            with pytest.raises(MigrationFailed, match=r"The database cannot be written: .*locked"):
                apply(connection, built(shop(), shop_later()), clock=ManualClock())


class FailingFile(apsw.VFSFile):
    """A file whose sync fails while the disk is said to be broken."""

    def xSync(self, flags: int) -> None:  # noqa: N802 - apsw's name
        if FailingDisk.is_broken:
            raise apsw.IOError("the disk is gone")
        super().xSync(flags)


class FailingDisk(apsw.VFS):
    """A disk that a test breaks."""

    is_broken = False

    def __init__(self) -> None:
        super().__init__("migrate-failing", base="")

    def xOpen(self, name: Any, flags: list[int]) -> FailingFile:  # noqa: N802 - apsw's name
        return FailingFile("", name, flags)


def test_a_disk_that_fails_in_commit_is_said_to_be_broken(tmp_path: Path) -> None:
    """The copy from before stays, and the next start finds the old database or the new one."""
    migrations = built(shop(), shop_later())
    disk = FailingDisk()
    connection = apsw.Connection(str(tmp_path / "app.db"), vfs="migrate-failing")
    connection.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL").fetchall()
    apply(connection, migrations[:1], clock=ManualClock())
    fill_shop(connection)
    before = content(connection)

    def break_it(at: Progress) -> None:
        FailingDisk.is_broken = at.phase == "commit"

    with pytest.raises(StorageBroken, match="The disk failed while the migrations were committed"):
        apply(
            connection,
            migrations,
            clock=ManualClock(),
            snapshot_to=tmp_path / "copy.db",
            on_progress=break_it,
        )

    FailingDisk.is_broken = False
    connection.close()
    disk.unregister()
    with opened(tmp_path / "app.db") as again:
        found = content(again)
        assert found == before or shape_of(again) == shape_of_schema(shop_later())
    assert (tmp_path / "copy.db").exists()
