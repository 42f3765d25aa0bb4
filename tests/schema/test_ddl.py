"""The schema as SQL: the same bytes every time, for both engines."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Literal

import pytest

from freehold.schema import (
    Check,
    DialectName,
    Index,
    PrimaryKey,
    Record,
    References,
    Schema,
    Trigger,
    create_indexes,
    create_table,
    create_trigger,
)
from tests.schema.applications import SCHEMAS
from tests.schema.declared import record

ROOT = Path(__file__).parents[2]
#: Prints both dialects' DDL of a schema with many constraints, indexes and references.
PRINT_DDL = """
from tests.schema.applications import SCHEMAS
from tests.schema.test_ddl import KNOT
for schema in (*SCHEMAS.values(), KNOT):
    for dialect in ("sqlite", "postgresql"):
        print(*schema.ddl(dialect), sep="\\n;\\n")
"""


#: Six tables, each of which points at all the others.
KNOT = Schema([
    record(
        f"T{here}",
        f"t{here}",
        {"id": Annotated[str, PrimaryKey()]}
        | {f"t{there}_id": Annotated[str | None, References(f"t{there}.id")]
           for there in range(6) if there != here},
        defaults={f"t{there}_id": None for there in range(6) if there != here},
    )
    for here in range(6)
])  # fmt: skip


def ddl_under(seed: str) -> bytes:
    """What a fresh interpreter prints, whose sets and dicts are ordered by that seed."""
    path = os.pathsep.join([str(ROOT), *sys.path])
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", PRINT_DDL], capture_output=True, check=True, env=environment
    )
    return done.stdout


def test_the_ddl_is_the_same_bytes_in_every_run() -> None:
    """A migration's file is compared with it; sets must not show through."""
    runs = {ddl_under(seed) for seed in ("0", "1", "4242", "random")}

    assert len(runs) == 1
    assert len(runs.pop()) > 10_000


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_the_ddl_is_the_same_however_often_it_is_asked_for(dialect: DialectName) -> None:
    """Saying it changes nothing."""
    for schema in SCHEMAS.values():
        assert schema.ddl(dialect) == schema.ddl(dialect)


class Session(Record, table="sessions"):
    """One half of a ring."""

    id: Annotated[str, PrimaryKey()]
    idea_id: Annotated[str | None, References("ideas.id")] = None


class Idea(
    Record,
    table="ideas",
    checks=[Check("title NOT LIKE '%:x'", name="title_is_good")],
    triggers=[
        Trigger(name="kept", when="before", event="delete", refuse="it's kept: 100%"),
        Trigger(name="swept", when="before", event="delete", run="DELETE FROM sessions"),
        Trigger(name="told", when="after", event="update", of=("title",),
                condition="NEW.title <> ''", run="UPDATE sessions SET id = id"),
    ],
):  # fmt: skip
    """The other half."""

    id: Annotated[str, PrimaryKey()]
    title: str = "100% 'a:b'"
    session_id: Annotated[str | None, References("sessions.id", on_delete="set null")] = None


RING = Schema([Idea, Session])

SQLITE = """\
CREATE TABLE sessions (
  id TEXT NOT NULL,
  idea_id TEXT,
  PRIMARY KEY (id),
  CONSTRAINT fk_sessions_idea_id FOREIGN KEY(idea_id) REFERENCES ideas (id)
)
 WITHOUT ROWID,
 STRICT
;
CREATE TABLE ideas (
  id TEXT NOT NULL,
  title TEXT DEFAULT '100% ''a:b''' NOT NULL,
  session_id TEXT,
  PRIMARY KEY (id),
  CONSTRAINT fk_ideas_session_id FOREIGN KEY(session_id) REFERENCES sessions (id) \
ON DELETE SET NULL,
  CONSTRAINT title_is_good CHECK (title NOT LIKE '%:x')
)
 WITHOUT ROWID,
 STRICT
;
CREATE TRIGGER "kept" BEFORE DELETE ON "ideas" FOR EACH ROW BEGIN SELECT RAISE(ABORT, \
'it''s kept: 100%'); END
;
CREATE TRIGGER "swept" BEFORE DELETE ON "ideas" FOR EACH ROW BEGIN DELETE FROM sessions; END
;
CREATE TRIGGER "told" AFTER UPDATE OF "title" ON "ideas" FOR EACH ROW \
WHEN (NEW.title <> '') BEGIN UPDATE sessions SET id = id; END\
"""

POSTGRESQL = """\
CREATE TABLE sessions (
  id TEXT COLLATE "C" NOT NULL,
  idea_id TEXT COLLATE "C",
  PRIMARY KEY (id)
)
;
CREATE TABLE ideas (
  id TEXT COLLATE "C" NOT NULL,
  title TEXT COLLATE "C" DEFAULT '100% ''a:b''' NOT NULL,
  session_id TEXT COLLATE "C",
  PRIMARY KEY (id),
  CONSTRAINT fk_ideas_session_id FOREIGN KEY(session_id) REFERENCES sessions (id) \
ON DELETE SET NULL,
  CONSTRAINT title_is_good CHECK (title NOT LIKE '%:x')
)
;
ALTER TABLE sessions ADD CONSTRAINT fk_sessions_idea_id FOREIGN KEY(idea_id) REFERENCES ideas (id)
;
CREATE FUNCTION "kept"() RETURNS trigger LANGUAGE plpgsql AS $trigger$ BEGIN \
RAISE EXCEPTION USING MESSAGE = 'it''s kept: 100%'; END $trigger$
;
CREATE TRIGGER "kept" BEFORE DELETE ON "ideas" FOR EACH ROW EXECUTE FUNCTION "kept"()
;
CREATE FUNCTION "swept"() RETURNS trigger LANGUAGE plpgsql AS $trigger$ BEGIN \
DELETE FROM sessions; RETURN OLD; END $trigger$
;
CREATE TRIGGER "swept" BEFORE DELETE ON "ideas" FOR EACH ROW EXECUTE FUNCTION "swept"()
;
CREATE FUNCTION "told"() RETURNS trigger LANGUAGE plpgsql AS $trigger$ BEGIN \
UPDATE sessions SET id = id; RETURN NEW; END $trigger$
;
CREATE TRIGGER "told" AFTER UPDATE OF "title" ON "ideas" FOR EACH ROW \
WHEN (NEW.title <> '') EXECUTE FUNCTION "told"()\
"""


@pytest.mark.parametrize(("dialect", "text"), [("sqlite", SQLITE), ("postgresql", POSTGRESQL)])
def test_the_ddl_reads_so(dialect: DialectName, text: str) -> None:
    """A ring, a check, defaults with signs that SQLAlchemy would read, triggers of each sort."""
    assert "\n;\n".join(RING.ddl(dialect)) == text


def test_one_dialect_leaves_the_other_as_it_was() -> None:
    """A ring's reference, which PostgreSQL adds later, stays in SQLite's table."""
    before = RING.ddl("sqlite")
    RING.ddl("postgresql")

    assert RING.ddl("sqlite") == before
    assert RING.ddl("postgresql") == POSTGRESQL.split("\n;\n")


def test_each_part_can_be_asked_for_alone() -> None:
    """Migrations build one table, one index, one trigger."""
    table = RING.table("ideas")

    assert create_table(table, "sqlite") == RING.ddl()[1]
    assert create_indexes(table, "sqlite") == []
    assert create_trigger(*RING.triggers[0], "sqlite") == [RING.ddl()[2]]
    assert "fk_ideas" not in create_table(
        table, "postgresql", without=list(table.foreign_key_constraints)
    )


class Shelf(
    Record,
    table="shelves",
    indexes=[Index("room", "place desc"), Index("label", unique=True, where="label <> ''")],
):
    """Columns with and without nulls, in both directions."""

    id: Annotated[str, PrimaryKey()]
    room: str | None = None
    place: int | None = None
    label: str = ""
    cover: bytes = b"\x00'"


def test_indexes_are_in_one_order_on_both_engines() -> None:
    """Null is smaller than every value; else an index could not give an order that says so."""
    shelves = Schema([Shelf])
    table = shelves.table("shelves")

    assert create_indexes(table, "postgresql") == [
        "CREATE UNIQUE INDEX idx_shelves_label ON shelves (label) WHERE label <> ''",
        "CREATE INDEX idx_shelves_room_place ON shelves (room NULLS FIRST, place DESC NULLS LAST)",
    ]
    assert create_indexes(table, "sqlite")[1] == (
        "CREATE INDEX idx_shelves_room_place ON shelves (room, place DESC)"
    )


def test_bytes_are_written_as_each_engine_has_them() -> None:
    """As a default."""
    table = Schema([Shelf]).table("shelves")

    assert "DEFAULT (X'0027')" in create_table(table, "sqlite")
    assert "DEFAULT '\\x0027'::bytea" in create_table(table, "postgresql")


def test_checks_stand_in_the_order_of_their_names() -> None:
    """So that of two broken ones both engines tell the same."""

    class Door(
        Record, table="doors", checks=[Check("a > 0", name="zz"), Check("a < 9", name="aa")]
    ):
        id: Annotated[str, PrimaryKey()]
        a: Literal[1, 2]

    [text] = Schema([Door]).ddl("sqlite")

    assert re.findall(r"CONSTRAINT (\w+) CHECK", text) == ["aa", "ck_doors_a", "zz"]
