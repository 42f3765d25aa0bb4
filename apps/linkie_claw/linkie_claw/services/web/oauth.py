"""
The authorization code flow, with PKCE where it is spoken, as Google, GitHub and LinkedIn speak it.

Where a flow was begun, and by which browser, is kept by those who begin one: `sign_in` and
`linkedin`. Here are the addresses to go to, and the two or three questions to the provider.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import urlencode

import httpx
import msgspec

from linkie_claw.services.web.outbound import tls
from linkie_claw.services.web.settings import OAuthProvider

ANSWER_BYTES_MAX: Final = 262_144

T = TypeVar("T")


class ProviderFailed(Exception):
    """
    The provider did not do its part; the text is for the log, `is_late` for the status.

    Args:
        reason: What happened.
        is_late: No answer came in time, or none at all.
    """

    def __init__(self, reason: str, *, is_late: bool = False) -> None:
        super().__init__(reason)
        self.is_late = is_late


class CodeRefused(Exception):
    """The provider does not take the code: it was used, it is old, or it was never one."""


class Tokens(msgspec.Struct):
    """What a code became. `expires_in` is in seconds."""

    access_token: str
    token_type: str | None = None
    refresh_token: str | None = None
    expires_in: int | None = None
    scope: str | None = None
    id_token: str | None = None

    def __repr__(self) -> str:
        return "Tokens(…)"


@dataclass(frozen=True)
class Person:
    """Who the provider says it is."""

    subject: str
    email: str | None
    #: The provider has seen that the address is this person's.
    email_is_verified: bool
    name: str | None = None
    picture: str | None = None


class _Profile(msgspec.Struct):
    """OpenID's userinfo, and GitHub's user beside it."""

    sub: str | None = None
    id: int | str | None = None
    email: str | None = None
    email_verified: bool | str = False
    name: str | None = None
    login: str | None = None
    picture: str | None = None
    avatar_url: str | None = None


class _Email(msgspec.Struct):
    email: str
    primary: bool = False
    verified: bool = False


class _Refusal(msgspec.Struct):
    error: str = ""


def derived(secret: str, *parts: str) -> str:
    """A text that only who has the secret can make, from parts that can be public."""
    text = "\n".join(parts).encode()
    digest = hmac.digest(secret.encode(), text, "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def authorize_url(
    provider: OAuthProvider, *, redirect: str, state: str, verifier: str | None
) -> str:
    """Where the browser goes to ask the person; without a verifier there is no PKCE."""
    question = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": redirect,
        "scope": provider.scope,
        "state": state,
    }
    if verifier is not None:
        digest = hashlib.sha256(verifier.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        question |= {"code_challenge": challenge, "code_challenge_method": "S256"}
    joint = "&" if "?" in provider.authorize_url else "?"
    return f"{provider.authorize_url}{joint}{urlencode(question)}"


class OAuthClient:
    """
    Asks providers.

    Args:
        timeout_s: For each question.
    """

    def __init__(self, timeout_s: float) -> None:
        self._client = httpx.AsyncClient(
            verify=tls(),
            timeout=timeout_s,
            follow_redirects=False,
            headers={"User-Agent": "linkie-claw", "Accept": "application/json"},
        )

    async def exchange(
        self, provider: OAuthProvider, code: str, *, redirect: str, verifier: str | None
    ) -> Tokens:
        """
        The tokens for a code.

        Raises:
            CodeRefused: The provider does not take the code.
            ProviderFailed: It did not answer, or not as it should.
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect,
            "client_id": provider.client_id,
            "client_secret": str(provider.client_secret),
        }
        if verifier is not None:
            form["code_verifier"] = verifier
        response = await self._ask("POST", provider, provider.token_url, data=form)
        # GitHub refuses a code with 200 and an error in the body.
        refused = _decoded(response, _Refusal, provider, is_lax=True).error
        if response.status_code in (400, 401, 403) or (response.is_success and refused):
            raise CodeRefused(f"{provider.name} refused the code: {refused or 'no reason'}")
        return _decoded(response, Tokens, provider)

    async def person(self, provider: OAuthProvider, tokens: Tokens) -> Person:
        """
        Who the tokens belong to.

        Raises:
            ProviderFailed: The provider did not answer, or not as it should.
        """
        profile = _decoded(
            await self._ask("GET", provider, provider.profile_url, token=tokens.access_token),
            _Profile,
            provider,
        )
        subject = profile.sub or ("" if profile.id is None else str(profile.id))
        if not subject:
            raise ProviderFailed(f"{provider.name} named nobody")
        email, verified = profile.email, profile.email_verified in (True, "true")
        if provider.emails_url:
            # The address in the profile is what the person shows; these are what was checked.
            email, verified = await self._checked_email(provider, tokens)
        return Person(
            subject=subject,
            email=email.strip().lower() if email else None,
            email_is_verified=bool(email) and verified,
            name=profile.name or profile.login,
            picture=profile.picture or profile.avatar_url,
        )

    async def _checked_email(
        self, provider: OAuthProvider, tokens: Tokens
    ) -> tuple[str | None, bool]:
        response = await self._ask("GET", provider, provider.emails_url, token=tokens.access_token)
        emails = _decoded(response, list[_Email], provider)
        for each in sorted(emails, key=lambda each: (each.verified, each.primary), reverse=True):
            return each.email, each.verified
        return None, False

    async def _ask(
        self,
        method: str,
        provider: OAuthProvider,
        url: str,
        *,
        data: dict[str, str] | None = None,
        token: str | None = None,
    ) -> httpx.Response:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        try:
            return await self._client.request(method, url, data=data, headers=headers)
        except httpx.TimeoutException as error:
            raise ProviderFailed(f"{provider.name} took too long", is_late=True) from error
        except httpx.HTTPError as error:
            reason = f"{provider.name} cannot be reached: {type(error).__name__}"
            raise ProviderFailed(reason, is_late=True) from error

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()


def _decoded(
    response: httpx.Response, kind: type[T], provider: OAuthProvider, *, is_lax: bool = False
) -> T:
    if not is_lax and not response.is_success:
        raise ProviderFailed(f"{provider.name} answered {response.status_code}")
    try:
        return msgspec.json.decode(response.content[:ANSWER_BYTES_MAX], type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if is_lax:
            return kind()
        raise ProviderFailed(f"{provider.name} answered what cannot be read") from error
