"""
What the HTTP faces of the services share: JSON in, JSON out, one form of error, the API key.

Errors are `{"error": "..."}` with the statuses of HotMetal's documents. What the data layer
refuses keeps its words; what nobody foresaw is logged and told as `internal error`.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from freehold.errors import CallError

T = TypeVar("T")
Handler = Callable[[Request], Awaitable[Response]]
LOG: Final = logging.getLogger("hotmetal")

_JSON: Final = "application/json"
_MOST_BYTES: Final = 1 << 20


class ApiError(Exception):
    """
    An answer that is not a success.

    Args:
        status: The HTTP status.
        message: For a person, in one sentence.
        more: Further members of the answer.
    """

    def __init__(self, status: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.more = more


def answer(value: Any, status: int = 200) -> Response:
    """The value as JSON; records and msgspec types in the form of the wire."""
    return Response(msgspec.json.encode(value), status, media_type=_JSON)


def refusal(status: int, message: str, **more: Any) -> Response:
    """`{"error": message}` and what else there is to say."""
    return answer({"error": message} | more, status)


async def body_of(request: Request, kind: type[T]) -> T:
    """
    The request's body as the type.

    Raises:
        ApiError: 400 names the field and the rule; 413 for more than 1 MiB.
    """
    raw = await raw_body(request)
    try:
        return msgspec.json.decode(raw or b"{}", type=kind)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise ApiError(400, str(error)) from None
    except UnicodeDecodeError:
        raise ApiError(400, "the body is not UTF-8") from None


async def raw_body(request: Request) -> bytes:
    """The body's bytes, at most 1 MiB of them; `ApiError` 413 beyond."""
    raw = bytearray()
    async for piece in request.stream():
        raw += piece
        if len(raw) > _MOST_BYTES:
            raise ApiError(413, f"the body is larger than {_MOST_BYTES} bytes")
    return bytes(raw)


def is_key(shown: str | None, key: str) -> bool:
    """Whether what was shown is the key, in a time that tells nothing about it."""
    return hmac.compare_digest((shown or "").encode(), key.encode())


async def _on_api_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return refusal(error.status, error.message, **error.more)


async def _on_http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return refusal(error.status_code, error.detail.lower())


async def _on_call_error(request: Request, error: Exception) -> Response:
    """What the data layer said: its refusals are the caller's, its absence is a 503."""
    assert isinstance(error, CallError)
    status = error.status if 400 <= error.status < 500 else 503
    if status in (401, 403):
        # The service's own key, not the caller's.
        LOG.error("the data layer refuses %s %s: %s", request.method, request.url.path, error)
        return refusal(503, "the data layer refuses this service's key")
    if status == 503:
        LOG.warning("%s %s: %s", request.method, request.url.path, error)
    return refusal(status, str(error), code=error.code)


async def _on_anything(request: Request, error: Exception) -> Response:
    LOG.exception("%s %s failed", request.method, request.url.path, exc_info=error)
    return refusal(500, "internal error")


def with_errors(app: Starlette) -> Starlette:
    """Give the application the one form of error."""
    app.add_exception_handler(ApiError, _on_api_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(CallError, _on_call_error)
    app.add_exception_handler(Exception, _on_anything)
    return app


def serve(app: ASGIApp, *, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM; calls under way are given 5 s to end."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    for chatter in ("httpx", "uvicorn.error"):
        logging.getLogger(chatter).setLevel(logging.WARNING)
    uvicorn.run(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
