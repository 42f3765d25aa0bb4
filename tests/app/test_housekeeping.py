"""What is done beside the calls: kept answers are counted at the start, and forgotten in time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freehold.app import housekeeping
from freehold.app.housekeeping import kept_house
from freehold.app.opening import Options, open_app
from freehold.db import Reader, Writer
from freehold.rpc.idempotency import KeptAnswer
from tests.generate.typescript.kiosk import app

pytestmark = pytest.mark.attack("A10")


def keep(db: Writer, *, count: int, expires_at: int) -> None:
    """So many kept answers."""
    db.insert_many(
        [
            KeptAnswer(
                principal="ada", user="", method="Kiosk.addItem", key=f"{expires_at}-{n}",
                arguments="", outcome="ok", codec="json", expires_at=expires_at,
            )
            for n in range(count)
        ]
    )  # fmt: skip


def rows(db: Reader) -> int:
    """How many there are."""
    return len(db.all(KeptAnswer))


async def until(condition: Callable[[], bool]) -> None:
    """Let the event loop run until it is so."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - polled, whatever it is
            await asyncio.sleep(0.01)


def test_keys_are_counted_at_the_start_and_all_that_expired_is_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much it is: a round goes on until nothing is left."""
    monkeypatch.setattr(housekeeping, "ROWS_MAX", 10)

    async def story() -> None:
        running: Any = open_app(app, Options(folder=tmp_path))
        running.start(asyncio.get_running_loop().call_soon_threadsafe)
        database, live = running.databases["main"], running.dispatcher.live_keys["main"]
        try:
            far = 4_000_000_000
            await asyncio.to_thread(database.write, lambda db: keep(db, count=7, expires_at=far))
            old = 505
            await asyncio.to_thread(database.write, lambda db: keep(db, count=old, expires_at=1))
            async with kept_house(running, every_s=0.7):
                await until(lambda: live._counted.get("ada") == old + 7)
                await until(lambda: database.read(rows) == 7)
                await until(lambda: live._counted.get("ada") == 7)
        finally:
            await running.finish()
            running.close()

    asyncio.run(story())
