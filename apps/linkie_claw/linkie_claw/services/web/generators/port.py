"""
The port to whoever writes texts and draws images, and how that can fail.

A generator knows nothing of users, posts or files: an idea and styles go in, texts and bytes
come out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

#: LinkedIn's limit for a post.
TEXT_LENGTH_MAX: Final = 3_000
IMAGE_BYTES_MAX: Final = 8 * 1024 * 1024

ImageKind = Literal["svg", "png", "jpg", "webp"]

_MAGIC: Final[tuple[tuple[bytes, int, ImageKind], ...]] = (
    (b"\x89PNG\r\n\x1a\n", 0, "png"),
    (b"\xff\xd8\xff", 0, "jpg"),
    (b"WEBP", 8, "webp"),
)


@dataclass(frozen=True)
class Style:
    """One of the six voices, or one of the six looks."""

    id: str
    name: str
    prompt: str


@dataclass(frozen=True)
class Image:
    """The bytes of an image, and what they are."""

    data: bytes
    kind: ImageKind


class GenerationFailed(Exception):
    """There is no text or image; the text is for the log."""


class NotSetUp(GenerationFailed):
    """The generator has no key."""

    def __init__(self, variable: str) -> None:
        super().__init__(f"{variable} is not set")
        self.variable = variable


class TookTooLong(GenerationFailed):
    """The generator did not answer in time."""


class TooBusy(GenerationFailed):
    """The generator takes no more work now."""


class NotReachable(GenerationFailed):
    """The generator cannot be reached, or broke."""


class NotDone(GenerationFailed):
    """The generator refused the work, or gave it up."""


class AnswerUnreadable(GenerationFailed):
    """The generator's answer is not what its documentation says."""


class Generator(Protocol):
    """Writes texts and draws images."""

    @property
    def name(self) -> str:
        """Its name in requests and answers."""

    async def write(self, idea: str, voices: Sequence[Style]) -> list[str]:
        """
        A text about the idea in each voice, in the order of the voices.

        Raises:
            GenerationFailed: There are no texts.
        """

    async def draw(self, idea: str, look: Style) -> Image:
        """
        An image about the idea in this look.

        Raises:
            GenerationFailed: There is no image.
        """

    async def close(self) -> None:
        """Give back what it holds."""


def image_of(data: bytes) -> Image:
    """
    The image in the bytes, by what they are and not by what somebody called them.

    Raises:
        AnswerUnreadable: They are no image that a browser may be given without care: an SVG
            from elsewhere can hold a script.
    """
    for magic, start, kind in _MAGIC:
        if data[start : start + len(magic)] == magic:
            return Image(data, kind)
    raise AnswerUnreadable("the answer is no PNG, JPEG or WebP image")
