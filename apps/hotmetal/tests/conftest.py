"""Every test of HotMetal's functions runs on each engine, one after the other."""

from __future__ import annotations

import pytest

from freehold.testing import ENGINES


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """The name of an engine."""
    return str(request.param)
