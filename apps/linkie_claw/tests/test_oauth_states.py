"""LinkedIn OAuth states: consumed once, in time, by whom they are bound to."""

from __future__ import annotations

import pytest
from linkie_claw.domains import oauth_states
from linkie_claw.schema import LinkedinOauthStateRow, User
from linkie_claw.testing import World

from freehold import Hashed, Reader
from freehold.errors import AlreadyExists, ReferenceBroken


def store(world: World, user: User, state: str = "s-1", bound_to: str | None = None) -> None:
    expires_at = world.now + 600
    world.call(
        oauth_states.create_linkedin_oauth_state, state, user.id, expires_at, bound_to=bound_to
    )


def consume(world: World, state: str = "s-1", bound_to: str | None = None) -> str | None:
    return world.call(oauth_states.consume_linkedin_oauth_state, state, bound_to)


def look(world: World, state: str = "s-1", bound_to: str | None = None) -> str | None:
    return world.call(oauth_states.get_linkedin_oauth_state, state, bound_to)


def stored(world: World) -> list[LinkedinOauthStateRow]:
    def read(db: Reader) -> list[LinkedinOauthStateRow]:
        return db.all(LinkedinOauthStateRow)

    return world.call(read)


def test_a_state_tells_its_user_once(world: World) -> None:
    """To look does not use it up; to consume does."""
    user = world.user()
    store(world, user)

    assert look(world) == look(world) == user.id
    assert consume(world) == user.id
    assert consume(world) is None
    assert look(world) is None
    assert stored(world) == []


def test_a_state_ends_at_the_second_of_its_expiry(world: World) -> None:
    """599 seconds are good, 600 are not."""
    user = world.user()
    store(world, user, "early")
    store(world, user, "late")
    world.wait(seconds=599)
    assert consume(world, "early") == user.id
    world.wait(seconds=1)

    assert look(world, "late") is None
    assert consume(world, "late") is None


@pytest.mark.parametrize("bound_to", [None, "browser-1"])
@pytest.mark.parametrize("brought", [None, "browser-1", "browser-2", ""])
def test_a_state_is_good_only_where_it_was_bound(
    world: World, bound_to: str | None, brought: str | None
) -> None:
    """A miss does not use it up."""
    user = world.user()
    store(world, user, bound_to=bound_to)
    is_right = brought == bound_to

    assert look(world, bound_to=brought) == (user.id if is_right else None)
    assert consume(world, bound_to=brought) == (user.id if is_right else None)
    assert consume(world, bound_to=bound_to) == (None if is_right else user.id)


def test_only_hashes_are_kept(world: World) -> None:
    """Who reads the table cannot finish a flow; a hash is not taken for a state."""
    user = world.user()
    store(world, user, "the-state", "the-browser")

    [row] = stored(world)

    assert (row.state, row.bound_to) == (Hashed.of("the-state"), Hashed.of("the-browser"))
    assert consume(world, row.state.digest, "the-browser") is None


def test_a_state_is_stored_once(world: World) -> None:
    """Nobody binds another's state to himself; the refusal does not show it."""
    alex, bo = world.user(), world.user("bo")
    store(world, alex, "the-state")

    with pytest.raises(AlreadyExists) as refused:
        store(world, bo, "the-state")

    assert "the-state" not in f"{refused.value} {refused.value.data}"
    assert consume(world, "the-state") == alex.id


def test_a_state_of_nobody_is_refused(world: World) -> None:
    """Its user must exist."""
    with pytest.raises(ReferenceBroken):
        world.call(oauth_states.create_linkedin_oauth_state, "s", "nobody", world.now + 1)


def test_expired_states_are_cleaned_up(world: World) -> None:
    """The others stay; how many went is told."""
    user = world.user()
    store(world, user, "old")
    store(world, user, "old-too")
    world.wait(seconds=1)
    store(world, user, "young")
    world.wait(seconds=599)

    assert world.call(oauth_states.cleanup_expired_linkedin_oauth_states) == 2
    assert world.call(oauth_states.cleanup_expired_linkedin_oauth_states) == 0
    assert consume(world, "young") == user.id


def test_a_state_can_be_ended(world: World) -> None:
    """A second time nothing happens."""
    store(world, world.user())

    for _ in range(2):
        world.call(oauth_states.delete_linkedin_oauth_state, "s-1")

    assert consume(world) is None
