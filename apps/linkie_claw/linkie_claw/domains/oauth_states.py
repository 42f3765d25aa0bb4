"""
LinkedIn OAuth states: one-time proofs that LinkedIn's answer belongs to a user's question.

Only hashes are kept, so who reads the table or a backup cannot finish a flow. A state may
be bound to whatever the caller knows again when the answer comes, such as the browser's
session: then a stolen state is of no use in another browser.
"""

from __future__ import annotations

import sqlalchemy as sa

from freehold import EpochSeconds, Hashed, Reader, Writer, delete, param, statement
from linkie_claw.schema import LinkedinOauthStateRow

_IS_GOOD = sa.and_(
    LinkedinOauthStateRow.c.state == param("state"),
    LinkedinOauthStateRow.c.bound_to.is_not_distinct_from(param("bound_to")),
    LinkedinOauthStateRow.c.expires_at > param("now"),
)
_LOOK = statement(sa.select(LinkedinOauthStateRow.c.user_id).where(_IS_GOOD), into=str)
_CONSUME = (
    delete(LinkedinOauthStateRow)
    .where(_IS_GOOD)
    .returning(LinkedinOauthStateRow.c.user_id, into=str)
)
_CLEAN_UP = delete(LinkedinOauthStateRow).where(LinkedinOauthStateRow.c.expires_at <= param("now"))


def create_linkedin_oauth_state(
    db: Writer, state: str, user_id: str, expires_at: EpochSeconds, bound_to: str | None = None
) -> None:
    """
    Keep a state until it is consumed or its time is up.

    Args:
        state: At least 128 bits that nobody can guess.
        user_id: Who asked.
        expires_at: From this second on it is not accepted.
        bound_to: Consuming it will need the same text again.

    Raises:
        AlreadyExists: The state is stored already.
        ReferenceBroken: There is no such user.
    """
    db.owned_by(user_id).insert(
        LinkedinOauthStateRow(
            state=Hashed.of(state),
            user_id=user_id,
            expires_at=expires_at,
            bound_to=None if bound_to is None else Hashed.of(bound_to),
        )
    )


def consume_linkedin_oauth_state(db: Writer, state: str, bound_to: str | None = None) -> str | None:
    """
    The user who asked, and the last time that it is told: one statement finds and removes it.

    Null for a state that is unknown, used, expired or bound otherwise; which is not told.
    """
    return db.scalar(_CONSUME, state=state, bound_to=bound_to, now=db.now)


def get_linkedin_oauth_state(db: Reader, state: str, bound_to: str | None = None) -> str | None:
    """The user who asked, without using the state up; null as `consumeLinkedinOauthState`."""
    return db.scalar(_LOOK, state=state, bound_to=bound_to, now=db.now)


def delete_linkedin_oauth_state(db: Writer, state: str) -> None:
    """End a state. Nothing happens when there is none."""
    db.delete(LinkedinOauthStateRow, Hashed.of(state))


def cleanup_expired_linkedin_oauth_states(db: Writer) -> int:
    """Remove the states whose time is up; how many there were."""
    return db.execute(_CLEAN_UP, now=db.now)
