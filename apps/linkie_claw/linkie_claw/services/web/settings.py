"""
What an operator may set, all from the environment, each with what it is for.

A secret may also stand in a file: `CRON_SECRET_FILE=/run/secrets/cron` instead of
`CRON_SECRET=…`. Nothing here is the address of the data layer; that is the binding's.
"""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Secret

#: Shorter ones can be guessed over the network.
SECRET_LENGTH_MIN: Final = 16
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
_TRUE: Final = ("1", "true", "yes", "on")
_FALSE: Final = ("", "0", "false", "no", "off")


class BadSetting(Exception):
    """A setting cannot be used; the text names it and says what to write."""


@dataclass(frozen=True)
class OAuthProvider:
    """
    One place that says who somebody is.

    Args:
        name: Its name in routes and in `accounts.provider`.
        client_id: What we are called there; empty when it is not set up.
        client_secret: Proves that it is us.
        authorize_url: Where the browser is sent.
        token_url: Where a code becomes a token.
        profile_url: Where a token becomes a person.
        emails_url: Where the person's addresses are, when the profile does not have them.
        scope: What is asked for.
    """

    name: str
    client_id: str
    client_secret: Secret
    authorize_url: str
    token_url: str
    profile_url: str
    scope: str
    emails_url: str = ""

    @property
    def is_ready(self) -> bool:
        """Whether it was given an id and a secret."""
        return bool(self.client_id and self.client_secret)


@dataclass(frozen=True)
class GeneratorSettings:
    """A service that writes texts and draws images."""

    name: str
    key: Secret
    #: Which variable holds the key; said when it is missing.
    key_variable: str
    url: str
    text_model: str
    image_model: str


@dataclass(frozen=True)
class Settings:
    """Everything that was set, checked."""

    #: `FREEHOLD_DAL` and its key when None.
    data_layer: str | None = None
    data_layer_key: Secret | None = None
    host: str = "127.0.0.1"
    port: int = 3000
    #: What the browser calls this service; redirects, cookies and image addresses follow it.
    public_url: str = "http://127.0.0.1:3000"
    #: Names beside the public and the loopback ones under which callers reach this service.
    allowed_hosts: tuple[str, ...] = ()
    #: Where generated images are kept.
    folder: pathlib.Path = pathlib.Path(".linkie_claw")
    offline_sign_in: bool = False
    session_days: int = 30
    cron_secret: Secret = field(default_factory=lambda: Secret(""))
    callback_secret: Secret = field(default_factory=lambda: Secret(""))
    #: Where posts go when their user has no address of their own.
    webhook_url: str = ""
    webhook_timeout_s: float = 10.0
    #: Users' webhooks may then point into private networks.
    allow_private_webhooks: bool = False
    #: Who generates when the request does not say.
    generator: str = "offline"
    generators: tuple[GeneratorSettings, ...] = ()
    generator_timeout_s: float = 90.0
    providers: tuple[OAuthProvider, ...] = ()
    linkedin: OAuthProvider | None = None
    provider_timeout_s: float = 10.0
    #: Wrong secrets and begun sign-ins of one address.
    tries_per_minute: int = 60
    #: Of one user; they may cost money.
    generations_per_hour: int = 60
    #: Addresses of reverse proxies whose word on who calls is taken.
    trusted_proxies: tuple[str, ...] = ()

    @property
    def is_https(self) -> bool:
        """Whether browsers reach this service over TLS."""
        return self.public_url.startswith("https://")

    @property
    def hosts(self) -> frozenset[str]:
        """Host names, without port, that this service answers to."""
        public = urlsplit(self.public_url).hostname or ""
        return frozenset({public, *_LOOPBACK, *self.allowed_hosts})

    def provider(self, name: str) -> OAuthProvider | None:
        """The sign-in provider of that name, when it was set up."""
        return next((each for each in self.providers if each.name == name and each.is_ready), None)


class _Reader:
    """Reads one environment and says which variable is wrong."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str, default: str = "") -> str:
        return self._environ.get(name, "").strip() or default

    def words(self, name: str) -> tuple[str, ...]:
        return tuple(self.text(name).replace(",", " ").lower().split())

    def secret(self, name: str, *, length_min: int = 0) -> Secret:
        value = self.text(name)
        file = self.text(f"{name}_FILE")
        if not value and file:
            try:
                value = pathlib.Path(file).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise BadSetting(f"{name}_FILE={file}: it cannot be read ({error}).") from error
        if value and len(value) < length_min:
            raise BadSetting(
                f"{name} has {len(value)} characters; write at least {length_min}, as "
                '`python -c "import secrets; print(secrets.token_urlsafe(32))"` makes them.'
            )
        return Secret(value)

    def flag(self, name: str) -> bool:
        value = self.text(name).lower()
        if value not in (*_TRUE, *_FALSE):
            raise BadSetting(f"{name}={value}: write 1 or 0.")
        return value in _TRUE

    def number(self, name: str, default: float, *, most: float) -> float:
        value = self.text(name)
        try:
            number = float(value) if value else default
        except ValueError:
            number = -1
        if not 0 < number <= most:
            raise BadSetting(f"{name}={value}: write a number between 0 and {most:g}.")
        return number

    def url(self, name: str, default: str = "") -> str:
        value = self.text(name, default)
        if not value:
            return ""
        try:
            parts = urlsplit(value)
            is_good = parts.scheme in ("http", "https") and bool(parts.hostname)
            is_good = is_good and parts.username is None and parts.port != 0
        except ValueError:
            is_good = False
        if not is_good:
            raise BadSetting(f"{name}={value}: write http://host:port or https://host.")
        return value


def settings_from(environ: Mapping[str, str]) -> Settings:
    """
    The settings that an environment says.

    Raises:
        BadSetting: One of them cannot be used.
    """
    read = _Reader(environ)
    host = read.text("LINKIE_HOST", "127.0.0.1")
    port = int(read.number("LINKIE_PORT", 3000, most=65_535))
    public_url = read.url("LINKIE_PUBLIC_URL", f"http://{_in_url(host)}:{port}").rstrip("/")
    if urlsplit(public_url).path:
        raise BadSetting(f"LINKIE_PUBLIC_URL={public_url}: end it with the host or the port.")
    generator = read.text("LINKIE_GENERATOR", "offline")
    if generator not in ("offline", "replicate", "gemini"):
        raise BadSetting(f"LINKIE_GENERATOR={generator}: write offline, replicate or gemini.")
    offline = read.flag("LINKIE_OFFLINE_SIGN_IN")
    if offline and (host not in _LOOPBACK or urlsplit(public_url).hostname not in _LOOPBACK):
        raise BadSetting(
            "LINKIE_OFFLINE_SIGN_IN=1 lets everybody in as anybody, so it works on this machine "
            "only: leave LINKIE_HOST and LINKIE_PUBLIC_URL at 127.0.0.1, or set up Google or "
            "GitHub."
        )
    return Settings(
        host=host,
        port=port,
        public_url=public_url,
        allowed_hosts=read.words("LINKIE_ALLOWED_HOSTS"),
        folder=pathlib.Path(read.text("LINKIE_FOLDER", ".linkie_claw")),
        offline_sign_in=offline,
        session_days=int(read.number("LINKIE_SESSION_DAYS", 30, most=365)),
        cron_secret=read.secret("CRON_SECRET", length_min=SECRET_LENGTH_MIN),
        callback_secret=read.secret("N8N_CALLBACK_SECRET", length_min=SECRET_LENGTH_MIN),
        webhook_url=read.url("N8N_WEBHOOK_URL"),
        webhook_timeout_s=read.number("LINKIE_WEBHOOK_TIMEOUT_S", 10, most=120),
        allow_private_webhooks=read.flag("LINKIE_ALLOW_PRIVATE_WEBHOOKS"),
        generator=generator,
        generators=_generators(read),
        generator_timeout_s=read.number("LINKIE_GENERATOR_TIMEOUT_S", 90, most=600),
        providers=(_google(read), _github(read)),
        linkedin=_linkedin(read),
        provider_timeout_s=read.number("LINKIE_PROVIDER_TIMEOUT_S", 10, most=120),
        tries_per_minute=int(read.number("LINKIE_TRIES_PER_MINUTE", 60, most=100_000)),
        generations_per_hour=int(read.number("LINKIE_GENERATIONS_PER_HOUR", 60, most=100_000)),
        trusted_proxies=read.words("LINKIE_TRUSTED_PROXIES"),
    )


def _in_url(host: str) -> str:
    if host in ("0.0.0.0", "::"):  # noqa: S104
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _google(read: _Reader) -> OAuthProvider:
    return OAuthProvider(
        name="google",
        client_id=read.text("GOOGLE_CLIENT_ID"),
        client_secret=read.secret("GOOGLE_CLIENT_SECRET"),
        authorize_url=read.url(
            "GOOGLE_AUTHORIZE_URL", "https://accounts.google.com/o/oauth2/v2/auth"
        ),
        token_url=read.url("GOOGLE_TOKEN_URL", "https://oauth2.googleapis.com/token"),
        profile_url=read.url(
            "GOOGLE_PROFILE_URL", "https://openidconnect.googleapis.com/v1/userinfo"
        ),
        scope="openid email profile",
    )


def _github(read: _Reader) -> OAuthProvider:
    return OAuthProvider(
        name="github",
        client_id=read.text("GITHUB_CLIENT_ID"),
        client_secret=read.secret("GITHUB_CLIENT_SECRET"),
        authorize_url=read.url("GITHUB_AUTHORIZE_URL", "https://github.com/login/oauth/authorize"),
        token_url=read.url("GITHUB_TOKEN_URL", "https://github.com/login/oauth/access_token"),
        profile_url=read.url("GITHUB_PROFILE_URL", "https://api.github.com/user"),
        emails_url=read.url("GITHUB_EMAILS_URL", "https://api.github.com/user/emails"),
        scope="read:user user:email",
    )


def _linkedin(read: _Reader) -> OAuthProvider:
    return OAuthProvider(
        name="linkedin",
        client_id=read.text("LINKEDIN_CLIENT_ID"),
        client_secret=read.secret("LINKEDIN_CLIENT_SECRET"),
        authorize_url=read.url(
            "LINKEDIN_AUTHORIZE_URL", "https://www.linkedin.com/oauth/v2/authorization"
        ),
        token_url=read.url("LINKEDIN_TOKEN_URL", "https://www.linkedin.com/oauth/v2/accessToken"),
        profile_url=read.url("LINKEDIN_PROFILE_URL", "https://api.linkedin.com/v2/userinfo"),
        scope="openid profile email w_member_social",
    )


def _generators(read: _Reader) -> tuple[GeneratorSettings, ...]:
    return (
        GeneratorSettings(
            name="replicate",
            key=read.secret("REPLICATE_API_TOKEN"),
            key_variable="REPLICATE_API_TOKEN",
            url=read.url("REPLICATE_URL", "https://api.replicate.com").rstrip("/"),
            text_model=read.text("REPLICATE_TEXT_MODEL", "anthropic/claude-3.5-haiku"),
            image_model=read.text("REPLICATE_IMAGE_MODEL", "black-forest-labs/flux-schnell"),
        ),
        GeneratorSettings(
            name="gemini",
            key=read.secret("GEMINI_API_KEY"),
            key_variable="GEMINI_API_KEY",
            url=read.url("GEMINI_URL", "https://generativelanguage.googleapis.com").rstrip("/"),
            text_model=read.text("GEMINI_TEXT_MODEL", "gemini-2.5-flash"),
            image_model=read.text("GEMINI_IMAGE_MODEL", "gemini-2.5-flash-image"),
        ),
    )
