"""Every page of a served file is read in time, and damage is told before anybody asks for it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from freehold.app import page_watch
from freehold.app.housekeeping import kept_house
from freehold.app.opening import Options, open_app
from freehold.app.page_watch import PageWatch
from tests.app.test_housekeeping import keep, until
from tests.generate.typescript.kiosk import app

pytestmark = pytest.mark.promise("P14")

PAGE = 4096


def grown(folder: Path) -> Path:
    """A database of some hundred pages, closed."""
    running: Any = open_app(app, Options(folder=folder))
    running.databases["main"].write(lambda db: keep(db, count=6_000, expires_at=4_000_000_000))
    running.close()
    return folder / "main.db"


def damage(path: Path, page: int) -> None:
    """Turn one bit of it over."""
    with path.open("r+b") as file:
        file.seek((page - 1) * PAGE + 100)
        (byte,) = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte ^ 4]))


def test_all_pages_are_read_stretch_by_stretch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Damage is found wherever it is, and each page is told once."""
    monkeypatch.setattr(page_watch, "PAGES_MIN", 50)
    path = grown(tmp_path)
    pages = path.stat().st_size // PAGE
    assert pages > 120
    watch = PageWatch(path)
    while not watch.rounds:
        assert watch.look() == 0
    for page in (60, pages):
        damage(path, page)

    found = [watch.look() for _ in range(2 * (pages // 50 + 1))]

    assert watch.damaged == {60, pages}
    assert sum(found) == 2
    assert watch.rounds >= 2


def test_a_served_file_tells_of_damage_that_nobody_asked_for(tmp_path: Path) -> None:
    """`/health` shows it, and the log names the page."""
    path = grown(tmp_path)
    damage(path, path.stat().st_size // PAGE)

    async def story() -> None:
        running: Any = open_app(app, Options(folder=tmp_path))
        running.start(asyncio.get_running_loop().call_soon_threadsafe)
        try:
            assert running.storage == "ok"
            async with kept_house(running, every_s=0.05):
                await until(lambda: running.storage == "damaged")
        finally:
            await running.finish()
            running.close()

    asyncio.run(story())
