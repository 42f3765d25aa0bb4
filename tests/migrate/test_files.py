"""What is written reads back, and a folder that is not in order is told so."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pytest

from freehold.errors import MigrationFailed, SchemaError
from freehold.migrate.apply import check
from freehold.migrate.files import Migration, load, parse, write
from freehold.migrate.plan import plan_next
from freehold.migrate.steps import Plan, Refusal
from freehold.schema import Check, PrimaryKey, Record, RecordMeta, Schema, Trigger
from tests.migrate.worlds import shop


def notes(**options: Any) -> Schema:
    body = {
        "__annotations__": {"id": Annotated[str, PrimaryKey()], "text": str},
        "__module__": __name__,
        "text": "a;\n\n  -- b  \r\n'c'",
    }
    return Schema([RecordMeta("Note", (Record,), body, table="notes", **options)])


REFUSE = Trigger(name="g", when="before", event="delete", refuse="it's; here\n -- to stay")


def test_a_plan_is_written_and_reads_back(tmp_path: Path) -> None:
    """Triggers, texts with semicolons, comments and line ends survive; numbers count up."""
    folder = tmp_path / "migrations"
    first = plan_next(notes(triggers=[REFUSE]), [])
    path = write(folder, first, "Create notes!")
    second = notes(triggers=[REFUSE], checks=[Check("text <> ';'", name="ck")])
    later = write(folder, plan_next(second, load(folder)), "check")

    one, two = load(folder)

    assert [path.name, later.name] == ["0001_create_notes.sqlite.sql", "0002_check.sqlite.sql"]
    assert one == Migration.of_plan(first, number=1, slug="create_notes")
    assert (one.name, two.name) == ("0001_create_notes", "0002_check")
    assert (one.rebuilds, two.rebuilds) == ((), ("notes",))
    assert check(second, [one, two]) == []


def test_a_file_tells_its_reviewer_what_it_does(tmp_path: Path) -> None:
    """Sentences first, a warning where data goes, and marks around what is rebuilt."""
    write(tmp_path, plan_next(shop(), []), "initial")

    class User(Record, table="users"):
        id: Annotated[str, PrimaryKey()]
        email: str | None = None
        is_active: bool = True

    text = write(tmp_path, plan_next(Schema([User]), load(tmp_path)), "less").read_text()

    head, _, body = text.partition("\n\n")
    assert head.splitlines()[0] == "-- 0002_less.sqlite.sql"
    assert "Review me" in head
    assert (
        "-- 1. users is rebuilt and its rows are copied, because the column email should allow "
        "NULL; the column created_at is not in the schema. LOST: the values of users.created_at."
    ) in head
    assert "-- 2. The table entries is dropped. LOST: all rows of entries." in head
    assert body.startswith("-- freehold:rebuild users\n\n-- freehold:statement\nCREATE TABLE")
    assert body.count("-- freehold:end") == 1


def test_comments_may_be_edited_and_statements_may_not(tmp_path: Path) -> None:
    """The checksum is over what runs; line ends that a checkout changes do not count."""
    path = write(tmp_path, plan_next(shop(), []), "initial")
    (before,) = load(tmp_path)

    path.write_bytes(b"-- reviewed by me\r\n\r\n" + path.read_bytes().replace(b"\n", b"\r\n"))
    (commented,) = load(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"100", b"101"))
    (edited,) = load(tmp_path)

    assert commented.checksum == before.checksum
    assert edited.checksum != before.checksum


def test_a_file_by_hand_needs_no_marks() -> None:
    """Statements end where the engine says so, and each knows its line."""
    text = """
-- why
CREATE TABLE t (a TEXT); -- first
CREATE TRIGGER g AFTER INSERT ON t BEGIN
  SELECT 1; SELECT ';';
END;

/* then */ INSERT INTO t
VALUES ('x')
"""

    found = parse("x", text, "sqlite")

    assert [(s.line, s.sql.split()[0]) for s in found] == [
        (3, "CREATE"),
        (4, "CREATE"),
        (8, "INSERT"),
    ]
    assert found[1].sql.endswith("END")


def test_another_engine_s_statements_are_taken_whole(tmp_path: Path) -> None:
    """Only marks divide them, so a function body of another language stays in one piece."""
    text = "-- freehold:statement\nCREATE FUNCTION f() AS $$ BEGIN; END; $$;\n"
    (tmp_path / "0001_f.postgresql.sql").write_text(text)

    (migration,) = load(tmp_path, "postgresql")

    assert [s.sql for s in migration.statements] == ["CREATE FUNCTION f() AS $$ BEGIN; END; $$"]
    assert load(tmp_path, "sqlite") == []


@pytest.mark.attack("A24")
@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["0001_a.sqlite.sql", "0003_c.sqlite.sql"], "Migration 0002 is missing: the next one"),
        (["0002_b.sqlite.sql"], "Migration 0001 is missing"),
        (["0001_a.sqlite.sql", "0001_b.sqlite.sql"], "0001_b.sqlite.sql have the same number"),
        (["1_a.sqlite.sql"], "1_a.sqlite.sql is not the name of a migration"),
        (["0001_a.sql"], "0001_a.sql is not the name of a migration"),
        (["0001_a.mysql.sql"], "0001_a.mysql.sql is not the name"),
        (["0001_A.sqlite.sql"], "0001_A.sqlite.sql is not the name"),
    ],
)
def test_a_folder_that_is_not_in_order(tmp_path: Path, names: list[str], message: str) -> None:
    """Gaps, doubles and misspelt names are refused by name."""
    for name in names:
        (tmp_path / name).write_text("SELECT 1;")

    with pytest.raises(MigrationFailed, match=message):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("-- only words\n", "holds no statement"),
        (";;\n", "holds no statement"),
        ("-- freehold:undo\nSELECT 1;", "line 1: `-- freehold:undo` means nothing here"),
        ("-- freehold:rebuild\nSELECT 1;", "means nothing here"),
        ("-- freehold:end\nSELECT 1;", "means nothing here"),
        ("-- freehold:rebuild t\nSELECT 1;", "the rebuild of t is not closed"),
        ("-- freehold:rebuild t\n-- freehold:rebuild u\nSELECT 1;", "line 2"),
    ],
)
def test_a_file_that_cannot_be_read(text: str, message: str) -> None:
    """The mark or the lack is named, with its line."""
    with pytest.raises(MigrationFailed, match=message):
        parse("0001_x", text, "sqlite")


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are refused by place."""
    (tmp_path / "0001_x.sqlite.sql").write_bytes(b"SELECT '\xff';")

    with pytest.raises(MigrationFailed, match=r"is not UTF-8 text: .* at byte 8"):
        load(tmp_path)


def test_other_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    """Only .sql files are migrations; a folder that is not there holds none."""
    (tmp_path / "README.md").write_text("why")

    assert load(tmp_path) == []
    assert load(tmp_path / "nowhere") == []


@pytest.mark.attack("A24")
@pytest.mark.parametrize(
    ("plan", "slug", "message"),
    [
        (Plan(), "x", "nothing to migrate"),
        (Plan((), (Refusal("It cannot be.", "Write it so."),)), "x", "It cannot be. Write it so."),
        (plan_next(notes(), []), "!", "is no name for a migration"),
    ],
)
def test_what_is_not_written(tmp_path: Path, plan: Plan, slug: str, message: str) -> None:
    """Nothing to do, a refusal, a name without a letter: no file appears."""
    with pytest.raises(SchemaError, match=message):
        write(tmp_path, plan, slug)

    assert list(tmp_path.iterdir()) == []
