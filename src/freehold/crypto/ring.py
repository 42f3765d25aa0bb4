"""
The keys that sealed columns are opened with.

A ring holds one primary key, which seals, and any number of older ones, which only open.
A rotation puts a new key in front, seals every value again, and then lets the old key go.
Where the keys come from is a text (an environment variable, a file's content) or
`secrets_file`; the sealing itself is in `seal`.

Nothing here shows a key. What reads a key returns the rule that was broken instead of
raising, so that no frame of a traceback holds the key among its locals.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from freehold.crypto.faults import ColumnKeyMissing, KeysInvalid
from freehold.crypto.secret import Guarded, Secret
from freehold.errors import KeysMissing

#: AES-256. There is one key length, so nobody can be talked into a shorter one.
KEY_BYTES = 32

_ID = re.compile(r"[a-z0-9_-]{1,16}")
_HEX = re.compile(rf"[0-9a-fA-F]{{{KEY_BYTES * 2}}}")
_ID_RULE = "an id is 1 to 16 of a-z, 0-9, `_` and `-`"
_HINT = (
    "Give one key of 64 hexadecimal characters, or several as `k2:…,k1:…` with the primary "
    "first. A new one: `openssl rand -hex 32`."
)


class ColumnKey(Guarded):
    """
    One AES-256 key under the name that sealed values call it by.

    `aead` is made once: it holds the expanded key and may be used from any thread.

    Raises:
        KeysInvalid: The id has another shape, or the secret another length than 32 bytes.
    """

    __slots__ = ("aead", "id", "secret")

    def __init__(self, id: str, secret: bytes | Secret) -> None:
        self.id = id
        self.secret = held = secret if isinstance(secret, Secret) else Secret(secret)
        del secret
        if not is_key_id(id):
            raise KeysInvalid(f"a column key has no usable id; {_ID_RULE}.", hint=_HINT)
        length = len(held.reveal())
        if length != KEY_BYTES:
            raise KeysInvalid(
                f"the column key {id!r} has {length} bytes; a key has {KEY_BYTES}.", hint=_HINT
            )
        self.aead = AESGCM(held.reveal())

    def __repr__(self) -> str:
        return f"ColumnKey({self.id!r}, {self.secret!r})"


class KeyRing(Guarded):
    """
    The primary key, and the older ones that still open what they sealed.

    Raises:
        KeysInvalid: The primary is not among the keys, or two keys share an id or a secret.
    """

    __slots__ = ("_keys", "ids", "missing", "primary")

    def __init__(self, primary_id: str, keys: Iterable[ColumnKey]) -> None:
        #: Asked once when a key is missing: there may be a newer ring, which this one becomes.
        self.missing: Callable[[], KeyRing | None] | None = None
        self.ids: tuple[str, ...] = ()
        found: dict[str, ColumnKey] = {}
        for key in keys:
            if key.id in found:
                raise KeysInvalid(f"two column keys have the id {key.id!r}.", hint=_HINT)
            for other in found.values():
                if other.secret == key.secret:
                    raise KeysInvalid(
                        f"the column keys {other.id!r} and {key.id!r} are the same key.",
                        hint="A rotation needs a new key: `openssl rand -hex 32`.",
                    )
            found[key.id] = key
        if primary_id not in found:
            raise KeysInvalid("the primary column key is not among the keys.", hint=_HINT)
        self._keys = found
        self.primary = found[primary_id]
        self.ids = (primary_id, *(key_id for key_id in found if key_id != primary_id))

    @classmethod
    def from_hex(cls, text: str | Secret, id: str = "k1") -> KeyRing:
        """
        A ring of one key, from 64 hexadecimal characters.

        Raises:
            KeysMissing: The text is empty.
            KeysInvalid: It is not 64 hexadecimal characters; or the id has another shape.
        """
        missing = not _plain(text)
        read = read_key(id, text)
        del text
        if missing:
            raise KeysMissing("no column key is given.", hint=_HINT)
        if isinstance(read, str):
            raise KeysInvalid(f"the column key {read}.", hint=_HINT)
        return cls(read.id, (read,))

    @classmethod
    def parse(cls, text: str | Secret) -> KeyRing:
        """
        A ring from `k2:hex,k1:hex`, the first being the primary; or from one bare key, as `k1`.

        Raises:
            KeysMissing: The text is empty.
            KeysInvalid: An entry breaks a rule; it is named by its number.
        """
        read = _read_entries(text)
        del text
        if isinstance(read, str):
            raise KeysInvalid(read, hint=_HINT)
        if not read:
            raise KeysMissing("no column key is given.", hint=_HINT)
        return cls(read[0].id, read)

    def become(self, other: KeyRing) -> None:
        """
        Hold what another ring holds; whoever has this one goes on with the new keys.

        Raises:
            KeysInvalid: The other has another key under an id that is known here.
        """
        for key_id in set(self.ids) & set(other.ids):
            if self._keys[key_id].secret != other._keys[key_id].secret:
                raise KeysInvalid(
                    f"the column key {key_id!r} is not the one that it was.",
                    hint="An id is given once; put the old key back, and name the new one anew.",
                )
        # In this order a call of another thread finds its key at every moment.
        both = {**self._keys, **other._keys}
        self._keys = both
        self.primary = other.primary
        self._keys = dict(other._keys)
        self.ids = other.ids

    def key(self, id: str) -> ColumnKey:
        """
        The key of that id.

        Raises:
            ColumnKeyMissing: The ring does not hold it.
        """
        found = self._keys.get(id)
        if found is None and self.missing is not None and (newer := self.missing()) is not None:
            self.become(newer)
            found = self._keys.get(id)
        if found is None:
            raise ColumnKeyMissing(id if is_key_id(id) else "?")
        return found

    def __repr__(self) -> str:
        return f"KeyRing(ids={self.ids!r})"


def is_key_id(text: str) -> bool:
    """Whether the text has the shape of a key's id."""
    return _ID.fullmatch(text) is not None


def read_secret(text: str | Secret) -> Secret | str:
    """32 bytes from 64 hexadecimal characters; or the broken rule, which shows nothing of them."""
    plain = _plain(text)
    if len(plain) != KEY_BYTES * 2:
        return f"has {len(plain)} characters, not {KEY_BYTES * 2} hexadecimal ones"
    if _HEX.fullmatch(plain) is None:
        return "has characters that are not hexadecimal"
    return Secret(bytes.fromhex(plain))


def read_key(key_id: str, text: str | Secret) -> ColumnKey | str:
    """A key from its id and its hexadecimal form; or the broken rule, which shows neither."""
    if not is_key_id(key_id):
        return f"has no usable id before it; {_ID_RULE}"
    secret = read_secret(text)
    return secret if isinstance(secret, str) else ColumnKey(key_id, secret)


def _read_entries(text: str | Secret) -> list[ColumnKey] | str:
    """The keys in their order, none for an empty text; or the broken rule."""
    plain = _plain(text)
    if not plain:
        return []
    if ":" not in plain and "," not in plain:
        plain = f"k1:{plain}"
    keys: list[ColumnKey] = []
    entries = plain.split(",")
    for number, entry in enumerate(entries, start=1):
        # An id is never shown before it is known to be one: it may be the key, misplaced.
        key_id, _, secret = entry.partition(":")
        read = read_key(key_id.strip(), secret)
        if isinstance(read, str):
            return f"the column key in entry {number} of {len(entries)} {read}."
        keys.append(read)
    return keys


def _plain(text: str | Secret) -> str:
    return (text.reveal_text() if isinstance(text, Secret) else text).strip()
