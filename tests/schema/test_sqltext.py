"""Values, names and conditions as SQL text: the engine reads what was meant."""

from __future__ import annotations

import apsw
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.schema import CreateTable

from freehold.schema import DIALECTS
from freehold.schema.sqltext import expression, literal, quoted, tidy

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
ENGINE = apsw.Connection(":memory:")


@given(texts | st.binary() | st.integers(-(2**63), 2**63 - 1) | st.booleans())
def test_the_engine_reads_a_literal_as_its_value(value: str | bytes | int) -> None:
    """Quotes, line breaks and all."""
    assert ENGINE.execute(f"SELECT {literal(value)}").fetchall() == [(value,)]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_engine_reads_a_float_as_it_was(value: float) -> None:
    """To the last bit; both sides write the shortest text that gives it back."""
    assert ENGINE.execute(f"SELECT {literal(value)}").fetchall() == [(value,)]


@given(texts.filter(len))
def test_the_engine_reads_a_quoted_name_as_it_is(name: str) -> None:
    """Whatever word it is."""
    assert ENGINE.execute(f"SELECT 1 AS {quoted(name)}").description[0][0] == name


@pytest.mark.parametrize(
    "said",
    ['\'{"type":"daily","hour":8}\'', "title <> ':x' AND b LIKE '100%'", r"a <> 'c:\temp'"],
)
@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_an_expression_stays_as_it_was_written(said: str, dialect: str) -> None:
    """SQLAlchemy's own `text()` makes a parameter of `:8`, and doubles `%` for some drivers."""
    table = sa.Table("t", sa.MetaData(), sa.Column("a", sa.Text, server_default=expression(said)))

    assert said in str(CreateTable(table).compile(dialect=DIALECTS[dialect]))


@given(texts, texts)
def test_tidying_leaves_literals_alone(one: str, other: str) -> None:
    """Tabs, blank lines and blanks before a line's end are taken from the SQL around them."""
    sql = f"\n\tSELECT {literal(one)}, \n\n\t{literal(other)} \n"

    tidied = tidy(sql)

    assert ENGINE.execute(tidied).fetchall() == [(one, other)]
    assert tidied == f"SELECT {literal(one)},\n  {literal(other)}".rstrip()
