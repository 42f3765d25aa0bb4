"""
One PostgreSQL for the tests of this room; each test gets a schema of its own in it.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from freehold.testing.cluster import Cluster, cluster
from tests.migrate.postgres_worlds import Blocking, connected


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
