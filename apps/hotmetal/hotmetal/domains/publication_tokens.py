"""
Publication tokens: with which a blog's front end reads its own publication.

The raw token is shown once, when it is made; only its SHA-256 digest is kept. Callers hand
over the raw token and never a digest, so a stolen table opens nothing.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from freehold import Hashed, Reader, Struct, Writer, param, select, statement, update
from hotmetal.schema import PublicationToken

_TOKEN_BYTES: Final = 16


class CreatedPublicationToken(Struct):
    """A new token: its record, and the raw token, which is never shown again."""

    token: PublicationToken
    raw_token: str


_ACTIVE_PUBLICATION = statement(
    sa.select(PublicationToken.c.publication_id)
    .where(PublicationToken.c.token_hash == param("token"))
    .where(PublicationToken.c.is_active == 1)
    .order_by(PublicationToken.c.id)
    .limit(1),
    into=str,
)

_REVOKE = (
    update(PublicationToken)
    .where(PublicationToken.c.id == param("id"))
    .values(is_active=False, revoked_at=param("now"))
)

_OF_PUBLICATION = (
    select(PublicationToken)
    .where(PublicationToken.c.publication_id == param("pub_id"))
    .order_by(PublicationToken.c.created_at.desc(), PublicationToken.c.id.desc())
)


def create_publication_token(
    db: Writer, pub_id: str, label: str | None = None
) -> CreatedPublicationToken:
    """
    Make a token for a publication and show it, this once.

    Raises:
        ReferenceBroken: There is no such publication.
    """
    raw_token = f"hm_{db.random_bytes(_TOKEN_BYTES).hex()}"
    token = db.insert(
        PublicationToken(
            id=db.new_id(),
            publication_id=pub_id,
            token_hash=Hashed.of(raw_token),
            label=label,
        )
    )
    return CreatedPublicationToken(token=token, raw_token=raw_token)


def validate_publication_token(db: Reader, token: str) -> str | None:
    """The id of the publication that the raw token opens, or null; revoked ones open nothing."""
    return db.scalar(_ACTIVE_PUBLICATION, token=token)


def revoke_publication_token(db: Writer, id: str) -> None:
    """End a token; a second time moves `revoked_at`. Nothing happens when there is none."""
    db.execute(_REVOKE, id=id, now=db.now)


def list_publication_tokens(db: Reader, pub_id: str) -> list[PublicationToken]:
    """The publication's tokens, revoked ones too, the newest first."""
    return db.all(_OF_PUBLICATION, pub_id=pub_id)
