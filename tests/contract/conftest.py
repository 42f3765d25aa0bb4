"""Every engine, one after the other; no test of this folder knows which one it is on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from freehold.db import Writer
from freehold.testing import ENGINES, TestDatabase, engine_database
from tests.contract.world import SCHEMA


@pytest.fixture(params=ENGINES)
def database(request: pytest.FixtureRequest) -> Iterator[TestDatabase]:
    """An empty database of its own."""
    with engine_database(request.param, SCHEMA) as made:
        yield made


@pytest.fixture
def db(database: TestDatabase) -> Iterator[Writer]:
    """A mutation on an empty database, undone at the end."""
    with database.write() as writer:
        yield writer
