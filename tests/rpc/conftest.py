"""The shop, opened for one test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.rpc.shop import Desk


@pytest.fixture
def desk() -> Iterator[Desk]:
    """A desk at a shop of its own."""
    opened = Desk()
    yield opened
    opened.close()
