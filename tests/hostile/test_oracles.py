"""The negative controls: what the other tests of this folder would find is found."""

from __future__ import annotations

import asyncio

import apsw
import pytest

from freehold.errors import Internal, InvalidArgument, problem
from freehold.testing import shared_cluster
from tests.hostile.leaks import broken_rules
from tests.hostile.statements import heard_statements
from tests.hostile.values import CANARY


@pytest.mark.promise("P17")
@pytest.mark.parametrize(
    "detail",
    [
        'near "SELECT": syntax error',
        "UNIQUE constraint failed; sqlite said so",
        "/work/data/main.db is locked",
        'File "x.py", line 3, in y',
        "Traceback (most recent call last)",
        "the key fh_live_4k2m9x0qz7ab_secret",
        "<class 'KeyError'>",
    ],
)
def test_a_problem_that_tells_of_the_inside_is_found(detail: str) -> None:
    """Whatever its code."""
    assert broken_rules(problem(InvalidArgument(detail)))
    assert broken_rules(problem(InvalidArgument(detail)), said=detail) == []


@pytest.mark.promise("P17")
def test_an_untyped_error_is_found() -> None:
    """By its code; and a thing that is no problem, or lacks a part, too."""
    assert broken_rules(problem(Internal("it broke.")))
    assert broken_rules("it broke")
    assert broken_rules({"code": "conflict"})
    assert broken_rules(problem(InvalidArgument("It is not so.", hint="Do."))) == []


@pytest.mark.attack("A6")
def test_a_value_in_a_statement_is_heard_on_both_engines() -> None:
    """If a function wrote one into its SQL."""

    async def ask() -> None:
        import asyncpg

        connection = await asyncpg.connect(shared_cluster().new_schema())
        await (await connection.prepare(f"SELECT '{CANARY} 1'")).fetch()
        await connection.close()

    with heard_statements() as heard:
        connection = apsw.Connection("")
        connection.execute(f"SELECT '{CANARY} 2'").fetchall()
        connection.close()
        asyncio.run(ask())

    assert {sql[-3:-1] for sql in heard if CANARY in sql} == {" 1", " 2"}
