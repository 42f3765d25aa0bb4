"""A column that changes its type: both engines keep the same values, and refuse the same ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import pytest

from freehold.clock import ManualClock
from freehold.errors import MigrationFailed
from freehold.migrate import plan as sqlite_plan
from freehold.migrate.apply import apply as apply_on_sqlite
from freehold.migrate.files import Migration
from freehold.migrate.postgres.apply import apply
from freehold.migrate.postgres.plan import plan_next
from freehold.schema import PrimaryKey, Record, RecordMeta, Schema
from tests.migrate.postgres_worlds import Blocking, built_for_postgres
from tests.migrate.worlds import built, opened, rows

CLOCK = ManualClock()
READ = "SELECT v FROM things"
KINDS: dict[str, Any] = {"str": str, "int": int, "float": float, "bool": bool, "bytes": bytes}
VALUES: dict[str, list[Any]] = {
    "str": [
        "", "12", "-7", "1.5", "x", "0", "1.0", "1e3", " 12 ", "+3", ".5", "5.", "nan", "Infinity",
        "0x10", "1_000", "1 2", "é",
    ],
    "int": [0, 1, -3, 2**53 - 1],
    "float": [0.0, 3.0, -2.25, 1e14, 1.0, 0.1],
    "bool": [0, 1],
    "bytes": [b"", b"12"],
}  # fmt: skip
PAIRS = [(one, two) for one in KINDS for two in KINDS if one != two]


def things(kind: Any) -> Schema:
    fields = {"id": Annotated[str, PrimaryKey()], "v": kind | None}
    body = {"__annotations__": fields, "__module__": __name__, "v": None}
    return Schema([RecordMeta("Thing", (Record,), body, table="things")])


def outcome(change: Callable[[], Any], read: Callable[[], list[Any]]) -> str:
    """The value that is there, or that the change was refused."""
    try:
        change()
    except MigrationFailed:
        return "refused"
    return repr([tuple(row) for row in read()])


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_a_value_is_the_same_on_both_engines(pg: Blocking, before: str, after: str) -> None:
    """None stays None; nothing is rounded, cut off or taken for something else."""
    old, new = things(KINDS[before]), things(KINDS[after])
    first, first_lite = built_for_postgres(old), built(old)
    second = Migration.of_plan(plan_next(new, first), number=2, slug="change")
    lite_plan = sqlite_plan.plan_next(new, first_lite)
    second_lite = Migration.of_plan(lite_plan, number=2, slug="change")
    ((schema,),) = pg.rows("SELECT current_schema()::text")
    for value in (None, *VALUES[before]):
        pg.run(f"DROP SCHEMA {schema} CASCADE; CREATE SCHEMA {schema}")
        apply(pg, first, clock=CLOCK)
        pg.rows("INSERT INTO things (id, v) VALUES ('1', $1)", value)
        with opened() as lite:
            apply_on_sqlite(lite, first_lite, clock=CLOCK)
            lite.execute("INSERT INTO things (id, v) VALUES ('1', ?)", (value,))
            on_sqlite = outcome(
                lambda lite=lite: apply_on_sqlite(  # type: ignore[misc]
                    lite, [*first_lite, second_lite], clock=CLOCK, expected=new
                ),
                lambda lite=lite: rows(lite, READ),  # type: ignore[misc]
            )
            on_postgres = outcome(
                lambda: apply(pg, [*first, second], clock=CLOCK, expected=new),
                lambda: pg.rows(READ),
            )

        assert on_postgres == on_sqlite, value
