"""
One PostgreSQL for the tests of this room; each test gets a schema of its own in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from freehold.testing.cluster import Cluster, cluster
from tests.migrate.live import File, Server, file_live, server_live
from tests.migrate.postgres_worlds import Blocking, connected
from tests.migrate.worlds import shop


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """The server."""
    with cluster() as running:
        yield running


@pytest.fixture
def pg(postgres: Cluster) -> Iterator[Blocking]:
    """A connection to an empty schema."""
    with connected(postgres.new_schema()) as connection:
        yield connection


@pytest.fixture(params=[file_live, server_live], ids=["sqlite", "postgresql"])
def live(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[File | Server]:
    """A shop that serves."""
    with request.param(tmp_path, lambda: request.getfixturevalue("postgres")) as found:
        found.apply(found.built(shop()))
        found.fill()
        yield found
