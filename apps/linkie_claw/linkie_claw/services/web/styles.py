"""
The rules for a user's six voice tones and six image styles.

What is stored, and what stands there when nothing is, is the data layer's; here is what a
request may hold.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec

from linkie_claw.services.web.answers import not_valid
from linkie_claw.services.web.reading import Body

VOICE_TONES: Final = (
    "storytelling",
    "professional",
    "short-punchy",
    "data-driven",
    "conversational",
    "provocative",
)
IMAGE_STYLES: Final = (
    "photography",
    "illustration",
    "minimalist",
    "abstract",
    "infographic",
    "three-dimensional",
)
_COUNT: Final = 6
#: These texts become part of a model's instructions. A list of phrases stops the careless, not
#: the determined; what protects is that the rules come last and the answer is checked.
_SUSPICIOUS: Final = re.compile(
    r"\b(ignore|disregard|forget|override)\b.{0,40}"
    r"\b(previous|prior|above|earlier|preceding|instructions?)\b"
    r"|\bnew\s+instructions?\b|\bsystem\s+(prompt|message)\b|\byou\s+are\s+now\b"
    r"|```|<\|[^|]*\|>|</?(system|assistant|user)>",
    re.IGNORECASE | re.DOTALL,
)


class StyleBody(Body):
    """One style as a request has it."""

    id: str
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=50)]
    prompt: Annotated[str, msgspec.Meta(min_length=1, max_length=700)]


def check_styles(styles: Sequence[StyleBody], canonical: Sequence[str], *, path: str) -> None:
    """
    Let six good styles pass.

    Raises:
        Refused: There are not six, one is missing, blank or looks like an order to the model.
    """
    if len(styles) != _COUNT:
        raise not_valid(f"Exactly {_COUNT} are required", path=path)
    missing = [each for each in canonical if each not in {style.id for style in styles}]
    if missing:
        raise not_valid(f"Missing: {', '.join(missing)}", path=path)
    for number, style in enumerate(styles):
        for name, text in (("name", style.name), ("prompt", style.prompt)):
            place = f"{path}[{number}].{name}"
            if not text.strip():
                raise not_valid("Must not be blank", path=place)
            if _SUSPICIOUS.search(" ".join(text.split())):
                raise not_valid("Contains disallowed content", path=place)
