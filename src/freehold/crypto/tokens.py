"""
An application's own one-way tokens: made once, shown once, stored as a digest.

With a pepper, a key that lives outside the database, a stolen database holds nothing that
can be shown to the service, nor guessed at. Without one the digest is plain SHA-256, which
is enough only for tokens that are random; an existing database may have those. The keys of
the data layer itself are in `service_keys`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

from freehold.crypto.secret import Secret
from freehold.errors import invariant

#: A pepper is as long as the digest; a shorter one is a mistake in the code that made it.
PEPPER_BYTES_MIN = 32

#: 128 bits are beyond guessing, and are `prefix` and 32 hexadecimal characters.
TOKEN_BYTES_MIN = 16


def hash_token(raw: str, *, pepper: Secret | None = None) -> str:
    """The token's digest in lower-case hexadecimal: HMAC-SHA-256, or SHA-256 with no pepper."""
    # `surrogatepass`: every text has a digest, and no error has to carry the token.
    data = raw.encode("utf-8", "surrogatepass")
    if pepper is None:
        return hashlib.sha256(data).hexdigest()
    key = pepper.reveal()
    invariant(len(key) >= PEPPER_BYTES_MIN, "a pepper has at least 32 bytes")
    return hmac.digest(key, data, "sha256").hex()


def token_matches(raw: str, digest: str, *, pepper: Secret | None = None) -> bool:
    """
    Whether the digest is this token's, in a time that does not tell how much of it agrees.

    Only the token opens: showing the digest in its place does not.
    """
    expected = hash_token(raw, pepper=pepper)
    return hmac.compare_digest(expected.encode(), digest.encode("utf-8", "surrogatepass"))


def new_token(
    prefix: str, random_bytes: Callable[[int], bytes], *, token_bytes: int = TOKEN_BYTES_MIN
) -> str:
    """A new token: the prefix, which says whose it is, and `token_bytes` in hexadecimal."""
    invariant(token_bytes >= TOKEN_BYTES_MIN, "a token has at least 128 random bits")
    drawn = random_bytes(token_bytes)
    invariant(len(drawn) == token_bytes, "the source of randomness gave another length")
    return prefix + drawn.hex()
