"""
OAuth states: one-time proofs that the answer of a provider belongs to a question of ours.

Only hashes are kept, so who reads the table or a backup cannot finish a flow. A state may
be bound to whatever the caller knows again when the answer comes (the browser's cookie, the
redirect address, both joined): then a stolen state is of no use in another browser.
"""

from __future__ import annotations

from freehold import Hashed, Writer, delete, param
from hotmetal.schema import OauthState

_DELETE_EXPIRED = delete(OauthState).where(OauthState.c.expires_at <= param("now"))

_CONSUME = (
    delete(OauthState)
    .where(OauthState.c.state == param("state"))
    .where(OauthState.c.provider == param("provider"))
    .where(OauthState.c.bound_to.is_not_distinct_from(param("bound_to")))
    .where(OauthState.c.expires_at > param("now"))
)


def store_oauth_state(
    db: Writer,
    state: str,
    provider: str,
    ttl_seconds: int = 600,
    bound_to: str | None = None,
) -> None:
    """
    Keep a state until it is consumed or its time is up; removes all expired ones.

    Args:
        state: At least 128 bits that nobody can guess.
        provider: The only provider for which it will be accepted.
        ttl_seconds: How long it lives.
        bound_to: Consuming it will need the same text again.

    Raises:
        AlreadyExists: The state is stored already and has not expired.
    """
    db.execute(_DELETE_EXPIRED, now=db.now)
    db.insert(
        OauthState(
            state=Hashed.of(state),
            provider=provider,
            expires_at=db.now + ttl_seconds,
            bound_to=None if bound_to is None else Hashed.of(bound_to),
        )
    )


def validate_and_consume_oauth_state(
    db: Writer, state: str, provider: str, bound_to: str | None = None
) -> bool:
    """
    Whether the state is good, and the last time that it is: one statement finds and removes it.

    False for a state that is unknown, used, expired, another provider's or bound otherwise;
    which of these is not told.
    """
    consumed = db.execute(_CONSUME, state=state, provider=provider, bound_to=bound_to, now=db.now)
    return consumed == 1
