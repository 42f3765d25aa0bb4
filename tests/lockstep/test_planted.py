"""
The machine sees a difference when there is one: each plant makes it red, soon.

Most are planted with SQL into PostgreSQL's tables, the others into the text of its statements.
"""

from __future__ import annotations

from typing import Any, Final

import asyncpg
import pytest

from freehold.drivers.postgres import PostgresDatabase
from tests.lockstep.applications import HOTMETAL, LINKIE_CLAW
from tests.lockstep.comparing import shortest
from tests.lockstep.driver import Found, Run
from tests.lockstep.engines import Pair, both_engines
from tests.lockstep.habits import Habits
from tests.lockstep.shelf import SHELF

_STEPS_MAX: Final = 8_000
_LOST: Final = """
CREATE FUNCTION {schema}.lose() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN IF NEW.retry_count > 0 THEN RETURN OLD; END IF; RETURN NEW; END $$;
CREATE TRIGGER lose BEFORE UPDATE ON posts FOR EACH ROW EXECUTE FUNCTION {schema}.lose()
"""
_DOUBLED: Final = """
CREATE FUNCTION {schema}.twice() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN NEW.updated_at := NEW.updated_at + 1; RETURN NEW; END $$;
CREATE TRIGGER twice BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION {schema}.twice()
"""

PLANTED: Final = [
    pytest.param(
        HOTMETAL, "ALTER TABLE ideas ALTER relevance_score TYPE real", id="numbers are rounded"
    ),
    pytest.param(
        HOTMETAL,
        "CREATE UNIQUE INDEX ON users (lower(email COLLATE pg_catalog.\"default\"))",
        id="addresses that differ in case are one",
    ),
    pytest.param(HOTMETAL, _DOUBLED, id="a time is a second late"),
    pytest.param(LINKIE_CLAW, _LOST, id="updates are lost, now and then"),
    pytest.param(
        LINKIE_CLAW,
        'ALTER TABLE posts DROP CONSTRAINT fk_posts_user_id',
        id="a reference is not checked",
    ),
]  # fmt: skip

REWRITTEN: Final = [
    pytest.param(HOTMETAL, "NULLS LAST", "NULLS FIRST", id="nulls are at the other end"),
    pytest.param(SHELF, "lower(", "(", id="patterns mind the case"),
    pytest.param(
        SHELF,
        "ORDER BY books.title",
        "ORDER BY lower(books.title)",
        id="titles are in another order",
    ),
    pytest.param(LINKIE_CLAW, ">=", ">", id="a bound is left out"),
]


def found_in(pair: Pair) -> Found:
    """The difference, which there must be."""
    run = Run(pair, seed=1)
    found = run.search(_STEPS_MAX)
    assert found is not None, f"nothing was seen in {run.tally.steps} steps"
    return found


def plant(pair: Pair, sql: str) -> None:
    """Run SQL past the data layer in PostgreSQL's tables."""
    database = pair.engines[1].database
    assert isinstance(database, PostgresDatabase)
    with database.blocking() as connection:
        connection.run(sql.format(schema=database.address.schema))


@pytest.mark.promise("P20")
@pytest.mark.parametrize(("habits", "sql"), PLANTED)
def test_a_difference_between_the_tables_is_seen(habits: Habits, sql: str) -> None:
    """A column, an index or a trigger that is another on one engine."""
    with both_engines(habits) as pair:
        plant(pair, sql)

        found_in(pair)


@pytest.mark.promise("P20")
@pytest.mark.parametrize(("habits", "said", "planted"), REWRITTEN)
def test_a_difference_between_the_statements_is_seen(
    habits: Habits, said: str, planted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A word that is another in the SQL of one engine."""
    prepare = asyncpg.Connection.prepare

    async def prepare_planted(connection: Any, sql: str, **named: Any) -> Any:
        return await prepare(connection, sql.replace(said, planted), **named)

    monkeypatch.setattr(asyncpg.Connection, "prepare", prepare_planted)
    with both_engines(habits) as pair:
        found_in(pair)


def test_what_is_told_is_short() -> None:
    """Of hundreds of steps, the replay keeps those that it takes."""
    with both_engines(HOTMETAL) as pair:
        plant(pair, "ALTER TABLE users DROP CONSTRAINT uq_users_email")
        found = found_in(pair)

        kept, what = shortest(pair, found.played)

    assert len(kept) == 2
    assert "AlreadyExists" in what
    assert {call.method for step in kept for call in step.calls} <= {
        "DataLayer.createUser", "DataLayer.updateUser", "DataLayer.create_user",
        "DataLayer.update_user",
    }  # fmt: skip
