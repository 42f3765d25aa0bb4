"""A look by SQL into a server's database does not show what signs page cursors."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from freehold.drivers.looking import Mask
from freehold.drivers.postgres import Address, PostgresDatabase
from freehold.errors import InvalidArgument
from tests.drivers.ledger import SCHEMA

pytestmark = [pytest.mark.promise("P17"), pytest.mark.attack("A5"), pytest.mark.attack("A25")]

KEY = "(SELECT * FROM _freehold_meta) AS m(a, b, c, k)"
WAYS = {
    "every column": 'SELECT * FROM "_freehold_meta"',
    "the table as a value": 'SELECT "_freehold_meta" FROM "_freehold_meta"',
    "json": 'SELECT row_to_json(m) FROM "_freehold_meta" m',
    "jsonb": 'SELECT to_jsonb(m)::text FROM "_freehold_meta" m',
    "text of the row": 'SELECT m::text FROM "_freehold_meta" m',
    "by another name": f"SELECT k FROM {KEY}",
    "hex": f"SELECT encode(k, 'hex') FROM {KEY}",
    "upper case": f"SELECT upper(encode(k, 'hex')) FROM {KEY}",
    "base64": f"SELECT encode(k, 'base64') FROM {KEY}",
    "shifted base64": f"SELECT encode('\\x00'::bytea || k, 'base64') FROM {KEY}",
    "shifted once more": f"SELECT encode('\\x0000'::bytea || k, 'base64') FROM {KEY}",
    "escaped": f"SELECT encode(k, 'escape') FROM {KEY}",
    "in a list": f"SELECT array_agg(k) FROM {KEY}",
    "a part": f"SELECT substr(k, 5, 12) FROM {KEY}",
    "a wrapped row": 'SELECT ROW(m.*)::text FROM "_freehold_meta" m',
}


@pytest.fixture
def database(url: str) -> Iterator[PostgresDatabase]:
    """An empty ledger."""
    database = PostgresDatabase(Address.parse(url), SCHEMA)
    with database.opened():
        yield database


@pytest.mark.parametrize("way", WAYS)
def test_it_does_not_show_what_signs_cursors(database: PostgresDatabase, way: str) -> None:
    """Who could read the key could make cursors; however it is asked for."""
    found = database.inspect(WAYS[way], 10)

    key = database.context.cursor_key
    assert found.rows
    assert None in found.rows[0]
    shown = repr(found.rows)
    assert key.hex()[:16] not in shown.lower()
    assert not Mask(key).hides(shown)


def test_an_error_does_not_show_it_either(database: PostgresDatabase) -> None:
    """PostgreSQL puts the value that it could not read into its message."""
    with pytest.raises(InvalidArgument) as refused:
        database.inspect(f"SELECT encode(k, 'hex')::uuid::int FROM {KEY}", 1)
    with pytest.raises(InvalidArgument) as told:
        database.inspect(f"SELECT ('x' || encode(k, 'hex'))::int FROM {KEY}", 1)
    for error in (refused, told):
        assert not Mask(database.context.cursor_key).hides(error.value.detail)


def test_the_rest_of_the_row_is_shown(database: PostgresDatabase) -> None:
    """As on SQLite, where the column is NULL."""
    assert database.inspect('SELECT * FROM "_freehold_meta"', 1).rows == [[1, 0, 0, None]]
    with pytest.raises(InvalidArgument, match="the key of page cursors is not shown"):
        database.inspect("SELECT cursor_key FROM _freehold_meta", 1)


def test_a_mask_hides_nothing_else() -> None:
    """Not a number, not a text that shares five bytes with the secret."""
    secret = bytes(range(200, 232))
    mask = Mask(secret)
    assert mask.hides(f"x'{secret.hex()}'")
    assert not mask.hides(secret[:5].hex())
    assert not mask.hides(7)
    assert not mask.hides("a text like any other")
