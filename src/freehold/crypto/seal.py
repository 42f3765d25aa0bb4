"""
Sealing one text of one column of one row.

A sealed value reads `fh1.<key id>.<base64url of nonce, ciphertext and tag>`, no padding. It
is AES-256-GCM and nothing else: another algorithm would be another version in front, so
nobody can be talked down to a weaker one. The key id says which key opens it; keys are
never tried one after another.

The place where the value lives (database, table, column, primary key), the version and the
key id are authenticated with it. So a value that was moved to another row or column does
not open, and neither does one with a single bit changed.

The nonce is 96 random bits from the operating system for every value, never a counter: a
counter is wound back by a restore, a fork or a cloned machine. With random nonces one
key is good for 2^31 values; then it has to be rotated.

What sealing does not hide: that there is a value, and how long it is. What it does not
prevent: an older sealed value of the same place being put back. A row whose primary key
changes must have its values sealed again.
"""

from __future__ import annotations

import base64
import os
import re
from dataclasses import dataclass

import msgspec
from cryptography.exceptions import InvalidTag

from freehold.crypto.faults import SealBroken, SealedFormatInvalid
from freehold.crypto.ring import ColumnKey, KeyRing
from freehold.errors import InvalidArgument, invariant

VERSION = 1
NONCE_BYTES = 12
TAG_BYTES = 16

_PREFIX = f"fh{VERSION}"
_SHAPE = re.compile(rf"{_PREFIX}\.([a-z0-9_-]{{1,16}})\.([A-Za-z0-9_-]{{38,}})")
_PLACE = msgspec.msgpack.Encoder()


@dataclass(frozen=True, slots=True)
class Place:
    """
    Where a sealed value lives; `key` is the row's primary key, in the order of its columns.

    `1` and `"1"` are different keys, as they are in a strict table.
    """

    database: str
    table: str
    column: str
    key: tuple[str | int | bytes, ...]


def seal(ring: KeyRing, plaintext: str, place: Place) -> str:
    """
    The text, sealed for its place with the ring's primary key; never twice the same.

    Raises:
        InvalidArgument: The text, or a text in the key, holds a lone surrogate; or a number
            in the key is over 64 bits.
    """
    key = ring.primary
    data = _encoded(plaintext)
    if data is None:
        raise InvalidArgument(
            "a text to be sealed holds a lone surrogate, which is no character.",
            hint="Send well-formed Unicode.",
        )
    # The room's one draw of randomness: it must not come from a call's seed, which repeats
    # itself when the call is run again and would then use a nonce twice.
    nonce = os.urandom(NONCE_BYTES)
    sealed = key.aead.encrypt(nonce, data, associated_data(key.id, place))
    body = base64.urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode("ascii")
    return f"{_PREFIX}.{key.id}.{body}"


def open_sealed(ring: KeyRing, text: str, place: Place) -> str:
    """
    The text that was sealed for this place.

    Raises:
        SealedFormatInvalid: It has not the shape of a sealed value.
        ColumnKeyMissing: The ring does not hold the key it names.
        SealBroken: It was sealed for another place, or altered, or its key is another one.
    """
    parts = _parts(text)
    if parts is None:
        raise SealedFormatInvalid
    key_id, raw = parts
    plaintext = _opened(ring.key(key_id), raw, place=associated_data(key_id, place))
    if plaintext is None:
        raise SealBroken(database=place.database, table=place.table, column=place.column)
    return plaintext


def sealed_key_id(text: str) -> str:
    """
    The id of the key that a sealed value names; a rotation looks for the others.

    Raises:
        SealedFormatInvalid: It has not the shape of a sealed value.
    """
    parts = _parts(text)
    if parts is None:
        raise SealedFormatInvalid
    return parts[0]


def associated_data(key_id: str, place: Place) -> bytes:
    """
    What is authenticated beside the text: version, key id and place as one MessagePack list.

    Every part carries its type and length, so no two places share their bytes. These bytes
    are a format on disk: a test holds them, whatever the encoder's version.

    Raises:
        InvalidArgument: A text holds a lone surrogate, or a number is over 64 bits.
    """
    invariant(place.key, "a sealed value lives in a row, and a row has a primary key")
    parts = [_exact(part) for part in place.key]
    try:
        return _PLACE.encode([VERSION, key_id, place.database, place.table, place.column, parts])
    except (UnicodeEncodeError, OverflowError):
        pass
    raise InvalidArgument(
        f"the key of a row of {place.table!r} cannot be stored.",
        hint="A key is well-formed Unicode, bytes, or an integer of 64 bits.",
    )


def _exact(part: object) -> str | int | bytes:
    """The part as its plain type: a NewType, an enum or an `Int64` is the value it holds."""
    if isinstance(part, str):
        return str.__str__(part)
    if isinstance(part, bytes):
        return bytes(part)
    if isinstance(part, int) and not isinstance(part, bool):
        return int.__int__(part)
    raise TypeError(f"a primary key is text, integer or bytes, not {type(part).__name__}.")


def _parts(text: str) -> tuple[str, bytes] | None:
    """Key id and bytes; None for any other shape."""
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        return None
    key_id, body = shape.groups()
    if len(body) % 4 == 1:
        return None
    raw = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    # The last character may have bits to spare: one value must not have two spellings.
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii") != body:
        return None
    return key_id, raw


# A codec's error carries the text it stumbled over, and an error that is caught and followed
# by another stays attached to it. So these two say None, and the error is raised outside.


def _encoded(plaintext: str) -> bytes | None:
    try:
        return plaintext.encode()
    except UnicodeEncodeError:
        return None


def _opened(key: ColumnKey, raw: bytes, *, place: bytes) -> str | None:
    try:
        return key.aead.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], place).decode()
    except (InvalidTag, UnicodeDecodeError):
        return None
