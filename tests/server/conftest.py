"""The served toy as a fixture; what it is: `toy`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.toy import Toy, served


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Toy]:
    """The toy on a free port and on a Unix socket, with the default limits."""
    with served(unix_path=tmp_path / "private" / "toy.sock") as toy:
        yield toy
