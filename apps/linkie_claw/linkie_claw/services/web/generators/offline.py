"""
A generator that needs nobody: the same idea always gives the same texts and images.

For development, demonstrations and tests. The texts follow a pattern for each canonical voice;
the images are drawings whose shapes and colours follow from the idea and the look.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

from linkie_claw.services.web.generators.port import TEXT_LENGTH_MAX, Image, Style

_IDEA_LENGTH_MAX: Final = 400


def _storytelling(idea: str) -> str:
    return (
        f"Three years ago I knew nothing about this: {idea}\n\n"
        "I asked the wrong questions, and somebody was kind enough to answer the right ones.\n\n"
        "What I took away: begin before you are ready, and write down what surprised you."
    )


def _professional(idea: str) -> str:
    return (
        f"{idea}\n\nThree things matter here: who decides, what it costs to wait, and how we "
        "will know that it worked.\n\nTeams that agree on the third first have fewer meetings "
        "about the other two."
    )


def _short(idea: str) -> str:
    return f"{idea}\n\nSay it.\nTry it.\nMeasure it.\n\nThen say it again."


def _data(idea: str) -> str:
    words = len(idea.split())
    return (
        f"{words} words, one idea: {idea}\n\nBefore: nobody counted.\nAfter: one number on the "
        "wall, looked at every Monday.\n\nWhich number would you put there?"
    )


def _conversational(idea: str) -> str:
    return (
        f"Quick question for you: {idea}\n\nI have gone back and forth on it all week. Where do "
        "you stand, and what changed your mind last time?"
    )


def _provocative(idea: str) -> str:
    return (
        f"Unpopular opinion: {idea}\n\nMost of what is written about it is written by people who "
        "never had to do it on a Friday afternoon.\n\nTell me why I am wrong."
    )


_PATTERNS: Final[dict[str, Callable[[str], str]]] = {
    "storytelling": _storytelling,
    "professional": _professional,
    "short-punchy": _short,
    "data-driven": _data,
    "conversational": _conversational,
    "provocative": _provocative,
}


class OfflineGenerator:
    """Writes and draws by itself."""

    name = "offline"

    async def write(self, idea: str, voices: Sequence[Style]) -> list[str]:
        """A text in each voice; a voice that is not canonical is given its name as a heading."""
        short = " ".join(idea.split())[:_IDEA_LENGTH_MAX]
        return [_written(short, voice)[:TEXT_LENGTH_MAX] for voice in voices]

    async def draw(self, idea: str, look: Style) -> Image:
        """A drawing whose shapes follow from the idea and the look."""
        digest = hashlib.sha256(f"{look.id}\n{idea}".encode()).digest()
        return Image(_drawing(digest).encode(), "svg")

    async def close(self) -> None:
        """Nothing is held."""


def _written(idea: str, voice: Style) -> str:
    pattern = _PATTERNS.get(voice.id)
    return pattern(idea) if pattern else f"{voice.name}\n\n{idea}"


def _drawing(digest: bytes) -> str:
    hue = digest[0] * 360 // 256
    shapes = []
    for place in range(6):
        x, y, size, turn = digest[1 + place * 4 : 5 + place * 4]
        colour = f"hsl({(hue + turn) % 360} 60% {40 + size % 30}%)"
        if turn % 2:
            shapes.append(
                f'<circle cx="{x * 5}" cy="{y * 2}" r="{40 + size // 2}" fill="{colour}" '
                'fill-opacity=".7"/>'
            )
        else:
            shapes.append(
                f'<rect x="{x * 4}" y="{y * 2}" width="{80 + size}" height="{60 + turn}" '
                f'rx="12" fill="{colour}" fill-opacity=".7"/>'
            )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1200 675">'
        f'<rect width="1200" height="675" fill="hsl({hue} 40% 92%)"/>{"".join(shapes)}</svg>'
    )
