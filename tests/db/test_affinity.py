"""What becomes of a value of another type than its column's; the twin of SQLite's own rule."""

from __future__ import annotations

from typing import Any

import apsw
import pytest

from freehold.db.affinity import converted, equalled, sort_of, stored
from freehold.db.link import ConstraintViolation
from freehold.schema import Holds

COLUMNS: dict[Holds, str] = {
    "integer": "INTEGER", "real": "REAL", "text": "TEXT", "blob": "BLOB"
}  # fmt: skip
VALUES: list[Any] = [
    0, 5, -5, 2**53, 2**63 - 1, -(2**63), True, 0.0, 5.0, -2.5, 1e300, 2.0**60, "", "5", " 7 ",
    "-5.0", "5.5", "1e3", "+1", "5x", "x", "0x10", "1_000", "٣", b"", b"5", None,
]  # fmt: skip


@pytest.mark.parametrize("holds", COLUMNS)
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_column_stores_what_sqlite_stores(holds: Holds, value: Any) -> None:
    """Or refuses it in the same words."""
    connection = apsw.Connection(":memory:")
    connection.execute(f"CREATE TABLE t (c {COLUMNS[holds]}) STRICT")
    expected: Any
    try:
        connection.execute("INSERT INTO t VALUES (?)", (value,))
        expected = connection.execute("SELECT c FROM t").get
    except apsw.ConstraintError as refused:
        expected = str(refused)
    connection.close()

    try:
        found = stored(holds, value, table="t", column="c")
    except ConstraintViolation as refusal:
        found = refusal.name

    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("holds", "value", "found"),
    [
        ("integer", 5.0, 5),
        ("integer", 5.5, None),
        ("integer", "5", 5),
        ("integer", "x", None),
        ("text", 5, "5"),
        ("text", b"5", None),
        ("blob", "5", None),
        ("real", 1, 1.0),
    ],
)
def test_what_no_row_can_equal_is_null(holds: Holds, value: Any, found: Any) -> None:
    """Which equals nothing."""
    assert equalled(holds, value) == found


def test_a_number_past_64_bits_is_left_to_the_driver() -> None:
    """Which refuses it; a float would take it, so it is refused here."""
    assert equalled("integer", 2**70) == 2**70
    assert equalled("text", 2**70) == 2**70
    with pytest.raises(OverflowError):
        equalled("real", 2**70)


def test_what_is_no_value_of_a_database_is_left_alone() -> None:
    """The driver says what it is."""
    thing = object()

    assert sort_of(thing) is None
    assert converted("text", thing) is thing
    assert equalled("text", thing) is thing
    assert stored("text", thing, table="t", column="c") is thing
