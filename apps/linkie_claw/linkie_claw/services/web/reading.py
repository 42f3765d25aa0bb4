"""
Reading what callers send: bodies with a size and a time limit, decoded into types.
"""

from __future__ import annotations

import asyncio
import re
from typing import Final, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request

from linkie_claw.services.web.answers import Refused, not_valid

#: A post has 3,000 characters; six voice tones have 4,500. UTF-8 and JSON may quadruple them.
BODY_BYTES_MAX: Final = 65_536
#: A caller who sends slower than this is not sending a post.
BODY_TIME_S: Final = 10.0
_PLACE: Final = re.compile(r"^(?P<message>.*?)(?: - at `\$(?:\.?(?P<path>[^`]*))`)?$", re.DOTALL)

T = TypeVar("T")


class Body(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """What a request body extends: camelCase names, and no others than these."""


async def read_body(request: Request) -> bytes:
    """
    All of the body.

    Raises:
        Refused: It is larger than the limit, or too slow.
    """
    said = request.headers.get("content-length", "")
    if said.isascii() and said.isdigit() and len(said) < 20 and int(said) > BODY_BYTES_MAX:
        raise _too_large()
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIME_S):
            async for part in request.stream():
                body += part
                if len(body) > BODY_BYTES_MAX:
                    raise _too_large()
    except TimeoutError:
        raise Refused(408, "The body took too long.", headers={"Connection": "close"}) from None
    except ClientDisconnect:
        raise Refused(400, "The body ended early.") from None
    return bytes(body)


async def read_json(request: Request, kind: type[T]) -> T:
    """
    The body as a value of the type.

    Raises:
        Refused: It is not JSON, or not of the type; the details say where and why.
    """
    return decode(await read_body(request), kind)


def decode(body: bytes, kind: type[T]) -> T:
    """
    JSON text as a value of the type.

    Raises:
        Refused: It is not JSON, or not of the type; the details say where and why.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        found = _PLACE.match(str(error))
        message, path = (found["message"], found["path"]) if found else (str(error), "")
        raise not_valid(message, path=path or "") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused(400, "Invalid JSON body") from None


def _too_large() -> Refused:
    return Refused(
        413, f"The body is larger than {BODY_BYTES_MAX} bytes.", headers={"Connection": "close"}
    )
