"""A real data layer with the sample data, for all tests of the writer that run in one process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.processes import ServerProcess, serving


@pytest.fixture(scope="session")
def data_layer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """`freehold dev`, so with sample data; a test uses ids of its own where it changes things."""
    folder: Path = tmp_path_factory.mktemp("data-layer")
    with serving(folder, command="dev") as server:
        yield server
