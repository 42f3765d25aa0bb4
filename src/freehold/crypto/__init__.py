"""
Key rings, sealing one field, hashing tokens: the room's door.

    secret         a value that hides itself wherever it is shown
    ring           the keys that sealed columns are opened with, one of them the primary
    seal           one text of one column of one row, to and from AES-256-GCM
    tokens         an application's own one-way tokens
    service_keys   the keys that callers show to the data layer
    secrets_file   the file for what must never be in the database
    faults         the errors of this room

Pure: no database, no network, and no time but the one that is handed in. Which columns
are sealed is said in `schema`; when they are opened, and how a rotation walks through the
rows, is decided above.
"""

from __future__ import annotations

from freehold.crypto import service_keys
from freehold.crypto.faults import (
    ColumnKeyMissing,
    KeysInvalid,
    SealBroken,
    SealedFormatInvalid,
    SealError,
    SecretsFileExists,
    SecretsFileRefused,
)
from freehold.crypto.ring import ColumnKey, KeyRing
from freehold.crypto.seal import Place, open_sealed, seal, sealed_key_id
from freehold.crypto.secret import Secret
from freehold.crypto.secrets_file import SecretsFile, new_column_key
from freehold.crypto.service_keys import ServiceKey
from freehold.crypto.tokens import hash_token, new_token, token_matches

__all__ = [
    "ColumnKey",
    "ColumnKeyMissing",
    "KeyRing",
    "KeysInvalid",
    "Place",
    "SealBroken",
    "SealError",
    "SealedFormatInvalid",
    "Secret",
    "SecretsFile",
    "SecretsFileExists",
    "SecretsFileRefused",
    "ServiceKey",
    "hash_token",
    "new_column_key",
    "new_token",
    "open_sealed",
    "seal",
    "sealed_key_id",
    "service_keys",
    "token_matches",
]
