"""The served application, on each engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.access.world import PLACES, World, served


@pytest.fixture(scope="module", params=PLACES)
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """One server for a file's tests."""
    folder: Path = tmp_path_factory.mktemp("door")
    with served(folder, str(request.param)) as world:
        yield world
