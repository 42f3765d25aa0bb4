"""
From nothing and through a migration must meet on PostgreSQL too, and both engines must agree.

The same schemas and rows as on SQLite: what one engine refuses the other refuses, and what
is there afterwards is the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import apsw
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from freehold.clock import ManualClock
from freehold.errors import MigrationFailed
from freehold.migrate import plan as sqlite_plan
from freehold.migrate.apply import apply as apply_on_sqlite
from freehold.migrate.files import Migration
from freehold.migrate.postgres.apply import apply
from freehold.migrate.postgres.plan import plan_next
from freehold.testing.cluster import Cluster
from tests.migrate.postgres_worlds import Blocking, built_for_postgres, connected, content, left
from tests.migrate.test_two_roads import KINDS, Table, renames, schema, schemas
from tests.migrate.worlds import built, opened, rows


@pytest.fixture(scope="module")
def kept(postgres: Cluster) -> Iterator[Blocking]:
    """One connection for all examples; each begins with an empty schema."""
    with connected(postgres.new_schema()) as connection:
        yield connection


def emptied(connection: Blocking) -> None:
    ((name,),) = connection.rows("SELECT current_schema()::text")
    connection.run(f"DROP SCHEMA {name} CASCADE; CREATE SCHEMA {name}")


def fill(pg: Blocking, lite: apsw.Connection, drawn: dict[str, Table], data: st.DataObject) -> None:
    """The same rows on both engines, with values that the columns take."""
    count: st.SearchStrategy[Any] = st.integers(0, 3)
    lite.execute("PRAGMA foreign_keys = OFF")
    for name, table in drawn.items():
        for number in range(data.draw(count, label=f"rows of {name}")):
            row: dict[str, Any] = {"id": number + 1 if table.key != "text" else str(number + 1)}
            for column, part in table.columns.items():
                values = KINDS[part.kind][2]
                row[column] = values[number % len(values)]
            columns = ", ".join(f'"{column}"' for column in row)
            holes = ", ".join("?" * len(row))
            # A value that a unique column has already is not what is asked here.
            sql = f"INTO {name} ({columns}) VALUES"
            lite.execute(f"INSERT OR IGNORE {sql} ({holes})", tuple(row.values()))
            marks = ", ".join(f"${place}" for place in range(1, len(row) + 1))
            pg.rows(f"INSERT {sql} ({marks}) ON CONFLICT DO NOTHING", *row.values())
    lite.execute("PRAGMA foreign_keys = ON")


def all_rows(pg: Blocking, lite: apsw.Connection, drawn: dict[str, Table]) -> tuple[Any, Any]:
    """What is in the tables: on PostgreSQL, on SQLite."""
    one, two = {}, {}
    for name, table in drawn.items():
        columns = ", ".join(f'"{c}"' for c in ["id", *table.columns])
        sql = f"SELECT {columns} FROM {name}"
        one[name] = sorted(repr(tuple(row)) for row in pg.rows(sql))
        two[name] = sorted(repr(tuple(row)) for row in rows(lite, sql))
    return one, two


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(schemas, schemas, st.data())
def test_the_two_roads_meet_on_both_engines(
    kept: Blocking, before: dict[str, Table], after: dict[str, Table], data: st.DataObject
) -> None:
    """The plan arrives at the schema on both engines with the same rows, or is refused by both."""
    emptied(kept)
    renamed = renames(before, after, data)
    old, new = schema(before), schema(after, renamed)
    first_lite, first = built(old), built_for_postgres(old)
    with opened() as lite:
        apply_on_sqlite(lite, first_lite, clock=ManualClock(), expected=old)
        apply(kept, first, clock=ManualClock(), expected=old)
        fill(kept, lite, before, data)
        image = content(kept)
        planned = plan_next(new, first)
        assert planned.refusals == ()
        event(f"steps: {sorted({step.verb for step in planned.steps})}")
        second = Migration.of_plan(planned, number=2, slug="second")
        plan_lite = sqlite_plan.plan_next(new, first_lite)
        second_lite = Migration.of_plan(plan_lite, number=2, slug="second")

        refused = refuses(lambda: apply(kept, [*first, second], clock=ManualClock(), expected=new))
        refused_lite = refuses(
            lambda: apply_on_sqlite(
                lite, [*first_lite, second_lite], clock=ManualClock(), expected=new
            )
        )

        assert (refused is None) == (refused_lite is None), (refused, refused_lite)
        if refused:
            event("refused by the rows")
            assert content(kept) == image
        else:
            assert left(kept, new) == []
            one, two = all_rows(kept, lite, after)
            assert one == two
            assert plan_next(new, [*first, second]).is_empty


def refuses(work: Any) -> MigrationFailed | None:
    try:
        work()
    except MigrationFailed as error:
        return error
    return None
