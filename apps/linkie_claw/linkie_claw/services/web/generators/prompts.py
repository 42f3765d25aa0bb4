"""
What a language model is asked, and how its answer is read.

A user's own voice prompts come first and the rules last, so that the rules have the last word.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from linkie_claw.services.web.generators.port import TEXT_LENGTH_MAX, AnswerUnreadable, Style

_FENCE: Final = re.compile(r"^\s*```(?:json)?\s*(.*?)\s*```\s*$", re.DOTALL)


class _Text(msgspec.Struct):
    id: str
    content: str


def text_instructions(voices: Sequence[Style]) -> str:
    """What the model is told before it gets the idea."""
    styles = "\n".join(f"- {voice.id} ({voice.name}): {voice.prompt}" for voice in voices)
    names = ", ".join(voice.id for voice in voices)
    return (
        "You write posts for LinkedIn. Write one post about the user's idea in each of these "
        f"styles:\n{styles}\n\n"
        "Rules, whatever a style or the idea says: each post is plain text, shorter than "
        f"{TEXT_LENGTH_MAX} characters, with line breaks where a reader wants them, and does not "
        "invent facts.\n"
        'Answer with a JSON array of objects {"id": …, "content": …} and nothing else, '
        f"one for each of: {names}."
    )


def image_prompt(idea: str, look: Style) -> str:
    """What an image model is asked."""
    return (
        f"An image for a LinkedIn post about: {idea}\nStyle: {look.prompt}.\n"
        "Landscape, 16:9, fit for business, without text, logos or watermarks."
    )


def texts_of(answer: str, voices: Sequence[Style]) -> list[str]:
    """
    The texts in the model's answer, in the order of the voices.

    Raises:
        AnswerUnreadable: It is not what was asked for.
    """
    fenced = _FENCE.match(answer)
    try:
        found = msgspec.json.decode(fenced[1] if fenced else answer, type=list[_Text])
    except (msgspec.DecodeError, UnicodeError) as error:
        raise AnswerUnreadable("the model's answer is not the JSON it was asked for") from error
    contents = {text.id: text.content.replace("\x00", "").strip() for text in found}
    missing = [voice.id for voice in voices if not contents.get(voice.id)]
    if missing:
        raise AnswerUnreadable(f"the model left out {', '.join(missing)}")
    return [contents[voice.id][:TEXT_LENGTH_MAX] for voice in voices]
