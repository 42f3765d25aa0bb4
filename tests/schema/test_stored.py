"""What a statement knows of its values: the kind of the column beside them."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
import sqlalchemy as sa
from sqlalchemy.sql import visitors

from freehold.scalars import Hashed
from freehold.schema import CreatedAt, EpochMillis, Open, PrimaryKey, Record, Stored, Written


class Thing(Record, table="things"):
    """One column of each sort that has rules of its own."""

    id: Annotated[str, PrimaryKey()]
    count: int = 0
    is_new: bool = True
    tags: list[str] = []
    token: Hashed | None = None
    seen_ms: EpochMillis | None = None
    created_at: CreatedAt


C = Thing.c


def kind_beside(clause: Any) -> str | None:
    """The kind that the clause's only value has."""
    (bind,) = (each for each in visitors.iterate(clause) if isinstance(each, sa.BindParameter))
    return bind.type.kind.name if isinstance(bind.type, Stored) else None


x: Any = sa.bindparam("x", required=True, type_=Open())

COMPARISONS = [
    (lambda: C.tags == x, "json"),
    (lambda: C.tags == ["a"], "json"),
    (lambda: C.tags != ["a"], "json"),
    (lambda: C.token == Hashed.of("raw"), "hashed"),
    (lambda: C.token.in_([Hashed.of("raw")]), "hashed"),
    (lambda: C.token.is_distinct_from(x), "hashed"),
    (lambda: C.token.is_not_distinct_from(Hashed.of("raw")), "hashed"),
    (lambda: C.seen_ms >= x, "epoch_millis"),
    (lambda: C.seen_ms < 5, "epoch_millis"),
    (lambda: x < C.seen_ms, "epoch_millis"),
    (lambda: x == C.token, "hashed"),
    (lambda: sa.literal("raw") == C.token, None),
    (lambda: sa.not_(C.seen_ms > x), "epoch_millis"),
    (lambda: sa.func.max(C.seen_ms) > x, "epoch_millis"),
]
OTHERS = [
    (lambda: C.tags.like(x), None),
    (lambda: C.tags.like("%a%"), None),
    (lambda: C.tags.contains("a"), None),
    (lambda: C.seen_ms + x > C.created_at, None),
    (lambda: C.seen_ms + 5_000 > C.created_at, None),
    (lambda: C.seen_ms - x > C.created_at, None),
    (lambda: C.count * 2 > C.created_at, None),
    (lambda: sa.func.lower(C.id) == x, None),
    (lambda: x + C.count > C.created_at, None),
]


@pytest.mark.parametrize(("clause", "kind"), [*COMPARISONS, *OTHERS])
def test_a_value_has_the_kind_of_what_it_is_compared_with(clause: Any, kind: str | None) -> None:
    """And none where it is a pattern, a step of time or a factor: those are values of their own."""
    assert kind_beside(clause()) == kind


def test_both_ends_of_between_have_the_kind() -> None:
    """SQLAlchemy asks for them in another way than for all other comparisons."""
    clause = C.seen_ms.between(1_700_000_000_000, x)

    types = [each.type for each in visitors.iterate(clause) if isinstance(each, sa.BindParameter)]

    assert [isinstance(each, Stored) and each.kind.name for each in types] == ["epoch_millis"] * 2


def test_an_expression_of_two_columns_has_no_kind() -> None:
    """A difference of two times is no time."""
    assert not isinstance((C.seen_ms - C.created_at).type, Stored)
    assert not isinstance((C.count + 1).type, Stored)


def test_a_value_that_is_set_goes_through_every_check() -> None:
    """One that is only compared goes through fewer: a filter may say what no row could hold."""
    stored: Any = C.seen_ms.type
    written = Written(stored.kind)

    assert stored.write is stored.kind.compare
    assert written.write is stored.kind.write
    assert type(written.copy()) is Written


@pytest.mark.parametrize("name", ["id", "count", "is_new", "tags", "token", "seen_ms"])
def test_the_database_s_type_is_the_kind_s(name: str) -> None:
    """What SQLAlchemy writes into CREATE TABLE and into casts."""
    column = getattr(C, name)

    assert str(column.type.impl) == str(column.type.kind.storage)
