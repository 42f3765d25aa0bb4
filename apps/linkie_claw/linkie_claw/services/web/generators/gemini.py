"""
Gemini's generateContent API: texts as JSON by its schema, images as base64 inside the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from linkie_claw.services.web.generators.asking import Asking
from linkie_claw.services.web.generators.port import (
    AnswerUnreadable,
    Image,
    NotDone,
    NotSetUp,
    Style,
    image_of,
)
from linkie_claw.services.web.generators.prompts import image_prompt, text_instructions, texts_of
from linkie_claw.services.web.settings import GeneratorSettings


class _Data(msgspec.Struct, rename="camel"):
    data: bytes
    mime_type: str = ""


class _Part(msgspec.Struct, rename="camel"):
    text: str | None = None
    inline_data: _Data | None = None
    thought: bool = False


class _Content(msgspec.Struct):
    parts: list[_Part] = []


class _Candidate(msgspec.Struct, rename="camel"):
    content: _Content = msgspec.field(default_factory=_Content)
    finish_reason: str = ""


class _Feedback(msgspec.Struct, rename="camel"):
    block_reason: str = ""


class _Answer(msgspec.Struct, rename="camel"):
    candidates: list[_Candidate] = []
    prompt_feedback: _Feedback | None = None


_TEXTS_SCHEMA = {
    "type": "ARRAY",
    "items": {
        "type": "OBJECT",
        "properties": {"id": {"type": "STRING"}, "content": {"type": "STRING"}},
        "required": ["id", "content"],
    },
}


class GeminiGenerator:
    """Asks Gemini's models."""

    name = "gemini"

    def __init__(self, settings: GeneratorSettings, *, timeout_s: float) -> None:
        self._settings = settings
        self._asking = Asking(
            self.name,
            settings.url,
            headers={"x-goog-api-key": str(settings.key)},
            timeout_s=timeout_s,
        )

    async def write(self, idea: str, voices: Sequence[Style]) -> list[str]:
        """A text in each voice, from one question."""
        parts = await self._ask(
            self._settings.text_model,
            {
                "systemInstruction": {"parts": [{"text": text_instructions(voices)}]},
                "contents": [{"role": "user", "parts": [{"text": idea}]}],
                "generationConfig": {
                    "responseMimeType": "application/json",
                    "responseSchema": _TEXTS_SCHEMA,
                },
            },
        )
        return texts_of("".join(p.text for p in parts if p.text and not p.thought), voices)

    async def draw(self, idea: str, look: Style) -> Image:
        """An image, from one question; a question gives one image."""
        parts = await self._ask(
            self._settings.image_model,
            {"contents": [{"role": "user", "parts": [{"text": image_prompt(idea, look)}]}]},
        )
        for part in parts:
            if part.inline_data is not None:
                return image_of(part.inline_data.data)
        raise AnswerUnreadable("gemini's answer holds no image")

    async def _ask(self, model: str, question: dict[str, Any]) -> list[_Part]:
        if not self._settings.key:
            raise NotSetUp(self._settings.key_variable)
        answer = await self._asking.ask(
            "POST", f"/v1beta/models/{model}:generateContent", _Answer, body=question
        )
        if answer.prompt_feedback is not None and answer.prompt_feedback.block_reason:
            raise NotDone(f"gemini blocked the question: {answer.prompt_feedback.block_reason}")
        if not answer.candidates:
            raise AnswerUnreadable("gemini's answer holds no candidate")
        return answer.candidates[0].content.parts

    async def close(self) -> None:
        """Close its connections."""
        await self._asking.close()
