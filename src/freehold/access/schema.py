"""
The table of service keys. Only a digest of each key is in it.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from freehold.schema import (
    AUTO,
    CreatedAt,
    EpochSeconds,
    Index,
    Input,
    PrimaryKey,
    Record,
    Schema,
    Struct,
    Unique,
)

Environment = Literal["live", "test"]


class ServiceKey(Record, table="_freehold_keys"):
    """A key that a service calls with."""

    id: Annotated[str, PrimaryKey()]
    name: Annotated[str, Index()]
    environment: Environment
    digest: Annotated[str, Unique()]
    scopes: list[str]
    user: str | None = None
    created_at: CreatedAt = AUTO
    expires_at: EpochSeconds | None = None
    revoked_at: EpochSeconds | None = None
    successor: str | None = None
    rate: int | None = None
    burst: int | None = None
    concurrency: int | None = None


class KeyUse(Record, table="_freehold_key_uses"):
    """
    When a key was last used, to the minute.

    A table of its own: a change of the keys makes every process read them all again.
    """

    id: Annotated[str, PrimaryKey()]
    used_at: EpochSeconds


class NewKey(Input):
    """
    What a new key is to be.

    The environment is the server's own when it is left out. `rate` (calls in a second), `burst`
    (how many more may come at once) and `concurrency` (calls at the same time) are the limits'
    when they are left out.
    """

    name: str
    scopes: list[str]
    environment: Environment | None = None
    user: str | None = None
    expires_in_s: int | None = None
    rate: int | None = None
    burst: int | None = None
    concurrency: int | None = None


class KeyInfo(Struct):
    """
    A key as it is listed: everything but what it is made of.

    `usedAt` is when it was last used, to the minute; `successor` the key that replaces it.
    """

    id: str
    name: str
    environment: Environment
    scopes: list[str]
    user: str | None
    created_at: EpochSeconds
    expires_at: EpochSeconds | None
    revoked_at: EpochSeconds | None
    used_at: EpochSeconds | None
    successor: str | None
    rate: int | None
    burst: int | None
    concurrency: int | None


class MintedKey(Struct):
    """A new key; the only time that it can be seen."""

    key: str
    info: KeyInfo


ACCESS_SCHEMA = Schema([ServiceKey, KeyUse], is_system=True)
#: Columns that the table of keys did not always have, with their types in both engines.
LATER_COLUMNS: Final = {
    "successor": ("TEXT", 'TEXT COLLATE "C"'),
    "rate": ("INTEGER", "BIGINT"),
    "burst": ("INTEGER", "BIGINT"),
    "concurrency": ("INTEGER", "BIGINT"),
}
