"""A key that is revoked ends at once: its next call, and the connections that it has open."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from freehold.access import revoke_key
from freehold.app.opening import Options, open_app
from freehold.client import AsyncBinding, Query
from freehold.clock import ManualClock
from freehold.errors import Unauthenticated
from freehold.testing import shared_cluster
from tests.access.world import APP, World, served
from tests.server.toy import Client, post

pytestmark = [pytest.mark.promise("P9"), pytest.mark.attack("A35")]
SOON_S = 1.0


def ends_in(client: Client) -> tuple[float, object]:
    """How long it takes until the server says goodbye, and its last words."""
    begun = time.monotonic()
    said = client.message()
    assert client.is_ended()
    return time.monotonic() - begun, said


def test_the_next_call_is_refused_on_every_kind_of_connection(world: World) -> None:
    """A connection that was opened with a living key gives nothing afterwards."""
    minted = world.mint()
    frames, http = world.frames(minted.key), world.client()
    assert frames.message()[0] == "welcome"
    for client in (http, http):  # the head of the second one is known
        client.send(post("Door.who", key=minted.key))
        assert client.answer().status == 200

    world.revoke(minted.info.id)
    http.send(post("Door.who", key=minted.key))
    frames.say([1, "Door.who", None, None])

    assert http.answer().status == 401
    said = frames.message()
    problem = said[2] if said[0] == "refused" else said[3]
    assert problem["code"] == "unauthenticated"


def test_idle_connections_of_a_revoked_key_are_closed(world: World) -> None:
    """Within a second, without a call; those of other keys stay."""
    gone, other = world.mint(), world.mint()
    idle = [world.frames(gone.key) for _ in range(3)]
    stays = world.frames(other.key)
    for client in (*idle, stays):
        assert client.message()[0] == "welcome"

    world.revoke(gone.info.id)

    for client in idle:
        took_s, said = ends_in(client)
        assert took_s < SOON_S
        assert isinstance(said, list)
        assert (said[0], said[2]["code"]) == ("refused", "unauthenticated")
    stays.say([1, "Door.who", None, None])
    assert stays.message()[1] == 0


def test_connections_of_a_key_that_expires_are_closed(tmp_path: Path) -> None:
    """Time ends a key as a revocation does."""
    clock = ManualClock()
    with served(tmp_path, clock=clock) as world:
        client = world.frames(world.key(expires_in_s=60))
        assert client.message()[0] == "welcome"
        clock.advance(seconds=60)

        took_s, _ = ends_in(client)
        assert took_s < SOON_S


def test_a_revocation_by_another_process_closes_them_too(tmp_path: Path) -> None:
    """On a server's database every process hears of it."""
    url = shared_cluster().new_schema()
    with served(tmp_path, "postgresql", database=url) as world:
        minted = world.mint()
        client = world.frames(minted.key)
        assert client.message()[0] == "welcome"
        other = open_app(APP, Options(folder=tmp_path / "data", database=url))
        try:
            other.first.write(lambda db: revoke_key(db, minted.info.id))
            took_s, _ = ends_in(client)
        finally:
            other.close()

        assert took_s < SOON_S


def test_an_answer_that_is_kept_is_not_given_to_a_revoked_key(world: World) -> None:
    """Asking again under the idempotency key is a call like any other."""
    minted = world.mint()
    once = "Idempotency-Key: again\r\n"
    assert world.call("Door.visit", key=minted.key, extra=once).status == 200

    world.revoke(minted.info.id)

    assert world.call("Door.visit", key=minted.key, extra=once).status == 401


def test_the_client_says_so_and_does_not_try_for_ever(world: World) -> None:
    """The typed error, at the next call after its idle connection was closed."""

    class Door(AsyncBinding):
        """Who calls."""

    async def story() -> None:
        minted = world.mint()
        async with Door.connect(f"http://127.0.0.1:{world.port}", key=minted.key) as dal:
            await dal._call(Query[dict[str, Any]]("Door.who"), {})
            await asyncio.to_thread(world.revoke, minted.info.id)
            await asyncio.sleep(0.6)
            with pytest.raises(Unauthenticated):
                await dal._call(Query[dict[str, Any]]("Door.who"), {})

    asyncio.run(story())
