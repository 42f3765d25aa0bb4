"""
A migration whose disk loses power, at every change and in many ways: old or new, never between.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated

import apsw
import pytest

from freehold import Entrypoint, Reader
from freehold.app.declaration import App, Database
from freehold.app.opening import Options, open_app
from freehold.app.upgrade import UpgradeMode
from freehold.clock import ManualClock
from freehold.drivers.sqlite.memory import make_folder, remove_folder
from freehold.migrate.apply import apply
from freehold.migrate.pairs import plan_pair
from freehold.migrate.sealing import scrub
from freehold.migrate.undo import undo
from freehold.schema import Check, PrimaryKey, Record, References, Schema
from tests.faults.figures import record
from tests.faults.migration_worlds import World, seen, worlds
from tests.faults.power.crashes import Crash, crashes
from tests.faults.power.recording import RecordedDisk
from tests.faults.share import SEED, share
from tests.migrate.sealing_worlds import SEALER, canaries
from tests.migrate.worlds import opened, rows

pytestmark = [pytest.mark.fault, pytest.mark.promise("P19")]

PER_EVENT = share(4, 200)
#: Of the cuts, so many are gone on from: the migration is applied again and must arrive.
EVERY = share(3, 1)
NAMES = [world.name for world in worlds()]


@pytest.fixture
def ram() -> Iterator[Path]:
    """A folder in memory, with one for the disk and one for what cuts leave."""
    folder = make_folder("power")
    (folder / "disk").mkdir()
    (folder / "left").mkdir()
    yield folder
    remove_folder(folder)


def old(world: World, path: Path) -> dict[str, object]:
    """The database as it is before, in one file; what is seen of it."""
    with opened(path) as connection:
        if world.had:
            apply(connection, world.had, clock=ManualClock(), sealer=SEALER)
        world.fill(connection)
        return seen(connection)


def recorded(world: World, folder: Path) -> tuple[RecordedDisk, dict[str, object]]:
    """The migration on a disk that is written down; what is seen after it."""
    with (
        RecordedDisk(folder, seed=SEED) as disk,
        closing(on_disk(folder / "a.db", disk.name)) as connection,
    ):
        apply(connection, world.all, clock=ManualClock(), sealer=SEALER)
        disk.mark("applied")
        after = seen(connection)
    return disk, after


def on_disk(path: Path, vfs: str) -> apsw.Connection:
    """A connection set as the owner of a file sets it, on another disk."""
    connection = apsw.Connection(str(path), vfs=vfs)
    connection.execute(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
        "PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY"
    ).fetchall()
    return connection


def wrong(
    world: World, crash: Crash, folder: Path, *, before: object, after: object, on: bool
) -> str:
    """What is wrong with what a cut left, and with going on from there; empty when nothing is."""
    crash.restore(folder)
    try:
        with opened(folder / "a.db") as connection:
            if rows(connection, "PRAGMA integrity_check") != [("ok",)]:
                return "damaged"
            if rows(connection, "PRAGMA foreign_key_check"):
                return "references are broken"
            there = seen(connection)
            if there not in (before, after):
                return "neither old nor new"
            if crash.marks and there != after:
                return "applied, and lost again"
            if on or crash.marks:
                scrub(connection)
                apply(connection, world.all, clock=ManualClock(), sealer=SEALER)
                if seen(connection) != after:
                    return "does not arrive"
    except apsw.Error as error:
        return f"damaged: {error}"
    if (on or crash.marks) and "seal" in world.name and canaries(folder):
        return f"in clear: {canaries(folder)}"
    return ""


@pytest.mark.parametrize("name", NAMES)
def test_every_cut_leaves_the_old_or_the_new(ram: Path, name: str) -> None:
    """And whoever starts after it arrives at the new one, with every row."""
    begun = time.monotonic()
    world = next(each for each in worlds() if each.name == name)
    before = old(world, ram / "disk" / "a.db")
    disk, after = recorded(world, ram / "disk")
    assert after != before

    states, bad = 0, []
    for crash in crashes(disk, seed=SEED, per_event=PER_EVENT):
        on = crash.number % EVERY == 0
        said = wrong(world, crash, ram / "left", before=before, after=after, on=on)
        bad += [f"{crash}: {said}"] if said else []
        states += 1

    record(
        "P19", f"power cut at every change of a migration: {name}", states=states,
        bad=len(bad), seconds=time.monotonic() - begun,
    )  # fmt: skip
    assert bad == []
    assert states > 20


def test_a_migration_outside_of_its_transaction_is_found_out(ram: Path) -> None:
    """Negative control: the same statements, each on its own."""
    begun = time.monotonic()
    world = next(each for each in worlds() if each.name == "rebuild")
    before = old(world, ram / "disk" / "a.db")
    with (
        RecordedDisk(ram / "disk", seed=SEED) as disk,
        closing(on_disk(ram / "disk" / "a.db", disk.name)) as connection,
    ):
        connection.execute("PRAGMA foreign_keys = OFF")
        for statement in world.waiting[0].statements:
            connection.execute(statement.sql)
        after = seen(connection)

    found = [
        said
        for crash in crashes(disk, seed=SEED, per_event=2)
        if (said := wrong(world, crash, ram / "left", before=before, after=after, on=False))
    ]

    record(
        "P19", "control: a migration without a transaction", bad=len(found),
        seconds=time.monotonic() - begun,
    )  # fmt: skip
    assert "neither old nor new" in found


def test_a_migration_that_syncs_nothing_is_found_out(ram: Path) -> None:
    """Negative control: an answer before the disk has it."""
    world = next(each for each in worlds() if each.name == "rebuild")
    before = old(world, ram / "disk" / "a.db")
    with (
        RecordedDisk(ram / "disk", seed=SEED) as disk,
        closing(on_disk(ram / "disk" / "a.db", disk.name)) as connection,
    ):
        connection.execute("PRAGMA synchronous = OFF")
        apply(connection, world.all, clock=ManualClock(), sealer=SEALER)
        disk.mark("applied")
        after = seen(connection)

    found = {
        said
        for crash in crashes(disk, seed=SEED, per_event=3)
        if (said := wrong(world, crash, ram / "left", before=before, after=after, on=False))
    }

    assert "applied, and lost again" in found


class Thing(Record, table="things"):
    """A row with a child."""

    id: Annotated[str, PrimaryKey()]
    body: str


class Part(Record, table="parts"):
    """A child, which a rebuild of its parent must not take along."""

    id: Annotated[str, PrimaryKey()]
    thing_id: Annotated[str, References("things.id", on_delete="cascade")]


class StricterThing(Record, table="things", checks=[Check("body <> ''", name="ck_body")]):
    """The same after a rebuild."""

    id: Annotated[str, PrimaryKey()]
    body: str
    colour: str = "red"


def count(db: Reader) -> int:
    """How many parts there are."""
    return len(db.all(Part))


class Parts(Entrypoint):
    """What is called."""

    count = count


def served(folder: Path, upgrade: UpgradeMode, *records: type[Record]) -> dict[str, object]:
    """The application opened as `serve --upgrade` opens it; what is seen of its file then."""
    database = Database("main", list(records), migrations=folder.parent / "migrations")
    app = App("things", databases=[database], entrypoints=[Parts])
    with closing(open_app(app, Options(folder=folder, upgrade=upgrade))):
        pass
    with opened(folder / "main.db") as connection:
        found = seen(connection)
        return {"rows": {t: found["rows"][t] for t in ("things", "parts")},
                "version": found["version"]}  # fmt: skip


def test_a_start_that_migrates_goes_on_from_every_cut(ram: Path) -> None:
    """The whole opening: lock, recovery, a copy from before, the migration, Freehold's tables."""
    begun = time.monotonic()
    folder, left, files = ram / "disk", ram / "left", ram / "migrations"
    plan_pair(Schema([Thing, Part]), files).write(files, "initial")
    # Made on such a disk too: the file has no page checksums then, which the shim would keep.
    with RecordedDisk(folder, seed=SEED, is_default=True):
        served(folder, "apply", Thing, Part)
    with opened(folder / "main.db") as connection:
        connection.execute(
            "INSERT INTO things VALUES ('t', 'x'); INSERT INTO parts VALUES ('p', 't')"
        )
    plan_pair(Schema([StricterThing, Part]), files).write(files, "stricter")
    shutil.copy(folder / "secrets.json", left / "secrets.json")
    with RecordedDisk(folder, seed=SEED, is_default=True) as disk:
        after = served(folder, "apply", StricterThing, Part)
        disk.mark("open")

    states = 0
    for crash in crashes(disk, seed=SEED, per_event=share(1, 6)):
        crash.restore(left)
        assert served(left, "apply", StricterThing, Part) == after, str(crash)
        states += 1

    record(
        "P19", "power cut at every change of a start that migrates", states=states, bad=0,
        seconds=time.monotonic() - begun,
    )  # fmt: skip
    assert after["version"] == [(2,)]


@pytest.mark.parametrize(
    "name", ["add column", "rename column", "rename table", "rebuild", "several"]
)
def test_every_cut_of_an_undoing_leaves_the_old_or_the_new(ram: Path, name: str) -> None:
    """The way back is one transaction as well."""
    begun = time.monotonic()
    world = next(each for each in worlds() if each.name == name)
    migrations = [each for each in world.all if name != "several" or each.number < 4]
    folder, path = ram / "disk", ram / "disk" / "a.db"
    old(world, path)
    with opened(path) as connection:
        apply(connection, migrations, clock=ManualClock())
        before = seen(connection)
    with (
        RecordedDisk(folder, seed=SEED) as disk,
        closing(on_disk(path, disk.name)) as connection,
    ):
        undo(connection, migrations, path, to="1")
        after = seen(connection)

    states = 0
    for crash in crashes(disk, seed=SEED, per_event=PER_EVENT):
        crash.restore(ram / "left")
        with opened(ram / "left" / "a.db") as connection:
            there = seen(connection)
            assert rows(connection, "PRAGMA integrity_check") == [("ok",)], str(crash)
            assert there in (before, after), str(crash)
        states += 1

    record(
        "P19", f"power cut at every change of an undoing: {name}", states=states, bad=0,
        seconds=time.monotonic() - begun,
    )  # fmt: skip
    assert after != before
