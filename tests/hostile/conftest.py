"""A real server process of each application, with a key that may call everything."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hostile.served import APPS, Served, served_app


@pytest.fixture(scope="package", params=sorted(APPS))
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """One of the applications, served for all tests of the folder."""
    with served_app(request.param, tmp_path_factory.mktemp(request.param)) as running:
        yield running
