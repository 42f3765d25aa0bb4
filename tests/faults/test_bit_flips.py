"""
One bit of a cold file flips: what is served is what was written, or it is refused.

The control shows that the same flips are served when there are no checksums, and no note
beside the log.
"""

from __future__ import annotations

import random
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from freehold.db import Reader, Writer, param, select, update
from freehold.drivers.sqlite import SqliteDatabase
from freehold.drivers.sqlite.memory import make_folder, remove_folder
from freehold.errors import StartError, StorageDamaged
from tests.drivers.ledger import SCHEMA, THE_TOTAL, Entry, Total, adding
from tests.faults.figures import record
from tests.faults.share import SEED, share

pytestmark = [pytest.mark.fault, pytest.mark.promise("P14")]

_ROWS = 600
_ENTRIES = select(Entry).order_by(Entry.c.place)
_SET_LABEL = update(Entry).where(Entry.c.id == param("id")).values(label=param("label"))
_BY_LABEL = select(Entry).where(Entry.c.label.is_not(None)).order_by(Entry.c.label)
#: What is asked of a database; each must be answered as before, or refused.
_QUESTIONS: dict[str, Callable[[Reader], Any]] = {
    "all": lambda db: db.all(_ENTRIES),
    "by label": lambda db: db.all(_BY_LABEL),
    "total": lambda db: db.get(Total, THE_TOTAL),
    "one": lambda db: db.get(Entry, "entry 000300"),
}

Files = dict[str, bytes]


@pytest.fixture
def ram() -> Iterator[Path]:
    """A folder in memory: what is tested is what is on the disk, not the disk."""
    folder = make_folder("flips")
    yield folder
    remove_folder(folder)


def work(database: SqliteDatabase, *, begin: int, end: int) -> None:
    """Rows short and long, some of them gone again."""
    for first in range(begin, end, 10):
        with database.writing() as db:
            for number in range(first, first + 10):
                adding(f"entry {number:06}")(db)
            _label(db, first)


def _label(db: Writer, number: int) -> None:
    # Longer than a page: it goes on in pages of its own.
    label = f"{number:06}" * (1_000 if number % 100 == 0 else 5)
    db.execute(_SET_LABEL, id=f"entry {number:06}", label=label)


def cold(path: Path, *, has_checksums: bool) -> Files:
    """A file that was closed."""
    database = SqliteDatabase(path, SCHEMA, has_checksums=has_checksums)
    with database.opened():
        with database.writing() as db:
            db.insert(Total(id=THE_TOTAL))
        work(database, begin=0, end=_ROWS)
    return read(path)


def killed(path: Path) -> Files:
    """A file and its log, as a killed process leaves them."""
    database = SqliteDatabase(path, SCHEMA)
    with database.opened():
        with database.writing() as db:
            db.insert(Total(id=THE_TOTAL))
        work(database, begin=0, end=300)
    database = SqliteDatabase(path, SCHEMA, checkpoint_pages=1 << 30)
    copy = path.with_name("copy")
    copy.mkdir()
    with database.opened():
        work(database, begin=300, end=_ROWS)
        # Another process copies: closing a handle of our own would drop SQLite's locks.
        beside = [str(each) for each in path.parent.glob(f"{path.name}*")]
        subprocess.run(["cp", *beside, str(copy)], check=True)
    files = read(copy / path.name)
    assert len(files["-wal"]) > 100_000
    return files


def read(path: Path) -> Files:
    """Every file of a database but its lock and its index in memory."""
    found = {each.name.removeprefix(path.name): each for each in path.parent.glob(f"{path.name}*")}
    return {end: each.read_bytes() for end, each in found.items() if end not in (".lock", "-shm")}


def put(path: Path, files: Files) -> None:
    """Exactly these files."""
    for each in path.parent.glob(f"{path.name}*"):
        if each.is_file():
            each.unlink()
    for end, raw in files.items():
        Path(f"{path}{end}").write_bytes(raw)


def ask(path: Path) -> dict[str, Any]:
    """What a start and each question end with; errors by their class."""
    database = SqliteDatabase(path, SCHEMA)
    try:
        database.open()
    except StartError as error:
        return dict.fromkeys(_QUESTIONS, error)
    try:
        return {name: _asked(database, question) for name, question in _QUESTIONS.items()}
    finally:
        database.close()


def _asked(database: SqliteDatabase, question: Callable[[Reader], Any]) -> Any:
    try:
        return database.read(question)
    except Exception as error:
        # Whatever it is, `_kind` judges.
        return error


def flips(path: Path, files: Files, end: str, count: int, *, seed: str) -> Counter[str]:
    """Flip single bits of one of the files; how it ended, counted: each wrong answer is `wrong`."""
    put(path, files)
    right = ask(path)
    assert not any(isinstance(answer, BaseException) for answer in right.values())
    draw = random.Random(f"{SEED} {seed}")
    found: Counter[str] = Counter()
    for _ in range(count):
        bit = draw.randrange(len(files[end]) * 8)
        raw = bytearray(files[end])
        raw[bit // 8] ^= 1 << bit % 8
        put(path, files | {end: bytes(raw)})
        found[_kind(ask(path), right)] += 1
    return found


def _kind(answers: dict[str, Any], right: dict[str, Any]) -> str:
    kinds = set()
    for name, answer in answers.items():
        if isinstance(answer, (StartError, StorageDamaged)):
            kinds.add("refused")
        elif answer != right[name]:
            # Also any other error: that one is not what a caller can act on.
            kinds.add("wrong")
    return "wrong" if "wrong" in kinds else "refused" if kinds else "harmless"


def test_a_flip_in_a_cold_file_is_refused_or_harmless(ram: Path) -> None:
    """Every page has a checksum, and the header cannot deny it."""
    began = time.monotonic()
    count = share(150, 10_000)

    found = flips(ram / "a.db", cold(ram / "a.db", has_checksums=True), "", count, seed="cold")

    record("P14", "single bits of a cold database file flipped", seconds=time.monotonic() - began,
           bad=found["wrong"], flips=count, refused=found["refused"],
           harmless=found["harmless"])  # fmt: skip
    assert found["wrong"] == 0
    assert found["refused"] > count // 2


def test_a_flip_in_the_log_of_a_killed_process_is_refused_or_harmless(ram: Path) -> None:
    """What the log lost, callers had been told of: the start says so."""
    began = time.monotonic()
    count = share(100, 10_000)

    found = flips(ram / "a.db", killed(ram / "a.db"), "-wal", count, seed="log")

    record("P14", "single bits of the log of a killed process flipped",
           seconds=time.monotonic() - began, bad=found["wrong"], flips=count,
           refused=found["refused"], harmless=found["harmless"])  # fmt: skip
    assert found["wrong"] == 0
    assert found["refused"] > count // 2


def test_without_checksums_and_note_flips_are_served(ram: Path) -> None:
    """The control: SQLite alone serves damaged rows, and forgets commits that were told."""
    began = time.monotonic()
    count = share(60, 1_000)

    bare = flips(ram / "a.db", cold(ram / "a.db", has_checksums=False), "", count, seed="bare")
    (ram / "b").mkdir()
    files = killed(ram / "b" / "b.db")
    del files[".witness"]
    # Each start makes its note anew, of what it found.
    forgot = flips(ram / "b" / "b.db", files, "-wal", count, seed="forgot")

    record("P14", "control: the same flips without checksums and note",
           seconds=time.monotonic() - began, bad=bare["wrong"] + forgot["wrong"],
           flips=2 * count)  # fmt: skip
    assert bare["wrong"] > count // 4
    assert forgot["wrong"] > count // 2
