"""
The writer's HTTP face: its routes, the gate before them, and what lives as long as they do.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Final

from pydantic_ai.models import Model
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from freehold.errors import CallError
from hotmetal.clients.hotmetal import DataLayer
from hotmetal.services.cms import Cms
from hotmetal.services.web import answer, with_errors
from hotmetal.services.writer.agent.agents import Agents
from hotmetal.services.writer.agent.images import Images
from hotmetal.services.writer.agent.model import make_model
from hotmetal.services.writer.agent.publishing import Publishing
from hotmetal.services.writer.agent.search import make_search
from hotmetal.services.writer.agent.store import Store
from hotmetal.services.writer.browsers import Browsers
from hotmetal.services.writer.desk import Desk, dal_of
from hotmetal.services.writer.gate import Gate
from hotmetal.services.writer.neighbour import Neighbours
from hotmetal.services.writer.page import page_routes
from hotmetal.services.writer.routes import all_routes
from hotmetal.services.writer.settings import WriterSettings
from hotmetal.services.writer.sign_in import SignIn

LOG: Final = logging.getLogger("hotmetal.writer")
_HEALTH_S: Final = 1.0


def writer_app(settings: WriterSettings, dal: DataLayer) -> Starlette:
    """
    The application; it closes the binding when it ends.

    Raises:
        SettingMissing: The language model that is set cannot be used.
    """
    model = make_model(settings)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        to_cms = Cms(settings.cms_url, key=settings.cms_key, timeout_s=settings.cms_timeout_s)
        async with (
            dal,
            to_cms as cms,
            Neighbours.of(settings) as neighbours,
            _agents(settings, dal, model) as agents,
        ):
            desk = Desk(settings=settings, dal=dal, cms=cms, neighbours=neighbours, agents=agents)
            app.state.desk = desk
            app.state.publishing = Publishing(desk)
            app.state.publishing.resume()
            app.state.images = Images(settings)
            agents.spawn(_start(desk))
            yield

    sign_in = SignIn(settings.api_key, public_url=settings.public_url)
    app = Starlette(
        routes=[
            Route("/health", health, methods=["GET"]),
            *page_routes(),
            *sign_in.routes(),
            *all_routes(),
        ],
        middleware=[
            Middleware(Browsers, hosts=sign_in.hosts),
            Middleware(Gate, key=settings.api_key, proofs=[sign_in.is_signed_in]),
        ],
        lifespan=lifespan,
    )
    return with_errors(app)


@contextlib.asynccontextmanager
async def _agents(
    settings: WriterSettings, dal: DataLayer, model: Model | None
) -> AsyncIterator[Agents]:
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    store, search = Store(settings.data_dir / "writer.db"), make_search(settings)
    if interrupted := store.interrupt_turns():
        LOG.warning("%d turns were interrupted; each can be repeated", interrupted)
    agents = Agents(settings=settings, store=store, dal=dal, model=model, search=search)
    try:
        # The model's connections end with the service, where it has any.
        async with model or contextlib.nullcontext():
            yield agents
            await agents.stop()
    finally:
        await agents.stop()
        if search is not None:
            await search.close()
        store.close()


async def _start(desk: Desk) -> None:
    """What waits for the data layer: the log says for which, and how to start it."""
    try:
        await desk.dal.wait_until_ready()
    except CallError as error:
        LOG.error("the data layer does not take this service: %s", error)


async def health(request: Request) -> Response:
    """GET /health, open to everybody: that it serves, and whether the data layer answers."""
    quick = dal_of(request).with_options(timeout_s=_HEALTH_S)
    try:
        await quick.count_ideas_by_status("new")
    except CallError as error:
        return answer({"status": "ok", "service": "writer", "dataLayer": str(error)})
    return answer({"status": "ok", "service": "writer", "dataLayer": "ok"})
