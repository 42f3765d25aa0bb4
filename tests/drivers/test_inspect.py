"""The operator's look into a database: reads only, and never too much."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from freehold.drivers.sqlite import SqliteDatabase
from freehold.errors import DeadlineExceeded, InvalidArgument
from freehold.wire.limits import Limits
from tests.drivers.ledger import THE_TOTAL, Entry, adding, ledger, step
from tests.drivers.test_snapshots import TickingClock

_ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT {} FROM n"


@pytest.fixture
def database() -> Iterator[SqliteDatabase]:
    """A ledger with three entries."""
    with ledger(limits=Limits(page_rows_max=100)) as opened:
        step(opened, [adding("a"), adding("b"), adding("c")])
        yield opened


def test_it_shows_rows_with_their_columns(database: SqliteDatabase) -> None:
    """As they are stored."""
    found = database.inspect("SELECT id, place AS at FROM entries ORDER BY place", 100)

    assert found.columns == ["id", "at"]
    assert found.rows == [["a", 0], ["b", 1], ["c", 2]]
    assert not found.is_cut


def test_it_shows_columns_even_without_rows(database: SqliteDatabase) -> None:
    """Nothing found is an answer too."""
    found = database.inspect("SELECT id, place FROM entries WHERE place > 100", 10)

    assert (found.columns, found.rows) == (["id", "place"], [])


@pytest.mark.parametrize(("limit", "rows", "is_cut"), [(2, 2, True), (3, 3, False), (4, 3, False)])
def test_it_stops_at_the_limit(
    database: SqliteDatabase, limit: int, rows: int, is_cut: bool
) -> None:
    """And says so when there were more."""
    found = database.inspect("SELECT id FROM entries", limit)

    assert (len(found.rows), found.is_cut) == (rows, is_cut)


@pytest.mark.parametrize("limit", [0, -1, 101])
def test_a_limit_out_of_range_is_refused(database: SqliteDatabase, limit: int) -> None:
    """The error names the argument."""
    with pytest.raises(InvalidArgument) as refusal:
        database.inspect("SELECT 1", limit)
    assert refusal.value.path == "limit"


def test_values_are_what_every_codec_has(database: SqliteDatabase) -> None:
    """Bytes, large integers and infinities are shown as text."""
    found = database.inspect(
        "SELECT x'00ff', 9007199254740991, 9007199254740992, -9223372036854775808, "
        "9e999, -9e999, 0.5, NULL, 'text'",
        1,
    )

    assert found.rows == [
        [
            "x'00ff'",
            9007199254740991,
            "9007199254740992",
            "-9223372036854775808",
            "inf",
            "-inf",
            0.5,
            None,
            "text",
        ]
    ]


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO totals VALUES ('x', 1)",
        "INSERT INTO totals VALUES ('x', 1) RETURNING id",
        "UPDATE totals SET amount = 1",
        "DELETE FROM entries",
        "REPLACE INTO totals VALUES ('all', 9)",
        "CREATE TABLE more (id INTEGER)",
        "CREATE TEMP TABLE more (id INTEGER)",
        "DROP TABLE entries",
        "ALTER TABLE entries ADD COLUMN x",
        "PRAGMA user_version",
        "PRAGMA query_only = 0",
        "SELECT * FROM pragma_database_list",
        "ATTACH ':memory:' AS other",
        "BEGIN IMMEDIATE",
        "COMMIT",
        "VACUUM",
        "VACUUM INTO '/tmp/stolen.db'",
        "REINDEX",
        "ANALYZE",
        "EXPLAIN DELETE FROM entries",
        "SELECT load_extension('evil')",
        "SELECT 1; DELETE FROM entries",
        "SELECT 1; SELECT 2",
        "SELECT id FROM entries; PRAGMA query_only = 0; DELETE FROM entries",
        "SELECT ?",
        "SELECT nothing FROM entries",
        "SELEC 1",
        "SELECT zeroblob(1000000000)",
        "SELECT printf('%.*c', 900000000, 'x')",
        "SELECT CAST(x'ff' AS TEXT)",
    ],
)
def test_it_is_no_way_to_change_or_to_break_anything(database: SqliteDatabase, text: str) -> None:
    """Refused with the argument's name; the database is as it was."""
    before = database.inspect("SELECT * FROM entries, totals", 100).rows

    with pytest.raises(InvalidArgument) as refusal:
        database.inspect(text, 100)

    assert refusal.value.path == "text"
    assert database.inspect("SELECT * FROM entries, totals", 100).rows == before
    assert database.seq == 4


def test_it_takes_no_longer_than_a_query_may() -> None:
    """An endless statement is ended; one that gives rows at once is cut at its limit."""
    with ledger(clock=TickingClock(), limits=Limits(statement_time_ms_max=50)) as database:
        found = database.inspect(_ENDLESS.format("i"), 3)
        assert found.rows == [[1], [2], [3]]
        assert found.is_cut

        with pytest.raises(DeadlineExceeded):
            database.inspect(_ENDLESS.format("count(*)"), 3)


def test_its_answer_has_a_size(database: SqliteDatabase) -> None:
    """Many large values are cut, however few rows they are."""
    found = database.inspect(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50) "
        "SELECT hex(zeroblob(400000)) FROM n",
        100,
    )

    assert found.is_cut
    assert 1 <= len(found.rows) < 10


@pytest.mark.attack("A25")
def test_it_does_not_show_what_signs_cursors(database: SqliteDatabase) -> None:
    """Who could read the key could make cursors."""
    found = database.inspect("SELECT seq, cursor_key FROM _freehold_meta", 1)

    assert found.rows == [[4, None]]


def test_it_sees_what_is_committed(database: SqliteDatabase) -> None:
    """It holds nothing: the writer goes on before and after."""
    step(database, [lambda db: db.insert(Entry(id="d", total_id=THE_TOTAL, place=3))])

    assert len(database.inspect("SELECT id FROM entries", 100).rows) == 4
