"""
Several calls in one transaction, by the generated client: over every transport, in both colours.

The server is `freehold serve` of the kiosk, whose client is generated here; what is lost on the
way is lost by the tiny server.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from freehold.client.binding import TransportName
from freehold.db import Caller
from freehold.errors import FreeholdError, IdempotencyMismatch, InvalidArgument, NotFound
from freehold.generate import python_client
from freehold.rpc.contract import contract_of
from freehold.rpc.dispatch import Dispatcher, Request
from freehold.rpc.idempotency import KeptAnswer
from freehold.schema import Schema
from freehold.testing import ENGINES, engine_database
from freehold.wire.codec import MSGPACK
from tests.client.tiny_server import tiny, tiny_thread
from tests.client.toy_client import Toy, ToySync
from tests.e2e.processes import ServerProcess
from tests.generate.test_python_client import load
from tests.generate.typescript.kiosk import Item, Kiosk

HERE = Path(__file__).parents[1] / "generate" / "typescript" / "kiosk.py"
TRANSPORTS: list[TransportName] = ["frames", "http", "http+msgpack"]

pytestmark = [pytest.mark.xdist_group("kiosk"), pytest.mark.promise("P2")]


@pytest.fixture(scope="module")
def kiosk(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The generated module."""
    contract = json.loads(contract_of("kiosk", [Kiosk]).to_json())
    return load(tmp_path_factory.mktemp("kiosk") / "kiosk_client.py", python_client(contract))


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of the server's Unix socket."""
    server = ServerProcess(tmp_path_factory.mktemp("data"), app=HERE)
    server.start()
    try:
        yield server.address
    finally:
        server.kill()


def build(t: Any, mark: str) -> tuple[Any, ...]:
    """A transaction with references of every sort; the same in both colours."""
    one = t.add_item(f"{mark}1", amount=3)
    two = t.add_item(f"{mark}2", first_id=one.ref.id)
    nothing = t.take(one.ref.id, 2)
    changed = t.change_item(two.ref.id, kiosk_changes(t)(name=one.ref.name))
    page = t.list_items(limit=100)
    first = t.get_item(page.ref.items[0].id)
    echoed = t.echo_any({"of": [one.ref.id, two.ref.first_id], "raw": 5})
    return one, two, nothing, changed, page, first, echoed


def kiosk_changes(t: Any) -> Any:
    """The patch of the module that `t` is of."""
    return sys.modules[type(t).__module__].ItemChanges


def check(steps: tuple[Any, ...], mark: str, amount: int | None) -> None:
    """What it must have come to."""
    one, two, nothing, changed, page, first, echoed = (step.value for step in steps)
    assert (one.amount, nothing) == (3, None)
    assert (two.first_id, changed.id, changed.name) == (one.id, two.id, f"{mark}1")
    assert first == page.items[0]
    assert echoed == {"of": [one.id, one.id], "raw": 5}
    assert amount == 1


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_later_calls_use_earlier_results(
    kiosk: Any, address: str, transport: TransportName
) -> None:
    """All is done in one commit; afterwards the steps have their typed values."""

    async def story() -> None:
        async with kiosk.Kiosk.connect(address, transport=transport) as dal:
            await dal.add_item("before")
            seq = dal.seq
            async with dal.transaction() as t:
                steps = build(t, f"a{transport}")
                assert dal.seq == seq
            assert dal.seq == seq + 1
            check(steps, f"a{transport}", (await dal.get_item(steps[0].value.id)).amount)

    asyncio.run(story())
    with kiosk.KioskSync.connect(address, transport=transport) as dal:
        with dal.transaction() as t:
            steps = build(t, f"s{transport}")
        check(steps, f"s{transport}", dal.get_item(steps[0].value.id).amount)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_refusal_is_typed_and_names_its_call(
    kiosk: Any, address: str, transport: TransportName
) -> None:
    """And nothing of the whole is done."""
    with kiosk.KioskSync.connect(address, transport=transport) as dal:
        with pytest.raises(kiosk.OutOfStock) as refusal, dal.transaction() as t:  # noqa: PT012 - its end raises
            made = t.add_item("undone", amount=1)
            t.take(made.ref.id, 2)

        assert (refusal.value.data["call"], refusal.value.left) == (1, 1)
        assert dal.count_named("undone") == 0
        with pytest.raises(FreeholdError, match="did not go through"):
            _ = made.value


@pytest.mark.promise("P4")
def test_one_key_is_the_whole_transactions(kiosk: Any, address: str) -> None:
    """Repeated it has one effect; with other calls the key is refused. Queries alone need none."""
    with kiosk.KioskSync.connect(address) as dal:
        ids = []
        for _ in range(2):
            with dal.transaction(idempotency_key="pair-1") as t:
                one = t.add_item("pair")
                t.add_item("pair", first_id=one.ref.id)
            ids.append(one.value.id)
        assert ids[0] == ids[1]
        assert dal.count_named("pair") == 2

        with pytest.raises(IdempotencyMismatch), dal.transaction(idempotency_key="pair-1") as t:
            t.add_item("another")
        with dal.transaction() as t:
            both = t.count_named("pair"), t.count_named("another")
        assert [step.value for step in both] == [2, 0]


def test_an_error_in_the_block_sends_nothing(kiosk: Any, address: str) -> None:
    """In either colour; and a block without calls asks nobody."""

    async def story() -> None:
        async with kiosk.Kiosk.connect(address) as dal:
            with pytest.raises(KeyError):  # noqa: PT012 - its end raises
                async with dal.transaction() as t:
                    t.add_item("never")
                    raise KeyError
            assert await dal.count_named("never") == 0

    asyncio.run(story())
    with kiosk.KioskSync.connect("unix:/nowhere/at.all") as dal:
        with pytest.raises(KeyError), dal.transaction() as t:  # noqa: PT012 - its end raises
            t.add_item("never")
            raise KeyError
        with dal.transaction() as t:
            pass


def test_what_a_reference_is_not(kiosk: Any) -> None:
    """A value: whoever takes it for one is told so, where it happens."""
    dal = kiosk.KioskSync.connect("unix:/nowhere/at.all")
    other = dal.transaction().__enter__().add_item("other")
    with pytest.raises(KeyError), dal.transaction() as t:  # noqa: PT012 - its end raises
        item = t.add_item("one")
        for use in (bool, len, list, str, int, "{}".format, hash, lambda ref: ref == "a",
                    lambda ref: ref + "a", lambda ref: "a" in ref):  # fmt: skip
            with pytest.raises((FreeholdError, TypeError)):
                use(item.ref.id)
        with pytest.raises(AttributeError, match="no 'titel'"):
            _ = item.ref.titel
        with pytest.raises(TypeError, match="no \\[0\\]"):
            _ = item.ref[0]
        with pytest.raises(FreeholdError, match="not sent yet"):
            _ = item.value
        with pytest.raises(InvalidArgument, match="another transaction"):
            t.get_item(other.ref.id)
        with pytest.raises(InvalidArgument, match=r"`step\.ref`"):
            t.get_item(item)
        with pytest.raises(InvalidArgument, match="taken for a reference"):
            t.echo_any({"note": {"$result": [0, "secret"]}})
        with pytest.raises(InvalidArgument, match="cannot travel"):
            t.echo_any(object())
        t.echo_any({"said": "$result", "ref": item.ref.id})
        raise KeyError
    with pytest.raises(FreeholdError, match="is over"):
        t.add_item("late")


def test_arguments_are_taken_down_as_they_are(kiosk: Any, address: str) -> None:
    """What happens to a list after the call does not travel."""
    with kiosk.KioskSync.connect(address) as dal:
        given = [1]
        with dal.transaction() as t:
            echoed = t.echo_any(given)
            given.append(2)
        assert echoed.value == [1]


@pytest.mark.promise("P4")
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_it_is_sent_again_under_its_key(tmp_path: Path, transport: TransportName) -> None:
    """Its answer was lost: one key for both attempts."""

    async def story() -> None:
        async with tiny(f"unix:{tmp_path}/a") as (server, place):
            dal = Toy.connect(place, transport=transport)
            async with dal, dal.transaction() as t:
                one, two = t.call("add", value=1), t.call("echo", value=2)
            assert [one.value, two.value] == [1, 2]
            assert [name for name, _, _ in server.calls] == ["$transaction"] * 2
            assert len(keys_of(server)) == 1

    asyncio.run(story())
    with tiny_thread(f"unix:{tmp_path}/s") as (server, place, _):
        dal = ToySync.connect(place, transport=transport)
        with dal, dal.transaction(idempotency_key="mine") as t:
            one = t.call("add", value=1)
        assert one.value == 1
        assert keys_of(server) == {"mine"}


def keys_of(server: Any) -> set[str]:
    """The keys that its calls came with."""
    framed = {options["idempotencyKey"] for _, _, options in server.calls if options}
    return framed | {headers["idempotency-key"] for headers in server.requests}


@pytest.mark.parametrize("engine", ENGINES)
def test_in_this_very_process(kiosk: Any, engine: str) -> None:
    """On each engine, with the caller's own key too."""

    async def story(database: Any) -> None:
        async with database.serving():
            dispatcher = Dispatcher(
                [Kiosk], {"main": database.database}, contract=contract_of("kiosk", [Kiosk]),
                clock=database.clock,
            )  # fmt: skip
            request = partial(Request, codec=MSGPACK, caller=Caller("me", frozenset({"*"})))
            dal = kiosk.Kiosk.in_process(dispatcher, request=request)
            ids = set()
            for _ in range(2):
                async with dal.transaction(idempotency_key="k") as t:
                    steps = build(t, "p")
                check(steps, "p", (await dal.get_item(steps[0].value.id)).amount)
                ids.add(steps[0].value.id)
            assert len(ids) == 1
            with pytest.raises(NotFound) as refusal:  # noqa: PT012 - its end raises
                async with dal.transaction() as t:
                    t.add_item("undone")
                    t.take("nobody", 1)
            assert refusal.value.data["call"] == 1
            assert await dal.count_named("undone") == 0

    with engine_database(engine, Schema([Item, KeptAnswer], is_system=True)) as database:
        asyncio.run(story(database))
