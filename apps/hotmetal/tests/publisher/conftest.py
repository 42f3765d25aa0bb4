"""One data layer with the sample data, and one world, for all tests of the publisher."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.publisher.publishers import World, whole_world

from tests.e2e.processes import ServerProcess, serving


@pytest.fixture(scope="session")
def data_layer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """`freehold dev`, so with the user `default`."""
    folder: Path = tmp_path_factory.mktemp("data-layer")
    with serving(folder, command="dev") as server:
        yield server


@pytest.fixture(scope="session")
def one_world(
    data_layer: ServerProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    with whole_world(tmp_path_factory.mktemp("world"), data_layer.address) as world:
        yield world


@pytest.fixture
def world(one_world: World) -> Iterator[World]:
    """The world, with nothing failing and nobody's calls noted."""
    one_world.forget()
    yield one_world
    one_world.forget()


@pytest.fixture
def connected(world: World) -> World:
    """The world with a LinkedIn account."""
    connections = world.connections()
    if not connections or connections[0].external_id != world.linkedin.person["sub"]:
        # Without the sample's connection: what is tested here is this one.
        world.disconnect()
        world.publisher.connect()
        world.forget()
    return world
