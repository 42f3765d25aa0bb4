"""Freehold's own tables are not for functions: neither by SQL nor by a record of that name."""

from __future__ import annotations

from typing import Annotated

import pytest
import sqlalchemy as sa

from freehold.db import delete, statement
from freehold.errors import StatementError
from freehold.rpc.idempotency import IDEMPOTENCY_SCHEMA, KeptAnswer
from freehold.schema import PrimaryKey, Record
from freehold.testing import ENGINES, engine_database

OWN = "are Freehold's own"


class Disguised(Record, table="_freehold_audit"):
    """An author's record with the name of a table of Freehold's."""

    number: Annotated[int, PrimaryKey()]


NAMED = {
    "text": sa.text("SELECT arguments FROM _freehold_calls").columns(sa.column("arguments")),
    "a table": sa.select(sa.table("_FREEHOLD_calls", sa.column("key")).c.key),
    "hidden in a column": sa.select(sa.literal_column("(SELECT count(*) FROM _freehold_keys)")),
    "a change": sa.delete(sa.table("_freehold_calls")).returning(sa.column("key")),
}


@pytest.mark.attack("A36")
@pytest.mark.parametrize("named", NAMED)
@pytest.mark.parametrize("engine", ENGINES)
def test_no_statement_reaches_them_by_name(engine: str, named: str) -> None:
    """To read or to write, however it is written."""
    with (
        engine_database(engine, IDEMPOTENCY_SCHEMA) as database,
        database.write() as db,
        pytest.raises(StatementError, match=OWN),
    ):
        db.all(statement(NAMED[named], into=str))


@pytest.mark.attack("A36")
@pytest.mark.parametrize("engine", ENGINES)
def test_no_record_of_that_name_reaches_them(engine: str) -> None:
    """Freehold's records do; one that an author declares for the same table does not."""
    with engine_database(engine, IDEMPOTENCY_SCHEMA) as database, database.write() as db:
        with pytest.raises(StatementError, match=OWN):
            db.find(Disguised, 1)
        with pytest.raises(StatementError, match=OWN):
            db.insert(Disguised(number=1))
        with pytest.raises(StatementError, match=OWN):
            db.execute(delete(Disguised).where(Disguised.c.number > 0))
        assert db.all(KeptAnswer) == []
