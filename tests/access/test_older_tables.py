"""A database of a version before: its table of keys gets the columns that it did not have."""

from __future__ import annotations

from pathlib import Path

import pytest

from freehold.access import LATER_COLUMNS, list_keys
from freehold.app.opening import Options, open_app
from freehold.drivers.postgres import blocking_connection
from freehold.drivers.sqlite import Place, open_connection
from freehold.testing import shared_cluster
from tests.access.world import APP, PLACES, served


@pytest.mark.parametrize("place", PLACES)
def test_keys_of_before_live_on(place: str, tmp_path: Path) -> None:
    """The columns are added once, and the keys that were there are as they were."""
    url = shared_cluster().new_schema() if place == "postgresql" else None
    options = Options(folder=tmp_path / "data", database=url)
    with served(tmp_path, place, database=url) as world:
        minted = world.mint("Door.*")
    if url is None:
        old = open_connection(Place(str(tmp_path / "data" / "main.db")))
        for name in LATER_COLUMNS:
            old.execute(f"ALTER TABLE _freehold_keys DROP COLUMN {name}")
        old.execute("DROP TABLE _freehold_key_uses")
        old.close()
    else:
        with blocking_connection(url) as connection:
            for name in LATER_COLUMNS:
                connection.run(f'ALTER TABLE "_freehold_keys" DROP COLUMN "{name}"')
            connection.run('DROP TABLE "_freehold_key_uses"')

    for _ in range(2):
        running = open_app(APP, options)
        assert running.first.read(list_keys) == [minted.info]
        assert running.authenticator.caller(minted.key, trusted=False).key_id == minted.info.id
        running.close()
