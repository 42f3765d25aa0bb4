"""
Ciphertext is of its cell: in a real database every pair of cells is swapped, and every bit of a
value flipped; nothing of it opens. On every engine.
"""

from __future__ import annotations

import base64
import itertools
import time
from typing import Annotated, Any

import pytest

from freehold import PrimaryKey, Record, Sealed
from freehold.crypto import KeyRing, SealError
from freehold.db import Writer
from freehold.schema import Schema
from freehold.testing import ENGINES, engine_database
from tests.faults.figures import record
from tests.faults.share import SEED, share

pytestmark = [
    pytest.mark.fault,
    pytest.mark.promise("P7"),
    pytest.mark.attack("A37"),
    pytest.mark.timeout(share(120, 1_800)),
]

ROWS = share(4, 40)


class Login(Record, table="logins"):
    """Two cells in each row."""

    id: Annotated[int, PrimaryKey()]
    first: Sealed[str]
    second: Sealed[str]


class Other(Record, table="others"):
    """The same columns and keys in another table."""

    id: Annotated[int, PrimaryKey()]
    first: Sealed[str]


SCHEMA = Schema([Login, Other])
CELLS: Any = [(Login, "first"), (Login, "second"), (Other, "first")]


def put(db: Writer, cell: tuple[Any, str, int], text: str) -> None:
    """Write a ciphertext into a cell, past all that seals."""
    table, column, key = cell
    name = table.__table__.name
    mark = ("$1", "$2") if db._context.dialect == "postgresql" else ("?", "?")
    db._link.change(f"UPDATE {name} SET {column} = {mark[0]} WHERE id = {mark[1]}", [text, key])


def opens(db: Writer, cell: tuple[Any, str, int]) -> bool:
    """Whether what stands in the cell opens there."""
    table, column, key = cell
    try:
        db.open(getattr(db.get(table, key), column))
    except SealError:
        return False
    return True


@pytest.mark.parametrize("engine", ENGINES)
def test_no_swapped_and_no_altered_cell_opens(engine: str) -> None:
    """Of two tables, two columns, many rows; of each value every bit."""
    began = time.monotonic()
    swaps = flips = bad = 0
    ring = KeyRing.parse("k1:" + "11" * 32)
    with engine_database(engine, SCHEMA, ring=ring) as database, database.write() as db:
        for key in range(ROWS):
            db.insert(Login(id=key, first=Sealed.of("same"), second=Sealed.of("same")))
            db.insert(Other(id=key, first=Sealed.of("same")))
        cells = [(table, column, key) for table, column in CELLS for key in range(ROWS)]
        texts = {cell: str(getattr(db.get(cell[0], cell[2]), cell[1]).ciphertext) for cell in cells}
        assert all(opens(db, cell) for cell in cells)

        for one, two in itertools.combinations(cells, 2):
            put(db, one, texts[two])
            put(db, two, texts[one])
            bad += opens(db, one) + opens(db, two)
            swaps += 1
            put(db, one, texts[one])
            put(db, two, texts[two])
        cell = cells[0]
        head, _, body = texts[cell].rpartition(".")
        raw = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
        for bit in range(len(raw) * 8):
            flipped = bytearray(raw)
            flipped[bit // 8] ^= 1 << bit % 8
            altered = base64.urlsafe_b64encode(flipped).rstrip(b"=").decode()
            put(db, cell, f"{head}.{altered}")
            bad += opens(db, cell)
            flips += 1
        put(db, cell, texts[cell])
        assert all(opens(db, cell) for cell in cells)

    record("P7", f"cells swapped and bits flipped, {engine}", seconds=time.monotonic() - began,
           bad=bad, swaps=swaps, flips=flips)  # fmt: skip
    assert bad == 0, f"seed {SEED}"
