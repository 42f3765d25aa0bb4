"""
What callers hand over: checks that several routes share, with the words they refuse in.
"""

from __future__ import annotations

import re
import typing
import uuid
from typing import Any, Final, TypeVar

from starlette.requests import Request

from hotmetal.services.web import ApiError

T = TypeVar("T")

_SLUG: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_KEY: Final = re.compile(r"[!-~]{1,200}")
#: Ids that are made from an idempotency key are made in here.
_IDS: Final = uuid.UUID("5d0c2c0e-6f5b-4f0b-9a0a-3f0f6f7a1c55")


def required(value: str | None, name: str) -> str:
    """The text without the spaces around it; `ApiError` 400 when nothing is left."""
    if value is None or not (text := value.strip()):
        raise ApiError(400, f"{name} is required")
    return text


def one_of(value: str, kind: Any, *, name: str) -> Any:
    """The value, when it is one of the literal type's; `ApiError` 400 names them all."""
    known = typing.get_args(kind)
    if value not in known:
        raise ApiError(400, f"Invalid {name}. Must be one of: {', '.join(known)}")
    return value


def checked_slug(slug: str | None) -> str:
    """The slug; `ApiError` 400 when it is none."""
    text = required(slug, "slug")
    if not _SLUG.fullmatch(text):
        raise ApiError(400, "Slug must contain only lowercase letters, numbers, and hyphens")
    return text


def trimmed(value: str | None) -> str | None:
    """The text without the spaces around it; None stays None."""
    return None if value is None else value.strip()


def found(value: T | None, what: str) -> T:
    """The thing; `ApiError` 404 when there is none."""
    if value is None:
        raise ApiError(404, f"{what} not found")
    return value


def idempotency_key(request: Request) -> str | None:
    """The caller's `Idempotency-Key`, if there is one; `ApiError` 400 when it cannot be one."""
    key = request.headers.get("idempotency-key")
    if key is not None and not _KEY.fullmatch(key):
        raise ApiError(400, "Idempotency-Key takes 1 to 200 visible ASCII characters")
    return key


def new_id(purpose: str, key: str | None) -> str:
    """An id: the same one again for the same purpose and key, a fresh one without a key."""
    return str(uuid.uuid4() if key is None else uuid.uuid5(_IDS, f"{purpose}\0{key}"))
