"""Keys that are replaced while both are in use, and keys of another environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from freehold.access import MintedKey, list_keys, rotate_key
from freehold.clock import ManualClock
from freehold.errors import Conflict, InvalidArgument, NotFound
from tests.access.world import PLACES, World, served

pytestmark = pytest.mark.promise("P9")


def rotated(world: World, key_id: str, overlap_s: int = 3600) -> MintedKey:
    pepper = world.running.secrets.pepper
    world.running.authenticator.changing()
    return world.running.first.write(
        lambda db: rotate_key(db, key_id, pepper=pepper, overlap_s=overlap_s)
    )


def status(world: World, key: str) -> int:
    return world.call("Door.who", key=key).status


@pytest.mark.parametrize("place", PLACES)
def test_both_keys_live_until_the_overlap_is_over(place: str, tmp_path: Path) -> None:
    """The new one is what the old one was, and the old one ends by itself."""
    clock = ManualClock()
    with served(tmp_path, place, clock=clock) as world:
        old = world.mint("Door.*", "back_door", user="alice", rate=100, burst=5, concurrency=7)
        clock.advance(seconds=10)

        new = rotated(world, old.info.id)

        for part in ("name", "scopes", "environment", "user", "rate", "burst", "concurrency"):
            assert getattr(new.info, part) == getattr(old.info, part)
        assert (status(world, old.key), status(world, new.key)) == (200, 200)
        listed = {info.id: info for info in world.running.first.read(list_keys)}
        assert listed[old.info.id].successor == new.info.id
        assert listed[old.info.id].expires_at == new.info.created_at + 3600
        clock.advance(seconds=3600)
        assert (status(world, old.key), status(world, new.key)) == (401, 200)


def test_either_can_be_revoked_at_once(world: World) -> None:
    """During the overlap too."""
    old = world.mint()
    new = rotated(world, old.info.id)

    world.revoke(old.info.id)
    assert (status(world, old.key), status(world, new.key)) == (401, 200)
    world.revoke(new.info.id)
    assert status(world, new.key) == 401


def test_no_overlap_ends_the_old_one_now(world: World) -> None:
    """For a key that was seen where it should not be."""
    old = world.mint()

    new = rotated(world, old.info.id, 0)

    assert (status(world, old.key), status(world, new.key)) == (401, 200)


def test_a_time_to_live_is_passed_on(world: World) -> None:
    """And the old key does not live longer for being replaced."""
    old = world.mint(expires_in_s=600)

    new = rotated(world, old.info.id, 86_400)

    assert new.info.expires_at is not None
    assert new.info.expires_at - new.info.created_at == 600
    listed = {info.id: info for info in world.running.first.read(list_keys)}
    assert listed[old.info.id].expires_at == old.info.expires_at


def test_what_cannot_be_replaced(world: World) -> None:
    """No key, one that lives no more, one that is being replaced, an endless overlap."""
    old = world.mint()
    with pytest.raises(InvalidArgument, match="overlap"):
        rotated(world, old.info.id, 91 * 86_400)
    with pytest.raises(InvalidArgument, match="overlap"):
        rotated(world, old.info.id, -1)
    with pytest.raises(NotFound):
        rotated(world, "nobody")
    new = rotated(world, old.info.id)
    with pytest.raises(Conflict, match=new.info.id):
        rotated(world, old.info.id)
    world.revoke(new.info.id)
    with pytest.raises(Conflict, match="lives no more"):
        rotated(world, new.info.id)


@pytest.mark.attack("A1")
@pytest.mark.parametrize("environment", ["live", "test"])
def test_keys_of_another_environment_are_no_keys_here(environment: str, tmp_path: Path) -> None:
    """The answer is the one for a key that was never made."""
    with served(tmp_path, environment=environment) as world:
        keys = {kind: world.key(environment=kind) for kind in ("live", "test")}
        own = keys.pop(environment)

        assert status(world, own) == 200
        refused = world.call("Door.who", key=keys.popitem()[1])
        assert refused.status == 401
        assert refused.body == world.call("Door.who", key="fh_live_never").body
