"""Where the driver's tests put their files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from freehold.drivers.sqlite.memory import make_folder, remove_folder


@pytest.fixture
def ram() -> Iterator[Path]:
    """A folder whose disk is memory: what is tested is what we do, not how long a disk takes."""
    folder = make_folder("test")
    yield folder
    remove_folder(folder)
