"""
Refusals that only a server makes, and how an error is written as an HTTP answer.

Each is one of the errors that travel, with the same code and a status that says it in HTTP's
own words. What went wrong inside a call is not decided here.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from freehold.errors import (
    CallError,
    DeadlineExceeded,
    InvalidArgument,
    NotFound,
    Overloaded,
    PermissionDenied,
    TooLarge,
    problem,
)
from freehold.wire.codec import JSON, Codec


class MalformedRequest(InvalidArgument):
    """It is not HTTP as the standard has it, or could be read in two ways."""

    title = "The request is not well-formed"


class MalformedFrame(InvalidArgument):
    """It is not a frame, or not a message of the protocol."""

    title = "The frame is not well-formed"


class WrongHost(InvalidArgument):
    """The Host header names a server that this is not: a DNS rebinding, or a forgotten setting."""

    status = 421
    title = "This is not that host"


class OriginRefused(PermissionDenied):
    """A web page of an origin that was not allowed sent this."""

    title = "That web page may not call"


class WrongVerb(InvalidArgument):
    """The address is right and the verb is not; `allow` has those that are."""

    status = 405
    title = "The address takes another verb"

    def __init__(self, detail: str, *, allow: str, hint: str = "") -> None:
        super().__init__(detail, hint=hint)
        self.allow = allow


class UpgradeNeeded(InvalidArgument):
    """The address speaks frames, and plain HTTP was spoken."""

    status = 426
    title = "The address speaks frames"


class MediaTypeRefused(InvalidArgument):
    """The body is of a kind that no method reads."""

    status = 415
    title = "The body is of another kind"


class VersionRefused(InvalidArgument):
    """A version of HTTP that is not spoken here."""

    status = 505
    title = "That version of HTTP is not spoken"


class AddressUnknown(NotFound):
    """Nothing is served at this path."""

    title = "Nothing is here"


class UrlTooLong(TooLarge):
    """The address is longer than any method's."""

    status = 414


class HeadersTooLarge(TooLarge):
    """There are too many headers, or they are too long."""

    status = 431


class RequestTooSlow(DeadlineExceeded):
    """The request did not come to its end in the time it has."""

    status = 408
    title = "The request came too slowly"


class TooManyConnections(Overloaded):
    """Every connection that may be open is."""


def too_much_held() -> Overloaded:
    """A body is on its way for long, and all connections together hold too much."""
    return Overloaded(
        "The connections hold too much that is not whole yet, and this body came too slowly.",
        hint="The limit is held_bytes_max; nothing was done: send it again.",
    )


#: For every answer that a browser may come upon by itself: it is what it says it is, it is not
#: kept, shown in no frame, runs nothing, and is embedded by no page.
SAFE_HEADERS: Final = {
    b"x-content-type-options": b"nosniff",
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"cross-origin-resource-policy": b"same-origin",
    b"referrer-policy": b"no-referrer",
    b"vary": b"origin",
}
SAFE_LINES: Final = b"".join(b"%b: %b\r\n" % header for header in SAFE_HEADERS.items())

_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}


def http_problem(
    error: CallError,
    *,
    codec: Codec = JSON,
    seq: int | None = None,
    closes: bool = False,
    headless: bool = False,
    cors: bytes = b"",
) -> bytes:
    """
    The error as a whole HTTP answer.

    Args:
        error: What happened.
        codec: The codec of the request, once it is known.
        seq: The last commit that the answer has seen, where it has seen one.
        closes: Whether the connection ends after it.
        headless: The request was a HEAD: the length is told, the body is not sent.
        cors: Header lines that let a web page read it.
    """
    body = codec.encode(problem(error))
    kind = "application/problem+json" if codec is JSON else codec.content_type
    lines = [
        f"HTTP/1.1 {error.status} {_REASONS.get(error.status, 'Refused')}",
        f"content-type: {kind}",
        f"content-length: {len(body)}",
    ]
    if seq:
        lines.append(f"freehold-seq: {seq}")
    lines += _extra_headers(error)
    if closes:
        lines.append("connection: close")
    head = "\r\n".join(lines).encode("ascii") + b"\r\n" + cors + SAFE_LINES + b"\r\n"
    return head if headless else head + body


def _extra_headers(error: CallError) -> list[str]:
    if isinstance(error, Overloaded):
        return [f"retry-after: {error.retry_after_s}"]
    if isinstance(error, WrongVerb):
        return [f"allow: {error.allow}"]
    if isinstance(error, UpgradeNeeded):
        return ["upgrade: freehold"]
    if error.status == HTTPStatus.UNAUTHORIZED:
        return ['www-authenticate: Bearer realm="freehold"']
    return []
