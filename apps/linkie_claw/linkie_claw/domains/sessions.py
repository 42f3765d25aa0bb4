"""
Sessions and verification tokens: who is signed in, and who has proved an address.

Both are known by a token of which only a hash is kept; callers hand over the raw token. The
methods take the scope `sign_in`: the token is the proof, there is no user yet to be bound to.
"""

from __future__ import annotations

from freehold import (
    EpochSeconds,
    Hashed,
    Input,
    Reader,
    Struct,
    Writer,
    delete,
    param,
    select,
    update,
)
from linkie_claw.schema import SessionRow, User, VerificationTokenRow


class Session(Struct):
    """A signed-in browser, without its token."""

    id: str
    user_id: str
    expires: EpochSeconds


class NewSession(Input):
    """A new session; the token is the caller's, 128 random bits or more."""

    session_token: str
    user_id: str
    expires: EpochSeconds


class SessionAndUser(Struct):
    """Who is signed in, and until when."""

    session: Session
    user: User


class VerificationToken(Struct):
    """The address that was proved."""

    identifier: str
    expires: EpochSeconds


_OF_TOKEN = (
    select(SessionRow)
    .where(SessionRow.c.session_token == param("token"))
    .where(SessionRow.c.expires > param("now"))
)
_PROLONG = (
    update(SessionRow)
    .where(SessionRow.c.session_token == param("token"))
    .where(SessionRow.c.expires > param("now"))
    .values(expires=param("until"))
    .returning_record()
)
_DELETE = delete(SessionRow).where(SessionRow.c.session_token == param("token"))
_DELETE_EXPIRED = delete(SessionRow).where(SessionRow.c.expires <= param("now"))

_USE = (
    delete(VerificationTokenRow)
    .where(VerificationTokenRow.c.identifier == param("identifier"))
    .where(VerificationTokenRow.c.token == param("sent"))
    .where(VerificationTokenRow.c.expires > param("now"))
    .returning_record()
)
_DELETE_EXPIRED_TOKENS = delete(VerificationTokenRow).where(
    VerificationTokenRow.c.expires <= param("now")
)


def create_session(db: Writer, data: NewSession) -> Session:
    """
    Sign a browser in.

    Raises:
        AlreadyExists: The token is used already.
        ReferenceBroken: There is no such user.
    """
    return _session(
        db.insert(
            SessionRow(
                id=db.new_id(),
                session_token=Hashed.of(data.session_token),
                user_id=data.user_id,
                expires=data.expires,
            )
        )
    )


def get_session_and_user(db: Reader, session_token: str) -> SessionAndUser | None:
    """Who is signed in with the token, or null; also null when its time is up."""
    row = db.first(_OF_TOKEN, token=session_token, now=db.now)
    if row is None:
        return None
    return SessionAndUser(session=_session(row), user=db.get(User, row.user_id))


def update_session(db: Writer, session_token: str, expires: EpochSeconds) -> Session | None:
    """Set how long the browser stays signed in; null when it is not signed in."""
    row = db.first(_PROLONG, token=session_token, until=expires, now=db.now)
    return None if row is None else _session(row)


def delete_session(db: Writer, session_token: str) -> None:
    """Sign the browser out. Nothing happens when it is not signed in."""
    db.execute(_DELETE, token=session_token)


def delete_expired_sessions(db: Writer) -> int:
    """Remove the sessions and verification tokens whose time is up; how many there were."""
    return db.execute(_DELETE_EXPIRED, now=db.now) + db.execute(_DELETE_EXPIRED_TOKENS, now=db.now)


def create_verification_token(
    db: Writer, identifier: str, token: str, expires: EpochSeconds
) -> VerificationToken:
    """
    Keep a token that is sent to an address.

    Raises:
        AlreadyExists: The token is used already.
    """
    db.insert(VerificationTokenRow(identifier=identifier, token=Hashed.of(token), expires=expires))
    return VerificationToken(identifier=identifier, expires=expires)


def use_verification_token(db: Writer, identifier: str, token: str) -> VerificationToken | None:
    """
    The proved address, and the last time that it is told: one statement finds and removes it.

    Null for a token that is unknown, used, expired or another address's.
    """
    row = db.first(_USE, identifier=identifier, sent=token, now=db.now)
    if row is None:
        return None
    return VerificationToken(identifier=row.identifier, expires=row.expires)


def _session(row: SessionRow) -> Session:
    return Session(id=row.id, user_id=row.user_id, expires=row.expires)
