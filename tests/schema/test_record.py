"""A record: the type of a row, and its columns for statements."""

from __future__ import annotations

import copy
from typing import Annotated, Any, ClassVar

import msgspec
import pytest
from msgspec import UNSET

from freehold.errors import StatementError
from freehold.schema import AUTO, Column, CreatedAt, EpochSeconds, PrimaryKey, Record, UpdatedAt


class Idea(Record, table="ideas"):
    """A story that a publication could run."""

    LIMIT: ClassVar[int] = 5
    id: Annotated[str, PrimaryKey()]
    score: float | None = None
    title: str
    seen_at: EpochSeconds | None = None
    session_token: Annotated[str | None, Column("sessionToken")] = None
    values: str = ""
    created_at: CreatedAt
    updated_at: UpdatedAt = AUTO


def test_a_row_is_a_struct_in_camel_case() -> None:
    """It encodes at once, under the names of the wire; a column's own name stays in the table."""
    idea = Idea(id="i1", title="A", created_at=5, updated_at=6, session_token="t")

    assert msgspec.json.decode(msgspec.json.encode(idea)) == {
        "id": "i1", "score": None, "title": "A", "seenAt": None, "sessionToken": "t", "values": "",
        "createdAt": 5, "updatedAt": 6,
    }  # fmt: skip


def test_an_automatic_time_may_be_left_out() -> None:
    """With `= AUTO` and without: until the insert it is UNSET."""
    idea: Any = Idea(id="i1", title="A")  # type: ignore[call-arg]

    assert idea.created_at is UNSET
    assert idea.updated_at is UNSET


def test_rows_compare_by_value_and_are_copied() -> None:
    """A copy is another row with the same values."""
    idea = Idea(id="i1", title="A", created_at=1)

    other = copy.copy(idea)
    other.title = "B"

    assert idea == Idea(id="i1", title="A", created_at=1)
    assert idea != other


def test_a_frozen_record_is_one_too() -> None:
    """Its rows can be kept in sets."""

    class Frozen(Record, table="frozen", frozen=True):
        id: Annotated[str, PrimaryKey()]

    assert {Frozen(id="a"), Frozen(id="a")} == {Frozen(id="a")}


def test_columns_are_found_by_field_and_by_column() -> None:
    """And only by these: SQLAlchemy's own words for a table are no columns."""
    assert Idea.c.session_token is Idea.c.sessionToken is Idea.__table__.c["sessionToken"]
    assert Idea.c["title"] is Idea.c.title
    assert Idea.c.values is Idea.__table__.c["values"]
    assert [column.name for column in Idea.c] == [
        "id", "score", "title", "seen_at", "sessionToken", "values", "created_at", "updated_at"
    ]  # fmt: skip


def test_a_misspelt_column_is_told_with_the_right_ones() -> None:
    """At import, where the statement stands."""
    with pytest.raises(StatementError, match=r"Idea has no field 'titel'\. Its fields are id, "):
        _ = Idea.c.titel


def test_columns_are_no_other_protocol_s_object() -> None:
    """`copy`, `inspect` and their like ask for dunder names, and get the usual answer."""
    assert not hasattr(Idea.c, "__array__")


def test_an_int_of_a_row_is_held_to_what_all_clients_can_say() -> None:
    """Also when a row is decoded, as a client does."""

    class Counter(Record, table="counters"):
        id: Annotated[str, PrimaryKey()]
        number: int

    with pytest.raises(msgspec.ValidationError, match="number"):
        msgspec.json.decode(b'{"id": "a", "number": 9007199254740992}', type=Counter)


def test_what_the_class_line_says_stays_readable() -> None:
    """For migrations, and for whoever explains a refusal."""
    idea: Any = Idea

    assert idea.__table__.name == "ideas"
    assert idea.__parts__.was is None
    assert [field.name for field in idea.__fields__ if field.is_automatic] == [
        "created_at", "updated_at"
    ]  # fmt: skip
