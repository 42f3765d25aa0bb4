"""
OAuth with LinkedIn: the address to ask at, a code for tokens, a refresh token for fresh ones.

PKCE's verifier is derived from the state and a local secret, so it is kept nowhere.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from typing import Any, Final

import httpx2
import msgspec
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client

from hotmetal.services.publisher.settings import PublisherSettings

SCOPES: Final = "openid profile w_member_social"
_WORDS_MAX: Final = 200


class OAuthFailed(Exception):
    """LinkedIn gave no tokens, or did not say whose they are; no token is in the message."""


class Tokens(msgspec.Struct):
    """What LinkedIn gave. Keep it out of logs."""

    access_token: str
    expires_in: int
    expires_at: int
    refresh_token: str | None
    scopes: str | None

    def __repr__(self) -> str:
        return f"Tokens(expires_in={self.expires_in}, …)"


class Person(msgspec.Struct):
    """Whose tokens they are."""

    sub: str
    name: str | None = None


class LinkedInOAuth:
    """
    Args:
        settings: The registered application and where LinkedIn is.
        verifier_key: The local secret.
    """

    def __init__(self, settings: PublisherSettings, *, verifier_key: bytes) -> None:
        self._settings = settings
        self._verifier_key = verifier_key

    @property
    def is_set(self) -> bool:
        """Whether there is an application to ask with."""
        return bool(self._settings.client_id and self._settings.client_secret)

    def authorize_url(self, state: str) -> str:
        """Where the browser goes to allow it."""
        url, _state = self._client().create_authorization_url(
            f"{self._settings.linkedin_auth_url}/oauth/v2/authorization",
            state=state,
            code_verifier=self._verifier(state),
        )
        return str(url)

    async def exchange(self, code: str, *, state: str) -> Tokens:
        """
        The tokens for a code.

        Raises:
            OAuthFailed: LinkedIn refused, or is not there.
        """
        verifier = self._verifier(state)
        more = {} if verifier is None else {"code_verifier": verifier}
        return await self._fetch("fetch_token", code=code, grant_type="authorization_code", **more)

    async def refresh(self, refresh_token: str) -> Tokens:
        """
        Fresh tokens; LinkedIn may leave out the refresh token, then the old one stays good.

        Raises:
            OAuthFailed: LinkedIn refused, or is not there.
        """
        return await self._fetch("refresh_token", refresh_token=refresh_token)

    async def person(self, access_token: str) -> Person:
        """
        Whose token it is.

        Raises:
            OAuthFailed: LinkedIn does not say.
        """
        headers = {"Authorization": f"Bearer {access_token}"}
        async with httpx2.AsyncClient(timeout=self._settings.timeout_s) as http:
            try:
                url = f"{self._settings.linkedin_url}/v2/userinfo"
                answer = await http.get(url, headers=headers)
            except httpx2.HTTPError as error:
                raise OAuthFailed(f"no answer: {type(error).__name__}") from None
        if answer.status_code != 200:
            raise OAuthFailed(f"userinfo answered {answer.status_code}")
        try:
            return msgspec.json.decode(answer.content, type=Person)
        except (msgspec.MsgspecError, UnicodeError):
            raise OAuthFailed("userinfo answered what cannot be read") from None

    async def _fetch(self, how: str, **said: str) -> Tokens:
        url = f"{self._settings.linkedin_auth_url}/oauth/v2/accessToken"
        async with self._client() as client:
            try:
                got: dict[str, Any] = await getattr(client, how)(url, **said)
            except OAuthError as error:
                words = f"{error.error}: {error.description}" if error.description else error.error
                raise OAuthFailed(str(words)[:_WORDS_MAX]) from None
            except httpx2.HTTPStatusError as error:
                raise OAuthFailed(f"it answered {error.response.status_code}") from None
            except httpx2.HTTPError as error:
                raise OAuthFailed(f"no answer: {type(error).__name__}") from None
            except ValueError:
                raise OAuthFailed("it answered what cannot be read") from None
        return _tokens(got)

    def _client(self) -> AsyncOAuth2Client:
        is_pkce = self._settings.is_pkce
        return AsyncOAuth2Client(
            client_id=self._settings.client_id,
            client_secret=self._settings.client_secret,
            token_endpoint_auth_method="client_secret_post",  # noqa: S106
            redirect_uri=self._settings.redirect_uri,
            scope=SCOPES,
            code_challenge_method="S256" if is_pkce else None,
            timeout=self._settings.timeout_s,
        )

    def _verifier(self, state: str) -> str | None:
        if not self._settings.is_pkce:
            return None
        digest = hmac.new(self._verifier_key, state.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _tokens(got: dict[str, Any]) -> Tokens:
    try:
        access, expires_in = got["access_token"], int(got["expires_in"])
    except (KeyError, TypeError, ValueError):
        raise OAuthFailed("it gave no token, or none that says how long it lives") from None
    if not isinstance(access, str) or not access or expires_in <= 0:
        raise OAuthFailed("it gave no token, or none that says how long it lives")
    refresh, scope = got.get("refresh_token"), got.get("scope")
    return Tokens(
        access_token=access,
        expires_in=expires_in,
        expires_at=int(time.time()) + expires_in,
        refresh_token=refresh if isinstance(refresh, str) and refresh else None,
        scopes=scope if isinstance(scope, str) else None,
    )
