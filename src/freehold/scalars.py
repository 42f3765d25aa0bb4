"""
The values that JSON and MessagePack have no type for, and how they travel.

`Int64` is a whole number past 2^53 (a decimal string on the wire), `Sealed` a text that is
encrypted where it is stored, `Hashed` a token of which only a digest is kept. What opens a
sealed value is not here: that takes the key ring, see `crypto` and `Reader.open`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Any, Final, Generic, NoReturn, Self, TypeVar, get_origin

INT_MAX: Final = 2**53 - 1
INT64_MAX: Final = 2**63 - 1

_DECIMAL: Final = re.compile(r"-?[0-9]{1,19}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")

T = TypeVar("T")


class Int64(int):
    """A 64-bit whole number; a decimal string on the wire, a `bigint` in TypeScript."""

    __slots__ = ()

    def __new__(cls, value: int | str = 0) -> Self:
        number = super().__new__(cls, value)
        if not -INT64_MAX - 1 <= number <= INT64_MAX:
            raise ValueError("an int64 lies between -2^63 and 2^63-1")
        return number


class Sealed(Generic[T]):
    """
    A text that is ciphertext in the database, and that no message, log or repr shows.

    A function writes one with `Sealed.of("plain")`; the insert encrypts it for its table,
    column and row. A row that was read holds the ciphertext; `db.open(row.field)` gives the
    text back. On its way to a caller it stays ciphertext.
    """

    __slots__ = ("_plain", "_text", "place")

    def __init__(self, plain: T | None, text: str | None, place: tuple[Any, ...] | None) -> None:
        self._plain = plain
        self._text = text
        #: (table, column, key of the row) of a stored value, None before it is stored.
        self.place = place

    @classmethod
    def of(cls, plain: T) -> Sealed[T]:
        """A value to be sealed when it is written."""
        return cls(plain, None, None)

    @classmethod
    def stored(cls, text: str, place: tuple[Any, ...]) -> Sealed[T]:
        """A value as a row holds it."""
        return cls(None, text, place)

    @property
    def ciphertext(self) -> str | None:
        """What is stored, or None when it has not been sealed yet."""
        return self._text

    def plain(self) -> T | None:
        """The text of a value that has not been sealed yet; None for a stored one."""
        return self._plain

    def __repr__(self) -> str:
        return "Sealed(stored)" if self._text is not None else "Sealed(…)"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sealed):
            return NotImplemented
        return self._plain == other._plain and self._text == other._text

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> NoReturn:
        raise TypeError("a sealed value is not pickled")


class Hashed:
    """
    A token of which only the SHA-256 digest is kept.

    Right for tokens that a machine made (128 random bits or more), never for passwords. The
    caller always hands over the raw token: a digest is not accepted for one.
    """

    __slots__ = ("digest",)

    def __init__(self, digest: str) -> None:
        if not _DIGEST.fullmatch(digest):
            raise ValueError("that is no digest; the hash of a raw token is Hashed.of(raw)")
        #: 64 hexadecimal characters.
        self.digest = digest

    @classmethod
    def of(cls, raw: str) -> Hashed:
        """The hash of a raw token; any text has one."""
        return cls.stored(hashlib.sha256(raw.encode(errors="surrogatepass")).hexdigest())

    @classmethod
    def stored(cls, digest: str) -> Hashed:
        """A digest as a row holds it, taken as it is."""
        made = cls.__new__(cls)
        made.digest = digest
        return made

    def matches(self, raw: str) -> bool:
        """Whether this is the raw token's hash; takes the same time whatever the answer."""
        return hmac.compare_digest(self.digest, Hashed.of(raw).digest)

    def __repr__(self) -> str:
        return f"Hashed({self.digest[:6]}…)"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Hashed):
            return NotImplemented
        return hmac.compare_digest(self.digest, other.digest)

    def __hash__(self) -> int:
        return hash(self.digest)


def enc_hook(value: Any) -> Any:
    """msgspec's question how to write one of these."""
    if isinstance(value, Int64):
        return str(int(value))
    if isinstance(value, Sealed):
        if value.ciphertext is None:
            raise TypeError("a Sealed value must be stored before it can leave")
        return value.ciphertext
    if isinstance(value, Hashed):
        return value.digest
    raise NotImplementedError(f"{type(value).__name__} cannot travel")


def dec_hook(kind: Any, value: Any) -> Any:
    """msgspec's question how to read one of these; a ValueError names the rule."""
    kind = get_origin(kind) or kind
    if kind is Int64:
        return _int64(value)
    if kind is Sealed:
        return Sealed.of(_text(value))
    if kind is Hashed:
        return Hashed.of(_text(value))
    raise NotImplementedError(f"{kind} cannot travel")


def _int64(value: Any) -> Int64:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ValueError("expected an int64 as a decimal string")
    if isinstance(value, str) and not _DECIMAL.fullmatch(value):
        raise ValueError("expected an int64 as a decimal string")
    if isinstance(value, int) and not -INT_MAX <= value <= INT_MAX:
        raise ValueError("an int64 past 2^53-1 travels as a decimal string")
    return Int64(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("expected a string")
    return value
