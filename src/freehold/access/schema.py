"""
The table of service keys. Only a digest of each key is in it.
"""

from __future__ import annotations

from typing import Annotated, Literal

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


class NewKey(Input):
    """What a new key is to be."""

    name: str
    scopes: list[str]
    environment: Environment = "live"
    user: str | None = None
    expires_in_s: int | None = None


class KeyInfo(Struct):
    """A key as it is listed: everything but what it is made of."""

    id: str
    name: str
    environment: Environment
    scopes: list[str]
    user: str | None
    created_at: EpochSeconds
    expires_at: EpochSeconds | None
    revoked_at: EpochSeconds | None


class MintedKey(Struct):
    """A new key; the only time that it can be seen."""

    key: str
    info: KeyInfo


ACCESS_SCHEMA = Schema([ServiceKey], is_system=True)
