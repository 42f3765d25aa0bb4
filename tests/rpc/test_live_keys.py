"""
A service key may have so many idempotency keys remembered and no more; and whose they are.

On every engine, and through the real server over HTTP and frames.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from freehold.client import AsyncBinding, Mutation, Step, Steps
from freehold.db import Caller
from freehold.errors import CallError, InvalidArgument, TooManyKeys
from freehold.rpc.idempotency import KEPT_S, KeptAnswer, sweep
from freehold.rpc.live_keys import RETRY_AFTER_S, LiveKeys, count_keys
from freehold.testing import TestDatabase
from freehold.wire.limits import Limits
from tests.e2e.processes import ServerProcess
from tests.rpc.test_idempotency import ADA, BOB, Desk, Shop, database, opened

__all__ = ["database"]

pytestmark = pytest.mark.attack("A10")
KIOSK = Path(__file__).parents[1] / "generate" / "typescript" / "kiosk.py"
MOST = 5


def small(database: TestDatabase) -> Desk:
    """A process that serves the shop, with a low limit."""
    return Desk(database, limits=Limits(idempotency_keys_max=MOST))


async def fill(desk: Desk, count: int, *, start: int = 0, caller: Caller = ADA) -> None:
    """So many keys, every other one of a refusal."""
    for n in range(start, start + count):
        name, args = ("order", {"mark": f"m{n}"}) if n % 2 else ("cancel", {"id": "none"})
        answer = await desk.call(name, args, key=f"k{n}", caller=caller)
        assert not isinstance(answer.error, TooManyKeys)


async def counted(desk: Desk, database: TestDatabase) -> None:
    """What housekeeping does once a minute."""
    live = desk.dispatcher.live_keys["main"]
    before = live.since()
    live.was_counted(await asyncio.to_thread(database.database.read, count_keys), before=before)


def test_one_key_more_is_refused_and_does_nothing(database: TestDatabase) -> None:
    """Typed, with when to come again; what is kept is answered, and others have their own room."""

    async def story() -> None:
        async with opened(database):
            desk = small(database)
            await fill(desk, MOST)
            orders = await desk.orders()
            for round_ in range(2):
                refused = await desk.call("order", {"mark": "more"}, key="one-more")
                assert isinstance(refused.error, TooManyKeys), round_
                assert (refused.error.status, refused.error.code) == (429, "rate_limited")
                assert refused.error.retry_after_s == RETRY_AFTER_S
                assert "idempotency_keys_max" in refused.error.hint
                again = await desk.call("order", {"mark": "m1"}, key="k1")
                assert again.error is None
                await counted(desk, database)
            assert await desk.orders() == orders
            assert (await desk.call("order", {"mark": "no key"})).error is None
            await fill(desk, MOST, start=10, caller=BOB)

    asyncio.run(story())


def test_there_is_room_again_when_they_are_forgotten(database: TestDatabase) -> None:
    """After a week, a sweep and a count."""

    async def story() -> None:
        async with opened(database):
            desk = small(database)
            await fill(desk, MOST)
            database.clock.advance(seconds=KEPT_S)
            await asyncio.to_thread(database.database.write, lambda db: sweep(db, 1_000))
            refused = await desk.call("order", {"mark": "a"}, key="a")
            assert isinstance(refused.error, TooManyKeys)
            await counted(desk, database)
            assert (await desk.call("order", {"mark": "a"}, key="a")).error is None

    asyncio.run(story())


def test_another_process_and_a_new_one_know_it_once_they_have_counted(
    database: TestDatabase,
) -> None:
    """Until then each knows its own: so much more may be kept, and no more."""

    async def story() -> None:
        async with opened(database):
            one, other = small(database), small(database)
            await fill(one, MOST)
            await fill(other, MOST, start=10)
            for desk in (one, other):
                assert isinstance(
                    (await desk.call("order", {"mark": "x"}, key="x")).error, TooManyKeys
                )
            rows = database.database.read(lambda db: db.all(KeptAnswer))
            assert len(rows) == 2 * MOST
            started = small(database)
            await counted(started, database)
            refused = await started.call("order", {"mark": "x"}, key="x")
            assert isinstance(refused.error, TooManyKeys)

    asyncio.run(story())


def test_what_is_not_kept_is_not_counted(database: TestDatabase) -> None:
    """Refused arguments, repeated calls, two in one batch: as many as there are rows."""

    async def story() -> None:
        async with opened(database):
            desk = small(database)
            for _ in range(3):
                await desk.call("picky", {"size": -1}, key="picky")
                await desk.call("order", {"mark": "a"}, key="a")
                both = [desk.send("order", {"mark": "b"}, key="b") for _ in range(4)]
                await asyncio.gather(*both)
                await desk.call("cancel", {"id": "none"}, key="c")
            assert desk.dispatcher.live_keys["main"].since() == {"ada": 3}
            assert database.database.read(count_keys) == {"ada": 3}

    asyncio.run(story())


def test_what_is_kept_during_a_count_is_not_forgotten() -> None:
    """It is added to what was counted."""
    live = LiveKeys(most=3)
    live.add(ADA)
    before = live.since()
    live.add(ADA)
    live.was_counted({"ada": 1}, before=before)
    live.require_room(ADA)
    live.add(ADA)
    with pytest.raises(TooManyKeys):
        live.require_room(ADA)
    live.require_room(BOB)


@pytest.mark.attack("A9")
def test_no_mutation_answers_with_what_another_was_answered(database: TestDatabase) -> None:
    """Every mutation: another service key, or another user of the same one, is another call."""
    calls: dict[str, dict[str, Any]] = {
        "order": {"mark": "a"}, "orderLast": {"mark": "b"}, "cancel": {"id": "none"}, "mint": {},
        "long": {}, "picky": {"size": 1}, "hide": {"secret": "s"},
    }  # fmt: skip
    assert set(calls) == {
        name for name, each in Shop.__methods__.items() if each.kind == "mutation"
    }
    eve = Caller("eve", ADA.scopes)
    others = [BOB, Caller("ada", ADA.scopes, user="u1"), Caller("ada", ADA.scopes, user="u2")]

    async def story() -> None:
        async with opened(database) as desk:
            for name, args in calls.items():
                first = await desk.call(name, args, key="k")
                seqs = {first.seq}
                for caller in others:
                    answer = await desk.call(name, args, key="k", caller=caller)
                    # It was run for itself: it has a commit of its own, or its own refusal.
                    assert answer.seq not in seqs or answer.error is not None
                    assert not answer.body or answer.body != first.body or name in ("hide", "picky")
                    seqs.add(answer.seq)
                mine = await desk.call(name, args, key="k")
                assert (mine.body, type(mine.error)) in (
                    (first.body, type(first.error)), (b"", type(mine.error)),
                )  # fmt: skip
            rows = database.database.read(lambda db: db.all(KeptAnswer))
            assert not [row for row in rows if row.principal == eve.key_id]
            whose = {(row.method, row.principal, row.user) for row in rows}
            assert len(whose) == len(rows)

    asyncio.run(story())


# -- over the wire ------------------------------------------------------------------------

ODD = ["", " ", "a b", "é", "ｋ", "a\u200b", "k\x7f", "x" * 256]  # noqa: RUF001 - looks like k
ADD = Mutation[Any]("Kiosk.addItem")


class Kiosk(AsyncBinding):
    """As it would be generated."""


class KioskTransaction(Steps):
    """The calls of a transaction."""

    def add(self, name: str) -> Step[Any]:
        """Put something on the shelf."""
        return self._step(ADD, {"name": name})


def test_the_server_says_it_over_http_and_frames(tmp_path: Path) -> None:
    """429 and Retry-After; odd keys are refused on every face."""
    server = ServerProcess(tmp_path, app=KIOSK)
    server._arguments += ["--limit", f"idempotency_keys_max={MOST}"]
    server.start()
    try:
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(server.socket))) as http:

            def post(path: str, key: bytes, body: Any) -> httpx.Response:
                headers = [(b"Idempotency-Key", key)]
                return http.post(f"http://localhost{path}", json=body, headers=headers)

            call = {"method": "Kiosk.addItem", "args": {"name": "a"}}
            for odd in ODD:
                # HTTP's own client takes these two for no header at all.
                if odd not in (" ", "k\x7f"):
                    for path, body in (("/rpc/Kiosk/addItem", {"name": "a"}), ("/rpc", [call])):
                        refused = post(path, odd.encode(), body)
                        assert refused.status_code == 400, odd
                        assert refused.json()["path"] == "Idempotency-Key"
            for n in range(MOST - 1):
                assert post("/rpc/Kiosk/addItem", b"k%d" % n, {"name": "a"}).status_code == 200
            assert post("/rpc", b"k" * 255, [call, call]).status_code == 200
            full = post("/rpc", b"more", [call])
            assert (full.status_code, full.json()["error"]) == (429, "TooManyKeys")
            assert full.headers["Retry-After"] == str(RETRY_AFTER_S)
            assert post("/rpc/Kiosk/addItem", b"k1", {"name": "a"}).status_code == 200
        asyncio.run(over_frames(server.address))
    finally:
        server.kill()


async def over_frames(address: str) -> None:
    """The client refuses an odd key itself; a full one is the server's word, told at once."""
    async with Kiosk.connect(address) as dal:
        for odd in ODD:
            with pytest.raises(InvalidArgument):
                dal.with_options(idempotency_key=odd)
        with pytest.raises(CallError) as refusal:
            await dal._call(ADD, {"name": "a"})
        assert isinstance(refusal.value, TooManyKeys)
        assert refusal.value.retry_after_s == RETRY_AFTER_S
        with pytest.raises(TooManyKeys):
            async with dal._transaction(KioskTransaction, None) as t:
                t.add("a")
        # What is kept is still answered.
        kept = dal.with_options(idempotency_key="k1")
        assert (await kept._call(ADD, {"name": "a"}))["name"] == "a"
