"""
Replicate's predictions API: a model is run, and asked again until it is done.

Texts come as one string or as its pieces; images as addresses that live for an hour, so they
are fetched at once.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from linkie_claw.services.web.generators.asking import Asking
from linkie_claw.services.web.generators.port import (
    AnswerUnreadable,
    Image,
    NotDone,
    NotSetUp,
    Style,
    TookTooLong,
    image_of,
)
from linkie_claw.services.web.generators.prompts import image_prompt, text_instructions, texts_of
from linkie_claw.services.web.settings import GeneratorSettings

#: Between two looks at a prediction that is not done.
_LOOK_EVERY_S: Final = 0.5
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


class _Prediction(msgspec.Struct):
    id: str
    status: str
    output: Any = None
    error: Any = None


class ReplicateGenerator:
    """Has models run at Replicate."""

    name = "replicate"

    def __init__(self, settings: GeneratorSettings, *, timeout_s: float) -> None:
        self._settings = settings
        self._timeout_s = timeout_s
        self._asking = Asking(
            self.name,
            settings.url,
            headers={"Authorization": f"Bearer {settings.key}"},
            timeout_s=timeout_s,
        )

    async def write(self, idea: str, voices: Sequence[Style]) -> list[str]:
        """A text in each voice, from one run of the text model."""
        output = await self._run(
            self._settings.text_model,
            {
                "system_prompt": text_instructions(voices),
                "prompt": idea,
                "max_tokens": 8192,
            },
        )
        if isinstance(output, list) and all(isinstance(part, str) for part in output):
            output = "".join(output)
        if not isinstance(output, str):
            raise AnswerUnreadable("replicate's text model gave no text")
        return texts_of(output, voices)

    async def draw(self, idea: str, look: Style) -> Image:
        """An image from one run of the image model."""
        output = await self._run(
            self._settings.image_model,
            {
                "prompt": image_prompt(idea, look),
                "num_outputs": 1,
                "aspect_ratio": "16:9",
                "output_format": "webp",
            },
        )
        url = output[0] if isinstance(output, list) and output else output
        if not isinstance(url, str):
            raise AnswerUnreadable("replicate's image model gave no address")
        return image_of(await self._asking.fetch(url))

    async def _run(self, model: str, given: dict[str, Any]) -> Any:
        if not self._settings.key:
            raise NotSetUp(self._settings.key_variable)
        try:
            async with asyncio.timeout(self._timeout_s):
                prediction = await self._asking.ask(
                    "POST",
                    f"/v1/models/{model}/predictions",
                    _Prediction,
                    body={"input": given},
                    # It waits that long for the result before it answers that there is none yet.
                    headers={"Prefer": "wait=30"},
                )
                while prediction.status in ("starting", "processing"):
                    if not _ID.fullmatch(prediction.id):
                        raise AnswerUnreadable("replicate's prediction has no usable id")
                    await asyncio.sleep(_LOOK_EVERY_S)
                    prediction = await self._asking.ask(
                        "GET", f"/v1/predictions/{prediction.id}", _Prediction
                    )
        except TimeoutError as error:
            raise TookTooLong(f"replicate took longer than {self._timeout_s:g} s") from error
        if prediction.status != "succeeded":
            raise NotDone(f"replicate's prediction {prediction.status}: {prediction.error}")
        return prediction.output

    async def close(self) -> None:
        """Close its connections."""
        await self._asking.close()
