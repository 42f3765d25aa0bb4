"""
Routes of sign-in: through Google or GitHub, offline for development, and out again.

A flow begins with a random secret in a cookie. The state that travels through the provider is
kept by the data layer, hashed, once, for ten minutes, for this provider and this very cookie;
the PKCE verifier follows from the cookie. So an answer counts only in the browser that asked.

Accounts are known by provider and subject. An address links an account to a user only when the
provider has verified it: whoever names an address without that is not let in by it.
"""

from __future__ import annotations

import logging
import secrets
from typing import Annotated, Final

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from linkie_claw.clients.linkie_claw import EmailNotVerified, NewSession, SignIn, User
from linkie_claw.services.web.answers import Refused, answer
from linkie_claw.services.web.log import say
from linkie_claw.services.web.oauth import (
    CodeRefused,
    Person,
    ProviderFailed,
    Tokens,
    authorize_url,
    derived,
)
from linkie_claw.services.web.reading import Body, read_json
from linkie_claw.services.web.settings import OAuthProvider
from linkie_claw.services.web.signed_in import (
    FLOW,
    SESSION,
    cookie,
    remove_cookie,
    session_of,
    set_cookie,
)
from linkie_claw.services.web.state import Web, address_of, web_of
from linkie_claw.services.web.times import iso

FLOW_SECONDS: Final = 600
_DAY_S: Final = 86_400
_CODE_LENGTH_MAX: Final = 2_048
OFFLINE: Final = "offline"


class OfflineBody(Body):
    """Who to be."""

    email: Annotated[str, msgspec.Meta(max_length=254, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+\Z")]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] | None = None


async def list_providers(request: Request) -> Response:
    """`GET /api/auth/providers`: how one can sign in here."""
    settings = web_of(request).settings
    names = [each.name for each in settings.providers if each.is_ready]
    return answer({"providers": names, "offline": settings.offline_sign_in})


async def show_session(request: Request) -> Response:
    """`GET /api/auth/session`: who is signed in; null for nobody."""
    found = await session_of(request)
    if found is None:
        return answer({"user": None})
    return answer({"user": _user_json(found.user), "expires": iso(found.session.expires)})


async def begin(request: Request) -> Response:
    """`GET /api/auth/signin/{provider}`: off to the provider."""
    web = web_of(request)
    provider = _provider(request)
    # Anybody may come here, and each time writes a row.
    web.tries.take(address_of(request))
    secret, state = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    await web.dal.create_verification_token(
        identifier=_identifier(provider, secret),
        token=state,
        expires=int(web.now()) + FLOW_SECONDS,
    )
    url = authorize_url(
        provider, redirect=_redirect(web, provider), state=state, verifier=_verifier(secret)
    )
    response = RedirectResponse(url, 303)
    set_cookie(web, response, FLOW, secret, seconds=FLOW_SECONDS)
    return response


async def finish(request: Request) -> Response:
    """`GET /api/auth/callback/{provider}`: back from the provider, and in."""
    web = web_of(request)
    provider = _provider(request)
    secret, given = cookie(request, FLOW), request.query_params
    state, code = given.get("state", ""), given.get("code", "")
    known = None
    if secret is not None and state and len(state) <= _CODE_LENGTH_MAX:
        known = await web.dal.use_verification_token(
            identifier=_identifier(provider, secret), token=state
        )
    if known is None or secret is None:
        raise Refused(400, "This sign-in was not begun in this browser, or it took too long.")
    if not code or len(code) > _CODE_LENGTH_MAX:
        raise Refused(400, f"{provider.name} did not let you in.")
    person, tokens = await ask_provider(
        web, provider, code, redirect=_redirect(web, provider), verifier=_verifier(secret)
    )
    user = await _user_of(web, provider, person, tokens)
    response = RedirectResponse("/", 303)
    await _let_in(request, response, user)
    remove_cookie(web, response, FLOW)
    return response


async def sign_in_offline(request: Request) -> Response:
    """`POST /api/auth/signin/offline`: in as anybody, where the operator has allowed that."""
    web = web_of(request)
    if not web.settings.offline_sign_in:
        raise Refused(404, "There is no such provider")
    body = await read_json(request, OfflineBody)
    email = body.email.lower()
    user = await web.dal.sign_in_with_account(
        data=SignIn(
            type=OFFLINE,
            provider=OFFLINE,
            provider_account_id=email,
            email=email,
            is_email_verified=True,
            name=body.name or email.partition("@")[0],
        )
    )
    response = answer({"user": _user_json(user)})
    await _let_in(request, response, user)
    return response


async def sign_out(request: Request) -> Response:
    """`POST /api/auth/signout`: the token ends, here and at the data layer."""
    web = web_of(request)
    token = cookie(request, SESSION)
    if token is not None:
        await web.dal.delete_session(session_token=token)
    response = answer({"success": True})
    remove_cookie(web, response, SESSION)
    return response


async def ask_provider(
    web: Web, provider: OAuthProvider, code: str, *, redirect: str, verifier: str | None
) -> tuple[Person, Tokens]:
    """
    Who the code stands for, and the tokens it became.

    Raises:
        Refused: The provider refused the code (400), failed (502) or did not answer (504).
    """
    try:
        tokens = await web.oauth.exchange(provider, code, redirect=redirect, verifier=verifier)
        return await web.oauth.person(provider, tokens), tokens
    except CodeRefused as error:
        say("a code was refused", level=logging.WARNING, reason=str(error))
        raise Refused(400, f"{provider.name} did not take the code; begin again.") from error
    except ProviderFailed as error:
        say("a provider failed", level=logging.ERROR, reason=str(error))
        status = 504 if error.is_late else 502
        raise Refused(
            status, f"{provider.name} does not answer as it should; try again."
        ) from error


async def _user_of(web: Web, provider: OAuthProvider, person: Person, tokens: Tokens) -> User:
    known = await web.dal.get_user_by_account(
        provider=provider.name, provider_account_id=person.subject
    )
    if known is not None:
        return known
    refusal = Refused(
        403, f"{provider.name} has not verified your e-mail address; verify it there first."
    )
    if person.email is None or not person.email_is_verified:
        # A user made with an address that is not his would wait for its owner to sign in.
        raise refusal
    expires = None if tokens.expires_in is None else int(web.now()) + tokens.expires_in
    try:
        return await web.dal.sign_in_with_account(
            data=SignIn(
                type="oauth",
                provider=provider.name,
                provider_account_id=person.subject,
                email=person.email,
                is_email_verified=True,
                name=person.name,
                image=person.picture,
                access_token=tokens.access_token,
                refresh_token=tokens.refresh_token,
                id_token=tokens.id_token,
                expires_at=expires,
                token_type=tokens.token_type,
                scope=tokens.scope,
            )
        )
    except EmailNotVerified as error:
        raise refusal from error


async def _let_in(request: Request, response: Response, user: User) -> None:
    """Always with a new token: one from before, which others may know, ends."""
    web = web_of(request)
    before = cookie(request, SESSION)
    if before is not None:
        await web.dal.delete_session(session_token=before)
    seconds = web.settings.session_days * _DAY_S
    token = secrets.token_urlsafe(32)
    await web.dal.create_session(
        data=NewSession(session_token=token, user_id=user.id, expires=int(web.now()) + seconds)
    )
    set_cookie(web, response, SESSION, token, seconds=seconds)
    say("somebody signed in", user_id=user.id)


def _provider(request: Request) -> OAuthProvider:
    found = web_of(request).settings.provider(request.path_params["provider"])
    if found is None:
        raise Refused(404, "There is no such provider")
    return found


def _redirect(web: Web, provider: OAuthProvider) -> str:
    return f"{web.settings.public_url}/api/auth/callback/{provider.name}"


def _identifier(provider: OAuthProvider, secret: str) -> str:
    return f"sign-in {provider.name} {derived(secret, 'browser', provider.name)}"


def _verifier(secret: str) -> str:
    return derived(secret, "pkce")


def _user_json(user: User) -> dict[str, str | None]:
    return {"id": user.id, "name": user.name, "email": user.email, "image": user.image}
