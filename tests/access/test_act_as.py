"""Keys that name the user they call for: who may, whom they may name, what a function sees."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from freehold.client import AsyncBinding, Mutation, Query, SyncBinding
from freehold.client.binding import TransportName
from freehold.db import Caller
from freehold.errors import InvalidArgument, PermissionDenied
from tests.access.world import World


def as_user(user: str) -> str:
    return f"Freehold-Act-As: {user}\r\n"


def seen(world: World, key: str, user: str | None = None) -> Any:
    answer = world.call("Door.who", key=key, extra=as_user(user) if user else "")
    assert answer.status == 200, answer.body
    return answer.json


@pytest.mark.attack("A3")
def test_a_key_with_the_scope_names_the_user_of_each_call(world: World) -> None:
    """The function sees that user, the key, and that the call named him; the next call does not."""
    minted = world.mint("Door.*", "act_as")

    for _ in range(3):  # the second time the head of the request is known
        for user in ("alice", "bob"):
            assert seen(world, minted.key, user) == {
                "keyId": minted.info.id, "user": user, "actsFor": True,
            }  # fmt: skip
        assert seen(world, minted.key)["user"] is None
        assert seen(world, minted.key)["actsFor"] is False


@pytest.mark.attack("A2")
@pytest.mark.parametrize("scopes", [["*"], ["Door.*"], ["*act_as*"], ["act*", "*"], ["act_a?"]])
def test_no_wildcard_gives_the_scope(world: World, scopes: list[str]) -> None:
    """Not even one that reads like it."""
    refused = world.call("Door.who", key=world.key(*scopes), extra=as_user("alice"))

    assert (refused.status, refused.json["code"]) == (403, "permission_denied")


def test_a_scope_can_name_the_one_user(world: World) -> None:
    """And no other one."""
    key = world.key("Door.*", "act_as:alice@example.com")

    assert seen(world, key, "alice@example.com")["user"] == "alice@example.com"
    assert world.call("Door.who", key=key, extra=as_user("alice")).status == 403
    assert world.call("Door.who", key=key, extra=as_user("alice@example.com2")).status == 403


def test_a_user_s_own_key_is_his_alone(world: World) -> None:
    """Naming himself changes nothing; naming another one is refused."""
    key = world.key("Door.*", user="alice")

    assert seen(world, key, "alice")["actsFor"] is False
    assert world.call("Door.who", key=key, extra=as_user("bob")).status == 403


@pytest.mark.parametrize("user", ["", " ", "a" * 121, "ü", "a b", "a\tb"])
def test_what_can_be_no_user_is_refused(world: World, user: str) -> None:
    """Before it reaches a function or a log."""
    refused = world.call("Door.who", key=world.key("*", "act_as"), extra=as_user(user))

    assert (refused.status, refused.json["path"]) == (400, "Freehold-Act-As")


def test_a_stranger_learns_nothing_by_naming_a_user(world: World) -> None:
    """The key comes first."""
    plain = world.call("Door.who", key="fh_live_x")

    assert world.call("Door.who", key="fh_live_x", extra=as_user("alice")).body == plain.body


def test_over_frames_each_call_names_its_own(world: World) -> None:
    """The connection's key stays; a refused one does not end the connection."""
    minted = world.mint("Door.*", "act_as:alice")
    client = world.frames(minted.key)
    assert client.message()[0] == "welcome"

    client.say([1, "Door.who", None, {"actAs": "alice"}])
    assert client.message()[3]["user"] == "alice"
    client.say([2, "Door.who", None, {"actAs": "bob"}])
    assert client.message()[3]["code"] == "permission_denied"
    client.say([3, "Door.who", None, {"actAs": ""}])
    assert client.message()[3]["code"] == "invalid_argument"
    client.say([4, "Door.who", None, None])
    assert client.message()[3]["user"] is None


@pytest.mark.attack("A9")
@pytest.mark.promise("P4")
def test_an_idempotency_key_is_one_user_s(world: World) -> None:
    """Bob's call under Alice's idempotency key is his own, not her answer."""
    key = world.key("Door.*", "act_as")
    once = "Idempotency-Key: the-same\r\n"

    answers = {
        user: [world.call("Door.visit", key=key, extra=as_user(user) + once).json for _ in range(2)]
        for user in ("alice", "bob")
    }

    for user, (first, again) in answers.items():
        assert first["user"] == user
        assert again == first
    assert answers["alice"][0]["id"] != answers["bob"][0]["id"]


def test_the_owner_names_whom_he_likes() -> None:
    """Without a wire it is the same."""
    owner = Caller("local", trusted=True)

    acting = owner.acting_as("alice")

    assert (acting.user, acting.acts_for, acting.trusted) == ("alice", True, True)
    with pytest.raises(PermissionDenied):
        acting.acting_as("bob")


@pytest.mark.parametrize(
    ("scopes", "user"),
    [(["act_as:*"], None), (["act_as:"], None), (["act_as"], "alice"), (["act_as:bob"], "alice")],
)
def test_scopes_that_cannot_be(world: World, scopes: list[str], user: str | None) -> None:
    """A wildcard for users, nobody, and a key that is a user's own."""
    with pytest.raises(InvalidArgument) as refusal:
        world.mint("Door.*", *scopes, user=user)

    assert refusal.value.path == "data.scopes"


class Door(AsyncBinding):
    """Asynchronous."""


class DoorSync(SyncBinding):
    """Blocking."""


WHO: Query[dict[str, Any]] = Query("Door.who")
VISIT: Mutation[dict[str, Any]] = Mutation("Door.visit")


@pytest.mark.parametrize("transport", ["frames", "http", "http+msgpack"])
def test_a_client_names_the_user_for_a_binding(world: World, transport: TransportName) -> None:
    """On the same connection; the binding it was made from stays nobody's."""
    key, place = world.key("Door.*", "act_as:alice"), f"http://127.0.0.1:{world.port}"

    async def story() -> None:
        async with Door.connect(place, key=key, transport=transport) as dal:
            alice = dal.acting_as("alice")
            for _ in range(2):
                assert (await alice._call(WHO, {}))["user"] == "alice"
                assert (await alice._call(VISIT, {}))["user"] == "alice"
                assert (await alice.with_options(timeout_s=5)._call(WHO, {}))["user"] == "alice"
                assert (await dal._call(WHO, {}))["user"] is None
            with pytest.raises(PermissionDenied):
                await dal.acting_as("bob")._call(WHO, {})

    asyncio.run(story())
    with DoorSync.connect(place, key=key, transport=transport) as dal:
        assert dal.acting_as("alice")._call(VISIT, {})["user"] == "alice"
        assert dal.acting_as("alice")._call(WHO, {})["actsFor"]
        assert dal._call(WHO, {})["user"] is None
        with pytest.raises(PermissionDenied):
            dal.acting_as("bob")._call(WHO, {})
        with pytest.raises(InvalidArgument):
            dal.acting_as("b o b")


def test_in_process_it_is_the_same(world: World) -> None:
    """The owner's own binding may name anybody; a caller's binding what its key may."""

    async def story() -> None:
        dal = world.running.bind(Door)
        assert (await dal.acting_as("alice")._call(VISIT, {}))["user"] == "alice"
        plain = world.running.bind(Door, caller=Caller("k", frozenset({"Door.*"})))
        with pytest.raises(PermissionDenied):
            await plain.acting_as("alice")._call(WHO, {})

    asyncio.run_coroutine_threadsafe(story(), world.loop).result(20)
