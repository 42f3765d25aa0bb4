"""
Social connections: a user's way into a platform, with tokens that are kept encrypted.

Every method answers with the encrypted form, which is of no use to anybody, but for one: the
publisher reads the tokens themselves through `get_social_connection_with_decrypted_tokens`,
and that takes a scope of its own. On their way in they are held as `Sealed`, so that no log
and no error can show them.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from freehold import (
    UNSET,
    EpochSeconds,
    Input,
    Maybe,
    Patch,
    Reader,
    Sealed,
    Struct,
    Writer,
    given,
    param,
    select,
    statement,
    update,
)
from hotmetal.schema import SocialConnection

_LEASE_MAX_S: Final = 600


class CreateSocialConnectionInput(Input):
    """A new connection with its tokens as the platform gave them."""

    user_id: str
    provider: str
    display_name: str | None = None
    connection_type: str | None = None
    external_id: str | None = None
    access_token: Sealed[str] | None = None
    refresh_token: Sealed[str] | None = None
    token_expires_at: EpochSeconds | None = None
    scopes: str | None = None


class TokenUpdate(Patch):
    """New tokens as the platform gave them; what is left out stays, null clears."""

    access_token: Maybe[Sealed[str] | None] = UNSET
    refresh_token: Maybe[Sealed[str] | None] = UNSET
    token_expires_at: Maybe[EpochSeconds | None] = UNSET


class DecryptedSocialConnection(Struct):
    """A connection with its tokens as the platform gave them. Keep it out of logs."""

    id: str
    user_id: str
    provider: str
    display_name: str | None
    connection_type: str | None
    external_id: str | None
    access_token: str | None
    refresh_token: str | None
    token_expires_at: EpochSeconds | None
    scopes: str | None
    created_at: EpochSeconds
    updated_at: EpochSeconds

    def __repr__(self) -> str:
        return f"DecryptedSocialConnection(id={self.id!r}, provider={self.provider!r}, …)"


_OF_USER = (
    select(SocialConnection)
    .where(SocialConnection.c.user_id == param("user_id"))
    .order_by(SocialConnection.c.created_at.desc(), SocialConnection.c.id.desc())
)

_CLAIM_REFRESH = (
    update(SocialConnection)
    .where(SocialConnection.c.id == param("id"))
    .where(
        sa.or_(
            SocialConnection.c.token_refresh_until.is_(None),
            SocialConnection.c.token_refresh_until <= param("now"),
        )
    )
    .values(token_refresh_until=param("until"), updated_at=SocialConnection.c.updated_at)
)

_COUNT_VALID = statement(
    sa.select(sa.func.count())
    .select_from(SocialConnection.__table__)
    .where(SocialConnection.c.user_id == param("user_id"))
    .where(SocialConnection.c.provider == param("provider"))
    .where(
        sa.or_(
            SocialConnection.c.token_expires_at.is_(None),
            SocialConnection.c.token_expires_at > param("now"),
        )
    ),
    into=int,
)


def create_social_connection(db: Writer, data: CreateSocialConnectionInput) -> SocialConnection:
    """
    Add a connection; its tokens are encrypted before they are stored.

    Raises:
        ReferenceBroken: There is no such user.
    """
    return db.insert(
        SocialConnection(
            id=db.new_id(),
            user_id=data.user_id,
            provider=data.provider,
            display_name=data.display_name,
            connection_type=data.connection_type,
            external_id=data.external_id,
            access_token=data.access_token,
            refresh_token=data.refresh_token,
            token_expires_at=data.token_expires_at,
            scopes=data.scopes,
        )
    )


def get_social_connections_by_user(db: Reader, user_id: str) -> list[SocialConnection]:
    """The user's connections with encrypted tokens, the newest first."""
    return db.all(_OF_USER, user_id=user_id)


def get_social_connection_by_id(db: Reader, id: str) -> SocialConnection | None:
    """The connection with encrypted tokens, or null."""
    return db.find(SocialConnection, id)


def get_social_connection_with_decrypted_tokens(
    db: Reader, id: str
) -> DecryptedSocialConnection | None:
    """The connection with the tokens themselves, or null; for the one who publishes with it."""
    row = db.find(SocialConnection, id)
    if row is None:
        return None
    return DecryptedSocialConnection(
        id=row.id,
        user_id=row.user_id,
        provider=row.provider,
        display_name=row.display_name,
        connection_type=row.connection_type,
        external_id=row.external_id,
        access_token=None if row.access_token is None else db.open(row.access_token),
        refresh_token=None if row.refresh_token is None else db.open(row.refresh_token),
        token_expires_at=row.token_expires_at,
        scopes=row.scopes,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def update_social_connection_tokens(
    db: Writer, id: str, tokens: TokenUpdate
) -> SocialConnection | None:
    """
    Encrypt and store the given tokens and answer the connection as it is now, or null.

    Whoever had claimed to refresh them is done by that: the claim ends.
    """
    changes = given(tokens)
    if changes:
        changes["token_refresh_until"] = None
    return db.update(SocialConnection, id, changes)


def claim_token_refresh(db: Writer, id: str, lease_seconds: int) -> bool:
    """
    Whether the caller is the one who renews the connection's tokens; the others wait.

    A provider's refresh token may work only once, so two who use it at the same time can lose
    the connection. The claim ends when the tokens are updated, or with its time for a caller
    that never comes back. False says that somebody has it, or that there is no such connection.
    The connection does not count as changed.

    Args:
        id: The connection.
        lease_seconds: How long the claim holds at most, 1 to 600.
    """
    lease_s = min(max(lease_seconds, 1), _LEASE_MAX_S)
    return db.execute(_CLAIM_REFRESH, id=id, now=db.now, until=db.now + lease_s) == 1


def delete_social_connection(db: Writer, id: str) -> None:
    """
    Remove a connection with its tokens. Nothing happens when there is none.

    Raises:
        ReferenceBroken: A publication still has an outlet that uses it.
    """
    db.delete(SocialConnection, id)


def has_valid_social_connection(db: Reader, user_id: str, provider: str) -> bool:
    """Whether the user has a connection to the provider that has not expired."""
    valid = db.scalar(_COUNT_VALID, user_id=user_id, provider=provider, now=db.now)
    return (valid or 0) > 0
