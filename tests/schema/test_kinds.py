"""Every type that a column may have: what is stored, and that it comes back."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, NewType, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.errors import InvalidArgument, SchemaError
from freehold.scalars import INT64_MAX, INT_MAX, Hashed, Int64, Sealed
from freehold.schema import (
    CreatedAt,
    EpochMillis,
    EpochSeconds,
    Index,
    Kind,
    Struct,
    UpdatedAtMs,
    read_hint,
)
from tests.schema.declared import built, rows

UserId = NewType("UserId", str)
Count = NewType("Count", int)


class Source(Struct):
    """A value inside a column."""

    url: str
    weight: float = 1.0


@pytest.mark.parametrize(
    ("hint", "name", "storage"),
    [
        (str, "str", "text"),
        (UserId, "str", "text"),
        (int, "int", "integer"),
        (Count, "int", "integer"),
        (Int64, "int64", "integer"),
        (float, "float", "real"),
        (bool, "bool", "integer"),
        (bytes, "bytes", "blob"),
        (Literal["a", "b"], "literal", "text"),
        (Literal[1, 2], "literal", "integer"),
        (EpochSeconds, "epoch_seconds", "integer"),
        (CreatedAt, "epoch_seconds", "integer"),
        (EpochMillis, "epoch_millis", "integer"),
        (UpdatedAtMs, "epoch_millis", "integer"),
        (Sealed[str], "sealed", "text"),
        (Hashed, "hashed", "text"),
        (list[str], "json", "text"),
        (dict[str, int], "json", "text"),
        (tuple[int, str], "json", "text"),
        (list, "json", "text"),
        (dict, "json", "text"),
        (Any, "json", "text"),
        (Source, "json", "text"),
        (list[Source], "json", "text"),
        (list[int] | dict[str, int], "json", "text"),
        (list[int] | dict[str, int] | None, "json", "text"),
    ],
)
def test_each_type_has_a_kind(hint: Any, name: str, storage: str) -> None:
    """And the kind says what the driver sees."""
    read = read_hint("Idea.field", hint)

    assert (read.kind.name, read.kind.holds) == (name, storage)
    assert read.is_nullable == (hint is Any or type(None) in get_args(hint))


@pytest.mark.parametrize(
    "hint",
    [
        Annotated[str | None, Index()],
        Annotated[str, Index()] | None,
        Annotated[Annotated[str, Index()] | None, "x"],
        Annotated[UserId | None, Index()],
    ],
)
def test_marks_and_none_stand_in_any_order(hint: Any) -> None:
    """`Annotated` around `| None`, or the other way round: authors write both."""
    read = read_hint("Idea.field", hint)

    assert read.is_nullable
    assert any(isinstance(mark, Index) for mark in read.marks)
    assert read.kind.name == "str"


def kind_of(hint: Any) -> Kind:
    return read_hint("Idea.field", hint).kind


def round_trip(kind: Kind, value: Any) -> Any:
    """Through the kind, SQLite, and back."""
    written = value if kind.write is None else kind.write(value)
    affinity = {"text": "TEXT", "integer": "INTEGER", "real": "REAL", "blob": "BLOB"}[kind.holds]
    with built() as connection:
        connection.execute(f"CREATE TABLE t (value {affinity}) STRICT")
        connection.execute("INSERT INTO t VALUES (?)", (written,))
        (stored,) = rows(connection, "SELECT value FROM t")[0]
    return stored if kind.read is None else kind.read(stored)


well_formed = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    str: well_formed,
    int: st.integers(-INT_MAX, INT_MAX),
    Int64: st.integers(-INT64_MAX - 1, INT64_MAX).map(Int64),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    bytes: st.binary(),
    EpochSeconds: st.integers(0, 10**11 - 1),
    EpochMillis: st.just(0) | st.integers(10**11, 10**14 - 1),
    Hashed: st.text().map(Hashed.of),
}


@pytest.mark.parametrize("hint", VALUES, ids=str)
@settings(deadline=None)
@given(data=st.data())
def test_what_is_accepted_comes_back_equal(hint: Any, data: st.DataObject) -> None:
    """Empty, extreme, in any script: as it was, and of its type."""
    value = data.draw(VALUES[hint])

    back = round_trip(kind_of(hint), value)

    assert back == value
    assert type(back) is type(value)


EXTREMES: list[tuple[Any, Any]] = [
    (str, ""),
    (str, "\U0010ffff\ufffe﷐\x01\x7f\r\n"),
    (str, "x" * 100_000),
    (int, INT_MAX),
    (int, -INT_MAX),
    (Int64, Int64(INT64_MAX)),
    (Int64, Int64(-INT64_MAX - 1)),
    (float, 5e-324),
    (float, 1.7976931348623157e308),
    (float, 0.1),
    (bytes, b""),
    (bytes, bytes(range(256))),
]


@pytest.mark.parametrize(("hint", "value"), EXTREMES, ids=lambda each: repr(each)[:20])
def test_extremes_come_back_equal(hint: Any, value: Any) -> None:
    """The first and last value of each type."""
    assert round_trip(kind_of(hint), value) == value


@pytest.mark.parametrize(
    ("hint", "value", "said"),
    [
        (str, "a\0b", "NUL"),
        (int, INT_MAX + 1, "2^53-1"),
        (int, -INT_MAX - 1, "2^53-1"),
        (int, 10**5_000, "a number of 16610 bits"),
        (Int64, INT64_MAX + 1, "64 bits"),
        (Int64, -INT64_MAX - 2, "64 bits"),
        (float, math.nan, "nan"),
        (float, math.inf, "inf"),
        (float, -math.inf, "inf"),
        (float, 10**400, "past what a float can hold"),
        (EpochSeconds, 1_700_000_000_000, "divide milliseconds by 1,000"),
        (EpochSeconds, -1, "epoch seconds"),
        (EpochMillis, 1_700_000_000, "multiply seconds by 1,000"),
        (EpochMillis, 1_700_000_000_000_000, "epoch milliseconds"),
        (EpochMillis, -1, "epoch milliseconds"),
    ],
    ids=lambda each: "" if isinstance(each, int) else str(each),
)
def test_what_would_not_come_back_is_refused(hint: Any, value: Any, said: str) -> None:
    """As the caller's mistake, with the rule: nothing is cut, rounded or made NULL on the way."""
    write = kind_of(hint).write
    assert write is not None

    with pytest.raises(InvalidArgument) as refusal:
        write(value)

    assert said in str(refusal.value)
    assert len(str(refusal.value)) < 200


def test_sqlite_would_have_made_null_of_nan() -> None:
    """Which is why a float is looked at before it is stored."""
    with built() as connection:
        assert rows(connection, "SELECT ?", math.nan) == [(None,)]


@pytest.mark.parametrize("value", [-(10**12), -1, 0, 1_700_000_000])
def test_a_filter_may_ask_for_any_past(value: int) -> None:
    """`created_at >= now - days` is no mistake when the days are many."""
    seconds = kind_of(EpochSeconds).compare
    assert seconds is not None

    assert seconds(value) == value


def test_a_filter_in_another_unit_is_refused() -> None:
    """It would match everything, or nothing, and nobody would notice."""
    seconds, millis = kind_of(EpochSeconds).compare, kind_of(EpochMillis).compare
    assert seconds is not None
    assert millis is not None

    with pytest.raises(InvalidArgument):
        seconds(1_700_000_000_000)
    with pytest.raises(InvalidArgument):
        millis(1_700_000_000)
    assert millis(0) == 0


def test_a_raw_token_is_hashed_on_its_way_in() -> None:
    """A text in a Hashed column is the raw token, never a digest."""
    write = kind_of(Hashed).write
    assert write is not None

    assert write("token") == write(Hashed.of("token")) == Hashed.of("token").digest


@pytest.mark.parametrize(
    "hint", [complex, set[str], str | int, object, type, Sealed[bytes], Sealed]
)
def test_a_type_without_a_column_is_refused_by_name(hint: Any) -> None:
    """With the place, and the types that there are."""
    with pytest.raises(SchemaError, match=r"^Idea\.field: ") as refusal:
        read_hint("Idea.field", hint)

    assert refusal.value.hint
