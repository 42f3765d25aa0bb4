"""Social connections: tokens sealed, opened by one method, changed and cleared."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hotmetal.domains.publication_outlets import (
    CreatePublicationOutletInput,
    create_publication_outlet,
    delete_publication_outlet,
)
from hotmetal.domains.social_connections import (
    TokenUpdate,
    claim_token_refresh,
    delete_social_connection,
    get_social_connection_by_id,
    get_social_connection_with_decrypted_tokens,
    get_social_connections_by_user,
    has_valid_social_connection,
    update_social_connection_tokens,
)
from hotmetal.schema import SocialConnection
from hotmetal.testing import START_S, World, empty_world

from freehold import Sealed
from freehold.errors import ReferenceBroken


@pytest.fixture
def world(engine: str) -> Iterator[World]:
    with empty_world(engine) as world:
        world.user()
        yield world


def ciphertexts(connection: SocialConnection | None) -> tuple[str | None, str | None]:
    assert connection is not None
    tokens = connection.access_token, connection.refresh_token
    access, refresh = (None if token is None else token.ciphertext for token in tokens)
    return access, refresh


def opened(world: World, id: str) -> tuple[str | None, str | None]:
    connection = world.call(get_social_connection_with_decrypted_tokens, id)
    assert connection is not None
    return connection.access_token, connection.refresh_token


def test_a_connection_is_created_with_an_id_and_sealed_tokens(world: World) -> None:
    """What is answered is the encrypted form, and no two seals are the same."""
    connection = world.connection(
        display_name="Ada",
        connection_type="personal",
        external_id="person-1",
        access_token=Sealed.of("same-token"),
        refresh_token=Sealed.of("same-token"),
        token_expires_at=START_S + 60,
        scopes="openid",
    )

    access, refresh = ciphertexts(connection)
    assert len(connection.id) == 36
    assert access is not None
    assert refresh is not None
    assert access != refresh
    assert "same-token" not in access + refresh
    assert (connection.display_name, connection.connection_type) == ("Ada", "personal")
    assert (connection.external_id, connection.scopes) == ("person-1", "openid")
    assert connection.token_expires_at == START_S + 60
    assert connection.created_at == connection.updated_at == START_S


def test_a_connection_may_have_no_tokens(world: World) -> None:
    """Then there is nothing to seal and nothing to open."""
    connection = world.connection()

    assert ciphertexts(connection) == (None, None)
    assert opened(world, connection.id) == (None, None)


def test_a_connection_needs_its_user(world: World) -> None:
    """An unknown user is refused."""
    with pytest.raises(ReferenceBroken):
        world.connection(user_id="nobody")


def test_listed_and_found_connections_hold_the_encrypted_form(world: World) -> None:
    """The same that was answered when it was made."""
    connection = world.connection(access_token=Sealed.of("secret"))

    assert world.call(get_social_connection_by_id, connection.id) == connection
    assert world.call(get_social_connections_by_user, "user-1") == [connection]
    assert world.call(get_social_connection_by_id, "conn-x") is None


def test_one_method_opens_the_tokens(world: World) -> None:
    """And does not show them when it is printed."""
    connection = world.connection(
        access_token=Sealed.of("access-1"), refresh_token=Sealed.of("refresh-1")
    )

    found = world.call(get_social_connection_with_decrypted_tokens, connection.id)

    assert found is not None
    assert (found.access_token, found.refresh_token) == ("access-1", "refresh-1")
    assert (found.id, found.user_id, found.provider) == (connection.id, "user-1", "linkedin")
    assert "access-1" not in repr(found)
    assert world.call(get_social_connection_with_decrypted_tokens, "conn-x") is None


def test_connections_are_listed_newest_first(world: World) -> None:
    """Only the user's own."""
    world.user("user-2")
    first = world.connection()
    world.wait(seconds=1)
    second = world.connection()
    world.connection(user_id="user-2")

    listed = world.call(get_social_connections_by_user, "user-1")

    assert [each.id for each in listed] == [second.id, first.id]
    assert world.call(get_social_connections_by_user, "nobody") == []


def test_new_tokens_replace_what_is_given_and_null_clears(world: World) -> None:
    """What is left out stays sealed as it was."""
    connection = world.connection(
        access_token=Sealed.of("access-1"),
        refresh_token=Sealed.of("refresh-1"),
        token_expires_at=START_S,
    )
    world.wait(seconds=5)

    renewed = world.call(
        update_social_connection_tokens,
        connection.id,
        TokenUpdate(access_token=Sealed.of("access-2"), token_expires_at=START_S + 60),
    )

    assert opened(world, connection.id) == ("access-2", "refresh-1")
    assert ciphertexts(renewed)[1] == ciphertexts(connection)[1]
    assert renewed is not None
    assert (renewed.token_expires_at, renewed.updated_at) == (START_S + 60, START_S + 5)

    world.call(update_social_connection_tokens, connection.id, TokenUpdate(refresh_token=None))
    assert opened(world, connection.id) == ("access-2", None)


def test_no_new_tokens_change_nothing(world: World) -> None:
    """Not even the time of change; a connection that is not there is answered as null."""
    connection = world.connection(access_token=Sealed.of("access-1"))
    world.wait(seconds=5)

    unchanged = world.call(update_social_connection_tokens, connection.id, TokenUpdate())

    assert unchanged == connection
    assert world.call(update_social_connection_tokens, "conn-x", TokenUpdate()) is None
    lost = TokenUpdate(access_token=Sealed.of("lost"))
    assert world.call(update_social_connection_tokens, "conn-x", lost) is None


def test_one_caller_at_a_time_renews_the_tokens(world: World) -> None:
    """The others are told no until the tokens are there; the connection does not change by it."""
    connection = world.connection(refresh_token=Sealed.of("refresh-1"))
    world.wait(seconds=5)

    claims = [world.call(claim_token_refresh, connection.id, 30) for _ in range(2)]
    claimed = world.call(get_social_connection_by_id, connection.id)

    assert claims == [True, False]
    assert claimed is not None
    assert (claimed.updated_at, claimed.token_refresh_until) == (START_S, START_S + 35)
    assert ciphertexts(claimed) == ciphertexts(connection)

    fresh = TokenUpdate(access_token=Sealed.of("access-2"))
    renewed = world.call(update_social_connection_tokens, connection.id, fresh)
    assert renewed is not None
    assert renewed.token_refresh_until is None
    assert world.call(claim_token_refresh, connection.id, 30) is True


@pytest.mark.parametrize(("lease_s", "held_s"), [(30, 30), (0, 1), (-9, 1), (10**9, 600)])
def test_a_claim_ends_with_its_time(world: World, *, lease_s: int, held_s: int) -> None:
    """For a caller that died; no claim holds longer than ten minutes."""
    connection = world.connection()
    assert world.call(claim_token_refresh, connection.id, lease_s) is True

    world.wait(seconds=held_s - 1)
    assert world.call(claim_token_refresh, connection.id, lease_s) is False
    world.wait(seconds=1)
    assert world.call(claim_token_refresh, connection.id, lease_s) is True


def test_what_changes_no_token_ends_no_claim(world: World) -> None:
    """And there is nothing to claim where there is no connection."""
    connection = world.connection()
    world.call(claim_token_refresh, connection.id, 30)

    world.call(update_social_connection_tokens, connection.id, TokenUpdate())

    assert world.call(claim_token_refresh, connection.id, 30) is False
    assert world.call(claim_token_refresh, "conn-x", 30) is False


def test_a_connection_is_removed(world: World) -> None:
    """A second time does nothing."""
    connection = world.connection()

    world.call(delete_social_connection, connection.id)
    world.call(delete_social_connection, connection.id)

    assert world.call(get_social_connection_by_id, connection.id) is None


def test_a_connection_in_use_is_not_removed(world: World) -> None:
    """The error names what uses it; without the outlet it goes."""
    world.publication()
    connection = world.connection()
    outlet = world.call(
        create_publication_outlet,
        CreatePublicationOutletInput(publication_id="pub-1", connection_id=connection.id),
    )

    with pytest.raises(ReferenceBroken, match=r"publication_outlets"):
        world.call(delete_social_connection, connection.id)
    assert world.call(get_social_connection_by_id, connection.id) == connection

    world.call(delete_publication_outlet, outlet.id)
    world.call(delete_social_connection, connection.id)
    assert world.call(get_social_connection_by_id, connection.id) is None


@pytest.mark.parametrize(
    ("expires_in", "is_valid"), [(None, True), (1, True), (0, False), (-60, False)]
)
def test_a_connection_is_valid_until_it_expires(
    world: World, expires_in: int | None, is_valid: bool
) -> None:
    """One without expiry stays valid; at the second of its expiry it is over."""
    world.connection(token_expires_at=None if expires_in is None else START_S + expires_in)

    assert world.call(has_valid_social_connection, "user-1", "linkedin") is is_valid


def test_one_valid_connection_of_that_provider_is_enough(world: World) -> None:
    """Another's, or another provider's, is not."""
    world.user("user-2")
    world.connection(token_expires_at=START_S - 1)
    world.connection(provider="medium")
    world.connection(user_id="user-2")

    assert world.call(has_valid_social_connection, "user-1", "linkedin") is False
    world.connection(token_expires_at=START_S + 1)
    assert world.call(has_valid_social_connection, "user-1", "linkedin") is True


def test_an_input_does_not_show_its_tokens() -> None:
    """A log of the arguments holds no secret."""
    assert "access-1" not in repr(TokenUpdate(access_token=Sealed.of("access-1")))
