"""
Routes for a user's settings: LinkedIn profile, webhook, voice tones and image styles.

What leaves is listed here name by name, so a column that comes later does not leave with it.
"""

from __future__ import annotations

from typing import Annotated, Any, cast

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from freehold.client import UNSET, Maybe
from linkie_claw.clients.linkie_claw import (
    ImageStyle,
    ImageStyleId,
    UserSettings,
    UserSettingsPatch,
    VoiceTone,
    VoiceToneId,
)
from linkie_claw.services.web.answers import answer, not_valid
from linkie_claw.services.web.outbound import AddressRefused, check_url
from linkie_claw.services.web.reading import Body, read_json
from linkie_claw.services.web.signed_in import signed_in
from linkie_claw.services.web.state import web_of
from linkie_claw.services.web.styles import IMAGE_STYLES, VOICE_TONES, StyleBody, check_styles
from linkie_claw.services.web.times import iso

Url = Annotated[str, msgspec.Meta(max_length=2048)]


class SettingsBody(Body):
    """What changes; what is left out stays, null and the empty text clear."""

    linkedin_profile_url: Maybe[Url | None] = UNSET
    n8n_webhook_url: Maybe[Url | None] = UNSET


class TonesBody(Body):
    """All six voice tones."""

    voice_tones: list[StyleBody]


class StylesBody(Body):
    """All six image styles."""

    image_styles: list[StyleBody]


async def get_settings(request: Request) -> Response:
    """`GET /api/settings`: the user's settings, without any token."""
    user = await signed_in(request)
    settings = await web_of(request).dal.get_user_settings(user_id=user.id)
    if settings is None:
        return answer({"linkedinConnected": False, "linkedinProfileUrl": None})
    return answer(settings_json(settings))


async def patch_settings(request: Request) -> Response:
    """`PATCH /api/settings`: the settings with their changes."""
    user = await signed_in(request)
    body = await read_json(request, SettingsBody)
    web = web_of(request)
    changes = UserSettingsPatch()
    if body.linkedin_profile_url is not UNSET:
        # It is shown as a link and never called from here.
        changes.linkedin_profile_url = _checked(
            body.linkedin_profile_url, "linkedinProfileUrl", allow_private=True
        )
    if body.n8n_webhook_url is not UNSET:
        changes.n8n_webhook_url = _checked(
            body.n8n_webhook_url,
            "n8nWebhookUrl",
            allow_private=web.settings.allow_private_webhooks,
        )
    settings = await web.dal.upsert_user_settings(user_id=user.id, data=changes)
    return answer(settings_json(settings))


async def get_voice_tones(request: Request) -> Response:
    """`GET /api/settings/voice-tones`: the user's six, or the six defaults."""
    user = await signed_in(request)
    tones = await web_of(request).dal.get_user_voice_tones(user_id=user.id)
    return answer({"voiceTones": tones})


async def put_voice_tones(request: Request) -> Response:
    """`PUT /api/settings/voice-tones`: all six."""
    user = await signed_in(request)
    body = await read_json(request, TonesBody)
    check_styles(body.voice_tones, VOICE_TONES, path="voiceTones")
    tones = [
        VoiceTone(id=cast("VoiceToneId", each.id), name=each.name, prompt=each.prompt)
        for each in body.voice_tones
    ]
    kept = await web_of(request).dal.save_user_voice_tones(user_id=user.id, tones=tones)
    return answer({"voiceTones": kept})


async def get_image_styles(request: Request) -> Response:
    """`GET /api/settings/image-styles`: the user's six, or the six defaults."""
    user = await signed_in(request)
    styles = await web_of(request).dal.get_user_image_styles(user_id=user.id)
    return answer({"imageStyles": styles})


async def put_image_styles(request: Request) -> Response:
    """`PUT /api/settings/image-styles`: all six."""
    user = await signed_in(request)
    body = await read_json(request, StylesBody)
    check_styles(body.image_styles, IMAGE_STYLES, path="imageStyles")
    styles = [
        ImageStyle(id=cast("ImageStyleId", each.id), name=each.name, prompt=each.prompt)
        for each in body.image_styles
    ]
    kept = await web_of(request).dal.save_user_image_styles(user_id=user.id, styles=styles)
    return answer({"imageStyles": kept})


def settings_json(settings: UserSettings) -> dict[str, Any]:
    """The settings as the browser gets them."""
    expires = settings.linkedin_token_expires_at
    return {
        "linkedinConnected": settings.linkedin_connected,
        "linkedinProfileUrl": settings.linkedin_profile_url,
        "linkedinPersonUrn": settings.linkedin_person_urn,
        "linkedinHeadline": settings.linkedin_headline,
        "linkedinOauthStatus": settings.linkedin_oauth_status,
        "linkedinTokenExpiresAt": None if expires is None else iso(expires),
        "n8nWebhookUrl": settings.n8n_webhook_url,
        "updatedAt": iso(settings.updated_at),
    }


def _checked(url: str | None, path: str, *, allow_private: bool) -> str | None:
    text = (url or "").strip()
    if not text:
        return None
    try:
        return check_url(text, allow_private=allow_private)
    except AddressRefused as error:
        raise not_valid(str(error), path=path) from None
