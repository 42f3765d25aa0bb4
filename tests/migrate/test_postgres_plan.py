"""Every kind of change is planned for PostgreSQL on paper, runs there, and keeps what stays."""

from __future__ import annotations

from typing import Annotated, Any

import asyncpg
import pytest

from freehold.clock import ManualClock
from freehold.migrate.files import Migration
from freehold.migrate.postgres.apply import apply
from freehold.migrate.postgres.plan import plan_next
from freehold.schema import (
    Check,
    Index,
    PrimaryKey,
    Record,
    RecordMeta,
    References,
    Schema,
    Trigger,
    Unique,
)
from tests.migrate.postgres_worlds import Blocking, built_for_postgres, left
from tests.migrate.test_plan import CHANGES, COUNTED, things
from tests.migrate.worlds import shop


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_planned_and_keeps_what_stays(pg: Blocking, change: str) -> None:
    """The plan says what it loses, and the engine arrives at the schema with all rows."""
    before, after = (things(said) for said in CHANGES[change][:2])
    lost = CHANGES[change][3]
    (first,) = built_for_postgres(before)
    apply(pg, [first], clock=ManualClock(), expected=before)
    is_text = CHANGES[change][0].get("child", str) is str
    keys = ("'1'", "'2'") if is_text else ("1", "2")
    pg.run(
        f"INSERT INTO things (id, title) VALUES ({keys[0]}, 'one'), ({keys[1]}, 'two');"
        f"INSERT INTO children (id, thing_id) VALUES ('c1', {keys[0]}), ('c2', {keys[0]})"
    )
    kept = pg.rows("SELECT id::text, title FROM things ORDER BY title")

    planned = plan_next(after, [first])
    moved = Migration.of_plan(planned, number=2, slug="change")
    apply(pg, [first, moved], clock=ManualClock(), expected=after)

    assert planned.refusals == ()
    assert ", ".join(step.loses for step in planned.destructive_steps) == lost
    assert left(pg, after) == []
    table = next(name for name in after.metadata.tables if name != "children")
    assert pg.rows(f'SELECT id::text, title FROM "{table}" ORDER BY title') == kept
    assert [tuple(row) for row in pg.rows("SELECT count(*) FROM children")] == [(2,)]
    assert plan_next(after, [first, moved]).is_empty


def number(kind: Any) -> Schema:
    """Things with a number of that kind, which a trigger, a check and an index stand on."""
    full = Trigger(
        name="full", when="before", event="update", of=("n",), condition="NEW.n IS NULL",
        refuse="a number stays",
    )  # fmt: skip
    body = {"__annotations__": {"id": Annotated[str, PrimaryKey()], "n": kind | None},
            "__module__": __name__, "n": None}  # fmt: skip
    record = RecordMeta(
        "Thing", (Record,), body, table="things", triggers=[full],
        checks=[Check("n IS NOT NULL OR id <> ''", name="ck_n")],
        indexes=[Index("n", name="by_n", where="n IS NOT NULL")],
    )  # fmt: skip
    return Schema([record])


def test_what_stands_on_a_column_is_there_again_when_it_has_another_type(pg: Blocking) -> None:
    """The engine refuses to change a column under a trigger, so that is taken away for a moment."""
    migrations = built_for_postgres(number(int), number(str))
    apply(pg, migrations[:1], clock=ManualClock())
    pg.run("INSERT INTO things (id, n) VALUES ('1', 7)")

    apply(pg, migrations, clock=ManualClock(), expected=number(str))

    assert [tuple(row) for row in pg.rows("SELECT id, n FROM things")] == [("1", "7")]
    with pytest.raises(asyncpg.RaiseError, match="a number stays"):
        pg.run("UPDATE things SET n = NULL")


def test_a_counted_key_goes_on_past_what_is_there(pg: Blocking) -> None:
    """Also where the rows were there before it counted."""
    plain = things({"fields": {"id": Annotated[int, PrimaryKey()]}, "child": int})
    migrations = built_for_postgres(plain, things(COUNTED))
    apply(pg, migrations[:1], clock=ManualClock())
    pg.run("INSERT INTO things (id, title) VALUES (41, 'a')")

    apply(pg, migrations, clock=ManualClock(), expected=things(COUNTED))
    pg.run("INSERT INTO things (title) VALUES ('b')")

    assert [row[0] for row in pg.rows("SELECT id FROM things ORDER BY id")] == [41, 42]


def test_a_renamed_table_has_names_as_if_it_had_always_been_called_so(pg: Blocking) -> None:
    """Keys and constraints are renamed along, so that a refusal names what the schema knows."""
    before = things({"uniques": [Unique("title")], "checks": [Check("id <> ''", name="ck_a")]})
    after = things({"table": "items", "was": "things", "uniques": [Unique("title")],
                    "checks": [Check("id <> ''", name="ck_a")]})  # fmt: skip
    migrations = built_for_postgres(before, after)

    apply(pg, migrations, clock=ManualClock(), expected=after)

    names = pg.rows(
        "SELECT conname::text FROM pg_constraint WHERE conrelid = 'items'::regclass "
        "AND contype <> 'n' ORDER BY 1"
    )
    assert [row[0] for row in names] == ["ck_a", "items_pkey", "uq_items_title"]
    assert "DROP CONSTRAINT" not in " ".join(s.sql for s in migrations[1].statements)


def test_the_plan_says_what_it_does() -> None:
    """In the order in which it runs; a rewrite is marked, so that its rows are counted."""

    class User(Record, table="users"):
        id: Annotated[str, PrimaryKey()]
        email: str | None = None
        is_active: bool = True

    class Note(Record, table="notes"):
        id: Annotated[int, PrimaryKey()]
        user_id: Annotated[str, References("users.id", on_delete="cascade")]
        title: str
        score: int | None = None

    planned = plan_next(Schema([User, Note]), built_for_postgres(shop()))

    assert planned.sentences == [
        "The trigger notes_keep_title on notes is not in the schema any more.",
        (
            "The index idx_notes_user_id_score (user_id, score desc nulls last) of notes is not in "
            "the schema any more."
        ),
        "The index titled (title) where title <> '' of notes is not in the schema any more.",
        "users is changed, because the column email should allow NULL.",
        "users loses the column created_at. LOST: the values of users.created_at.",
        (
            "notes is changed, because the column score is double precision and should be bigint; "
            "the check ck_notes_short (length ( title ) < 100) is not in the schema; the check "
            "ck_notes_status (status in ( 'open' , 'done' )) is not in the schema; the counting "
            "of id by a serial is not in the schema."
        ),
        "notes loses the column status. LOST: the values of notes.status.",
        "The table entries is dropped. LOST: all rows of entries.",
    ]
    assert [step.rewritten for step in planned.steps if step.rewritten] == ["notes"]
