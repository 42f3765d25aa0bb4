"""The scout, put together: its parts, what happens at its start, and what at its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import httpx
from pydantic_ai.exceptions import UserError
from pydantic_ai.models import infer_model
from starlette.applications import Starlette

from freehold.errors import CallError
from hotmetal.clients.hotmetal import DataLayer
from hotmetal.services.scout import workflow
from hotmetal.services.scout.auto_write import AutoWriter
from hotmetal.services.scout.brave import Brave
from hotmetal.services.scout.clock import Clock
from hotmetal.services.scout.durable import Durable
from hotmetal.services.scout.face import Face
from hotmetal.services.scout.feed import Feed
from hotmetal.services.scout.hours import Hours
from hotmetal.services.scout.jobs import ScoutJobs
from hotmetal.services.scout.offline import offline_thinker
from hotmetal.services.scout.search import Provider, Searches
from hotmetal.services.scout.settings import ScoutSettings
from hotmetal.services.scout.store import Store
from hotmetal.services.scout.thinking import Thinker
from hotmetal.services.scout.writer import Writer
from hotmetal.services.settings import SettingMissing

LOG: Final = logging.getLogger("hotmetal.scout")

_ASK_AGAIN_S: Final = 10.0


class Scout:
    """
    The service.

    Args:
        settings: From the environment.
        clock: The machine's, or a test's.

    Raises:
        FolderInUse: Another scout has the folder.
    """

    def __init__(self, settings: ScoutSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._store = Store(settings.data_dir, clock)

    def app(self) -> Starlette:
        """
        The application; its parts are made when the event loop runs.

        Raises:
            SettingMissing: The model's name says nothing, or its key is not set.
        """
        settings = self._settings
        self._dal = DataLayer.connect()
        self._http = httpx.AsyncClient(follow_redirects=True, max_redirects=3)
        self._durable = Durable(self._store, self._clock, settings.hurry)
        self._hours = Hours(self._dal, self._durable, self._clock, self._store.id)
        writer = Writer(self._http, settings.writer_url, settings.writer_key)
        jobs = ScoutJobs(
            self._dal,
            Searches(self._provider(), self._store),
            _thinker(settings),
            AutoWriter(self._dal, writer, self._clock, settings.hurry),
        )
        steps = self._durable.steps
        self._durable.register(
            lambda order: workflow.run(steps, jobs, order), self._hours.tick, self._hours.run_all
        )
        face = Face(self._dal, self._durable, settings.api_key, store_id=self._store.id)
        return face.app(self._life)

    def _provider(self) -> Provider:
        settings = self._settings
        if settings.brave_key is not None:
            return Brave(self._http, settings.brave_url, settings.brave_key)
        return Feed(self._http, settings.news_url, self._clock)

    @asynccontextmanager
    async def _life(self, _app: Starlette) -> AsyncIterator[None]:
        if self._settings.model is None:
            LOG.info("HOTMETAL_MODEL is not set: ideas come from the offline model")
        await self._durable.launch()
        ticking = asyncio.create_task(self._tick_when_there())
        try:
            yield
        finally:
            ticking.cancel()
            with suppress(asyncio.CancelledError):
                await ticking
            await self._durable.stop()
            await self._http.aclose()
            await self._dal.close()
            self._store.close()

    async def _tick_when_there(self) -> None:
        """The data layer may be started after the scout; its client says what it waits for."""
        while True:
            try:
                await self._dal.wait_until_ready()
                break
            except CallError as error:
                LOG.error("the data layer refuses the scout: %s", error)
            await asyncio.sleep(_ASK_AGAIN_S)
        await self._hours.forever()


def _thinker(settings: ScoutSettings) -> Thinker:
    if settings.model is None:
        return offline_thinker()
    try:
        model = infer_model(settings.model)
    except (UserError, ImportError, ValueError) as error:
        raise SettingMissing(f"HOTMETAL_MODEL is {settings.model!r}: {error}") from None
    return Thinker(model, model)
