"""
One value of a file as the value of a field: through the field's own type, or refused.

Nothing is guessed: a text is not made a number, nor milliseconds seconds. What another program
has encrypted is opened with its key and sealed anew, and never kept as if it were in clear.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from freehold.crypto import (
    KeyRing,
    Place,
    SealedFormatInvalid,
    SealError,
    Secret,
    open_sealed,
    sealed_key_id,
)
from freehold.errors import FreeholdError, KeysMissing
from freehold.scalars import Hashed, Int64, Sealed
from freehold.schema import Field, Kind

#: As the older systems wrote it: the nonce and the ciphertext with its tag, in hexadecimal.
_FOREIGN: Final = re.compile(r"[0-9a-fA-F]{16,64}:[0-9a-fA-F]{16,}")
_FOREIGN_NONCE: Final = 12
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_SHOWN_MAX: Final = 60
_HIDDEN: Final = ("sealed", "hashed", "bytes")
_KEY: Final = re.compile(r"[0-9a-fA-F]{64}")

Convert = Callable[[Any], Any]


class Unfit(Exception):
    """A value that its field does not take: the rule, and what to do."""

    def __init__(self, rule: str, hint: str = "") -> None:
        super().__init__(rule)
        self.rule = rule
        self.hint = hint


@dataclass
class Opened:
    """What the sealed values of a column were before: counted for the report."""

    anew: int = 0
    foreign: int = 0
    plain: int = 0


def shown(kind: Kind, value: Any) -> str:
    """A value for a message; a secret one, or bytes, only by its sort and length."""
    if kind.name in _HIDDEN or isinstance(value, bytes):
        size = f" of {len(value)}" if isinstance(value, (str, bytes)) else ""
        return f"({type(value).__name__}{size}, not shown)"
    text = repr(value)
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}…"


def converter(field: Field) -> Convert:
    """
    From the engine's value to the field's; not for sealed fields, see `Seals`.

    It raises `Unfit` for a value that is not of the field's type.
    """
    kind = field.kind
    name = kind.name
    if name in ("str", "int", "int64", "float", "epoch_seconds", "epoch_millis"):
        return _checked(kind, _SORTS[kind.holds])
    if name == "bool":
        return _bool
    if name == "bytes":
        return _bytes
    if name == "hashed":
        return _hashed
    if name == "literal":
        return _literal(kind)
    return _document(kind)


def _text(value: Any) -> str:
    if type(value) is not str:
        raise Unfit("a text is stored here", "Export it as text.")
    return value


def _whole(value: Any) -> int:
    if type(value) is float and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if type(value) is not int:
        raise Unfit("a whole number is stored here",
                    "A time is whole seconds or milliseconds since 1970.")  # fmt: skip
    return value


def _real(value: Any) -> float:
    if type(value) is int:
        return float(value)
    if type(value) is not float:
        raise Unfit("a number is stored here")
    return value


_SORTS: Final[dict[str, Convert]] = {"text": _text, "integer": _whole, "real": _real}


def _checked(kind: Kind, sort: Convert) -> Convert:
    write, is_int64 = kind.write, kind.name == "int64"

    def convert(value: Any) -> Any:
        taken = sort(value)
        if write is not None:
            try:
                taken = write(taken)
            except FreeholdError as error:
                raise Unfit(_rule(kind, error.detail), error.hint) from None
        return Int64(taken) if is_int64 else taken

    return convert


def _rule(kind: Kind, detail: str) -> str:
    """What is wrong without the value, so that rows of one mistake are counted together."""
    if kind.name == "epoch_seconds":
        return "it is not a time in epoch seconds"
    if kind.name == "epoch_millis":
        return "it is not a time in epoch milliseconds"
    if kind.name == "int":
        return "it is past ±(2^53-1), what every client can represent"
    return detail.rstrip(".")


def _bool(value: Any) -> bool:
    if type(value) is bool:
        return value
    if type(value) is not int or value not in (0, 1):
        raise Unfit("0 or 1 is stored here")
    return value == 1


def _bytes(value: Any) -> bytes:
    if type(value) is not bytes:
        raise Unfit("bytes are stored here")
    return value


def _hashed(value: Any) -> Hashed:
    if type(value) is not str or not _DIGEST.fullmatch(value):
        raise Unfit(
            "a SHA-256 digest, 64 lower-case hexadecimal characters, is stored here",
            "A raw token is never taken for a digest; hash it first, or let it be made anew.",
        )
    return Hashed(value)


def _literal(kind: Kind) -> Convert:
    allowed = kind.values
    listed = ", ".join(map(repr, allowed))

    def convert(value: Any) -> Any:
        if type(value) not in (str, int) or value not in allowed:
            raise Unfit(f"it is not one of {listed}",
                        "Change it in the source, or add it to the schema.")  # fmt: skip
        return value

    return convert


def _document(kind: Kind) -> Convert:
    read, write = kind.read, kind.write

    def convert(value: Any) -> Any:
        try:
            made = read(_text(value)) if read else value
            if write is not None:
                write(made)
        except (msgspec.MsgspecError, FreeholdError, ValueError, RecursionError) as error:
            raise Unfit(f"its JSON does not fit: {str(error).splitlines()[0][:120].rstrip('.')}",
                        "Put it right in the source.") from None  # fmt: skip
        return made

    return convert


class Seals:
    """
    Sealed fields: whatever a value is now, what it becomes is sealed with our own key.

    Args:
        database: The database's name in the application.
        ring: The column keys.
        old_key: What values that another program encrypted are opened with.
        is_revealed: The source says that its values are in clear, whatever they look like.
    """

    def __init__(
        self, database: str, ring: KeyRing | None, *, old_key: Secret | None, is_revealed: bool
    ) -> None:
        self._database = database
        self._ring = ring
        self._old = AESGCM(old_key.reveal()) if old_key is not None else None
        self._is_revealed = is_revealed
        self.opened: dict[str, Opened] = {}

    def take(self, table: str, column: str, *, key: tuple[Any, ...], value: Any) -> Sealed[str]:
        """
        A value of a sealed column, to be sealed for its row.

        Raises:
            Unfit: It is encrypted and does not open, or is no text.
        """
        counted = self.opened.setdefault(f"{table}.{column}", Opened())
        if type(value) is not str:
            raise Unfit("a text is sealed here")
        if self._is_revealed:
            counted.plain += 1
            return Sealed.of(value)
        if _is_sealed(value):
            plain = self._ours(Place(self._database, table, column, key), value)
            counted.anew += 1
        elif _FOREIGN.fullmatch(value):
            plain = self._foreign(value)
            counted.foreign += 1
        else:
            plain = value
            counted.plain += 1
        return Sealed.of(plain)

    def _ours(self, place: Place, value: str) -> str:
        try:
            if self._ring is not None:
                return open_sealed(self._ring, value, place)
        except (SealError, KeysMissing):
            pass
        raise Unfit(
            "it is sealed, and does not open here with the column keys of this database",
            "Use the secrets file of the database that it comes from, or export that with "
            "--reveal-sealed.",
        )

    def _foreign(self, value: str) -> str:
        if self._old is None:
            raise Unfit(
                "another program has encrypted it (hexadecimal nonce:ciphertext)",
                "Put that program's key into a variable and name it: "
                "--open-sealed-with-env TOKEN_ENCRYPTION_KEY.",
            )
        nonce, _, body = value.partition(":")
        plain = None
        if len(nonce) == 2 * _FOREIGN_NONCE and len(body) % 2 == 0:
            try:
                plain = self._old.decrypt(bytes.fromhex(nonce), bytes.fromhex(body), None).decode()
            except (InvalidTag, UnicodeDecodeError):
                plain = None
        if plain is None:
            raise Unfit("it is encrypted, and the old key does not open it",
                        "Look whether the variable holds the right key.")  # fmt: skip
        return plain


def old_key(text: str) -> Secret | None:
    """The key of the older systems, 64 hexadecimal characters; None when it is none."""
    return Secret(bytes.fromhex(text)) if _KEY.fullmatch(text) else None


def _is_sealed(value: str) -> bool:
    try:
        sealed_key_id(value)
    except SealedFormatInvalid:
        # What begins so and is no sealed value was one once.
        return value.startswith("fh1.")
    return True
