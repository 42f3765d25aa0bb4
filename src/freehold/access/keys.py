"""
Service keys: made, listed, rotated, revoked. Plain domain functions over `_freehold_keys`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from freehold.access.schema import Environment, KeyInfo, KeyUse, MintedKey, NewKey, ServiceKey
from freehold.crypto import Secret, service_keys
from freehold.db import Reader, Writer, param, select, update
from freehold.db.caller import ACT_AS
from freehold.errors import Conflict, InvalidArgument, NotFound

_SCOPE: Final = re.compile(r"[A-Za-z_*?][A-Za-z0-9_.*?:-]{0,127}")
#: `act_as:` and a user, whose id may be anything that can be seen.
_ACT_AS_USER: Final = re.compile(rf"{ACT_AS}:[!-~]{{1,120}}")
_NAME_MAX: Final = 80
#: What `rate`, `burst` and `concurrency` may be; past it there is no bound worth the name.
_BUDGET_MAX: Final = 1_000_000_000
#: How long both keys live when nothing else is said, and the longest that can be said.
OVERLAP_S: Final = 7 * 86_400
_OVERLAP_S_MAX: Final = 90 * 86_400

_BY_AGE = select(ServiceKey).order_by(ServiceKey.c.created_at, ServiceKey.c.id)
_USES = select(KeyUse)
_REVOKE = (
    update(ServiceKey)
    .where(ServiceKey.c.id == param("id"), ServiceKey.c.revoked_at.is_(None))
    .values(revoked_at=param("now"))
)


def create_key(
    db: Writer, data: NewKey, *, pepper: Secret, environment: Environment = "live"
) -> MintedKey:
    """
    Make a key. What is stored is its HMAC under the pepper, which is not in the database.

    Args:
        data: What it is to be.
        pepper: What its digest is made with.
        environment: Its environment, when `data` names none.

    Raises:
        InvalidArgument: The name is empty or long, a scope is no pattern, a bound is no bound.
    """
    row = _checked(data, environment)
    row.expires_at = None if data.expires_in_s is None else db.now + data.expires_in_s
    return _minted(db, row, pepper)


def _checked(data: NewKey, environment: Environment) -> ServiceKey:
    """The new key's row, but for what is drawn and what the time says."""
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
        is_user = scope.startswith(f"{ACT_AS}:")
        if not (_ACT_AS_USER if is_user else _SCOPE).fullmatch(scope) or scope == f"{ACT_AS}:*":
            raise InvalidArgument(
                f"{scope!r} is no scope.",
                hint="A scope is a pattern over Entrypoint.method, a word that a method asks, or "
                f"{ACT_AS} for a key that names its user ({ACT_AS}:alice: only her).",
                path="data.scopes",
            )
        if data.user is not None and scope.split(":")[0] == ACT_AS:
            raise InvalidArgument(
                f"a key that is bound to the user {data.user!r} acts for nobody else.",
                hint=f"Leave out the user, or the scope {scope!r}.",
                path="data.scopes",
            )
    if data.expires_in_s is not None and data.expires_in_s <= 0:
        raise InvalidArgument("a key expires in one second or later.", path="data.expiresInS")
    for bound in ("rate", "burst", "concurrency"):
        value = getattr(data, bound)
        if value is not None and not 0 < value <= _BUDGET_MAX:
            raise InvalidArgument(
                f"{bound} {value} is not between 1 and {_BUDGET_MAX}.", path=f"data.{bound}"
            )
    return ServiceKey(
        id="",
        name=name,
        environment=data.environment or environment,
        digest="",
        scopes=sorted(set(data.scopes)),
        user=data.user,
        rate=data.rate,
        burst=data.burst,
        concurrency=data.concurrency,
    )


def _minted(db: Writer, row: ServiceKey, pepper: Secret) -> MintedKey:
    raw, minted = service_keys.mint(row.environment, db.random_bytes)
    row.id = minted.id
    row.digest = service_keys.digest(raw, pepper)
    return MintedKey(key=raw, info=info_of(db.insert(row)))


def rotate_key(db: Writer, id: str, *, pepper: Secret, overlap_s: int = OVERLAP_S) -> MintedKey:
    """
    Make a key that replaces another one: the same name, scopes, environment, user and bounds.

    The old one expires after the overlap, or before if it would have; either can be revoked at
    once. A key that was given a time to live passes the same time on.

    Raises:
        NotFound: There is no such key.
        Conflict: It lives no more, or is being replaced already.
        InvalidArgument: The overlap is negative or longer than 90 days.
    """
    if not 0 <= overlap_s <= _OVERLAP_S_MAX:
        raise InvalidArgument(
            f"an overlap of {overlap_s} s is not between 0 and {_OVERLAP_S_MAX} (90 days).",
            path="overlapS",
        )
    old = _found(db, id)
    if old.revoked_at is not None or (old.expires_at is not None and old.expires_at <= db.now):
        raise Conflict(f"the key {id!r} lives no more.", hint="Make a new one: keys create.")
    if old.successor is not None:
        raise Conflict(
            f"the key {id!r} is being replaced by {old.successor!r}.",
            hint="Rotate that one, or revoke one of the two.",
        )
    lives_s = None if old.expires_at is None else old.expires_at - old.created_at
    made = _minted(
        db,
        ServiceKey(
            id="",
            name=old.name,
            environment=old.environment,
            digest="",
            scopes=old.scopes,
            user=old.user,
            expires_at=None if lives_s is None else db.now + lives_s,
            rate=old.rate,
            burst=old.burst,
            concurrency=old.concurrency,
        ),
        pepper,
    )
    ends_at = db.now + overlap_s
    if old.expires_at is not None:
        ends_at = min(ends_at, old.expires_at)
    db.update(ServiceKey, id, {"successor": made.info.id, "expires_at": ends_at})
    return made


def list_keys(db: Reader) -> list[KeyInfo]:
    """Every key, oldest first, the revoked ones too, and when each was last used."""
    used_at = {use.id: use.used_at for use in db.all(_USES)}
    return [info_of(row, used_at.get(row.id)) for row in db.all(_BY_AGE)]


def revoke_key(db: Writer, id: str) -> KeyInfo:
    """
    End a key; the next call with it is refused. Once revoked, the time stays.

    Raises:
        NotFound: There is no such key.
    """
    db.execute(_REVOKE, id=id, now=db.now)
    return info_of(_found(db, id))


def _found(db: Reader, id: str) -> ServiceKey:
    row = db.find(ServiceKey, id)
    if row is None:
        raise NotFound(f"there is no key {id!r}.", hint="`freehold keys list` shows them.")
    return row


def note_uses(db: Writer, uses: Mapping[str, int]) -> None:
    """Keep when each of these keys was last used, in epoch seconds; a later time stays."""
    for id, used_at in uses.items():
        known = db.find(KeyUse, id)
        if known is None:
            db.insert(KeyUse(id=id, used_at=used_at))
        elif known.used_at < used_at:
            db.update(KeyUse, id, {"used_at": used_at})


def live_keys(db: Reader) -> list[ServiceKey]:
    """Every key that has not been revoked."""
    return [row for row in db.all(_BY_AGE) if row.revoked_at is None]


def info_of(row: ServiceKey, used_at: int | None = None) -> KeyInfo:
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
        used_at=used_at,
        successor=row.successor,
        rate=row.rate,
        burst=row.burst,
        concurrency=row.concurrency,
    )
