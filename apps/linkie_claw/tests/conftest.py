"""An empty data layer on each engine, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from linkie_claw.testing import World, empty_world

import tests
from freehold.testing import ENGINES

# Collected after another folder called tests, `tests` is that folder alone; `tests.web` is here.
_HERE = str(Path(__file__).parent)
if _HERE not in tests.__path__:
    tests.__path__.append(_HERE)


@pytest.fixture(params=ENGINES)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with empty_world(request.param) as world:
        yield world
