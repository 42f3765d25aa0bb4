"""A real data layer with the sample data and a real feed, for all tests of the scout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hotmetal.clients.hotmetal import DataLayerSync
from hotmetal.stand_ins.in_thread import served
from hotmetal.stand_ins.news import news_app
from tests.scout.nursery import Nursery
from tests.scout.scouts import ScoutProcess, StandIn

from tests.e2e.processes import ServerProcess, serving


@pytest.fixture(scope="session")
def data_layer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """`freehold dev`, so with sample data; a test uses ids of its own where it changes things."""
    folder: Path = tmp_path_factory.mktemp("data-layer")
    with serving(folder, command="dev") as server:
        yield server


@pytest.fixture(scope="session")
def dal(data_layer: ServerProcess) -> Iterator[DataLayerSync]:
    """The test's own binding."""
    with DataLayerSync.connect(data_layer.address) as dal:
        yield dal


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Where scouts are born quickly."""
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture(scope="session")
def news() -> Iterator[StandIn]:
    """The sample feed."""
    with served(news_app) as address:
        yield StandIn(address)


@pytest.fixture(scope="module")
def scout(
    data_layer: ServerProcess, news: StandIn, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ScoutProcess]:
    """A scout that reads the feed; started again for each module, not for each test."""
    folder = tmp_path_factory.mktemp("scout") / "data"
    scout = ScoutProcess(folder, FREEHOLD_DAL=data_layer.address, NEWS_URL=news.address)
    scout.start()
    yield scout
    scout.close()
