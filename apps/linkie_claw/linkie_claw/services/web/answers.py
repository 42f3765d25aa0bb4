"""
How the service answers: JSON, and errors in one shape, `{"error": …, "details": …}`.

What went wrong inside is logged and never told; what the data layer says about its absence is
told, because only the operator who reads it can help.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from freehold.errors import (
    CallError,
    Conflict,
    DeadlineExceeded,
    InvalidArgument,
    NotFound,
    OutcomeUnknown,
    Overloaded,
    TooLarge,
    Unavailable,
)
from linkie_claw.services.web.log import say


class Refused(Exception):
    """
    The request ends here, with this answer.

    Args:
        status: The HTTP status.
        error: One sentence for the caller.
        details: What is wrong where, when there is more to say.
        more: Further fields of the answer.
        headers: Further headers of the answer.
    """

    def __init__(
        self,
        status: int,
        error: str,
        *,
        details: Any = None,
        more: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.details = details
        self.more = dict(more or {})
        self.headers = dict(headers or {})

    def answer(self) -> Response:
        """The answer that says it."""
        body: dict[str, Any] = {"error": self.error, **self.more}
        if self.details is not None:
            body["details"] = self.details
        return answer(body, self.status, headers=self.headers)


def answer(value: Any, status: int = 200, *, headers: Mapping[str, str] | None = None) -> Response:
    """The value as JSON."""
    return Response(
        msgspec.json.encode(value),
        status,
        headers=dict(headers or {}),
        media_type="application/json",
    )


def not_valid(message: str, *, path: str = "") -> Refused:
    """The refusal of an input: 400, with what is wrong where."""
    return Refused(400, "Validation failed", details=[{"path": path, "message": message}])


def on_refused(_: Request, error: Exception) -> Response:
    """Answer a request that ended in `Refused`."""
    if not isinstance(error, Refused):
        raise error
    return error.answer()


def on_http_error(_: Request, error: Exception) -> Response:
    """Answer what Starlette refuses: an unknown path, a method that a path does not have."""
    if not isinstance(error, HTTPException):
        raise error
    words = HTTPStatus(error.status_code).phrase
    return answer({"error": words}, error.status_code, headers=error.headers)


def on_call_error(request: Request, error: Exception) -> Response:
    """Answer a request that the data layer did not fulfil."""
    if not isinstance(error, CallError):
        raise error
    refusal = _refusal(error)
    if refusal.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        say(
            "the data layer did not answer as it should",
            level=logging.ERROR,
            path=request.url.path,
            code=error.code,
            detail=error.detail,
        )
    return refusal.answer()


def _refusal(error: CallError) -> Refused:
    match error:
        case Overloaded():
            wait = {"Retry-After": str(error.retry_after_s)}
            return Refused(503, "Too much is going on; try again.", headers=wait)
        case Unavailable():
            return Refused(
                503,
                "The data layer is not there.",
                details=f"{error.detail} {error.hint}".strip(),
                headers={"Retry-After": "2"},
            )
        case DeadlineExceeded():
            return Refused(504, "It took too long, and nothing was changed; try again.")
        case OutcomeUnknown():
            return Refused(500, "Nobody can say whether it happened; look before you try again.")
        case NotFound():
            return Refused(404, "Not found")
        case InvalidArgument():
            return not_valid(error.detail, path=error.path or "")
        case TooLarge():
            return Refused(413, "The request is too large.")
        case Conflict():
            return Refused(409, error.detail)
        case _:
            return Refused(500, "Internal server error")
