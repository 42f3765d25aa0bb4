"""
The studio's presets: six voice tones and six image styles, each with its prompt.

A user may rewrite them but neither add nor drop one: the ids are fixed. What is stored may be
missing or unreadable, and then counts as the six defaults; what is written is always six.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, Protocol, TypeVar

import msgspec

from freehold import InvalidArgument, Struct

NAME_MAX: Final = 50
PROMPT_MAX: Final = 700

VoiceToneId = Literal[
    "storytelling", "professional", "short-punchy", "data-driven", "conversational", "provocative"
]
ImageStyleId = Literal[
    "photography", "illustration", "minimalist", "abstract", "infographic", "three-dimensional"
]


class VoiceTone(Struct):
    """How a text is to sound."""

    id: VoiceToneId
    name: str
    prompt: str


class ImageStyle(Struct):
    """How an image is to look."""

    id: ImageStyleId
    name: str
    prompt: str


class _Preset(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def prompt(self) -> str: ...


P = TypeVar("P", bound=_Preset)

VOICE_TONES: Final[tuple[VoiceTone, ...]] = (
    VoiceTone(
        id="storytelling",
        name="Storytelling",
        prompt="Tell it as a short story with one person, one problem and one turn.",
    ),
    VoiceTone(
        id="professional",
        name="Professional",
        prompt="Write as an expert to colleagues: clear, exact, without slogans.",
    ),
    VoiceTone(
        id="short-punchy",
        name="Short & punchy",
        prompt="One idea, short sentences, a line break after each.",
    ),
    VoiceTone(
        id="data-driven",
        name="Data-driven",
        prompt="Begin with a number, explain what it means, end with what follows from it.",
    ),
    VoiceTone(
        id="conversational",
        name="Conversational",
        prompt="Write as one talks over coffee, and end with a question.",
    ),
    VoiceTone(
        id="provocative",
        name="Provocative",
        prompt="Say what most people in the field would deny, then give the reasons.",
    ),
)

IMAGE_STYLES: Final[tuple[ImageStyle, ...]] = (
    ImageStyle(
        id="photography",
        name="Photography",
        prompt="A realistic photograph in natural light with one clear subject.",
    ),
    ImageStyle(
        id="illustration",
        name="Illustration",
        prompt="A hand-drawn illustration with warm colours and simple shapes.",
    ),
    ImageStyle(
        id="minimalist",
        name="Minimalist",
        prompt="One object, much empty space, two colours.",
    ),
    ImageStyle(
        id="abstract",
        name="Abstract",
        prompt="Shapes and colours that suggest the idea without showing a thing.",
    ),
    ImageStyle(
        id="infographic",
        name="Infographic",
        prompt="A clean diagram with three parts and no small text.",
    ),
    ImageStyle(
        id="three-dimensional",
        name="3D",
        prompt="A soft three-dimensional rendering with rounded forms.",
    ),
)


def read_presets(text: str | None, kind: type[P], defaults: tuple[P, ...]) -> list[P]:
    """The stored presets; the defaults when there are none or they cannot be read."""
    if text is None:
        return list(defaults)
    try:
        presets = msgspec.json.decode(text, type=list[kind])  # type: ignore[valid-type]
        check_presets(presets, defaults)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, InvalidArgument):
        return list(defaults)
    return presets


def check_presets(presets: Sequence[P], defaults: tuple[P, ...], *, path: str = "presets") -> None:
    """
    Look whether these are the six, each with a name and a prompt.

    Raises:
        InvalidArgument: `path` names the first thing that is wrong.
    """
    ids = [preset.id for preset in presets]
    missing = [default.id for default in defaults if default.id not in ids]
    if missing or len(ids) != len(defaults):
        raise InvalidArgument(
            f"{len(defaults)} are needed, each id once, and here are {', '.join(ids) or 'none'}.",
            hint=f"The ids are {', '.join(default.id for default in defaults)}.",
            path=path,
        )
    for number, preset in enumerate(presets):
        for field, text, longest in (
            ("name", preset.name, NAME_MAX),
            ("prompt", preset.prompt, PROMPT_MAX),
        ):
            if not text.strip() or len(text) > longest:
                raise InvalidArgument(
                    f"the {field} of {preset.id!r} is blank or longer than {longest} characters.",
                    hint=f"Write 1 to {longest} characters.",
                    path=f"{path}[{number}].{field}",
                )


def write_presets(presets: Sequence[P]) -> str:
    """The presets as they are stored."""
    return msgspec.json.encode(presets).decode()
