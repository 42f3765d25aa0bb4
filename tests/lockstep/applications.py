"""
What the names of HotMetal and of Linkie Claw stand for.
"""

from __future__ import annotations

from random import Random
from typing import Any, Final

from hotmetal.app import app as hotmetal
from hotmetal.schema import schema as hotmetal_schema
from linkie_claw.app import app as linkie_claw
from linkie_claw.presets import IMAGE_STYLES, VOICE_TONES
from linkie_claw.schema import schema as linkie_claw_schema

from tests.lockstep.habits import Habits, Maker

_EMAILS: Final = (
    "ada@people.example", "Ada@people.example", "zoe@people.example", "ZOE@PEOPLE.EXAMPLE",
    "äda@people.example", "a\u0308da@people.example", "", "%@people.example",
    "ada@people.example", "ADA@people.example", "zoe@people.example", "a@people.example",
    *(f"{number}@people.example" for number in range(30)),
)  # fmt: skip
_PROVIDERS: Final = ("linkedin", "Linkedin", "x", "google")
_SECRETS: Final = tuple(f"secret-{number}" for number in range(12))
_ZONES: Final = (
    "UTC",
    "UTC",
    "Europe/Berlin",
    "Europe/Lisbon",
    "America/New_York",
    "Asia/Kathmandu",
    "Mars/Base",
    "utc",
)
_MONTHS: Final = ("2027-01", "2027-02", "2026-12", "1000-01", "2999-12", "2027-13", "")
_SOURCES: Final = (
    '[{"url":"https://news.example/1"}]', '[{"url":"u","title":"t","snippet":"s","extra":1}]',
    "[]", "null", "no list", '[{"title":"without url"}]', '[{"url":"\\ud800"}]', '[{"url":"🦀"}]',
)  # fmt: skip

HOTMETAL: Final = Habits(
    app=hotmetal,
    schema=hotmetal_schema,
    kinds={
        "userId": "user", "publicationId": "publication", "pubId": "publication",
        "topicId": "topic", "ideaId": "idea", "sessionId": "session",
        "connectionId": "connection", "email": "email", "provider": "provider", "state": "state",
        "boundTo": "state", "token": "token", "rawToken": "token", "timezone": "zone",
        "sources": "sources",
    },
    nouns=(
        ("socialconnection", "connection"), ("publicationoutlet", "outlet"),
        ("publicationtoken", "token id"), ("publication", "publication"), ("topic", "topic"),
        ("idea", "idea"), ("session", "session"), ("user", "user"),
    ),
    words={
        "email": _EMAILS, "provider": _PROVIDERS, "state": _SECRETS, "zone": _ZONES,
        "sources": _SOURCES,
    },
    makers={},
    fresh=frozenset({"user", "publication", "topic", "idea", "session"}),
    rare=frozenset({"deletePublication"}),
)  # fmt: skip


def _presets(defaults: Any, keep: float) -> Maker:
    """All six presets with names of their own, mostly; their order is anybody's."""

    def make(random: Random) -> Any:
        made = [
            {
                "id": each.id,
                "name": random.choice(("Warm", "日本", each.name)),
                "prompt": each.prompt,
            }
            for each in defaults
        ]
        random.shuffle(made)
        return made if random.random() < keep else made[:-1]

    return make


LINKIE_CLAW: Final = Habits(
    app=linkie_claw,
    schema=linkie_claw_schema,
    kinds={
        "userId": "user", "postId": "post", "generationId": "generation", "email": "email",
        "identifier": "email", "provider": "provider", "providerAccountId": "account",
        "state": "state", "boundTo": "state", "sessionToken": "session", "token": "state",
        "month": "month", "fence": "fence", "linkedinPostUrn": "urn",
    },
    nouns=(
        ("generation", "generation"), ("post", "post"), ("publishing", "post"), ("user", "user"),
        ("dispatch", "post"),
    ),
    words={
        "email": _EMAILS, "provider": _PROVIDERS, "state": _SECRETS, "month": _MONTHS,
        "session": _SECRETS, "account": ("1", "2", "a", "A", ""), "fence": (1, 2, 3, 0, -1),
        "urn": ("urn:li:share:1", "urn:li:share:2"),
    },
    makers={
        "saveUserVoiceTones.tones": _presets(VOICE_TONES, 0.9),
        "saveUserImageStyles.styles": _presets(IMAGE_STYLES, 0.9),
    },
    rare=frozenset({"deleteUser", "deletePost"}),
)  # fmt: skip
