"""What a driver and a handle say to each other."""

from __future__ import annotations

import dataclasses

import pytest

from freehold.db import ConstraintViolation
from freehold.db.link import Context


def test_a_violation_holds_what_the_engine_said() -> None:
    """Kind, table, columns and name; what is not said is empty."""
    full = ConstraintViolation("unique", table="users", columns=("email",), name="uq")
    bare = ConstraintViolation("reference")

    assert (full.kind, full.table, full.columns, full.name) == ("unique", "users", ("email",), "uq")
    assert (bare.table, bare.columns, bare.name) == (None, (), None)


def test_a_context_stays_as_it_is() -> None:
    """All handles of a database share it."""
    context = Context("main", "sqlite", None, b"", 1_000, {})

    with pytest.raises(dataclasses.FrozenInstanceError):
        context.database = "other"  # type: ignore[misc]
