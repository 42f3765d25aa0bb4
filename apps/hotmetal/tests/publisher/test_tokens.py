"""The token: renewed in time by one publisher, and nowhere to be read."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hotmetal.clients.hotmetal import TokenUpdate
from tests.publisher.publishers import CANARIES, World, beside

pytestmark = pytest.mark.xdist_group("publisher")

TOKEN = "/oauth/v2/accessToken"


def expires_in(world: World, seconds: int) -> str:
    """Have the newest connection's token expire then; the connection's id."""
    id = world.connections()[0].id
    until = int(time.time()) + seconds
    world.dal.update_social_connection_tokens(id, TokenUpdate(token_expires_at=until))
    return id


def refreshes(world: World) -> int:
    calls = world.calls("linkedin", TOKEN)
    return sum(call["body"].get("grant_type") == "refresh_token" for call in calls)


@pytest.mark.parametrize("left_s", [301, 290, -5])
def test_a_token_is_renewed_when_little_time_is_left(connected: World, left_s: int) -> None:
    """Five minutes before its end, or after it; the tokens are stored, the claim is over."""
    world = connected
    id = expires_in(world, left_s + 1)

    answer = world.publisher.post("/publish/linkedin", postId=world.draft())

    assert answer.status_code == 200, answer.text
    assert refreshes(world) == (0 if left_s > 300 else 1)
    connection = world.dal.get_social_connection_by_id(id)
    assert connection is not None
    assert connection.token_refresh_until is None
    assert (connection.token_expires_at or 0) - time.time() > (300 if left_s <= 300 else 290)


def test_several_publishers_renew_it_once(connected: World) -> None:
    """Two processes, many requests: one refresh; the others wait for it and publish."""
    world = connected
    other = beside(world, world.publisher.folder)
    other.start()
    try:
        expires_in(world, -1)
        world.fail("linkedin", path=TOKEN, slow_s=0.5)
        posts = [world.draft() for _ in range(6)]
        with ThreadPoolExecutor(6) as pool:
            asked = [
                pool.submit((world.publisher, other)[n % 2].post, "/publish/linkedin", postId=id)
                for n, id in enumerate(posts)
            ]
            statuses = {each.result().status_code for each in asked}
    finally:
        other.close()

    assert statuses == {200}
    assert refreshes(world) == 1


def test_a_refused_renewal_falls_back_to_what_still_works(connected: World) -> None:
    """The token has a minute left: it is used; the next time it is asked for again."""
    world = connected
    id = expires_in(world, 60)
    world.fail("linkedin", path=TOKEN, status=500)

    assert world.publisher.post("/publish/linkedin", postId=world.draft()).status_code == 200
    connection = world.dal.get_social_connection_by_id(id)
    assert connection is not None
    assert connection.token_refresh_until is None
    assert world.publisher.post("/publish/linkedin", postId=world.draft()).status_code == 200
    assert refreshes(world) == 2


def test_a_refused_renewal_of_an_expired_token_says_what_to_do(connected: World) -> None:
    """401 with LinkedIn's reason and where to go; no row."""
    world = connected
    id = expires_in(world, -1)
    reason = {"error": "invalid_grant", "error_description": "The token was revoked"}
    world.fail("linkedin", path=TOKEN, status=400, body=reason)
    post_id = world.draft()

    answer = world.publisher.post("/publish/linkedin", postId=post_id)

    assert answer.status_code == 401
    assert "revoked" in answer.json()["error"]
    assert "/oauth/linkedin" in answer.json()["error"]
    assert world.audit(post_id) == []
    connection = world.dal.get_social_connection_by_id(id)
    assert connection is not None
    assert connection.token_refresh_until is None


def test_an_expired_token_without_another_is_no_connection(connected: World) -> None:
    """401; a new connection heals it."""
    world = connected
    id = expires_in(world, -1)
    world.dal.update_social_connection_tokens(id, TokenUpdate(refresh_token=None))

    assert world.publisher.post("/publish/linkedin", postId=world.draft()).status_code == 401
    assert refreshes(world) == 0
    world.publisher.connect()
    assert world.publisher.post("/publish/linkedin", postId=world.draft()).status_code == 200


def test_no_token_is_in_a_log_or_a_file(connected: World) -> None:
    """After a connection, a renewal, a refusal, a lost answer: neither log nor folder has one."""
    world = connected
    world.publisher.connect()
    expires_in(world, 10)
    for plan in ({"status": 401}, {"status": "drop_after"}, {"status": 500}):
        world.fail("linkedin", path="/rest/posts", method="POST", **plan)
        world.publisher.post("/publish/linkedin", postId=world.draft())
    kept = [path for path in world.publisher.folder.rglob("*") if path.is_file()]

    everything = b"".join(path.read_bytes() for path in [world.publisher.log, *kept])
    assert refreshes(world) == 1
    assert len(kept) > 2
    # The search itself works: what is kept there is found.
    assert b"Originally published at" in everything
    assert [canary for canary in CANARIES if canary.encode() in everything] == []
