"""One world for each kind of database, and a clean start in it for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.web.worlds import World, whole_world

from freehold.testing import shared_cluster


@pytest.fixture(scope="session", params=["embedded", "server"])
def one_world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    database = None if request.param == "embedded" else shared_cluster().new_schema()
    with whole_world(tmp_path_factory.mktemp(str(request.param)), database) as world:
        yield world


@pytest.fixture
def world(one_world: World) -> Iterator[World]:
    yield one_world
    one_world.end_of_test()
