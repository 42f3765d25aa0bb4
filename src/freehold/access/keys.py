"""
Service keys: made, listed, revoked. Plain domain functions over `_freehold_keys`.
"""

from __future__ import annotations

import re
from typing import Final

from freehold.access.schema import KeyInfo, MintedKey, NewKey, ServiceKey
from freehold.crypto import Secret, service_keys
from freehold.db import Reader, Writer, param, select, update
from freehold.errors import InvalidArgument, NotFound

_SCOPE: Final = re.compile(r"[A-Za-z_*?][A-Za-z0-9_.*?:-]{0,127}")
_NAME_MAX: Final = 80

_BY_AGE = select(ServiceKey).order_by(ServiceKey.c.created_at, ServiceKey.c.id)
_REVOKE = (
    update(ServiceKey)
    .where(ServiceKey.c.id == param("id"), ServiceKey.c.revoked_at.is_(None))
    .values(revoked_at=param("now"))
)


def create_key(db: Writer, data: NewKey, *, pepper: Secret) -> MintedKey:
    """
    Make a key. What is stored is its HMAC under the pepper, which is not in the database.

    Raises:
        InvalidArgument: The name is empty or long, or a scope is no pattern.
    """
    name = data.name.strip()
    if not 1 <= len(name) <= _NAME_MAX:
        raise InvalidArgument(f"a key's name has 1 to {_NAME_MAX} characters.", path="data.name")
    if not data.scopes:
        raise InvalidArgument(
            "a key without a scope may do nothing.",
            hint="Give a pattern such as DataLayer.get*, or * for every method.",
            path="data.scopes",
        )
    for scope in data.scopes:
        if not _SCOPE.fullmatch(scope):
            raise InvalidArgument(
                f"{scope!r} is no scope.",
                hint="A scope is a pattern over Entrypoint.method, or a word that a method asks.",
                path="data.scopes",
            )
    if data.expires_in_s is not None and data.expires_in_s <= 0:
        raise InvalidArgument("a key expires in one second or later.", path="data.expiresInS")
    raw, minted = service_keys.mint(data.environment, db.random_bytes)
    row = db.insert(
        ServiceKey(
            id=minted.id,
            name=name,
            environment=data.environment,
            digest=service_keys.digest(raw, pepper),
            scopes=sorted(set(data.scopes)),
            user=data.user,
            expires_at=None if data.expires_in_s is None else db.now + data.expires_in_s,
        )
    )
    return MintedKey(key=raw, info=info_of(row))


def list_keys(db: Reader) -> list[KeyInfo]:
    """Every key, oldest first, the revoked ones too."""
    return [info_of(row) for row in db.all(_BY_AGE)]


def revoke_key(db: Writer, id: str) -> KeyInfo:
    """
    End a key; the next call with it is refused. Once revoked, the time stays.

    Raises:
        NotFound: There is no such key.
    """
    db.execute(_REVOKE, id=id, now=db.now)
    row = db.find(ServiceKey, id)
    if row is None:
        raise NotFound(f"there is no key {id!r}.", hint="`freehold keys list` shows them.")
    return info_of(row)


def live_keys(db: Reader) -> list[ServiceKey]:
    """Every key that has not been revoked."""
    return [row for row in db.all(_BY_AGE) if row.revoked_at is None]


def info_of(row: ServiceKey) -> KeyInfo:
    """The row without its digest."""
    return KeyInfo(
        id=row.id,
        name=row.name,
        environment=row.environment,
        scopes=row.scopes,
        user=row.user,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )
