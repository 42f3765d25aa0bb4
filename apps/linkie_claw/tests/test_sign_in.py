"""Sign-in: users and their accounts, sessions by token, verification tokens used once."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from linkie_claw.domains import sessions, users
from linkie_claw.domains.users import EmailNotVerified, NewAccount, NewUser, SignIn, UserPatch
from linkie_claw.schema import AccountRow, SessionRow, User, VerificationTokenRow
from linkie_claw.testing import World

from freehold import Hashed, Reader, Record, Sealed
from freehold.errors import AlreadyExists, ReferenceBroken


def rows(world: World, record: type[Record]) -> list[Any]:
    def read(db: Reader) -> list[Any]:
        return db.all(record)

    return world.call(read)


# -- users and accounts -------------------------------------------------------------------


def test_a_user_is_found_by_id_and_address(world: World) -> None:
    """By exactly that address."""
    data = NewUser(email="alex@example.com", name="Alex Rivera", email_verified=5, image="i")
    user = world.call(users.create_user, data)

    assert user == User(
        id=user.id, email="alex@example.com", name="Alex Rivera", email_verified=5, image="i",
        created_at=world.now,
    )  # fmt: skip
    assert world.call(users.get_user_by_id, user.id) == user
    assert world.call(users.get_user_by_email, "alex@example.com") == user
    assert world.call(users.get_user_by_email, "Alex@example.com") is None
    assert world.call(users.get_user_by_id, "nobody") is None


def test_an_address_is_of_one_user(world: World) -> None:
    """The document left it open; the auth library looks users up by it."""
    world.user("alex", email="a@example.com")
    bo = world.user("bo")

    with pytest.raises(AlreadyExists):
        world.user("cy", email="a@example.com")
    with pytest.raises(AlreadyExists):
        world.call(users.update_user, bo.id, UserPatch(email="a@example.com"))


def test_a_user_changes_in_what_is_given(world: World) -> None:
    """Left out stays, null clears."""
    user = world.user(image="i")

    changed = world.call(users.update_user, user.id, UserPatch(image=None, email_verified=9))

    assert changed == msgspec.structs.replace(user, image=None, email_verified=9)
    assert world.call(users.update_user, "nobody", UserPatch(name="x")) is None


def test_everything_of_a_user_goes_with_the_user(world: World) -> None:
    """All tables that have an owner; others' rows stay."""
    alex, bo = world.user(), world.user("bo")
    for user in (alex, bo):
        world.post(user)
        world.generation(user)
        world.call(users.link_account, an_account(user))
        world.call(sessions.create_session, a_session(user))

    world.call(users.delete_user, alex.id)
    world.call(users.delete_user, alex.id)

    assert [user.id for user in rows(world, User)] == [bo.id]
    for record in (AccountRow, SessionRow):
        assert [row.user_id for row in rows(world, record)] == [bo.id]


def an_account(user: User, **fields: Any) -> NewAccount:
    given = {"type": "oauth", "provider": "github", "provider_account_id": f"gh-{user.id}"}
    return NewAccount(user_id=user.id, **(given | fields))


def test_an_account_leads_to_its_user(world: World) -> None:
    """By the pair of provider and account, which only one user has."""
    alex, bo = world.user(), world.user("bo")
    made = world.call(users.link_account, an_account(alex, provider_account_id="1", scope="s"))
    world.call(users.link_account, an_account(alex, provider="google", provider_account_id="1"))

    assert world.call(users.get_user_by_account, "github", "1") == alex
    assert world.call(users.get_user_by_account, "github", "2") is None
    with pytest.raises(AlreadyExists):
        world.call(users.link_account, an_account(bo, provider_account_id="1"))
    accounts = world.call(users.get_accounts_by_user, alex.id)
    assert [each.provider for each in accounts] == ["github", "google"]
    assert accounts[0] == made
    assert (made.scope, made.user_id) == ("s", alex.id)
    world.call(users.unlink_account, "github", "1")
    world.call(users.unlink_account, "github", "1")
    assert world.call(users.get_user_by_account, "github", "1") is None


def test_an_account_of_nobody_is_refused(world: World) -> None:
    """Its user must exist."""
    nobody = msgspec.structs.replace(world.user(), id="nobody")

    with pytest.raises(ReferenceBroken):
        world.call(users.link_account, an_account(nobody))


def test_the_tokens_of_an_account_are_sealed_and_stay(world: World) -> None:
    """They are in no answer, and in the table only as ciphertext."""
    user = world.user()
    tokens = {
        name: Sealed.of(f"canary-{name}") for name in ("access_token", "refresh_token", "id_token")
    }
    answer = world.call(users.link_account, an_account(user, **tokens))

    [row] = rows(world, AccountRow)
    assert "canary" not in f"{msgspec.to_builtins(answer)} {row}"
    for name in tokens:
        assert not hasattr(answer, name)
        ciphertext = getattr(row, name).ciphertext
        assert ciphertext
        assert "canary" not in ciphertext


def coming_back(**fields: Any) -> SignIn:
    given: dict[str, Any] = {
        "type": "oidc", "provider": "google", "provider_account_id": "g-1",
        "email": "alex@example.com", "is_email_verified": True, "name": "Alex Rivera",
    }  # fmt: skip
    return SignIn(**(given | fields))


def test_the_first_sign_in_makes_a_user_and_the_next_ones_find_it(world: World) -> None:
    """By the account, whatever the address has become."""
    first = world.call(users.sign_in_with_account, coming_back())
    again = world.call(users.sign_in_with_account, coming_back(email="new@example.com"))

    assert first == again == world.call(users.get_user_by_account, "google", "g-1")
    assert (first.name, first.email_verified) == ("Alex Rivera", world.now)


@pytest.mark.attack("A16")
def test_accounts_with_the_same_verified_address_are_one_user(world: World) -> None:
    """Google first, GitHub later."""
    google = world.call(users.sign_in_with_account, coming_back())
    github = coming_back(provider="github", provider_account_id="h-1")

    assert world.call(users.sign_in_with_account, github) == google
    assert len(world.call(users.get_accounts_by_user, google.id)) == 2


@pytest.mark.attack("A16")
def test_an_address_that_nobody_vouches_for_opens_no_user(world: World) -> None:
    """Or who claims an address at a careless provider would have its owner's posts."""
    victim = world.call(users.sign_in_with_account, coming_back())
    thief = coming_back(provider="github", provider_account_id="h-1", is_email_verified=False)

    with pytest.raises(EmailNotVerified) as refused:
        world.call(users.sign_in_with_account, thief)

    assert victim.id not in str(refused.value)
    assert world.call(users.get_user_by_account, "github", "h-1") is None
    other = coming_back(
        provider="github", provider_account_id="h-1", is_email_verified=False, email="x@x.example"
    )
    assert world.call(users.sign_in_with_account, other).email_verified is None


@pytest.mark.attack("A16")
def test_a_user_whose_address_nobody_vouched_for_is_joined_by_nobody(world: World) -> None:
    """Or who came first under another's address would sit in the account when its owner comes."""
    squatter = coming_back(provider="github", provider_account_id="h-1", is_email_verified=False)
    world.call(users.sign_in_with_account, squatter)

    with pytest.raises(EmailNotVerified):
        world.call(users.sign_in_with_account, coming_back())


# -- sessions -----------------------------------------------------------------------------


def a_session(user: User, **fields: Any) -> sessions.NewSession:
    given: dict[str, Any] = {"session_token": f"token-of-{user.id}", "expires": 1_900_000_000}
    return sessions.NewSession(user_id=user.id, **(given | fields))


def test_a_session_is_known_by_its_token_until_it_expires(world: World) -> None:
    """At the second of its expiry it is over."""
    user = world.user()
    made = world.call(
        sessions.create_session, a_session(user, session_token="t", expires=world.now + 60)
    )
    world.wait(seconds=59)

    found = world.call(sessions.get_session_and_user, "t")

    assert found == sessions.SessionAndUser(session=made, user=user)
    world.wait(seconds=1)
    assert world.call(sessions.get_session_and_user, "t") is None
    assert world.call(sessions.update_session, "t", world.now + 60) is None


def test_only_a_hash_of_the_token_is_kept(world: World) -> None:
    """It does not leave, and does not work as a token."""
    user = world.user()
    made = world.call(sessions.create_session, a_session(user, session_token="the-token"))

    [row] = rows(world, SessionRow)

    assert row.session_token == Hashed.of("the-token")
    assert "the-token" not in f"{row} {msgspec.to_builtins(made)}"
    assert world.call(sessions.get_session_and_user, row.session_token.digest) is None


def test_a_session_can_be_prolonged_and_ended(world: World) -> None:
    """Others stay as they are."""
    user = world.user()
    for token in ("one", "other"):
        world.call(
            sessions.create_session, a_session(user, session_token=token, expires=world.now + 60)
        )

    longer = world.call(sessions.update_session, "one", world.now + 120)
    assert longer is not None
    assert longer.expires == world.now + 120
    world.wait(seconds=60)
    assert world.call(sessions.get_session_and_user, "one") is not None
    assert world.call(sessions.get_session_and_user, "other") is None
    world.call(sessions.delete_session, "one")
    world.call(sessions.delete_session, "one")
    assert world.call(sessions.get_session_and_user, "one") is None


def test_a_token_is_of_one_session(world: World) -> None:
    """And a session of a user who exists; the refusals do not show the token."""
    user = world.user()
    world.call(sessions.create_session, a_session(user, session_token="the-token"))

    with pytest.raises(AlreadyExists) as taken:
        world.call(sessions.create_session, a_session(user, session_token="the-token"))
    nobody = msgspec.structs.replace(user, id="nobody")
    with pytest.raises(ReferenceBroken) as nobodys:
        world.call(sessions.create_session, a_session(nobody, session_token="new-token"))

    assert "the-token" not in f"{taken.value} {taken.value.data}"
    assert "new-token" not in f"{nobodys.value} {nobodys.value.data}"


def test_what_has_expired_is_removed(world: World) -> None:
    """Sessions and verification tokens."""
    user = world.user()
    for token, life_s in (("short", 60), ("long", 120)):
        until = world.now + life_s
        world.call(sessions.create_session, a_session(user, session_token=token, expires=until))
        world.call(sessions.create_verification_token, "a@example.com", token, until)
    world.wait(seconds=60)

    assert world.call(sessions.delete_expired_sessions) == 2
    assert world.call(sessions.delete_expired_sessions) == 0
    assert len(rows(world, SessionRow)) == len(rows(world, VerificationTokenRow)) == 1


# -- verification tokens ------------------------------------------------------------------


def test_a_verification_token_is_used_once_by_its_address(world: World) -> None:
    """A miss does not use it up."""
    until = world.now + 60
    world.call(sessions.create_verification_token, "a@example.com", "t", until)

    assert world.call(sessions.use_verification_token, "b@example.com", "t") is None
    assert world.call(sessions.use_verification_token, "a@example.com", "x") is None
    used = world.call(sessions.use_verification_token, "a@example.com", "t")
    assert used == sessions.VerificationToken(identifier="a@example.com", expires=until)
    assert world.call(sessions.use_verification_token, "a@example.com", "t") is None


def test_a_verification_token_expires_and_is_kept_as_a_hash(world: World) -> None:
    """At its second it is over; one token is of one address."""
    world.call(sessions.create_verification_token, "a@example.com", "t", world.now + 60)

    [row] = rows(world, VerificationTokenRow)
    assert row.token == Hashed.of("t")
    assert world.call(sessions.use_verification_token, "a@example.com", row.token.digest) is None
    with pytest.raises(AlreadyExists):
        world.call(sessions.create_verification_token, "b@example.com", "t", world.now + 60)
    world.wait(seconds=60)
    assert world.call(sessions.use_verification_token, "a@example.com", "t") is None
