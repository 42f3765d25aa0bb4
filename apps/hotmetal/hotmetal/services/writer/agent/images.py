"""
Images for a post: made by an images API, or composed here when none is set; kept as files.

A file is named by its session and an id of its own, and only such names are ever read, so there is
no way out of the folder. What kind of image it is says its content, not whoever sent it.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import html
import logging
import re
import uuid
from pathlib import Path
from typing import Final

import httpx
import msgspec

from hotmetal.services.writer.settings import WriterSettings

LOG: Final = logging.getLogger("hotmetal.writer")
COUNT: Final = 4
_TIMEOUT_S: Final = 120.0
_BYTES_MAX: Final = 20 << 20
_FOLDER: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
_KEY: Final = re.compile(r"sessions/([A-Za-z0-9_-]{1,100})/([0-9a-f-]{36}\.(?:svg|png|jpg|webp))")
_FOLDERS: Final = uuid.UUID("0d7e2a3e-2c80-4f1c-8a57-2f1f5f7f2a11")
TYPES: Final = {"svg": "image/svg+xml", "png": "image/png", "jpg": "image/jpeg",
                "webp": "image/webp"}  # fmt: skip


class ImagesFailed(Exception):
    """The images API did not make them."""


class _Made(msgspec.Struct):
    b64_json: str | None = None
    url: str | None = None


class _Answer(msgspec.Struct):
    data: list[_Made]


class Images:
    """
    The images of all sessions.

    Args:
        settings: The service's.
    """

    def __init__(self, settings: WriterSettings) -> None:
        self._settings = settings
        self._folder = settings.data_dir / "images"

    @property
    def is_offline(self) -> bool:
        """Whether they are composed here."""
        return self._settings.images_model is None

    async def make(self, session_id: str, prompt: str) -> list[str]:
        """
        The keys of four new images.

        Raises:
            ImagesFailed: The API did not make them.
        """
        if self.is_offline:
            made = [_composed(prompt, i).encode() for i in range(COUNT)]
        else:
            made = await self._asked(prompt)
        return [self._keep(session_id, image) for image in made]

    def find(self, key: str) -> tuple[Path, str] | None:
        """The file of an image and its type; None when the key names none."""
        match = _KEY.fullmatch(key)
        if match is None:
            return None
        path = self._folder / match[1] / match[2]
        return (path, TYPES[path.suffix[1:]]) if path.is_file() else None

    def key_of(self, session_id: str, key: str) -> bool:
        """Whether the key is that of an image that was made for the session."""
        return key.startswith(f"sessions/{_folder(session_id)}/") and self.find(key) is not None

    def _keep(self, session_id: str, image: bytes) -> str:
        kind = _kind(image)
        if kind is None:
            raise ImagesFailed("the images API answered something that is no image")
        folder = self._folder / _folder(session_id)
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{uuid.uuid4()}.{kind}"
        (folder / name).write_bytes(image)
        return f"sessions/{_folder(session_id)}/{name}"

    async def _asked(self, prompt: str) -> list[bytes]:
        """Four requests for one each, because not every model makes several at once."""
        key = self._settings.images_key
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        async with httpx.AsyncClient(headers=headers, timeout=_TIMEOUT_S) as http:
            try:
                asked = [self._one(http, prompt) for _ in range(COUNT)]
                return await asyncio.gather(*asked)
            except (httpx.HTTPError, msgspec.MsgspecError, binascii.Error) as error:
                LOG.warning("the images API failed: %r", error)
                raise ImagesFailed("the images API did not make the images") from None

    async def _one(self, http: httpx.AsyncClient, prompt: str) -> bytes:
        url = f"{self._settings.images_url.rstrip('/')}/images/generations"
        body = {"model": self._settings.images_model, "prompt": prompt, "n": 1}
        answer = await http.post(url, json=body)
        answer.raise_for_status()
        [made] = msgspec.json.decode(answer.content, type=_Answer).data[:1] or [_Made()]
        if made.b64_json is not None:
            return base64.b64decode(made.b64_json, validate=True)
        if made.url is None:
            raise ImagesFailed("the images API answered without an image")
        # The key is for the API, not for wherever it keeps its images.
        async with httpx.AsyncClient(timeout=_TIMEOUT_S) as plain:
            return await _fetched(plain, made.url)


async def _fetched(http: httpx.AsyncClient, url: str) -> bytes:
    image = bytearray()
    async with http.stream("GET", url) as answer:
        answer.raise_for_status()
        async for piece in answer.aiter_bytes():
            image += piece
            if len(image) > _BYTES_MAX:
                raise ImagesFailed("the images API answered an image that is too large")
    return bytes(image)


def _folder(session_id: str) -> str:
    """The session's folder: its id where that is a plain name, else one made from it."""
    return session_id if _FOLDER.fullmatch(session_id) else str(uuid.uuid5(_FOLDERS, session_id))


def _kind(image: bytes) -> str | None:
    """What the content is; SVG is only ours."""
    if image.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if image.startswith(b"\xff\xd8\xff"):
        return "jpg"
    if image[:4] == b"RIFF" and image[8:12] == b"WEBP":
        return "webp"
    return "svg" if image.startswith(_SVG_HEAD.encode()) else None


_SVG_HEAD: Final = '<svg xmlns="http://www.w3.org/2000/svg" data-made-by="hotmetal-offline"'


def _composed(prompt: str, n: int) -> str:
    """A drawing of a few shapes that its prompt decides; it says that it is no photograph."""
    dice = hashlib.sha256(f"{n}\0{prompt}".encode()).digest()
    hue = (int.from_bytes(dice[:2], "big") + n * 90) % 360
    shapes = []
    for i in range(4):
        x, y, size, turn = dice[4 * i + 2 : 4 * i + 6]
        fill = f"hsl({(hue + 24 * i) % 360} 55% {38 + 10 * i}%)"
        cx, cy, r = x * 960 // 255, y * 400 // 255 + 60, 60 + size
        if (n + i) % 2:
            shapes.append(f'<circle cx="{cx}" cy="{cy}" r="{r // 2}" fill="{fill}"/>')
        else:
            shapes.append(
                f'<rect x="{cx - r}" y="{cy - r // 2}" width="{2 * r}" height="{r}" rx="18"'
                f' fill="{fill}" transform="rotate({turn % 90} {cx} {cy})"/>'
            )
    words = html.escape(" ".join(prompt.split())[:80])
    return (
        f'{_SVG_HEAD} viewBox="0 0 960 540" width="960" height="540" role="img">'
        f"<title>{words}</title>"
        f'<rect width="960" height="540" fill="hsl({hue} 45% 92%)"/>{"".join(shapes)}'
        f'<text x="24" y="520" font-family="sans-serif" font-size="16" fill="#333">'
        f"composed offline, {n + 1} of {COUNT}</text></svg>"
    )
