"""
Generated images as files, served by this service under names that nobody can guess.

A name begins with a mark of the user who had it drawn, so that deleting a post removes only
images of its own user, whatever address the post holds.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from pathlib import Path
from typing import Final

from linkie_claw.services.web.generators.port import Image

PREFIX: Final = "/images/"
MEDIA_TYPES: Final = {
    "svg": "image/svg+xml",
    "png": "image/png",
    "jpg": "image/jpeg",
    "webp": "image/webp",
}
_NAME: Final = re.compile(r"(?P<owner>[0-9a-f]{16})-[0-9a-f]{32}\.(?P<kind>svg|png|jpg|webp)")


class ImageFolder:
    """
    A folder of images.

    Args:
        folder: Made when it is not there; private to the user who runs the service.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, user_id: str, image: Image) -> str:
        """Store an image of this user; the path under which it is served."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{_mark(user_id)}-{secrets.token_hex(16)}.{image.kind}"
        handle = os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(image.data)
        return PREFIX + name

    def load(self, name: str) -> tuple[bytes, str] | None:
        """The bytes and media type of a stored image."""
        found = _NAME.fullmatch(name)
        if found is None:
            return None
        try:
            data = (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None
        return data, MEDIA_TYPES[found["kind"]]

    def remove(self, user_id: str, url: str) -> bool:
        """Remove the image at the address, when it is one of this user's; whether it was."""
        found = _NAME.fullmatch(url.removeprefix(PREFIX)) if is_stored(url) else None
        if found is None or found["owner"] != _mark(user_id):
            return False
        (self._folder / found[0]).unlink(missing_ok=True)
        return True


def is_stored(url: str) -> bool:
    """Whether the address is one of an image that this service serves."""
    return url.startswith(PREFIX) and _NAME.fullmatch(url.removeprefix(PREFIX)) is not None


def _mark(user_id: str) -> str:
    return hashlib.sha256(f"images of {user_id}".encode()).hexdigest()[:16]
