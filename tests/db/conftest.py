"""A library for each test: in memory, and in a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from freehold.testing import TestDatabase, file_database, memory_database
from tests.db.library import SCHEMA


@pytest.fixture
def library() -> Iterator[TestDatabase]:
    """In memory."""
    with memory_database(SCHEMA) as database:
        yield database


@pytest.fixture(params=["memory", "file"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TestDatabase]:
    """Each place where a database can be, one after the other."""
    if request.param == "memory":
        with memory_database(SCHEMA) as database:
            yield database
    else:
        with file_database(tmp_path / "library.db", SCHEMA) as database:
            yield database
