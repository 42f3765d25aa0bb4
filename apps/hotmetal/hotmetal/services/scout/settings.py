"""What the scout is told by its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hotmetal.services.settings import number, optional, required

PORT: Final = 8793


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoutSettings:
    """
    The scout's own settings.

    `hurry` divides every wait between attempts and polls, for trying things out; time limits
    and what is remembered are not touched by it.
    """

    port: int
    data_dir: Path
    api_key: str
    writer_url: str
    writer_key: str
    news_url: str
    brave_url: str
    brave_key: str | None
    model: str | None
    hurry: int


def scout_settings(given: Mapping[str, str] = os.environ) -> ScoutSettings:
    """
    The settings from the environment.

    Raises:
        SettingMissing: One that the scout cannot do without is not there.
    """
    return ScoutSettings(
        port=number("PORT", PORT, given=given),
        data_dir=Path(required("DATA_DIR", "the folder of the scout's own store", given=given)),
        api_key=required("SCOUT_API_KEY", "the key that callers show", given=given),
        writer_url=optional("WRITER_URL", given=given) or "http://127.0.0.1:8792",
        writer_key=required("WRITER_API_KEY", "the key of the writer's routes", given=given),
        news_url=optional("NEWS_URL", given=given) or "http://127.0.0.1:8796",
        brave_url=optional("BRAVE_URL", given=given) or "https://api.search.brave.com",
        brave_key=optional("BRAVE_API_KEY", given=given),
        model=optional("HOTMETAL_MODEL", given=given),
        hurry=max(1, number("SCOUT_HURRY", 1, given=given)),
    )
