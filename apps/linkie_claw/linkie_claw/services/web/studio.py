"""
Routes of the studio: an idea becomes six texts and up to six images, and is kept.

The user's own voice tones and image styles say how. Images are stored as files of this service
before the generation is, so a generation never shows an image that is not there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from freehold.client import UNSET, Maybe
from linkie_claw.clients.linkie_claw import (
    GeneratedImage,
    Generation,
    NewGeneration,
    TextVariation,
)
from linkie_claw.services.web.answers import Refused, answer
from linkie_claw.services.web.generators.port import (
    GenerationFailed,
    Generator,
    Image,
    NotSetUp,
    Style,
    TooBusy,
    TookTooLong,
)
from linkie_claw.services.web.log import say
from linkie_claw.services.web.reading import Body, read_json
from linkie_claw.services.web.signed_in import SignedIn, signed_in
from linkie_claw.services.web.state import Web, web_of
from linkie_claw.services.web.times import iso

Idea = Annotated[str, msgspec.Meta(min_length=10, max_length=2000)]
Count = Annotated[int, msgspec.Meta(ge=1, le=6)]
ProviderName = Literal["replicate", "gemini", "offline"]

T = TypeVar("T")


class TextBody(Body):
    """An idea to write about."""

    idea: Idea
    provider: ProviderName | None = None


class ImageBody(Body):
    """An idea to draw."""

    idea: Idea
    count: Count = 6
    provider: ProviderName | None = None


class SelectionBody(Body):
    """What was chosen; what is left out stays, null clears."""

    selected_text_id: Maybe[str | None] = UNSET
    selected_image_id: Maybe[str | None] = UNSET


async def generate_text(request: Request) -> Response:
    """`POST /api/generate/text`: six variations of a post."""
    user = await signed_in(request)
    body = await read_json(request, TextBody)
    web = web_of(request)
    generator = _generator(web, user, body.provider)
    texts = await _or_refuse(_write(web, user, generator, body.idea), "Text generation")
    kept = await _keep(web, user, body.idea, texts=texts)
    return answer(
        {"variations": kept.text_variations, "provider": generator.name, "generationId": kept.id}
    )


async def generate_image(request: Request) -> Response:
    """`POST /api/generate/image`: one to six images."""
    user = await signed_in(request)
    body = await read_json(request, ImageBody)
    web = web_of(request)
    generator = _generator(web, user, body.provider)
    drawn = await _or_refuse(
        _draw(web, user, generator, idea=body.idea, count=body.count), "Image generation"
    )
    kept = await _keep(web, user, body.idea, drawn=drawn)
    return answer(
        {
            "images": kept.images,
            "provider": generator.name,
            "count": len(kept.images),
            "generationId": kept.id,
        }
    )


async def generate(request: Request) -> Response:
    """`POST /api/generate`: texts and images of one idea, kept together, 201."""
    user = await signed_in(request)
    body = await read_json(request, ImageBody)
    web = web_of(request)
    generator = _generator(web, user, body.provider)
    writing = _write(web, user, generator, body.idea)
    drawing = _draw(web, user, generator, idea=body.idea, count=body.count)
    # Both end before one of them may end the request: nothing goes on without its caller.
    texts, drawn = await asyncio.gather(
        _or_refuse(writing, "Text generation"),
        _or_refuse(drawing, "Image generation"),
        return_exceptions=True,
    )
    if isinstance(texts, BaseException):
        raise texts
    if isinstance(drawn, BaseException):
        raise drawn
    kept = await _keep(web, user, body.idea, texts=texts, drawn=drawn)
    return answer({**generation_json(kept), "provider": generator.name}, 201)


async def list_generations(request: Request) -> Response:
    """`GET /api/generations`: the user's last ten."""
    user = await signed_in(request)
    kept = await web_of(request).dal.get_recent_generations(user_id=user.id)
    return answer([generation_json(each) for each in kept])


async def get_generation(request: Request) -> Response:
    """`GET /api/generations/{id}`."""
    user = await signed_in(request)
    kept = await web_of(request).dal.get_generation_by_id(
        id=request.path_params["id"], user_id=user.id
    )
    return answer(generation_json(_found(kept)))


async def select_of_generation(request: Request) -> Response:
    """`PATCH /api/generations/{id}`: note which text and image were chosen."""
    user = await signed_in(request)
    body = await read_json(request, SelectionBody)
    kept = await web_of(request).dal.update_generation_selections(
        id=request.path_params["id"],
        user_id=user.id,
        selected_text_id=body.selected_text_id,
        selected_image_id=body.selected_image_id,
    )
    return answer(generation_json(_found(kept)))


def generation_json(kept: Generation) -> dict[str, Any]:
    """The generation as the browser gets it."""
    found = msgspec.to_builtins(kept)
    found["createdAt"] = iso(kept.created_at)
    return dict(found)


def _found(kept: Generation | None) -> Generation:
    if kept is None:
        raise Refused(404, "Generation not found")
    return kept


def _generator(web: Web, user: SignedIn, name: str | None) -> Generator:
    web.generations.take(user.id)
    return web.generators[name or web.settings.generator]


async def _write(web: Web, user: SignedIn, generator: Generator, idea: str) -> list[TextVariation]:
    tones = await web.dal.get_user_voice_tones(user_id=user.id)
    voices = [Style(tone.id, tone.name, tone.prompt) for tone in tones]
    texts = await generator.write(idea, voices)
    return [
        TextVariation(id=f"var-{number}", style=voice.name, content=text, tone=voice.id)
        for number, (voice, text) in enumerate(zip(voices, texts, strict=True), 1)
    ]


async def _draw(
    web: Web, user: SignedIn, generator: Generator, *, idea: str, count: int
) -> list[tuple[Style, Image]]:
    styles = await web.dal.get_user_image_styles(user_id=user.id)
    looks = [Style(style.id, style.name, style.prompt) for style in styles][:count]
    drawn = await asyncio.gather(
        *(generator.draw(idea, look) for look in looks), return_exceptions=True
    )
    images, failures = [], []
    for look, each in zip(looks, drawn, strict=True):
        if isinstance(each, Image):
            images.append((look, each))
        else:
            failures.append(each)
    for failure in failures:
        # Some are better than none; the answer says how many there are.
        if not images or not isinstance(failure, GenerationFailed):
            raise failure
        say("an image is missing", level=logging.WARNING, reason=str(failure))
    return images


async def _keep(
    web: Web,
    user: SignedIn,
    idea: str,
    *,
    texts: Sequence[TextVariation] = (),
    drawn: Sequence[tuple[Style, Image]] = (),
) -> Generation:
    images = [
        GeneratedImage(
            id=f"img-{number}",
            url=await asyncio.to_thread(web.images.keep, user.id, image),
            prompt=look.prompt,
            style_id=look.id,
            style_name=look.name,
        )
        for number, (look, image) in enumerate(drawn, 1)
    ]
    new = NewGeneration(user_id=user.id, idea=idea, text_variations=list(texts), images=images)
    return await web.dal.create_generation(data=new)


async def _or_refuse(work: Awaitable[T], what: str) -> T:
    try:
        return await work
    except GenerationFailed as error:
        say(f"{what} failed", level=logging.ERROR, reason=str(error))
        raise _refusal(error, what) from error


def _refusal(error: GenerationFailed, what: str) -> Refused:
    match error:
        case NotSetUp():
            return Refused(503, f"{what} is not configured", details=str(error))
        case TookTooLong():
            return Refused(504, f"{what} took too long")
        case TooBusy():
            busy = {"Retry-After": "30"}
            return Refused(503, f"{what} is busy; try again", headers=busy)
        case _:
            return Refused(502, f"{what} failed")
