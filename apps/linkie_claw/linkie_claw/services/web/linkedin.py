"""
Routes that connect a user's LinkedIn account, and end the connection.

The state is made by the data layer's rules: kept as a hash, bound to the session that asked,
taken once. The tokens go into the settings, sealed, and never come out through a route.
"""

from __future__ import annotations

import secrets
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from linkie_claw.clients.linkie_claw import UserSettingsPatch
from linkie_claw.services.web.answers import Refused, answer
from linkie_claw.services.web.oauth import authorize_url, derived
from linkie_claw.services.web.settings import OAuthProvider
from linkie_claw.services.web.sign_in import ask_provider
from linkie_claw.services.web.signed_in import SignedIn, signed_in
from linkie_claw.services.web.state import Web, web_of
from linkie_claw.services.web.user_settings import settings_json

STATE_SECONDS: Final = 600
_LENGTH_MAX: Final = 2_048


async def connect(request: Request) -> Response:
    """`POST /api/settings/linkedin/connect`: where the browser goes to allow it."""
    user = await signed_in(request)
    web, linkedin = web_of(request), _linkedin(request)
    state = secrets.token_urlsafe(32)
    await web.dal.create_linkedin_oauth_state(
        state=state,
        user_id=user.id,
        expires_at=int(web.now()) + STATE_SECONDS,
        bound_to=_binding(web, user),
    )
    # LinkedIn's flow for applications with a secret has no PKCE.
    url = authorize_url(linkedin, redirect=_redirect(web), state=state, verifier=None)
    return answer({"url": url})


async def connected(request: Request) -> Response:
    """`GET /api/settings/linkedin/callback`: back from LinkedIn, with a code."""
    user = await signed_in(request)
    web, linkedin = web_of(request), _linkedin(request)
    state = request.query_params.get("state", "")
    owner = None
    if state and len(state) <= _LENGTH_MAX:
        owner = await web.dal.consume_linkedin_oauth_state(
            state=state, bound_to=_binding(web, user)
        )
    if owner != user.id:
        raise Refused(400, "This connection was not begun in this session, or it took too long.")
    code = request.query_params.get("code", "")
    if not code or len(code) > _LENGTH_MAX:
        raise Refused(400, "linkedin did not allow the connection.")
    person, tokens = await ask_provider(web, linkedin, code, redirect=_redirect(web), verifier=None)
    expires = None if tokens.expires_in is None else int(web.now()) + tokens.expires_in
    await web.dal.upsert_user_settings(
        user_id=user.id,
        data=UserSettingsPatch(
            linkedin_connected=True,
            linkedin_oauth_status="connected",
            linkedin_person_urn=f"urn:li:person:{person.subject}",
            linkedin_access_token=tokens.access_token,
            linkedin_refresh_token=tokens.refresh_token,
            linkedin_token_expires_at=expires,
        ),
    )
    return RedirectResponse("/#settings", 303)


async def disconnect(request: Request) -> Response:
    """`DELETE /api/settings/linkedin`: the tokens are removed."""
    user = await signed_in(request)
    settings = await web_of(request).dal.upsert_user_settings(
        user_id=user.id,
        data=UserSettingsPatch(
            linkedin_connected=False,
            linkedin_oauth_status="disconnected",
            linkedin_access_token=None,
            linkedin_refresh_token=None,
            linkedin_token_expires_at=None,
        ),
    )
    return answer(settings_json(settings))


def _linkedin(request: Request) -> OAuthProvider:
    linkedin = web_of(request).settings.linkedin
    if linkedin is None or not linkedin.is_ready:
        raise Refused(503, "LinkedIn is not configured", details="LINKEDIN_CLIENT_ID is not set")
    return linkedin


def _redirect(web: Web) -> str:
    return f"{web.settings.public_url}/api/settings/linkedin/callback"


def _binding(web: Web, user: SignedIn) -> str:
    return derived(user.token, "linkedin", _redirect(web))
