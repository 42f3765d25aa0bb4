"""
Exactly once: a repeated mutation is answered as the first time and has no second effect.

Every test runs on every engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import pytest

from freehold import (
    UNSET,
    AlreadyExists,
    Conflict,
    Entrypoint,
    Maybe,
    NotFound,
    PrimaryKey,
    Reader,
    Record,
    Sealed,
    Unique,
    Writer,
    method,
)
from freehold.crypto import Secret
from freehold.db import Caller
from freehold.errors import InvalidArgument
from freehold.rpc.contract import contract_of
from freehold.rpc.dispatch import Answer, Dispatcher, Request
from freehold.rpc.idempotency import (
    ANSWER_BYTES_MAX,
    KEPT_S,
    SECRET_KEPT_S,
    KeptAnswer,
    fingerprint,
    sweep,
)
from freehold.schema import Schema
from freehold.testing import ENGINES, TestDatabase, engine_database
from freehold.wire.codec import JSON, MSGPACK, Codec
from freehold.wire.limits import Limits

ADA = Caller("ada", scopes=frozenset({"*"}))
BOB = Caller("bob", scopes=frozenset({"*"}))


class Sold(Conflict):
    """The last one is gone."""

    left: int

    def __init__(self, left: int) -> None:
        super().__init__("there is none left.", hint="Come again.")
        self.left = left


class Order(Record, table="orders"):
    """Something that was ordered."""

    id: Annotated[str, PrimaryKey()]
    mark: Annotated[str, Unique()]
    raw: bytes = b"\x00\xff"


def order(db: Writer, mark: str, more: str = "") -> Order:
    """Order something; each one has its mark."""
    return db.insert(Order(id=db.new_id(), mark=mark + more))


def order_last(db: Writer, mark: str) -> Order:
    """Order the only one that there is."""
    left = 1 - len(db.all(Order))
    db.insert(Order(id=db.new_id(), mark=mark))
    if left <= 0:
        raise Sold(left)
    return db.all(Order)[0]


def cancel(db: Writer, id: str) -> bool:
    """Take an order back."""
    if not db.delete(Order, id):
        raise NotFound(f"there is no order {id!r}.")
    return True


def mint(db: Writer) -> str:
    """A token that is shown once."""
    db.insert(Order(id=db.new_id(), mark=db.new_id()))
    return db.random_bytes(16).hex()


def long(db: Writer) -> str:
    """An answer that is not kept."""
    db.insert(Order(id=db.new_id(), mark="long"))
    return "x" * (ANSWER_BYTES_MAX + 1)


def picky(db: Writer, size: int) -> int:
    """Refuses by its argument alone."""
    db.insert(Order(id=db.new_id(), mark="picky"))
    if size < 0:
        raise InvalidArgument("the size is negative.", path="size")
    return size


def hide(db: Writer, secret: Sealed[str], more: Maybe[str] = UNSET) -> int:
    """Takes what is sealed, and something that may be left out."""
    db.insert(Order(id=db.new_id(), mark="hidden"))
    return len(secret.plain() or "") + (0 if more is UNSET else len(more))


def count(db: Reader) -> int:
    """How many orders there are."""
    return len(db.all(Order))


class Shop(Entrypoint):
    """What the tests call."""

    order = order
    order_last = order_last
    cancel = cancel
    mint = method(mint, reveals=True)
    long = long
    picky = picky
    hide = hide
    count = count


SCHEMA = Schema([Order, KeptAnswer], is_system=True)


class Desk:
    """The shop on one engine: calls in, answers out."""

    def __init__(self, database: TestDatabase, *, limits: Limits | None = None) -> None:
        self.clock = database.clock
        self.database: Any = database.database
        self.dispatcher = Dispatcher(
            [Shop], {"main": self.database}, contract=contract_of("shop", [Shop]),
            clock=database.clock, limits=limits,
        )  # fmt: skip

    async def call(
        self, name: str, args: dict[str, Any] | None = None, *, key: str | None = None,
        caller: Caller = ADA, codec: Codec = JSON,
    ) -> Answer:  # fmt: skip
        """Call and wait."""
        return await self.send(name, args, key=key, caller=caller, codec=codec)

    def send(
        self, name: str, args: dict[str, Any] | None, *, key: str | None, caller: Caller = ADA,
        codec: Codec = JSON,
    ) -> asyncio.Future[Answer]:  # fmt: skip
        """Hand a call over; several in one turn of the loop land in one batch."""
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.dispatcher.call(
            Request(
                f"Shop.{name}",
                codec.encode(args or {}),
                codec,
                caller,
                answered.set_result,
                idempotency_key=key,
            )
        )
        return answered

    async def orders(self) -> int:
        """How many orders there are."""
        return int(JSON.decode((await self.call("count")).body))


@pytest.fixture(params=ENGINES)
def database(request: pytest.FixtureRequest) -> Iterator[TestDatabase]:
    """A new shop on each engine."""
    with engine_database(request.param, SCHEMA) as made:
        yield made


@asynccontextmanager
async def opened(database: TestDatabase) -> AsyncIterator[Desk]:
    """The shop, serving."""
    async with database.serving():
        yield Desk(database)


@pytest.mark.promise("P4")
def test_a_repeated_call_gets_the_first_answer(database: TestDatabase) -> None:
    """The same bytes, and one effect."""

    async def story() -> None:
        async with opened(database) as desk:
            first = await desk.call("order", {"mark": "a"}, key="k1")
            again = await desk.call("order", {"mark": "a"}, key="k1")
            assert first.error is None
            assert again.body == first.body
            assert again.seq >= first.seq
            assert await desk.orders() == 1

    asyncio.run(story())


def test_calls_with_other_keys_or_none_are_other_calls(database: TestDatabase) -> None:
    """Without a key each call is one of its own."""

    async def story() -> None:
        async with opened(database) as desk:
            for number, key in enumerate(("k1", "k2", None, None)):
                answer = await desk.call("order", {"mark": f"m{number}"}, key=key)
                assert answer.error is None
            assert await desk.orders() == 4

    asyncio.run(story())


@pytest.mark.promise("P4")
def test_two_in_one_batch_are_one(database: TestDatabase) -> None:
    """The second one finds the first one's row, and both are told after the same commit."""

    async def story() -> None:
        async with opened(database) as desk:
            sent = [desk.send("order", {"mark": "a"}, key="same") for _ in range(5)]
            answers = await asyncio.gather(*sent)
            assert len({answer.body for answer in answers}) == 1
            assert await desk.orders() == 1

    asyncio.run(story())


@pytest.mark.attack("A10")
def test_a_key_with_other_arguments_is_refused(database: TestDatabase) -> None:
    """It is executed neither as the first call nor as the second."""

    async def story() -> None:
        async with opened(database) as desk:
            await desk.call("order", {"mark": "a"}, key="k")
            other = await desk.call("order", {"mark": "b"}, key="k")
            assert other.error is not None
            assert other.error.code == "idempotency_mismatch"
            assert other.error.path == "Idempotency-Key"
            assert await desk.orders() == 1

    asyncio.run(story())


def test_the_same_arguments_may_be_written_otherwise(database: TestDatabase) -> None:
    """Order of fields, defaults spelled out, and the codec make no difference."""

    async def story() -> None:
        async with opened(database) as desk:
            first = await desk.call("order", {"mark": "a"}, key="k")
            spelled = await desk.call("order", {"more": "", "mark": "a"}, key="k")
            packed = await desk.call("order", {"mark": "a"}, key="k", codec=MSGPACK)
            assert spelled.body == first.body
            assert packed.error is None
            there, here = MSGPACK.decode(packed.body), JSON.decode(first.body)
            assert there.pop("raw") == b"\x00\xff"
            assert here.pop("raw") == "AP8="
            assert there == here
            assert await desk.orders() == 1

    asyncio.run(story())


@pytest.mark.attack("A9")
def test_another_caller_has_keys_of_his_own(database: TestDatabase) -> None:
    """Nobody gets another's answer by guessing his key."""

    async def story() -> None:
        async with opened(database) as desk:
            first = await desk.call("order", {"mark": "a"}, key="k")
            bobs = await desk.call("order", {"mark": "b"}, key="k", caller=BOB)
            user = Caller("ada", scopes=frozenset({"*"}), user="u1")
            users = await desk.call("order", {"mark": "c"}, key="k", caller=user)
            assert len({first.body, bobs.body, users.body}) == 3
            assert await desk.orders() == 3

    asyncio.run(story())


@pytest.mark.attack("A9")
def test_rights_are_looked_at_again(database: TestDatabase) -> None:
    """A key that lost its scope does not get the kept answer."""

    async def story() -> None:
        async with opened(database) as desk:
            await desk.call("order", {"mark": "a"}, key="k")
            demoted = Caller("ada", scopes=frozenset({"Shop.count"}))
            answer = await desk.call("order", {"mark": "a"}, key="k", caller=demoted)
            assert answer.error is not None
            assert answer.error.code == "permission_denied"

    asyncio.run(story())


@pytest.mark.promise("P4")
def test_a_refusal_is_kept_with_the_state_it_saw(database: TestDatabase) -> None:
    """Asked again it is the same, class, parts and all, though the data has changed since."""

    async def story() -> None:
        async with opened(database) as desk:
            first = await desk.call("orderLast", {"mark": "a"}, key="a")
            assert first.error is None
            refused = await desk.call("orderLast", {"mark": "b"}, key="b")
            assert refused.error is not None
            assert type(refused.error).__name__ == "Sold"
            await desk.call("cancel", {"id": JSON.decode(first.body)["id"]}, key="c")

            again = await desk.call("orderLast", {"mark": "b"}, key="b")

            assert again.error is not None
            assert type(again.error).__name__ == "Sold"
            assert (again.error.code, again.error.status) == ("conflict", 409)
            assert again.error.detail == refused.error.detail
            assert again.error.data == {"left": 0}
            assert await desk.orders() == 0

    asyncio.run(story())


def test_a_broken_constraint_is_kept_too(database: TestDatabase) -> None:
    """What was written before it is taken back, and the refusal is not."""

    async def story() -> None:
        async with opened(database) as desk:
            await desk.call("order", {"mark": "a"})
            first = await desk.call("order", {"mark": "a"}, key="k")
            again = await desk.call("order", {"mark": "a"}, key="k")
            assert isinstance(first.error, AlreadyExists)
            assert isinstance(again.error, AlreadyExists)
            assert again.error.path == first.error.path == "mark"

    asyncio.run(story())


def test_a_refusal_of_the_arguments_is_not_kept(database: TestDatabase) -> None:
    """It says nothing about the data, and its effects are gone."""

    async def story() -> None:
        async with opened(database) as desk:
            refused = await desk.call("picky", {"size": -1}, key="k")
            assert refused.error is not None
            assert refused.error.code == "invalid_argument"
            fine = await desk.call("picky", {"size": 3}, key="k")
            assert fine.error is None
            assert await desk.orders() == 1

    asyncio.run(story())


def test_between_others_in_a_batch_everybody_is_on_their_own(database: TestDatabase) -> None:
    """Done, refused, repeated and new calls, handed over together."""

    async def story() -> None:
        async with opened(database) as desk:
            await desk.call("order", {"mark": "taken"}, key="first")
            answers = await asyncio.gather(
                desk.send("order", {"mark": "x"}, key="x"),
                desk.send("order", {"mark": "taken"}, key="refused"),
                desk.send("order", {"mark": "taken"}, key="first"),
                desk.send("cancel", {"id": "nobody"}, key="gone"),
                desk.send("order", {"mark": "y"}, key=None),
            )
            codes = [answer.error and answer.error.code for answer in answers]
            assert codes == [None, "conflict", None, "not_found", None]
            assert await desk.orders() == 3
            again = await desk.call("cancel", {"id": "nobody"}, key="gone")
            assert isinstance(again.error, NotFound)

    asyncio.run(story())


@pytest.mark.attack("A11")
def test_a_secret_is_repeated_for_ten_minutes_only(database: TestDatabase) -> None:
    """It lies sealed meanwhile; then it is said that it was done."""

    async def story() -> None:
        async with opened(database) as desk:
            first = await desk.call("mint", key="k")
            again = await desk.call("mint", key="k")
            assert again.body == first.body
            rows = desk.database.read(lambda db: db.all(KeptAnswer))
            assert rows[0].answer is None
            assert JSON.decode(first.body) not in repr(rows[0])

            desk.clock.advance(seconds=SECRET_KEPT_S)
            late = await desk.call("mint", key="k")
            assert late.error is not None
            assert (late.error.code, late.error.outcome) == ("secret_gone", "ok")
            assert await desk.orders() == 1

    asyncio.run(story())


def test_a_long_answer_is_not_kept_but_the_fact_is(database: TestDatabase) -> None:
    """The repeated call hears that it was done."""

    async def story() -> None:
        async with opened(database) as desk:
            first = await desk.call("long", key="k")
            assert first.error is None
            again = await desk.call("long", key="k")
            assert again.error is not None
            assert (again.error.code, again.error.outcome) == ("answer_gone", "ok")
            assert await desk.orders() == 1

    asyncio.run(story())


@pytest.mark.promise("P4")
def test_after_a_week_a_key_is_as_good_as_new(database: TestDatabase) -> None:
    """By its time, whether it was swept or not."""

    async def story() -> None:
        async with opened(database) as desk:
            await desk.call("order", {"mark": "a"}, key="k")
            desk.clock.advance(seconds=KEPT_S - 1)
            kept = await desk.call("order", {"mark": "a"}, key="k")
            assert kept.error is None
            assert await desk.orders() == 1
            desk.clock.advance(seconds=1)
            anew = await desk.call("order", {"mark": "b"}, key="k")
            assert anew.error is None
            assert await desk.orders() == 2

    asyncio.run(story())


@pytest.mark.attack("A10")
def test_the_sweep_forgets_what_has_expired(database: TestDatabase) -> None:
    """And nothing else; secrets whose time is over lose their text."""

    async def story() -> None:
        async with opened(database) as desk:
            await desk.call("order", {"mark": "old"}, key="old")
            desk.clock.advance(seconds=KEPT_S)
            await desk.call("order", {"mark": "new"}, key="new")
            await desk.call("mint", key="secret")
            assert desk.database.write(sweep) == 1
            desk.clock.advance(seconds=SECRET_KEPT_S)
            assert desk.database.write(sweep) == 1
            rows = desk.database.read(lambda db: db.all(KeptAnswer))
            assert sorted((row.key, row.secret) for row in rows) == [
                ("new", None),
                ("secret", None),
            ]

    asyncio.run(story())


def test_sealed_and_left_out_arguments_are_told_apart(database: TestDatabase) -> None:
    """Another text under the same key is another call; nothing of it can be guessed at."""

    async def story() -> None:
        async with opened(database) as desk:
            first = await desk.call("hide", {"secret": "tea"}, key="k")
            assert first.body == b"3"
            assert (await desk.call("hide", {"secret": "tea"}, key="k")).body == b"3"
            for other in ({"secret": "Tea"}, {"secret": "tea", "more": ""}):
                wrong = await desk.call("hide", other, key="k")
                assert wrong.error is not None
                assert wrong.error.code == "idempotency_mismatch"

    asyncio.run(story())
    args: tuple[Any, ...] = (Sealed.of("tea"), UNSET)
    peppers = [Secret(bytes([n]) * 32) for n in (1, 2)]
    prints = {fingerprint(args, pepper) for pepper in (None, *peppers)}
    assert len(prints) == 3


def test_a_query_needs_no_key(database: TestDatabase) -> None:
    """It is simply asked again."""

    async def story() -> None:
        async with opened(database) as desk:
            before = await desk.call("count", key="k")
            await desk.call("order", {"mark": "a"})
            after = await desk.call("count", key="k")
            assert (before.body, after.body) == (b"0", b"1")

    asyncio.run(story())
