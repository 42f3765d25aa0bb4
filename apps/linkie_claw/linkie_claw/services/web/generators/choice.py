"""
Which generators there are, by name.
"""

from __future__ import annotations

from typing import Final

from linkie_claw.services.web.generators.gemini import GeminiGenerator
from linkie_claw.services.web.generators.offline import OfflineGenerator
from linkie_claw.services.web.generators.port import Generator
from linkie_claw.services.web.generators.replicate import ReplicateGenerator
from linkie_claw.services.web.settings import Settings

_Kind = type[ReplicateGenerator] | type[GeminiGenerator]
_KINDS: Final[dict[str, _Kind]] = {"replicate": ReplicateGenerator, "gemini": GeminiGenerator}


def open_generators(settings: Settings) -> dict[str, Generator]:
    """All generators by name, with or without a key: one without says so when it is asked."""
    found: dict[str, Generator] = {"offline": OfflineGenerator()}
    for each in settings.generators:
        found[each.name] = _KINDS[each.name](each, timeout_s=settings.generator_timeout_s)
    return found
