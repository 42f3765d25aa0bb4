"""
The web service as an ASGI application: its routes, its doors, its life.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route

from freehold.errors import CallError
from linkie_claw.clients.linkie_claw import DataLayer
from linkie_claw.services.web import (
    cron,
    files,
    linkedin,
    numbers,
    posts,
    scheduling,
    sign_in,
    studio,
    user_settings,
)
from linkie_claw.services.web.answers import Refused, on_call_error, on_http_error, on_refused
from linkie_claw.services.web.budget import Budget
from linkie_claw.services.web.doors import HeadersDoor, HostDoor, LastDoor, OriginDoor
from linkie_claw.services.web.generators.choice import open_generators
from linkie_claw.services.web.images import ImageFolder
from linkie_claw.services.web.oauth import OAuthClient
from linkie_claw.services.web.outbound import Outbound
from linkie_claw.services.web.settings import Settings
from linkie_claw.services.web.state import Web

#: A person waits for the answer.
_CALL_S: Final = 10.0

ROUTES: Final = [
    *(Route(path, files.page, methods=["GET"]) for path in files.PATHS),
    Route("/images/{name}", files.image, methods=["GET"]),
    # Sign-in
    Route("/api/auth/providers", sign_in.list_providers, methods=["GET"]),
    Route("/api/auth/session", sign_in.show_session, methods=["GET"]),
    Route("/api/auth/signin/offline", sign_in.sign_in_offline, methods=["POST"]),
    Route("/api/auth/signin/{provider}", sign_in.begin, methods=["GET"]),
    Route("/api/auth/callback/{provider}", sign_in.finish, methods=["GET"]),
    Route("/api/auth/signout", sign_in.sign_out, methods=["POST"]),
    # Posts
    Route("/api/posts", posts.list_posts, methods=["GET"]),
    Route("/api/posts", posts.create_post, methods=["POST"]),
    Route("/api/posts/recover", scheduling.list_stuck, methods=["GET"]),
    Route("/api/posts/recover", scheduling.recover, methods=["POST"]),
    Route("/api/posts/{id}", posts.get_post, methods=["GET"]),
    Route("/api/posts/{id}", posts.patch_post, methods=["PATCH"]),
    Route("/api/posts/{id}", posts.delete_post, methods=["DELETE"]),
    Route("/api/posts/{id}/schedule", scheduling.schedule, methods=["POST"]),
    Route("/api/posts/{id}/unschedule", scheduling.unschedule, methods=["POST"]),
    # The scheduler and the automation
    Route("/api/cron/publish-scheduled", cron.publish_scheduled, methods=["GET", "POST"]),
    Route("/api/webhooks/publish-status", cron.publish_status, methods=["POST"]),
    Route("/api/internal/posts/{id}", cron.internal_post, methods=["GET"]),
    # The studio
    Route("/api/generate", studio.generate, methods=["POST"]),
    Route("/api/generate/text", studio.generate_text, methods=["POST"]),
    Route("/api/generate/image", studio.generate_image, methods=["POST"]),
    Route("/api/generations", studio.list_generations, methods=["GET"]),
    Route("/api/generations/{id}", studio.get_generation, methods=["GET"]),
    Route("/api/generations/{id}", studio.select_of_generation, methods=["PATCH"]),
    # Settings
    Route("/api/settings", user_settings.get_settings, methods=["GET"]),
    Route("/api/settings", user_settings.patch_settings, methods=["PATCH"]),
    Route("/api/settings/voice-tones", user_settings.get_voice_tones, methods=["GET"]),
    Route("/api/settings/voice-tones", user_settings.put_voice_tones, methods=["PUT"]),
    Route("/api/settings/image-styles", user_settings.get_image_styles, methods=["GET"]),
    Route("/api/settings/image-styles", user_settings.put_image_styles, methods=["PUT"]),
    Route("/api/settings/linkedin/connect", linkedin.connect, methods=["POST"]),
    Route("/api/settings/linkedin/callback", linkedin.connected, methods=["GET"]),
    Route("/api/settings/linkedin", linkedin.disconnect, methods=["DELETE"]),
    # Numbers
    Route("/api/dashboard", numbers.dashboard, methods=["GET"]),
    Route("/api/analytics", numbers.analytics, methods=["GET"]),
]


def create_app(settings: Settings, *, now: Callable[[], float] = time.time) -> Starlette:
    """
    The service, not yet listening; its first request connects it to the data layer.

    Args:
        settings: What the operator set.
        now: The wall clock, for what ends by time: sessions, flows, tokens. Posts follow the
            data layer's clock alone.

    Raises:
        CallError: Nothing says where the data layer is, or the address cannot be used.
    """
    key = settings.data_layer_key
    dal = DataLayer.connect(
        settings.data_layer, key=None if key is None else str(key), timeout_s=_CALL_S
    )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        web = Web(
            settings=settings,
            dal=dal,
            images=ImageFolder(settings.folder / "images"),
            outbound=Outbound(
                allow_private=settings.allow_private_webhooks,
                timeout_s=settings.webhook_timeout_s,
            ),
            own_outbound=Outbound(allow_private=True, timeout_s=settings.webhook_timeout_s),
            oauth=OAuthClient(settings.provider_timeout_s),
            generators=open_generators(settings),
            tries=Budget(settings.tries_per_minute, seconds=60),
            generations=Budget(settings.generations_per_hour, seconds=3_600),
            now=now,
        )
        app.state.web = web
        try:
            yield
        finally:
            await web.close()

    return Starlette(
        routes=ROUTES,
        lifespan=lifespan,
        middleware=[
            Middleware(HeadersDoor, settings),
            Middleware(LastDoor),
            Middleware(HostDoor, settings),
            Middleware(OriginDoor, settings),
        ],
        exception_handlers={
            Refused: on_refused,
            CallError: on_call_error,
            HTTPException: on_http_error,
        },
    )
