"""
Who shows no key that lives here is answered the same, whatever he asks, in whatever spelling;
and late, when he does it too often.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from freehold.access import KeyAuthenticator
from freehold.clock import ManualClock
from freehold.crypto import service_keys
from freehold.errors import Unauthenticated
from freehold.server.strangers import Strangers
from freehold.wire.limits import Limits
from tests.access.world import World, served
from tests.server.toy import HttpAnswer, get, post

SECOND = 1_000_000_000


def bad_keys(world: World) -> dict[str, str | None]:
    """Everything that is no living key, each with its reason."""
    expired, revoked = world.mint(expires_in_s=1), world.mint()
    other = world.key(environment="test")
    good = world.key()
    world.revoke(revoked.info.id)
    world.running.options.clock.advance(seconds=2)  # type: ignore[attr-defined]
    digest = world.running.first.inspect("select digest from _freehold_keys limit 1", 1).rows[0][0]
    wrong_secret, _ = service_keys.mint("live", lambda count: b"\x07" * count)
    swapped = good[:21] + wrong_secret[21:]
    return {
        "none": None,
        "empty": "",
        "no key at all": "hunter2",
        "a typing mistake": good[:-1] + ("A" if good[-1] != "A" else "B"),
        "cut": good[:-1],
        "longer": good + "A",
        "another case": good.upper(),
        "an id that is not there": wrong_secret,
        "the id of a key and another secret": swapped,
        "the stored digest": str(digest),
        "expired": expired.key,
        "revoked": revoked.key,
        "of another environment": other,
        "very long": "fh_live_" + "a" * 4_000,
        "the name of a trusted caller": "local",
        "null": "null",
    }


@pytest.fixture(scope="module")
def barred(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server whose clock stands, so that one of its keys can have expired."""
    clock = ManualClock()
    limits = Limits(bad_keys_per_min_max=10**6)
    folder: Path = tmp_path_factory.mktemp("barred")
    with served(folder, clock=clock, limits=limits, environment="live") as world:
        yield world


@pytest.mark.attack("A1")
@pytest.mark.attack("A12")
@pytest.mark.attack("A13")
def test_every_method_says_the_same_to_every_stranger(barred: World) -> None:
    """401, the same headers and the same bytes: for methods that are there, and that are not."""
    keys = bad_keys(barred)
    names = [*barred.running.dispatcher.names, "Door.nothing", "Nobody.who", "Freehold.sql", "a.b"]
    said: dict[tuple[int, tuple[tuple[str, str], ...], bytes], list[str]] = {}
    for name in names:
        for kind, key in keys.items():
            # A connection each: one ends after so many strangers' calls in a row.
            answer = barred.call(name, key=key)
            seen = (answer.status, tuple(sorted(answer.headers.items())), answer.body)
            said.setdefault(seen, []).append(f"{name}: {kind}")

    assert len(said) == 1, {key[0]: places[:5] for key, places in said.items()}
    ((status, _, _),) = said
    assert status == 401


@pytest.mark.attack("A1")
@pytest.mark.parametrize(
    "scheme",
    ["Basic {key}", "bearer", "Bearer", "Bearer  ", "{key}", "Token {key}", "Bearer {key} x",
     "Bearer {key},{key}", "Bearer\t{key}"],
)  # fmt: skip
def test_a_good_key_in_another_scheme_is_none(barred: World, scheme: str) -> None:
    """It is not looked for where it does not belong."""
    key = barred.key()
    client = barred.client()
    said = scheme.format(key=key)
    client.send(post("Door.who", key=None, extra=f"Authorization: {said}\r\n"))

    assert client.answer().body == barred.call("Door.who", key=None).body


@pytest.mark.attack("A1")
def test_a_key_in_the_address_a_cookie_or_the_body_is_none(barred: World) -> None:
    """It would be in logs and histories."""
    key = barred.key()
    plain = barred.call("Door.who", key=None)
    client = barred.client()
    for extra, body in (
        (f"Cookie: key={key}\r\n", b"{}"),
        (f"X-Api-Key: {key}\r\n", b"{}"),
        ("", f'{{"key": "{key}"}}'.encode()),
    ):
        client.send(post("Door.who", body, key=None, extra=extra))
        assert client.answer().body == plain.body
    client.send(post(f"Door.who?key={key}", key=None))
    assert client.answer().body == plain.body


@pytest.mark.attack("A1")
@pytest.mark.parametrize("path", ["/contract.json", "/openapi.json", "/metrics"])
def test_the_pages_say_it_too(barred: World, path: str) -> None:
    """Word for word."""
    client = barred.client()
    client.send(get(path, key="fh_live_x"))

    answer = client.answer()
    assert answer.status == 401
    assert answer.json == barred.call("Door.who", key=None).json


@pytest.mark.attack("A1")
def test_frames_say_it_too(barred: World) -> None:
    """In the greeting, and then they end."""
    refusals = []
    for key in bad_keys(barred).values():
        client = barred.frames(key or "")
        word, _, problem = client.message()
        assert word == "refused"
        assert client.is_ended()
        refusals.append(problem)

    assert all(problem == barred.call("Door.who", key=None).json for problem in refusals)


SPELLINGS = (
    "Door.__class__", "Door.__init__", "Door._who", "Door.__methods__", "Door.mro", "Door.database",
    "Door.WHO", "Door.Who", "door.who", "DOOR.who", "Door.who\u200b", "Door.wh\u043e",
    "D\u043eor.who", "Door..who", "Door/who/x", "Door.who.who", "Door", "Door.", ".who", "",
    "Door.%77ho", "Door%2ewho", "Door.who%00", "Door.who%2f", "Door/../Door.who", "./Door.who",
    "/Door.who", "Door.;who", "Door.who;x", "Door.who#x", "Door.who?x=1", "Door.who?",
    "Freehold.sql", "Freehold.createKey", "Freehold.create_key", "Freehold.revokeKey",
    "freehold.sql", "Door.sql", "Door.secretWord", "Door.secret_word", "$transaction.x",
    "Door.$transaction", "Door.constructor", "Door.prototype", "object.__subclasses__",
    "builtins.eval", "os.system", "Visit.visits",
)  # fmt: skip


@pytest.mark.attack("A2")
@pytest.mark.parametrize("name", SPELLINGS)
def test_no_spelling_reaches_what_the_key_may_not(world: World, name: str) -> None:
    """The names in the contract are the only ones; over HTTP, and over frames."""
    key = world.key("*")
    path = name.replace(".", "/").encode()
    client = world.client()
    client.send(
        b"POST /rpc/" + path + b" HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
        + key.encode() + b"\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    )  # fmt: skip
    answer = client.answer()
    assert answer.status in (400, 403, 404), answer.body

    frames = world.frames(key)
    frames.message()
    frames.say([1, name, None, None])
    assert frames.message()[3]["code"] in ("permission_denied", "unknown_method")


@pytest.mark.attack("A2")
@pytest.mark.parametrize("scopes", [["*"], ["*.*"], ["Freehold.*"], ["Door.*"], ["freehold*"]])
def test_no_pattern_gives_the_operator_s_methods_or_a_word(world: World, scopes: list[str]) -> None:
    """They ask for words, and a word is given by itself only."""
    key = world.key(*scopes)

    for name in ("Freehold.sql", "Freehold.createKey", "Freehold.rotateKey", "Freehold.listKeys",
                 "Freehold.revokeKey", "Door.secretWord"):  # fmt: skip
        assert world.call(name, key=key).status == 403, name


@pytest.mark.attack("A2")
def test_a_key_learns_of_no_method_that_it_may_not_call(world: World) -> None:
    """The hint for an unknown name is made of the caller's own ones."""
    key = world.key("Door.who")

    assert "visit" not in world.call("Door.visitz", key=key).json["hint"]
    assert "sql" not in world.call("Freehold.sqk", key=key).json["hint"]


# -- too many of them -----------------------------------------------------------------------


@pytest.mark.attack("A14")
def test_wrong_keys_of_one_address_come_late_after_too_many() -> None:
    """Those of another do not; and time heals."""
    strangers = Strangers(Limits(bad_keys_per_min_max=60, bad_key_wait_s=1.5))

    waits = [strangers.wait_s("203.0.113.7", SECOND) for _ in range(100)]

    assert waits == [0.0] * 60 + [1.5] * 40
    assert strangers.wait_s("203.0.113.8", SECOND) == 0.0
    assert strangers.wait_s("", SECOND) == 0.0
    assert strangers.wait_s("203.0.113.7", 3 * SECOND) == 0.0
    assert [strangers.wait_s("203.0.113.7", 3 * SECOND) for _ in range(2)] == [0.0, 1.5]


@pytest.mark.attack("A14")
def test_one_customer_s_network_is_one_address_and_memory_is_bounded() -> None:
    """IPv6 gives everybody 2^64 of them."""
    strangers = Strangers(Limits(bad_keys_per_min_max=10))

    waits = [strangers.wait_s(f"2001:db8::{n:x}", SECOND) for n in range(1, 30)]
    assert sum(wait > 0 for wait in waits) == 19
    for number in range(30_000):
        strangers.wait_s(f"198.{number >> 16}.{number >> 8 & 255}.{number & 255}", SECOND)
    assert len(strangers._due_ns) <= 10_000


@pytest.mark.attack("A14")
@pytest.mark.promise("P16")
def test_guessing_is_slow_and_good_keys_from_the_same_address_are_not(tmp_path: Path) -> None:
    """Over HTTP, frames and the pages; the late answer is the same one, and ends the connection."""
    limits = Limits(bad_keys_per_min_max=3, bad_key_wait_s=0.4)
    with served(tmp_path, limits=limits) as world:
        key = world.key()
        plain = world.call("Door.who", key="fh_live_x")
        for _ in range(2):
            world.call("Door.who", key="fh_live_x")

        def timed(work: object) -> tuple[HttpAnswer, float]:
            begun = time.monotonic()
            assert callable(work)
            answer: HttpAnswer = work()
            return answer, time.monotonic() - begun

        late, took_s = timed(lambda: world.call("Door.who", key="fh_live_x"))
        assert (late.status, late.body) == (401, plain.body)
        assert late.headers["connection"] == "close"
        assert took_s >= 0.39

        def page() -> HttpAnswer:
            client = world.client()
            client.send(get("/metrics", key="fh_live_x"))
            return client.answer()

        answer, took_s = timed(page)
        assert answer.status == 401
        assert took_s >= 0.39
        begun = time.monotonic()
        frames = world.frames("fh_live_x")
        assert frames.message()[0] == "refused"
        assert time.monotonic() - begun >= 0.39
        # A hundred guesses wait; whoever has a key is answered meanwhile.
        guessing = [world.client() for _ in range(100)]
        for client in guessing:
            client.send(post("Door.who", key="fh_live_x"))
        good, took_s = timed(lambda: world.call("Door.who", key=key))
        assert good.status == 200
        assert took_s < 0.3
        assert {client.answer().status for client in guessing} == {401}


@pytest.mark.attack("A14")
def test_a_stranger_who_goes_away_leaves_nothing(tmp_path: Path) -> None:
    """Neither a waiting refusal nor a broken connection."""
    limits = Limits(bad_keys_per_min_max=1, bad_key_wait_s=0.2)
    with served(tmp_path, limits=limits) as world:
        key = world.key()
        world.call("Door.who", key="x")
        for _ in range(5):
            for client in (world.client(), world.frames("x")):
                client.send(post("Door.who", key="x"))
                client.close()
        strangers = world.server._hub.strangers
        until = time.monotonic() + 10
        while (strangers.late or world.server.connections) and time.monotonic() < until:
            time.sleep(0.02)

        assert strangers.late == 0
        assert world.server.connections == 0
        assert world.call("Door.who", key=key).status == 200


@pytest.mark.attack("A12")
@pytest.mark.promise("P9")
def test_nothing_that_is_stored_opens(world: World) -> None:
    """A stolen table holds no key."""
    world.key()
    access: KeyAuthenticator = world.running.authenticator
    rows = world.running.first.inspect("select * from _freehold_keys", 100).rows
    for cell in {str(cell) for row in rows for cell in row}:
        with pytest.raises(Unauthenticated):
            access.caller(cell, trusted=False)
