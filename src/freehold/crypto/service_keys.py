"""
The keys that callers show to the data layer.

    fh_live_4k2m9x0qz7ab_<43 characters: 256 random bits><6 characters: checksum>
    fh_test_…

The id is not secret: it finds the row, and names the key in logs. The checksum (CRC-32 of
all before it) is not a protection: it lets a typing error fail without a look at the
database, and lets a scanner of repositories be sure of what it found, with
`fh_(live|test)_[0-9a-z]{12}_[0-9A-Za-z]{49}`. Only an HMAC of the whole key is stored.

Which key may do what, and whether it still lives, is known in `access`.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

from freehold.crypto.secret import Guarded, Secret
from freehold.crypto.tokens import hash_token, token_matches
from freehold.errors import invariant

Environment = Literal["live", "test"]

SECRET_BYTES = 32
ID_LENGTH = 12

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
_SECRET_LENGTH = 43  # 62^43 is just over 2^256
_CHECKSUM_LENGTH = 6  # 62^6 is over 2^32
_SHAPE = re.compile(
    rf"fh_(live|test)_([0-9a-z]{{{ID_LENGTH}}})"
    rf"_([0-9A-Za-z]{{{_SECRET_LENGTH}}})([0-9A-Za-z]{{{_CHECKSUM_LENGTH}}})"
)
# What a key that is not there is compared with, so that the answer takes as long.
_NO_DIGEST = "0" * 64


@dataclass(frozen=True, slots=True)
class ServiceKey(Guarded):
    """The parts of a key whose shape and checksum are right, which says nothing about rights."""

    environment: Environment
    id: str
    secret: Secret


def mint(environment: Environment, random_bytes: Callable[[int], bytes]) -> tuple[str, ServiceKey]:
    """
    A new key: the text to show once, and its parts.

    It draws 48 bytes in two draws, always, so a call that is run again mints the same key.
    """
    # 128 bits for an id of 62: what is left of the modulo's bias is beyond measuring.
    drawn_id, secret = random_bytes(16), random_bytes(SECRET_BYTES)
    invariant(
        len(drawn_id) == 16 and len(secret) == SECRET_BYTES,
        "the source of randomness gave another length",
    )
    key_id = _written(int.from_bytes(drawn_id, "big") % 36**ID_LENGTH, _BASE36, length=ID_LENGTH)
    body = f"fh_{environment}_{key_id}_{_secret_text(secret)}"
    return body + _checksum(body), ServiceKey(environment, key_id, Secret(secret))


def parse(raw: str) -> ServiceKey | None:
    """The parts of the key, or None when this is no key: a typing error, or something else."""
    shape = _SHAPE.fullmatch(raw)
    if shape is None or _checksum(raw[:-_CHECKSUM_LENGTH]) != shape[4]:
        return None
    number = 0
    for character in shape[3]:
        number = number * 62 + _BASE62.index(character)
    if number >= 1 << (SECRET_BYTES * 8):
        return None
    secret = Secret(number.to_bytes(SECRET_BYTES, "big"))
    return ServiceKey(cast("Environment", shape[1]), shape[2], secret)


def digest(raw: str, pepper: Secret) -> str:
    """What is stored of a key: HMAC-SHA-256 of the whole text, in lower-case hexadecimal."""
    return hash_token(raw, pepper=pepper)


def matches(raw: str, digest: str | None, *, pepper: Secret) -> bool:
    """
    Whether the digest is this key's, in constant time.

    None stands for a key that is not in the database: the same work is done and the answer
    is False, so the time does not tell which ids exist.
    """
    agrees = token_matches(raw, _NO_DIGEST if digest is None else digest, pepper=pepper)
    return agrees and digest is not None


def _secret_text(secret: bytes) -> str:
    return _written(int.from_bytes(secret, "big"), _BASE62, length=_SECRET_LENGTH)


def _checksum(body: str) -> str:
    return _written(zlib.crc32(body.encode("ascii")), _BASE62, length=_CHECKSUM_LENGTH)


def _written(number: int, alphabet: str, *, length: int) -> str:
    """The number in the alphabet's base, with leading zeros to the length."""
    out = ""
    for _ in range(length):
        number, digit = divmod(number, len(alphabet))
        out = alphabet[digit] + out
    return out
