"""
The access room: service keys, scopes and callers, built like an application on its own table.
"""

from freehold.access.authenticator import LOCAL, KeyAuthenticator, no_living_key
from freehold.access.keys import (
    create_key,
    list_keys,
    live_keys,
    note_uses,
    revoke_key,
    rotate_key,
)
from freehold.access.schema import (
    ACCESS_SCHEMA,
    LATER_COLUMNS,
    Environment,
    KeyInfo,
    KeyUse,
    MintedKey,
    NewKey,
    ServiceKey,
)

__all__ = [
    "ACCESS_SCHEMA",
    "LATER_COLUMNS",
    "LOCAL",
    "Environment",
    "KeyAuthenticator",
    "KeyInfo",
    "KeyUse",
    "MintedKey",
    "NewKey",
    "ServiceKey",
    "create_key",
    "list_keys",
    "live_keys",
    "no_living_key",
    "note_uses",
    "revoke_key",
    "rotate_key",
]
