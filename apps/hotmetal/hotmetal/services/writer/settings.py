"""What the writer is told by its environment."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

from hotmetal.services.settings import number, optional

PORT: Final = 8792
DATA_DIR: Final = ".freehold/writer"


@dataclasses.dataclass(frozen=True, kw_only=True)
class WriterSettings:
    """
    Everything that can be set; None is what nobody set.

    Args:
        port: Where it listens.
        data_dir: The folder of its local store and of the images.
        api_key: What callers show in `X-API-Key`; without one nobody is let in.
        public_url: Where browsers find the page, when that is not this machine.
        scout_url: Where the scout is.
        scout_key: The key that the scout wants.
        publisher_url: Where the publisher is.
        publisher_public_url: Where browsers find the publisher, to connect LinkedIn.
        publisher_key: The key that the publisher wants.
        cms_url: Where the CMS is.
        cms_key: The key that the CMS wants.
        cms_timeout_s: How long the CMS may take for one answer.
        model: A model's name as pydantic-ai writes it; without one the offline writer writes.
        model_timeout_s: How long the model's provider may take for one answer.
        images_model: A model of an OpenAI-compatible images API.
        images_url: The base of that API.
        images_key: Its key.
        search_url: The base of the web search.
        search_key: Its key; without one there is no search tool.
        check_for_s: How long an unknown outcome of publishing is looked into.
    """

    port: int = PORT
    data_dir: Path = Path(DATA_DIR)
    api_key: str | None = None
    public_url: str | None = None
    scout_url: str = "http://127.0.0.1:8793"
    scout_key: str | None = None
    publisher_url: str = "http://127.0.0.1:8794"
    publisher_public_url: str = "http://127.0.0.1:8794"
    publisher_key: str | None = None
    cms_url: str | None = None
    cms_key: str | None = None
    cms_timeout_s: int = 10
    model: str | None = None
    model_timeout_s: int = 120
    images_model: str | None = None
    images_url: str = "https://api.openai.com/v1"
    images_key: str | None = None
    search_url: str = "https://api.search.brave.com"
    search_key: str | None = None
    check_for_s: int = 600

    @classmethod
    def from_environment(cls, given: Mapping[str, str] = os.environ) -> Self:
        """
        Read them.

        Raises:
            SettingMissing: A number is none.
        """
        publisher_url = optional("PUBLISHER_URL", given=given) or cls.publisher_url
        return cls(
            port=number("PORT", PORT, given=given),
            data_dir=Path(optional("DATA_DIR", given=given) or DATA_DIR),
            api_key=optional("WRITER_API_KEY", given=given),
            public_url=optional("PUBLIC_URL", given=given),
            scout_url=optional("SCOUT_URL", given=given) or cls.scout_url,
            scout_key=optional("SCOUT_API_KEY", given=given),
            publisher_url=publisher_url,
            publisher_public_url=optional("PUBLISHER_PUBLIC_URL", given=given) or publisher_url,
            publisher_key=optional("PUBLISHER_API_KEY", given=given),
            cms_url=optional("CMS_URL", given=given),
            cms_key=optional("CMS_API_KEY", given=given),
            cms_timeout_s=number("HOTMETAL_CMS_TIMEOUT_S", cls.cms_timeout_s, given=given),
            model=optional("HOTMETAL_MODEL", given=given),
            model_timeout_s=number("HOTMETAL_MODEL_TIMEOUT_S", cls.model_timeout_s, given=given),
            images_model=optional("HOTMETAL_IMAGES_MODEL", given=given),
            images_url=(
                optional("HOTMETAL_IMAGES_URL", given=given)
                or optional("OPENAI_BASE_URL", given=given)
                or cls.images_url
            ),
            images_key=(
                optional("HOTMETAL_IMAGES_KEY", given=given)
                or optional("OPENAI_API_KEY", given=given)
            ),
            search_url=optional("BRAVE_URL", given=given) or cls.search_url,
            search_key=optional("BRAVE_API_KEY", given=given),
            check_for_s=number("HOTMETAL_PUBLISH_CHECK_S", cls.check_for_s, given=given),
        )
