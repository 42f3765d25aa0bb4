"""What a start does with a PostgreSQL database: as the mode allows, and never by half."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import pytest

from freehold.app.declaration import Database
from freehold.app.upgrade import UpgradeMode, bring_postgres_up_to_date
from freehold.clock import ManualClock
from freehold.errors import DatabaseTooNew, MigrationFailed, MigrationNeeded
from freehold.migrate.pairs import plan_pair
from freehold.migrate.postgres.history import entries
from freehold.schema import PrimaryKey, Record, Schema, Was
from tests.migrate.postgres_worlds import Blocking, content, fill_shop, left
from tests.migrate.test_apply import shop_later
from tests.migrate.worlds import shop

MODES: tuple[UpgradeMode, ...] = ("refuse", "apply", "sync")
Start = Callable[..., list[str]]


@pytest.fixture
def start(pg: Blocking) -> Start:
    """Starts with a schema, with its folder of migrations or without; what was said."""

    def _start(
        schema: Schema, folder: Path | None = None, mode: UpgradeMode = "refuse"
    ) -> list[str]:
        said: list[str] = []
        declared = Database("main", schema, migrations=folder)
        bring_postgres_up_to_date(
            pg, declared, mode=mode, clock=ManualClock(), on_progress=said.append
        )
        return said

    return _start


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of the shop."""
    plan_pair(shop(), tmp_path).write(tmp_path, "initial")
    return tmp_path


@pytest.mark.parametrize("mode", MODES)
def test_a_new_database_is_built(pg: Blocking, start: Start, folder: Path, mode: str) -> None:
    """In every mode, through the files; the next start finds it current."""
    said = start(shop(), folder, mode)
    before = content(pg)
    again = start(shop(), folder, mode)

    assert said == ["applying 0001_initial, 10 statements"]
    assert again == []
    assert [e.name for e in entries(pg)] == ["0001_initial"]
    assert left(pg, shop()) == []
    assert content(pg) == before


@pytest.mark.parametrize("mode", MODES)
def test_a_new_database_without_files_is_built(pg: Blocking, start: Start, mode: str) -> None:
    """From the schema directly; Freehold's own tables are not counted as somebody's."""
    pg.run('CREATE TABLE "_freehold_meta" (id BIGINT)')

    start(shop(), None, mode)
    start(shop(), None, mode)

    assert entries(pg) == []
    assert left(pg, shop()) == []


def test_an_old_database_is_refused_or_brought_along(
    pg: Blocking, start: Start, folder: Path
) -> None:
    """`refuse` changes nothing, `apply` arrives with all rows."""
    start(shop(), folder)
    fill_shop(pg)
    plan_pair(shop_later(), folder).write(folder, "tags")
    before = content(pg)

    with pytest.raises(MigrationNeeded, match="waits for 0002_tags"):
        start(shop_later(), folder)
    assert content(pg) == before
    said = start(shop_later(), folder, "apply")

    assert said[0].startswith("applying 0002_tags")
    assert left(pg, shop_later()) == []
    assert [tuple(row) for row in pg.rows("SELECT count(*) FROM notes")] == [(3,)]


def test_a_newer_database_is_refused(pg: Blocking, start: Start, folder: Path) -> None:
    """In every mode."""
    start(shop(), folder)
    plan_pair(shop_later(), folder).write(folder, "tags")
    start(shop_later(), folder, "apply")
    for path in folder.glob("0002*"):
        path.unlink()

    for mode in MODES:
        with pytest.raises(DatabaseTooNew, match="0002_tags, and this application knows 0001"):
            start(shop(), folder, mode)


def test_an_edited_file_is_refused(start: Start, folder: Path) -> None:
    """Comments may be edited, statements may not."""
    start(shop(), folder)
    path = folder / "0001_initial.postgresql.sql"
    path.write_text(path.read_text().replace("-- 1.", "-- one:"))
    start(shop(), folder)
    path.write_text(path.read_text().replace("length(title) < 100", "length(title) < 101"))

    with pytest.raises(MigrationFailed, match="0001_initial is not what was applied"):
        start(shop(), folder, "apply")


def test_files_of_the_other_engine_only_are_not_enough(start: Start, folder: Path) -> None:
    """The message says what to run."""
    (folder / "0001_initial.postgresql.sql").unlink()

    with pytest.raises(MigrationNeeded, match="has no file for postgresql") as refused:
        start(shop(), folder, "apply")

    assert "freehold migrate plan" in refused.value.hint


def test_an_old_history_is_refused_where_it_has_gaps(
    pg: Blocking, start: Start, folder: Path
) -> None:
    """Somebody has deleted from it."""
    start(shop(), folder)
    pg.run('UPDATE "_freehold_migrations" SET number = 2')
    plan_pair(shop_later(), folder).write(folder, "tags")

    with pytest.raises(MigrationFailed, match="its list says 2"):
        start(shop_later(), folder, "apply")


def test_a_young_database_is_followed_without_files(pg: Blocking, start: Start) -> None:
    """In `sync` the schema is compared with the database itself; rows stay."""
    start(shop(), None, "sync")
    fill_shop(pg)

    with pytest.raises(MigrationNeeded, match="This database is older than the schema"):
        start(shop_later())
    start(shop_later(), None, "sync")
    start(shop(), None, "sync")
    start(shop_later(), None, "sync")

    assert left(pg, shop_later()) == []
    assert [tuple(row) for row in pg.rows("SELECT count(*) FROM notes")] == [(3,)]


class Plain(Record, table="users"):
    """A user with a name that is said otherwise."""

    id: Annotated[str, PrimaryKey()]
    mail: Annotated[str, Was("email")]
    is_active: bool = True
    created_at: int


def test_a_young_database_loses_nothing_unasked(pg: Blocking, start: Start) -> None:
    """What would go is counted, a renamed column is kept, and a table without rows may go."""
    start(shop(), None, "sync")
    start(Schema([Plain]), None, "sync")
    pg.run("INSERT INTO users (id, mail, created_at) VALUES ('u', 'a@x', 1)")

    class Less(Record, table="users"):
        id: Annotated[str, PrimaryKey()]
        e_mail: Annotated[str, Was("mail")]

    before = content(pg)
    with pytest.raises(
        MigrationNeeded, match=r"holds: users.is_active \(values: 1\), users.created_at"
    ):
        start(Schema([Less]), None, "sync")

    assert content(pg) == before


def test_a_young_database_needs_values_for_its_rows(pg: Blocking, start: Start) -> None:
    """Where there are none a column without a default is added."""

    class More(Record, table="more"):
        id: Annotated[str, PrimaryKey()]
        mail: str

    class Most(Record, table="more"):
        id: Annotated[str, PrimaryKey()]
        mail: str
        name: str

    start(Schema([More]), None, "sync")
    pg.run("INSERT INTO more (id, mail) VALUES ('1', '2')")
    with pytest.raises(MigrationNeeded, match=r"Most\.name is new and may not be None"):
        start(Schema([Most]), None, "sync")
    pg.run("DELETE FROM more")
    start(Schema([Most]), None, "sync")

    assert left(pg, Schema([Most])) == []


def test_a_young_database_is_taken_over_by_its_first_files(
    pg: Blocking, start: Start, folder: Path
) -> None:
    """In development at once, elsewhere when it is asked for."""
    start(shop())
    fill_shop(pg)
    before = content(pg)["rows"]
    with pytest.raises(MigrationFailed, match="no history of migrations"):
        start(shop(), folder, "apply")

    start(shop(), folder, "sync")

    assert [e.name for e in entries(pg)] == ["0001_initial"]
    assert {n: r for n, r in content(pg)["rows"].items() if n in before} == before


def test_a_database_is_adopted_when_it_is_asked_for(
    pg: Blocking, start: Start, folder: Path
) -> None:
    """Nothing is run."""
    start(shop())

    start(shop(), folder, "adopt")

    assert [e.name for e in entries(pg)] == ["0001_initial"]


def test_a_database_kept_by_files_is_left_to_them(start: Start, folder: Path) -> None:
    """An application that lost its folder changes nothing."""
    start(shop(), folder)

    for mode in ("refuse", "sync"):
        with pytest.raises(MigrationNeeded):
            start(shop_later(), None, mode)
