"""A process that dies in the middle of a migration leaves the old database or the new one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from freehold.clock import ManualClock
from freehold.migrate.apply import apply
from freehold.migrate.shape import shape_of, shape_of_schema
from tests.migrate.test_apply import filled, shop_later
from tests.migrate.worlds import built, content, opened, shop

pytestmark = pytest.mark.promise("P19")

DIE = """
import os, sys
from pathlib import Path
from freehold.clock import SystemClock
from freehold.migrate.apply import apply
from tests.migrate.test_apply import shop_later
from tests.migrate.worlds import built, opened, shop

path, dies_at = Path(sys.argv[1]), int(sys.argv[2])
told = 0

def die(progress):
    global told
    if told == dies_at:
        os._exit(9)
    told += 1

with opened(path) as connection:
    apply(connection, built(shop(), shop_later()), clock=SystemClock(), on_progress=die)
"""

#: Statements of the second migration, then verify and commit, then done.
BEFORE_COMMIT = len(built(shop(), shop_later())[1].statements) + 2


@pytest.mark.parametrize("dies_at", [1, 3, 5, BEFORE_COMMIT - 1, BEFORE_COMMIT])
def test_a_killed_migration_is_old_or_new(tmp_path: Path, dies_at: int) -> None:
    """Old up to the moment before COMMIT, new after it; the next start arrives either way."""
    path = tmp_path / "app.db"
    with filled(path) as connection:
        before = content(connection)
    root = Path(__file__).parents[2]

    died = subprocess.run(
        [sys.executable, "-c", DIE, str(path), str(dies_at)], cwd=root, timeout=60, check=False
    )

    assert died.returncode == 9
    with opened(path) as connection:
        if dies_at < BEFORE_COMMIT:
            assert content(connection) == before
        else:
            assert shape_of(connection) == shape_of_schema(shop_later())
        migrations = built(shop(), shop_later())
        apply(connection, migrations, clock=ManualClock(), expected=shop_later())
