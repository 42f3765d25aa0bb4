"""Both engines have the same files, and each engine's files lead to the schema."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pytest

from freehold.clock import ManualClock
from freehold.errors import MigrationFailed, MigrationNeeded, SchemaError
from freehold.migrate.files import load, parse, write
from freehold.migrate.pairs import check_pair, load_all, plan_pair
from freehold.migrate.plan import plan_next
from freehold.migrate.postgres.apply import apply
from freehold.schema import PrimaryKey, Record, RecordMeta, Schema
from tests.migrate.postgres_worlds import Blocking, left
from tests.migrate.test_apply import shop_later
from tests.migrate.worlds import shop

CLOCK = ManualClock()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def planned(schema: Schema, folder: Path, name: str) -> list[str]:
    return [path.name for path in plan_pair(schema, folder).write(folder, name)]


def test_one_plan_writes_both_files(tmp_path: Path, pg: Blocking) -> None:
    """Side by side, of one number and one name; both lead to the schema."""
    first = planned(shop(), tmp_path, "Initial")
    second = planned(shop_later(), tmp_path, "tags")

    assert first == ["0001_initial.sqlite.sql", "0001_initial.postgresql.sql"]
    assert second == ["0002_tags.sqlite.sql", "0002_tags.postgresql.sql"]
    assert check_pair(shop_later(), tmp_path) == []
    assert plan_pair(shop_later(), tmp_path).is_empty
    apply(pg, load_all(tmp_path, "postgresql"), clock=CLOCK, expected=shop_later())
    assert left(pg, shop_later()) == []


def test_an_engine_catches_up(tmp_path: Path, pg: Blocking) -> None:
    """Nobody can have had the files it lacks, so the last of them leads all the way."""
    for number, schema in enumerate((shop(), shop_later()), start=1):
        write(tmp_path, plan_next(schema, load(tmp_path)), f"step {number}")
    lacks = "0001_step_1 has no file for postgresql."
    assert lacks in check_pair(shop_later(), tmp_path)
    with pytest.raises(MigrationNeeded, match="0001_step_1 has no file for postgresql"):
        load_all(tmp_path, "postgresql")
    assert len(load_all(tmp_path, "sqlite")) == 2

    found = plan_pair(shop_later(), tmp_path)
    paths = found.write(tmp_path, "is not needed")

    assert found.sentences == [
        "postgresql gets the 2 files it lacks; 6 steps lead it to the schema"
    ]
    assert [path.name for path in paths] == [
        "0001_step_1.postgresql.sql", "0002_step_2.postgresql.sql"
    ]  # fmt: skip
    assert "-- freehold:nothing" in paths[0].read_text()
    assert check_pair(shop_later(), tmp_path) == []
    apply(pg, load_all(tmp_path, "postgresql"), clock=CLOCK, expected=shop_later())
    assert left(pg, shop_later()) == []


def test_an_engine_catches_up_while_the_schema_changes(tmp_path: Path) -> None:
    """The number that is new for one is the one that leads the other all the way."""
    write(tmp_path, plan_next(shop(), []), "one")

    paths = planned(shop_later(), tmp_path, "two")

    assert paths == ["0002_two.sqlite.sql", "0001_one.postgresql.sql", "0002_two.postgresql.sql"]
    assert next(len(m.statements) for m in load(tmp_path, "postgresql")) == 0
    assert check_pair(shop_later(), tmp_path) == []


def number(kind: Any) -> Schema:
    body = {
        "__annotations__": {"id": Annotated[str, PrimaryKey()], "n": kind},
        "__module__": __name__,
        "n": 1,
    }
    return Schema([RecordMeta("Thing", (Record,), body, table="things")])


def test_a_change_of_one_engine_only_is_said_for_the_other(tmp_path: Path) -> None:
    """The number is there for both, so that histories can be compared."""

    class Text(Record, table="t", primary_key=("id",)):
        id: str
        tags: str | None = None

    class Tags(Record, table="t", primary_key=("id",)):
        id: str
        tags: list[str] | None = None

    planned(Schema([Text]), tmp_path, "one")
    planned(Schema([Tags]), tmp_path, "with rowids")

    assert [m.name for m in load(tmp_path)] == [m.name for m in load(tmp_path, "postgresql")]
    assert load(tmp_path)[1].statements
    assert load(tmp_path, "postgresql")[1].statements == ()
    text = (tmp_path / "0002_with_rowids.postgresql.sql").read_text()
    assert "Nothing changes on this engine." in text
    assert check_pair(Schema([Tags]), tmp_path) == []


def test_a_value_that_no_row_has_is_asked_for_once(tmp_path: Path) -> None:
    """Both engines refuse a new column without a value in the same words."""
    planned(number(int), tmp_path, "one")

    class Thing(Record, table="things"):
        id: Annotated[str, PrimaryKey()]
        n: int = 1
        made: str

    found = plan_pair(Schema([Thing]), tmp_path)

    (refusal,) = found.refusals
    assert refusal.sentence == (
        "Thing.made is new and may not be None, but the rows of things that are there have no "
        "value for it."
    )
    with pytest.raises(SchemaError, match="made is new and may not be None"):
        found.write(tmp_path, "two")
    assert len(names(tmp_path)) == 2


def test_names_that_differ_are_refused(tmp_path: Path) -> None:
    """A number is one change, whatever the engine."""
    planned(shop(), tmp_path, "one")
    (tmp_path / "0001_one.postgresql.sql").rename(tmp_path / "0001_two.postgresql.sql")

    said = "0001_one is called 0001_two for postgresql."
    assert check_pair(shop(), tmp_path) == [said]
    for act in (plan_pair, lambda _, folder: load_all(folder, "sqlite")):
        with pytest.raises(MigrationNeeded, match="is called 0001_two"):
            act(shop(), tmp_path)


def test_a_file_that_leads_elsewhere_is_found_without_a_server(tmp_path: Path) -> None:
    """Someone edited one engine's file and not the other's."""
    planned(shop(), tmp_path, "one")
    path = tmp_path / "0001_one.postgresql.sql"
    path.write_text(path.read_text().replace("score DOUBLE PRECISION", "score BIGINT"))

    assert check_pair(shop(), tmp_path) == [
        "postgresql: notes: the column score is bigint and should be double precision."
    ]


def test_where_both_lead_elsewhere_it_is_said_once(tmp_path: Path) -> None:
    """The schema has changed, and nobody has planned."""
    planned(shop(), tmp_path, "one")

    assert check_pair(shop_later(), tmp_path).count("The table tags is missing.") == 1


def test_nothing_is_a_word_of_its_own() -> None:
    """Beside a statement it contradicts, and without it an empty file is a mistake."""
    assert parse("x", "-- freehold:nothing\n", "postgresql") == ()
    with pytest.raises(MigrationFailed, match="and holds statements"):
        parse("x", "-- freehold:nothing\nSELECT 1;", "postgresql")
    with pytest.raises(MigrationFailed, match="means nothing here"):
        parse("x", "-- freehold:nothing at all\n", "postgresql")
