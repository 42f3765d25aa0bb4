"""OAuth states: consumed once, by the right one, in time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hotmetal.domains.oauth_state import store_oauth_state, validate_and_consume_oauth_state
from hotmetal.schema import OauthState
from hotmetal.testing import START_S, World, empty_world

from freehold import Hashed, Reader
from freehold.errors import AlreadyExists


@pytest.fixture
def world(engine: str) -> Iterator[World]:
    with empty_world(engine) as world:
        yield world


def all_states(db: Reader) -> list[OauthState]:
    return db.all(OauthState)


def consume(world: World, state: str, provider: str, bound_to: str | None = None) -> bool:
    return world.call(validate_and_consume_oauth_state, state, provider, bound_to)


def test_a_state_is_consumed_once(world: World) -> None:
    """The second one to come with it is turned away."""
    world.call(store_oauth_state, "s-1", "linkedin")

    assert consume(world, "s-1", "linkedin") is True
    assert consume(world, "s-1", "linkedin") is False


def test_a_state_of_another_provider_is_not_accepted_and_not_used_up(world: World) -> None:
    """A guess at the wrong door does not spoil it for the right one."""
    world.call(store_oauth_state, "s-1", "linkedin")

    assert consume(world, "s-1", "twitter") is False
    assert consume(world, "s-1", "linkedin") is True


def test_an_unknown_state_is_not_accepted(world: World) -> None:
    """Nor is the hash of a good one."""
    world.call(store_oauth_state, "s-1", "linkedin")

    assert consume(world, "s-2", "linkedin") is False
    assert consume(world, Hashed.of("s-1").digest, "linkedin") is False


def test_a_state_lives_ten_minutes_or_as_long_as_it_is_told(world: World) -> None:
    """At the second of its expiry it is over."""
    world.call(store_oauth_state, "default", "linkedin")
    world.call(store_oauth_state, "minute", "linkedin", 60)
    world.call(store_oauth_state, "minute-too", "linkedin", ttl_seconds=60)

    world.wait(seconds=59)
    assert consume(world, "minute", "linkedin") is True
    world.wait(seconds=1)
    assert consume(world, "minute-too", "linkedin") is False
    world.wait(seconds=539)
    assert consume(world, "default", "linkedin") is True


def test_the_default_life_ends_after_ten_minutes(world: World) -> None:
    """600 seconds, not one more."""
    world.call(store_oauth_state, "s-1", "linkedin")
    world.wait(seconds=600)

    assert consume(world, "s-1", "linkedin") is False


def test_storing_a_state_removes_the_expired_ones(world: World) -> None:
    """The table holds what can still be consumed, and little else."""
    world.call(store_oauth_state, "old", "linkedin", 60)
    world.call(store_oauth_state, "young", "linkedin", 120)
    world.wait(seconds=60)

    world.call(store_oauth_state, "new", "linkedin")

    kept = {each.state for each in world.call(all_states)}
    assert kept == {Hashed.of("young"), Hashed.of("new")}


def test_only_hashes_are_kept(world: World) -> None:
    """Whoever reads the table cannot finish a flow with it."""
    world.call(store_oauth_state, "the-raw-state", "linkedin", 600, "the-browser")

    [stored] = world.call(all_states)

    assert stored.state.digest == Hashed.of("the-raw-state").digest
    assert stored.bound_to is not None
    assert stored.bound_to.digest == Hashed.of("the-browser").digest
    assert "the-raw-state" not in repr(stored)
    assert (stored.expires_at, stored.created_at) == (START_S + 600, START_S)


@pytest.mark.parametrize("stored", [None, "browser-1"])
@pytest.mark.parametrize("brought", [None, "browser-1", "browser-2", ""])
def test_a_state_is_good_only_where_it_was_bound(
    world: World, stored: str | None, brought: str | None
) -> None:
    """Bound states need the same binding again; unbound ones take none. A miss uses nothing up."""
    world.call(store_oauth_state, "s-1", "linkedin", bound_to=stored)

    assert consume(world, "s-1", "linkedin", brought) is (stored == brought)
    assert consume(world, "s-1", "linkedin", stored) is (stored != brought)


def test_a_state_cannot_be_stored_again_while_it_lives(world: World) -> None:
    """Nobody can bind another's state to himself; after its expiry it is free."""
    world.call(store_oauth_state, "s-1", "linkedin", 60, "browser-1")

    with pytest.raises(AlreadyExists):
        world.call(store_oauth_state, "s-1", "linkedin", 60, "browser-2")
    world.wait(seconds=60)
    world.call(store_oauth_state, "s-1", "linkedin", 60, "browser-2")

    assert consume(world, "s-1", "linkedin", "browser-2") is True


def test_a_refused_state_does_not_show_itself(world: World) -> None:
    """The error says that it is there, and not what it is."""
    world.call(store_oauth_state, "the-raw-state", "linkedin")

    with pytest.raises(AlreadyExists) as refusal:
        world.call(store_oauth_state, "the-raw-state", "linkedin")

    told = f"{refusal.value} {refusal.value.data}"
    assert "the-raw-state" not in told
    assert Hashed.of("the-raw-state").digest not in told
