"""
A rotation of the column keys on a disk that loses power: cut at every change of it.

After each cut every value opens with the two keys that the secrets file then holds, and the
rotation that is begun again ends with one.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import pytest

from freehold.crypto import KeyRing, Place, open_sealed
from freehold.db import Reader
from freehold.db.resealing import ResealedStretch, count_stretch, reseal_stretch, sealed_columns
from freehold.drivers.sqlite import SqliteDatabase
from freehold.errors import KeysMissing
from freehold.scalars import Sealed
from freehold.schema import PrimaryKey, Record, Schema
from freehold.testing.checksums import checksummed
from tests.faults.figures import record
from tests.faults.power.crashes import crashes
from tests.faults.power.recording import RecordedDisk
from tests.faults.share import SEED, share

pytestmark = [
    pytest.mark.fault,
    pytest.mark.promise("P8"),
    pytest.mark.timeout(share(120, 3_600)),
]

ONE, TWO = "k1:" + "11" * 32, "k2:" + "22" * 32
ROWS = share(100, 10_000)
STRETCH = share(8, 200)


class Login(Record, table="logins"):
    """A sealed value."""

    id: Annotated[int, PrimaryKey()]
    token: Sealed[str]


SCHEMA = Schema([Login])
COLUMN = sealed_columns([Login])[0]


def opened(folder: Path, keys: str, storage: str | None = None) -> SqliteDatabase:
    """The logins with these keys."""
    database = SqliteDatabase(
        folder / "a.db", SCHEMA, ring=KeyRing.parse(keys), storage=storage, checkpoint_pages=64
    )
    database.open()
    return database


def reseal(database: SqliteDatabase) -> int:
    """Everything, a stretch at a time, each durable before the next."""
    after, done = None, 0
    while True:
        found: ResealedStretch = database.write(
            lambda db, at=after: reseal_stretch(db, COLUMN, after=at, rows=STRETCH)  # type: ignore[misc]
        )
        done += found.done
        after = found.after
        if after is None:
            return done


def wrong_in(folder: Path, keys: str, *, goes_on: bool) -> str:
    """What is not as it should be after a cut; empty when all is."""
    database = opened(folder, keys)
    ring = KeyRing.parse(keys)
    try:

        def values(db: Reader) -> dict[int, str]:
            place = {row.id: row.token for row in db.all(Login)}
            return {
                key: open_sealed(
                    ring, str(token.ciphertext), Place("main", "logins", "token", (key,))
                )
                for key, token in place.items()
            }

        def counted(db: Reader) -> dict[str, int]:
            return count_stretch(db, COLUMN, after=None, rows=ROWS + 1).keys

        expected = {number: f"token {number}" for number in range(ROWS)}
        if database.read(values) != expected:
            return "a value is not what it was"
        if goes_on:
            reseal(database)
            if database.read(values) != expected or database.read(counted) != {"k2": ROWS}:
                return "the rotation did not end"
    except KeysMissing as error:
        return error.detail
    finally:
        database.close()
    return ""


def test_a_rotation_that_loses_power_loses_no_value(tmp_path: Path) -> None:
    """At every change of the disk; and, as a control, without the old key it is found out."""
    began = time.monotonic()
    folder, cut_in = tmp_path / "played", tmp_path / "cut"
    folder.mkdir()
    cut_in.mkdir()
    first = opened(folder, ONE)
    first.write(
        lambda db: db.insert_many(
            [Login(id=number, token=Sealed.of(f"token {number}")) for number in range(ROWS)]
        )
    )
    first.close()
    with RecordedDisk(folder, seed=SEED) as disk, checksummed(disk.name) as storage:
        database = opened(folder, f"{TWO},{ONE}", storage=storage)
        assert reseal(database) == ROWS
        database.close()

    states = bad = control = 0
    said = []
    every = share(3, 10)
    for crash in crashes(disk, seed=SEED, per_event=1):
        crash.restore(cut_in)
        found = wrong_in(cut_in, f"{TWO},{ONE}", goes_on=states % every == 0)
        states += 1
        if found:
            bad += 1
            said.append(f"{crash}: {found}")
        elif states % every == 1:
            crash.restore(cut_in)
            control += bool(wrong_in(cut_in, TWO, goes_on=False))
    seconds = time.monotonic() - began

    record("P8", "a rotation, cut at every change of the disk", seconds=seconds, bad=bad,
           states=states, rows=ROWS)  # fmt: skip
    record("P8", "control: the old key was let go too early", seconds=seconds, bad=control,
           states=states)  # fmt: skip
    assert bad == 0, f"seed {SEED}: {said[:5]}"
    assert states > 30
    assert control > 0
