"""
The headers that mean something here, and the strict reading of their values. Pure.

A header that is not in `WANTED` is counted and forgotten. The options of a frame's call are the
same values under other names and go through the same functions.
"""

from __future__ import annotations

import re
from typing import Final

from freehold.access import no_living_key
from freehold.errors import InvalidArgument
from freehold.server.refusals import MediaTypeRefused
from freehold.wire.codec import JSON, MSGPACK, Codec
from freehold.wire.limits import Limits

HOST: Final = 0
AUTHORIZATION: Final = 1
CONTENT_TYPE: Final = 2
CONTENT_LENGTH: Final = 3
TRANSFER_ENCODING: Final = 4
CONNECTION: Final = 5
UPGRADE: Final = 6
EXPECT: Final = 7
ORIGIN: Final = 8
FETCH_SITE: Final = 9
#: From here on stand those that most calls go without.
FIRST_OPTION: Final = 10
CONTENT_ENCODING: Final = 10
IDEMPOTENCY_KEY: Final = 11
MIN_SEQ: Final = 12
TIMEOUT_MS: Final = 13
CONTRACT: Final = 14
ACT_AS: Final = 15

#: A head with one of these is parsed each time.
NEVER_KEPT: Final = (TRANSFER_ENCODING, UPGRADE, EXPECT, ORIGIN, CONTENT_ENCODING, IDEMPOTENCY_KEY)

#: Lower-case name → its place in the list of values of a request.
WANTED: Final[dict[bytes, int]] = {
    b"host": HOST,
    b"authorization": AUTHORIZATION,
    b"content-type": CONTENT_TYPE,
    b"content-length": CONTENT_LENGTH,
    b"transfer-encoding": TRANSFER_ENCODING,
    b"connection": CONNECTION,
    b"upgrade": UPGRADE,
    b"expect": EXPECT,
    b"origin": ORIGIN,
    b"sec-fetch-site": FETCH_SITE,
    b"content-encoding": CONTENT_ENCODING,
    b"idempotency-key": IDEMPOTENCY_KEY,
    b"freehold-min-seq": MIN_SEQ,
    b"freehold-timeout-ms": TIMEOUT_MS,
    b"freehold-contract": CONTRACT,
    b"freehold-act-as": ACT_AS,
}

#: What a request starts with: nothing seen yet.
NOTHING: Final[list[bytes | None]] = [None] * len(WANTED)

_CODECS: Final[dict[bytes, Codec]] = {
    b"application/json": JSON,
    b"application/json; charset=utf-8": JSON,
    b"application/msgpack": MSGPACK,
    b"application/x-msgpack": MSGPACK,
    b"application/vnd.msgpack": MSGPACK,
}
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_VISIBLE: Final = re.compile(r"[!-~]+")
_SEQ_MAX: Final = 2**63 - 1
#: As long as the longest scope that names a user.
USER_LENGTH_MAX: Final = 120


def codec_of(content_type: bytes | None, *, has_body: bool) -> Codec:
    """
    The codec that the body is in, and its answer will be.

    A body must say what it is: a web form says so too, and a page of another origin can
    send forms without asking anybody.

    Raises:
        MediaTypeRefused: It is neither JSON nor MessagePack.
    """
    if content_type is None:
        if not has_body:
            return JSON
        raise MediaTypeRefused(
            "The request has a body and no Content-Type.",
            hint="Send `Content-Type: application/json` (curl: --json), or application/msgpack.",
        )
    codec = _CODECS.get(content_type)
    if codec is None:
        kind, _, parameters = content_type.lower().partition(b";")
        codec = _CODECS.get(kind.strip())
        if codec is None or parameters.strip().replace(b'"', b"") not in (b"", b"charset=utf-8"):
            raise MediaTypeRefused(
                f"The Content-Type {readable(content_type)!r} is not one that methods read.",
                hint="Send application/json (in UTF-8) or application/msgpack.",
            )
    return codec


def key_of(authorization: bytes | None) -> str | None:
    """
    The service key that the header carries, None when there is no header.

    Raises:
        Unauthenticated: The header is there and of another scheme.
    """
    if authorization is None:
        return None
    scheme, _, key = authorization.partition(b" ")
    key = key.strip()
    if scheme.lower() != b"bearer" or not key:
        raise no_living_key()
    return key.decode("latin-1")


def min_seq(text: str) -> int:
    """The commit that an answer must have seen; from a header's text."""
    seq = _decimal(text, "Freehold-Min-Seq")
    if seq > _SEQ_MAX:
        raise InvalidArgument(
            f"Freehold-Min-Seq {text} is no commit's number.", path="Freehold-Min-Seq"
        )
    return seq


def timeout_ms(text: str, limits: Limits) -> int:
    """How long the caller will wait; from a header's text."""
    return checked_timeout_ms(_decimal(text, "Freehold-Timeout-Ms"), limits)


def checked_timeout_ms(given: int, limits: Limits) -> int:
    """
    The time a call has, if it may have it.

    Raises:
        InvalidArgument: It is zero, or longer than `timeout_ms_max`.
    """
    if not 0 < given <= limits.timeout_ms_max:
        raise InvalidArgument(
            f"A time of {given} ms cannot be given to a call.",
            hint=f"Ask for 1 to {limits.timeout_ms_max} (timeout_ms_max).",
            path="Freehold-Timeout-Ms",
        )
    return given


def idempotency_key(text: str, limits: Limits) -> str:
    """
    The key of a logical mutation: stored, compared, shown in logs; so visible ASCII only.

    Raises:
        InvalidArgument: It is empty, too long, or has other characters.
    """
    if len(text) > limits.key_length_max or _VISIBLE.fullmatch(text) is None:
        raise InvalidArgument(
            f"An Idempotency-Key is 1 to {limits.key_length_max} visible ASCII characters; this "
            f"one has {len(text)}, or others.",
            hint="Send the characters ! to ~, a UUID say.",
            path="Idempotency-Key",
        )
    return text


def act_as(text: str) -> str:
    """
    The user whom the call is made for: stored and shown in logs; so visible ASCII only.

    Raises:
        InvalidArgument: It is empty, too long, or has other characters.
    """
    if len(text) > USER_LENGTH_MAX or _VISIBLE.fullmatch(text) is None:
        raise InvalidArgument(
            f"Freehold-Act-As is the id of a user, 1 to {USER_LENGTH_MAX} visible ASCII "
            "characters.",
            path="Freehold-Act-As",
        )
    return text


def contract_hash(text: str) -> str:
    """
    The contract that the client was made from.

    Raises:
        InvalidArgument: It cannot be a hash.
    """
    if len(text) > 128 or _VISIBLE.fullmatch(text) is None:
        raise InvalidArgument(
            "Freehold-Contract is not the hash of a contract.", path="Freehold-Contract"
        )
    return text


def readable(raw: bytes) -> str:
    """A stranger's bytes for a sentence or a log: short, and without control characters."""
    text = raw[:80].decode("ascii", "backslashreplace")
    return "".join(c if c.isprintable() else "?" for c in text)


def _decimal(text: str, name: str) -> int:
    # int() would take signs, spaces, underscores and the digits of every alphabet.
    if _DECIMAL.fullmatch(text) is None:
        raise InvalidArgument(
            f"{name} is not a whole decimal number.",
            hint="Send digits only, without sign or leading zeros.",
            path=name,
        )
    return int(text)
