"""What the publisher is told by its environment."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

from hotmetal.services.settings import HOST, number, optional

PORT: Final = 8794
DATA_DIR: Final = ".freehold/publisher"
CALLBACK: Final = "/oauth/linkedin/callback"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PublisherSettings:
    """
    Everything that can be set; None is what nobody set.

    Args:
        port: Where it listens.
        data_dir: The folder of its local store; publishers that run side by side share it.
        api_key: What callers show in `X-API-Key`; without one nobody may publish.
        cms_url: Where the CMS is.
        cms_key: The key that the CMS wants.
        public_url: Where a browser reaches the publisher; LinkedIn sends people back there.
        client_id: The application that is registered at LinkedIn.
        client_secret: Its secret.
        linkedin_url: The base of LinkedIn's API.
        linkedin_auth_url: The base of its OAuth.
        linkedin_version: The version of the API that is asked for.
        is_pkce: Whether LinkedIn takes PKCE for the application.
        timeout_s: How long a provider may take for one answer.
        settle_s: After so long a post that LinkedIn does not list was not published.
    """

    port: int = PORT
    data_dir: Path = Path(DATA_DIR)
    api_key: str | None = None
    cms_url: str | None = None
    cms_key: str | None = None
    public_url: str = f"http://{HOST}:{PORT}"
    client_id: str | None = None
    client_secret: str | None = dataclasses.field(default=None, repr=False)
    linkedin_url: str = "https://api.linkedin.com"
    linkedin_auth_url: str = "https://www.linkedin.com"
    linkedin_version: str = "202509"
    is_pkce: bool = False
    timeout_s: int = 15
    settle_s: int = 120

    @property
    def redirect_uri(self) -> str:
        """Where LinkedIn sends the browser; from a setting, never from what a request says."""
        return self.public_url + CALLBACK

    @classmethod
    def from_environment(cls, given: Mapping[str, str] = os.environ) -> Self:
        """
        Read them.

        Raises:
            SettingMissing: A number is none.
        """
        port = number("PORT", PORT, given=given)
        public = optional("PUBLISHER_PUBLIC_URL", given=given) or f"http://{HOST}:{port}"
        api = optional("LINKEDIN_URL", given=given) or cls.linkedin_url
        auth = optional("LINKEDIN_AUTH_URL", given=given) or cls.linkedin_auth_url
        return cls(
            port=port,
            data_dir=Path(optional("DATA_DIR", given=given) or DATA_DIR),
            api_key=optional("PUBLISHER_API_KEY", given=given),
            cms_url=optional("CMS_URL", given=given),
            cms_key=optional("CMS_API_KEY", given=given),
            public_url=public.rstrip("/"),
            client_id=optional("LINKEDIN_CLIENT_ID", given=given),
            client_secret=optional("LINKEDIN_CLIENT_SECRET", given=given),
            linkedin_url=api.rstrip("/"),
            linkedin_auth_url=auth.rstrip("/"),
            linkedin_version=optional("LINKEDIN_VERSION", given=given) or cls.linkedin_version,
            is_pkce=number("LINKEDIN_PKCE", 0, given=given) == 1,
            timeout_s=number("PUBLISHER_TIMEOUT_S", cls.timeout_s, given=given),
            settle_s=number("PUBLISHER_SETTLE_S", cls.settle_s, given=given),
        )
