"""Every kind of change is planned for PostgreSQL on paper, runs there, and keeps what stays."""

from __future__ import annotations

import pytest

from freehold.clock import ManualClock
from freehold.migrate.files import Migration
from freehold.migrate.postgres.apply import apply
from freehold.migrate.postgres.plan import plan_next
from tests.migrate.postgres_worlds import Blocking, built_for_postgres, left
from tests.migrate.test_plan import CHANGES, things


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
