"""
The access room: service keys, scopes and callers, built like an application on its own table.
"""

from freehold.access.authenticator import LOCAL, KeyAuthenticator
from freehold.access.keys import create_key, list_keys, live_keys, revoke_key
from freehold.access.schema import ACCESS_SCHEMA, KeyInfo, MintedKey, NewKey, ServiceKey

__all__ = [
    "ACCESS_SCHEMA",
    "LOCAL",
    "KeyAuthenticator",
    "KeyInfo",
    "MintedKey",
    "NewKey",
    "ServiceKey",
    "create_key",
    "list_keys",
    "live_keys",
    "revoke_key",
]
