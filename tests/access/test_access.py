"""Service keys over a real database: made, checked, expired, revoked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from freehold.access import (
    ACCESS_SCHEMA,
    KeyAuthenticator,
    NewKey,
    create_key,
    list_keys,
    revoke_key,
)
from freehold.crypto import Secret
from freehold.db import Caller
from freehold.errors import InvalidArgument, NotFound, Unauthenticated
from freehold.testing import TestDatabase, memory_database

PEPPER = Secret(b"p" * 32)


@pytest.fixture
def database() -> Iterator[TestDatabase]:
    with memory_database(ACCESS_SCHEMA) as opened:
        yield opened


def a_key(database: TestDatabase, **said: object) -> str:
    data = NewKey(**{"name": "scout", "scopes": ["DataLayer.get*"], **said})  # type: ignore[arg-type]
    return str(database.database.write(lambda db: create_key(db, data, pepper=PEPPER)).key)


def authenticator(database: TestDatabase) -> KeyAuthenticator:
    return KeyAuthenticator(database.database, pepper=PEPPER, clock=database.clock)


def test_a_key_tells_its_caller(database: TestDatabase) -> None:
    """Scopes and user come from the key and from nothing else."""
    raw = a_key(database, user="u1")

    caller = authenticator(database).caller(raw, trusted=False)

    assert caller.user == "u1"
    assert caller.allows("DataLayer.getUserById", None)
    assert not caller.allows("DataLayer.createUser", None)
    assert not caller.trusted


@pytest.mark.promise("P9")
@pytest.mark.attack("A12")
def test_only_the_digest_is_stored(database: TestDatabase) -> None:
    """Nothing in the table can be shown as a key."""
    raw = a_key(database)

    rows = database.database.inspect("select * from _freehold_keys", 10).rows

    assert raw not in str(rows)
    for value in (str(cell) for row in rows for cell in row):
        with pytest.raises(Unauthenticated):
            authenticator(database).caller(value, trusted=False)


@pytest.mark.promise("P9")
@pytest.mark.attack("A35")
def test_a_revoked_key_is_refused_at_the_next_call(database: TestDatabase) -> None:
    """Also one that was used before, by an authenticator that is already running."""
    raw = a_key(database)
    access = authenticator(database)
    key_id = access.caller(raw, trusted=False).key_id

    access.changing()
    database.database.write(lambda db: revoke_key(db, key_id))

    with pytest.raises(Unauthenticated):
        access.caller(raw, trusted=False)


def test_a_new_key_works_at_the_next_call(database: TestDatabase) -> None:
    """It need not wait for a restart."""
    access = authenticator(database)

    access.changing()
    raw = a_key(database)

    assert access.caller(raw, trusted=False).key_id


@pytest.mark.promise("P9")
@pytest.mark.attack("A1")
def test_a_key_expires(database: TestDatabase) -> None:
    """At its second, not one later; also when it was used before."""
    raw = a_key(database, expires_in_s=60)
    access = authenticator(database)

    database.clock.advance(seconds=59)
    access.caller(raw, trusted=False)
    database.clock.advance(seconds=1)

    with pytest.raises(Unauthenticated):
        access.caller(raw, trusted=False)


@pytest.mark.attack("A1")
@pytest.mark.attack("A13")
def test_every_refusal_reads_the_same(database: TestDatabase) -> None:
    """A wrong secret, an unknown id and no key at all do not tell which it was."""
    raw = a_key(database)
    other_pepper = KeyAuthenticator(
        database.database, pepper=Secret(b"q" * 32), clock=database.clock
    )
    access = authenticator(database)

    said = set()
    for each, wrong in ((access, raw[:-1]), (access, "fh_live_x"), (other_pepper, raw)):
        with pytest.raises(Unauthenticated) as refusal:
            each.caller(wrong, trusted=False)
        said.add(str(refusal.value))

    assert len(said) == 1


def test_the_owner_on_the_socket_needs_no_key(database: TestDatabase) -> None:
    """And may do everything; a key shown there still counts as that key."""
    access = authenticator(database)

    assert access.caller(None, trusted=True).allows("X.y", "any_word")
    assert not access.caller(a_key_for(access, database), trusted=True).trusted
    with pytest.raises(Unauthenticated):
        access.caller(None, trusted=False)


def a_key_for(access: KeyAuthenticator, database: TestDatabase) -> str:
    access.changing()
    return a_key(database)


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ({"name": "  "}, "data.name"),
        ({"scopes": []}, "data.scopes"),
        ({"scopes": ["no spaces"]}, "data.scopes"),
        ({"expires_in_s": 0}, "data.expiresInS"),
    ],
)
def test_a_key_that_cannot_be_is_refused(
    database: TestDatabase, said: dict[str, object], path: str
) -> None:
    """The refusal names the argument."""
    with pytest.raises(InvalidArgument) as refusal:
        a_key(database, **said)

    assert refusal.value.path == path


def test_revoking_twice_keeps_the_first_time(database: TestDatabase) -> None:
    """A key that is not there is named."""
    raw = a_key(database)
    key_id = authenticator(database).caller(raw, trusted=False).key_id
    first = database.database.write(lambda db: revoke_key(db, key_id)).revoked_at
    database.clock.advance(seconds=100)

    assert database.database.write(lambda db: revoke_key(db, key_id)).revoked_at == first
    assert [info.revoked_at for info in database.database.read(list_keys)] == [first]
    with pytest.raises(NotFound, match="nobody"):
        database.database.write(lambda db: revoke_key(db, "nobody"))


def test_a_word_is_given_by_name_only() -> None:
    """`*` matches every method, and no method's own word."""
    everything = Caller("k", scopes=frozenset({"*"}))
    worded = Caller("k", scopes=frozenset({"connection_tokens"}))

    assert everything.allows("DataLayer.getTokens", None)
    assert not everything.allows("DataLayer.getTokens2", "connection_tokens")
    assert worded.allows("DataLayer.getTokens2", "connection_tokens")
