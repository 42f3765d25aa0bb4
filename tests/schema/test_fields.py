"""Fields: what their defaults may be, and which of them an insert fills in."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from msgspec import NODEFAULT, UNSET, field

from freehold.scalars import Hashed, Int64, Sealed
from freehold.schema import (
    AUTO,
    Column,
    CreatedAt,
    CreatedAtMs,
    EpochMillis,
    EpochSeconds,
    Field,
    Index,
    PrimaryKey,
    Struct,
    UpdatedAt,
    UpdatedAtMs,
    Was,
)
from freehold.schema.fields import fields_of


def field_of(hint: Any, default: Any = NODEFAULT) -> Field:
    """The one field of a record that is declared so."""
    body = {"__annotations__": {"value": hint}}
    if default is not NODEFAULT:
        body["value"] = default
    (made,) = fields_of("Idea", {"value": hint}, body)
    return made


@pytest.mark.parametrize(
    ("hint", "default", "is_automatic"),
    [
        (CreatedAt, NODEFAULT, True),
        (CreatedAt, AUTO, True),
        (UpdatedAt, AUTO, True),
        (CreatedAtMs, NODEFAULT, True),
        (UpdatedAtMs, AUTO, True),
        (Annotated[CreatedAt, Index()], AUTO, True),
        (Annotated[int, PrimaryKey(autoincrement=True)], AUTO, True),
        (Annotated[int, PrimaryKey(autoincrement=True)], NODEFAULT, True),
        (CreatedAt | None, None, False),
        (EpochSeconds, NODEFAULT, False),
        (EpochMillis | None, None, False),
        (Annotated[int, PrimaryKey()], NODEFAULT, False),
        (str, NODEFAULT, False),
        (str, "", False),
    ],
)
def test_an_insert_fills_in_times_and_counted_keys(
    hint: Any, default: Any, is_automatic: bool
) -> None:
    """A time that may be None, with None as default, is the author's to set."""
    assert field_of(hint, default).is_automatic is is_automatic


@pytest.mark.parametrize(
    ("hint", "unit", "on_insert", "on_update"),
    [
        (CreatedAt, "s", True, False),
        (UpdatedAt, "s", True, True),
        (CreatedAtMs, "ms", True, False),
        (UpdatedAtMs, "ms", True, True),
        (EpochSeconds, "s", False, False),
        (EpochMillis, "ms", False, False),
    ],
)
def test_each_time_says_its_unit_and_its_writes(
    hint: Any, unit: str, on_insert: bool, on_update: bool
) -> None:
    """Six names for the six ways a table keeps time."""
    stamp = field_of(hint).stamp

    assert stamp is not None
    assert (stamp.unit, stamp.on_insert, stamp.on_update) == (unit, on_insert, on_update)


class Parent(Struct):
    """A value with a number."""

    number: int = 0


@pytest.mark.parametrize(
    ("hint", "default"),
    [
        (str, ""),
        (int, 0),
        (Int64, Int64(5)),
        (float, 1),
        (float | None, None),
        (bool, False),
        (bytes, b"\0"),
        (EpochSeconds, 0),
        (list[str], []),
        (dict[str, int] | None, None),
        (Hashed | None, None),
        (Sealed[str] | None, None),
    ],
)
def test_a_default_of_the_field_s_type_is_taken(hint: Any, default: Any) -> None:
    """As it stands; a whole number in a float's place becomes a float."""
    made = field_of(hint, default)

    assert made.default == default
    assert type(made.default) is (float if hint is float else type(default))


def test_a_default_may_be_said_with_field() -> None:
    """As a value, or as what makes one."""
    assert field_of(int, field(default=5)).default == 5
    assert field_of(list[str], field(default_factory=lambda: ["a"])).default == ["a"]


@pytest.mark.parametrize(
    ("hint", "can"),
    [
        (str, True), (int, True), (Int64, True), (bytes, True), (Hashed, True), (EpochMillis, True),
        (bool, True), (str | None, False), (float, False), (list[str], False),
        (Sealed[str], False),
    ],
)  # fmt: skip
def test_what_can_be_a_key(hint: Any, can: bool) -> None:
    """What is there, equal to itself, and no secret."""
    assert field_of(hint).can_be_key is can


def test_a_field_finds_its_marks() -> None:
    """By their class; None for one that it does not have."""
    made = field_of(Annotated[str, Column("theValue"), Was("old")])

    assert made.column == "theValue"
    assert made.mark(Was) == Was("old")
    assert made.mark(Index) is None
    assert not made.is_key
    assert made.default is not UNSET
