"""
kill -9: what was acknowledged is there, what was not acknowledged is there whole or not at all.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from tests.drivers.ledger import entries, ledger
from tests.drivers.share import share

pytestmark = pytest.mark.promise("P1")

REPOSITORY = Path(__file__).parents[2]


@contextmanager
def child(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process that runs `tests.drivers.child`; killed at the end at the latest."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.drivers.child", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def lines(stream: IO[str] | None) -> list[str]:
    """Whole lines only: the last one may have been cut by the kill."""
    assert stream is not None
    return [line.rstrip("\n") for line in stream if line.endswith("\n")]


@pytest.fixture
def path(ram: Path) -> Path:
    """A ledger with its total, closed."""
    path = ram / "ledger.db"
    with ledger(path):
        return path


@pytest.mark.parametrize(
    ("point", "time", "is_there"),
    [
        ("before release", 1, False),
        ("before release", 2, False),
        ("before commit", 1, False),
        ("after commit", 1, True),
    ],
)
def test_nobody_hears_ok_before_the_commit(
    path: Path, point: str, time: int, is_there: bool
) -> None:
    """Killed before COMMIT: no answer, nothing there. After it: there, answered or not."""
    with child("crash", str(path), point, str(time)) as process:
        told = lines(process.stdout)
        code = process.wait()

    with ledger(path, begin=False) as database:
        found = database.read(entries)

    assert code == -signal.SIGKILL
    assert told == []
    assert bool(found) == is_there
    # A batch is what waits: the first alone, or with those behind it; never half of one.
    assert found == ["a", "b", "c"][: len(found)]


@pytest.mark.fault
@pytest.mark.timeout(share(120, 7_200))
def test_every_acknowledged_mutation_survives_a_kill(path: Path) -> None:
    """64 callers without end, killed again and again: all that was answered is there, whole."""
    rng = random.Random(20)
    acknowledged: set[str] = set()
    first = 0
    for _ in range(share(5, 200)):
        with child("load", str(path), str(first)) as process:
            assert process.stdout is not None
            told = [process.stdout.readline().rstrip("\n") for _ in range(rng.randrange(1, 400))]
            process.kill()
            told += lines(process.stdout)
            process.wait()
        acknowledged.update(told)

        with ledger(path, begin=False) as database:
            found = database.read(entries)
            assert database.seq == len(found) + 1

        assert len(found) == len(set(found))
        assert acknowledged <= set(found)
        first = max(map(int, found)) + 1
    assert len(acknowledged) > 500
