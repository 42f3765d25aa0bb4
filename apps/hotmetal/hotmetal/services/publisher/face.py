"""The publisher's HTTP face: its routes, and what lives as long as they do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from freehold.errors import CallError
from hotmetal.clients.hotmetal import DataLayer
from hotmetal.services.cms import Cms
from hotmetal.services.publisher import oauth_routes, publish_routes
from hotmetal.services.publisher.attempts import Outlet, Publishing
from hotmetal.services.publisher.blog import Blog
from hotmetal.services.publisher.desk import Desk, desk_of
from hotmetal.services.publisher.linkedin import LinkedInPosts
from hotmetal.services.publisher.oauth_client import LinkedInOAuth
from hotmetal.services.publisher.on_linkedin import OnLinkedIn
from hotmetal.services.publisher.settings import PublisherSettings
from hotmetal.services.publisher.store import Store
from hotmetal.services.publisher.tokens import PROVIDER, USER, Tokens
from hotmetal.services.web import answer, with_errors

_HEALTH_S: Final = 1.0


def publisher_app(settings: PublisherSettings, dal: DataLayer) -> Starlette:
    """The application; it closes the binding when it ends."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        store = Store(settings.data_dir)
        async with dal, _cms(settings) as cms, _posts(settings) as posts:
            oauth = LinkedInOAuth(settings, verifier_key=store.verifier_key)
            tokens = Tokens(dal, oauth)
            outlets: dict[str, Outlet] = {
                "blog": Blog(cms, store.keep),
                "linkedin": OnLinkedIn(posts, tokens, store.keep, settle_s=settings.settle_s),
            }
            publishing = Publishing(store, dal, cms=cms, outlets=outlets)
            app.state.desk = Desk(
                settings=settings, dal=dal, cms=cms, publishing=publishing, oauth=oauth,
                tokens=tokens,
            )  # fmt: skip
            tending = asyncio.create_task(publishing.tend())
            try:
                yield
            finally:
                tending.cancel()
                await asyncio.gather(tending, return_exceptions=True)
                store.close()

    app = Starlette(
        routes=[
            Route("/health", health, methods=["GET"]),
            *oauth_routes.routes(),
            *publish_routes.routes(),
        ],
        lifespan=lifespan,
    )
    return with_errors(app)


async def health(request: Request) -> Response:
    """`GET /health`, open to everybody: that it serves, and whether the data layer answers."""
    quick = desk_of(request).dal.with_options(timeout_s=_HEALTH_S)
    try:
        await quick.has_valid_social_connection(USER, PROVIDER)
    except CallError as error:
        return answer({"status": "ok", "service": "publisher", "dataLayer": str(error)})
    return answer({"status": "ok", "service": "publisher", "dataLayer": "ok"})


def _cms(settings: PublisherSettings) -> Cms:
    return Cms(settings.cms_url, key=settings.cms_key, timeout_s=settings.timeout_s)


def _posts(settings: PublisherSettings) -> LinkedInPosts:
    return LinkedInPosts(
        settings.linkedin_url, version=settings.linkedin_version, timeout_s=settings.timeout_s
    )
