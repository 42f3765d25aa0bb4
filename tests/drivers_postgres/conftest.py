"""
A database on the tests' own server, new for each test, and a loop that serves it.
"""

from __future__ import annotations

import pytest

from freehold.testing import shared_cluster
from freehold.testing.cluster import Cluster


@pytest.fixture(scope="session")
def server() -> Cluster:
    """The server of this test process."""
    return shared_cluster()


@pytest.fixture
def url(server: Cluster) -> str:
    """An empty schema of its own."""
    return server.new_schema()
