"""One HotMetal for all the tests here: starting it is what costs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.whole.running import HotMetal, running


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HotMetal]:
    """All of it, on the sample data; the last test ends it."""
    with running(tmp_path_factory.mktemp("whole") / "hotmetal") as house:
        yield house
