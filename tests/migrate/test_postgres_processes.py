"""Real processes that migrate one PostgreSQL: several at once, and some that die of it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from freehold.clock import ManualClock
from freehold.migrate.pairs import plan_pair
from freehold.migrate.postgres.apply import apply
from freehold.migrate.postgres.connection import namespace
from freehold.migrate.postgres.history import entries
from freehold.testing.cluster import Cluster
from tests.migrate.postgres_worlds import (
    Blocking,
    built_for_postgres,
    connected,
    content,
    fill_shop,
    left,
)
from tests.migrate.test_apply import shop_later
from tests.migrate.worlds import shop

pytestmark = pytest.mark.promise("P19")

ROOT = Path(__file__).parents[2]

#: Opens each database that it is told, as a data layer does when it starts.
START = """
import sys
from pathlib import Path
from freehold.app.declaration import Database
from freehold.app.upgrade import bring_postgres_up_to_date
from freehold.clock import SystemClock
from tests.migrate.postgres_worlds import connected
from tests.migrate.test_apply import shop_later

declared = Database("main", shop_later(), migrations=Path(sys.argv[1]))
for url in sys.stdin:
    with connected(url.strip()) as connection:
        print("ready", flush=True)
        sys.stdin.readline()
        bring_postgres_up_to_date(
            connection, declared, mode="apply", clock=SystemClock(),
            on_progress=lambda said: print(said, flush=True),
        )
        print("open", flush=True)
"""

#: Migrates, and waits to be killed before the step of that number.
HANG = """
import sys
from freehold.clock import SystemClock
from freehold.migrate.pairs import plan_pair
from freehold.migrate.postgres.apply import apply
from tests.migrate.postgres_worlds import built_for_postgres, connected
from tests.migrate.test_apply import shop_later
from tests.migrate.worlds import shop

url, hangs_at = sys.argv[1], int(sys.argv[2])
told = 0

def hang(progress):
    global told
    if told == hangs_at:
        print("here", flush=True)
        sys.stdin.readline()
    told += 1

with connected(url) as connection:
    apply(
        connection, built_for_postgres(shop(), shop_later()), clock=SystemClock(),
        expected=shop_later(), on_progress=hang,
    )
print("done", flush=True)
sys.stdin.readline()
"""

COUNT = len(built_for_postgres(shop(), shop_later())[1].statements)


def process(text: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", text, *arguments],
        cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip


def line_of(running: subprocess.Popen[str]) -> str:
    """What it says next."""
    assert running.stdout is not None
    line = running.stdout.readline()
    assert line, "it has ended"
    return line.strip()


@pytest.fixture
def filled(pg: Blocking) -> Blocking:
    """A shop that serves: migrated, filled, with its history."""
    apply(pg, built_for_postgres(shop()), clock=ManualClock())
    fill_shop(pg)
    return pg


def test_processes_that_start_at_once_take_turns(postgres: Cluster, tmp_path: Path) -> None:
    """Each of them opens, and every migration is applied once: ten rounds of three processes."""
    folder = str(written(tmp_path))
    running = [process(START, folder) for _ in range(3)]
    try:
        for start in ("old", "new", "no schema") * 4:
            url = postgres.new_schema()
            if start == "old":
                with connected(url) as connection:
                    apply(connection, built_for_postgres(shop()), clock=ManualClock())
                    fill_shop(connection)
            elif start == "no schema":
                postgres.sql(f"DROP SCHEMA {url.rsplit('=', 1)[1]}")
            for each in running:
                tell(each, url)
            assert [line_of(each) for each in running] == ["ready"] * 3

            for each in running:
                tell(each, "go")
            said = [lines_until(each, "open") for each in running]

            assert sum("applying 0002" in line for lines in said for line in lines) == 1
            with connected(url) as connection:
                assert [e.number for e in entries(connection)] == [1, 2]
                assert left(connection, shop_later()) == []
    finally:
        for each in running:
            each.communicate(timeout=30)
    assert [each.returncode for each in running] == [0, 0, 0]


def lines_until(running: subprocess.Popen[str], last: str) -> list[str]:
    """What it says before that."""
    return list(iter(lambda: line_of(running), last))


def tell(running: subprocess.Popen[str], line: str) -> None:
    assert running.stdin is not None
    running.stdin.write(f"{line}\n")
    running.stdin.flush()


def written(folder: Path) -> Path:
    """The migrations as files of both engines."""
    for number, schema in enumerate((shop(), shop_later()), start=1):
        plan_pair(schema, folder).write(folder, f"step_{number}")
    return folder


@pytest.mark.parametrize("hangs_at", [0, 1, COUNT // 2, COUNT, COUNT + 1])
def test_a_killed_migration_leaves_the_old_database(
    filled: Blocking, postgres: Cluster, hangs_at: int
) -> None:
    """kill -9 anywhere before COMMIT; the next process waits for nobody and arrives."""
    before = content(filled)
    url = postgres.url(schema=namespace(filled))
    running = process(HANG, url, str(hangs_at))
    assert line_of(running) == "here"

    running.send_signal(signal.SIGKILL)
    running.communicate(timeout=30)

    assert content(filled) == before
    apply(
        filled, built_for_postgres(shop(), shop_later()), clock=ManualClock(), expected=shop_later()
    )
    assert left(filled, shop_later()) == []


def test_a_process_that_is_killed_after_commit_leaves_the_new_database(
    filled: Blocking, postgres: Cluster
) -> None:
    """Nothing is left to do for the next one."""
    running = process(HANG, postgres.url(schema=namespace(filled)), "-1")
    assert line_of(running) == "done"

    running.send_signal(signal.SIGKILL)
    running.communicate(timeout=30)

    assert left(filled, shop_later()) == []
    done = apply(
        filled, built_for_postgres(shop(), shop_later()), clock=ManualClock(), expected=shop_later()
    )
    assert done.migrations == ()
