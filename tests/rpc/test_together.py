"""
Several calls in one transaction: all or nothing, with references to earlier results.

Every test runs on every engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import pytest

from freehold import (
    Conflict,
    Entrypoint,
    Int64,
    NotFound,
    PrimaryKey,
    Reader,
    Record,
    References,
    Unique,
    Writer,
    method,
)
from freehold.db import Caller
from freehold.rpc.contract import contract_of
from freehold.rpc.dispatch import Answer, Dispatcher, Request
from freehold.rpc.idempotency import KeptAnswer
from freehold.rpc.together import TOGETHER
from freehold.schema import Schema
from freehold.testing import ENGINES, TestDatabase, engine_database
from freehold.wire.codec import JSON, MSGPACK, Codec
from freehold.wire.limits import Limits

NONE = Int64(0)
ADA = Caller("ada", scopes=frozenset({"*"}))


class Person(Record, table="people"):
    """Somebody."""

    id: Annotated[str, PrimaryKey()]
    name: Annotated[str, Unique()]
    big: Int64 = Int64(0)


class Order(Record, table="orders"):
    """What somebody wants."""

    id: Annotated[str, PrimaryKey()]
    person_id: Annotated[str, References("people.id")]
    things: list[str] | None = None


def create_person(db: Writer, name: str, big: Int64 = NONE) -> Person:
    """Somebody new."""
    return db.insert(Person(id=db.new_id(), name=name, big=big))


def create_order(db: Writer, person_id: str, things: list[str]) -> Order:
    """Somebody wants something."""
    return db.insert(Order(id=db.new_id(), person_id=person_id, things=things))


def get_person(db: Reader, id: str) -> Person:
    """Somebody."""
    return db.get(Person, id)


def names(db: Reader) -> list[str]:
    """Who there is."""
    return sorted(person.name for person in db.all(Person))


def refuse(db: Writer, why: str) -> None:
    """Always refuses."""
    db.insert(Person(id="refused", name="refused"))
    raise Conflict(why)


class Shop(Entrypoint):
    """What the tests call."""

    create_person = create_person
    create_order = create_order
    get_person = get_person
    names = names
    refuse = refuse
    hidden = method(names, scope="hidden")


class Elsewhere(Entrypoint):
    """Of another database."""

    database = "other"
    names = names


SCHEMA = Schema([Person, Order, KeptAnswer], is_system=True)


class Desk:
    """The shop on one engine."""

    def __init__(self, database: TestDatabase) -> None:
        self.database: Any = database.database
        self.dispatcher = Dispatcher(
            [Shop, Elsewhere],
            {"main": self.database, "other": self.database},
            contract=contract_of("shop", [Shop, Elsewhere]),
            clock=database.clock,
            limits=Limits(batch_calls_max=5),
        )

    async def call(
        self, calls: Any, *, codec: Codec = JSON, key: str | None = None, caller: Caller = ADA
    ) -> Answer:
        """One transaction."""
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.dispatcher.call(
            Request(
                TOGETHER, codec.encode(calls), codec, caller, answered.set_result,
                idempotency_key=key,
            )
        )  # fmt: skip
        return await answered

    def people(self) -> list[str]:
        """Who there is."""
        return list(self.database.read(names))


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


def person(name: Any) -> dict[str, Any]:
    """A call that makes somebody."""
    return {"method": "Shop.createPerson", "args": {"name": name}}


def run(database: TestDatabase, calls: Any, **options: Any) -> Answer:
    """One transaction, from outside of a loop."""

    async def story() -> Answer:
        async with opened(database) as desk:
            return await desk.call(calls, **options)

    return asyncio.run(story())


@pytest.mark.parametrize("codec", [JSON, MSGPACK])
def test_later_calls_use_earlier_results(database: TestDatabase, codec: Codec) -> None:
    """References point into results as they look on the wire; one commit holds it all."""
    answer = run(
        database,
        [
            person("Ada"),
            {
                "method": "Shop.create_order",
                "args": [{"$result": [0, "id"]}, ["tea", {"$result": [0, "name"]}]],
            },
            {"method": "Shop.getPerson", "args": {"id": {"$result": [1, "personId"]}}},
            {"method": "Shop.createPerson", "args": {"name": {"$result": [1, "things", 0]}}},
            {"method": "Shop.names"},
        ],
        codec=codec,
    )

    assert answer.error is None
    ada, order, same, tea, everybody = codec.decode(answer.body)
    assert order["personId"] == ada["id"]
    assert order["things"] == ["tea", "Ada"]
    assert same == ada
    assert tea["name"] == "tea"
    assert everybody == ["Ada", "tea"]
    assert answer.seq == 1
    assert database.database.seq == 1


@pytest.mark.promise("P2")
def test_one_failure_undoes_all(database: TestDatabase) -> None:
    """And says which call it was, with the path as it was written."""

    async def story() -> None:
        async with opened(database) as desk:
            await desk.call([person("Ada")])
            answer = await desk.call([person("Bob"), person("Ada"), person("Cy")])
            assert isinstance(answer.error, Conflict)
            assert answer.error.path == "[1].args.name"
            assert answer.error.data["call"] == 1
            gone = await desk.call(
                [person("Dan"), {"method": "Shop.getPerson", "args": {"id": "nobody"}}]
            )
            assert isinstance(gone.error, NotFound)
            assert gone.error.data["call"] == 1
            assert desk.people() == ["Ada"]

    asyncio.run(story())


def test_queries_alone_see_one_snapshot_and_write_nothing(database: TestDatabase) -> None:
    """A list of queries is a query: it gets no number of its own."""

    async def story() -> None:
        async with opened(database) as desk:
            await desk.call([person("Ada")])
            answer = await desk.call([{"method": "Shop.names"}, {"method": "Shop.names"}])
            assert JSON.decode(answer.body) == [["Ada"], ["Ada"]]
            assert answer.seq == 1
            assert desk.database.seq == 1

    asyncio.run(story())


@pytest.mark.promise("P4")
def test_a_transaction_is_done_once_under_its_key(database: TestDatabase) -> None:
    """Repeated, it is answered as the first time, in either codec; refusals too."""

    async def story() -> None:
        async with opened(database) as desk:
            calls = [
                {"method": "Shop.createPerson", "args": {"name": "Ada", "big": "9007199254740993"}}
            ]
            first = await desk.call(calls, key="k")
            again = await desk.call(calls, key="k")
            packed = await desk.call(calls, key="k", codec=MSGPACK)
            assert first.error is None
            assert again.body == first.body
            assert MSGPACK.decode(packed.body) == JSON.decode(first.body)
            other = await desk.call([person("Bob")], key="k")
            assert other.error is not None
            assert other.error.code == "idempotency_mismatch"
            refusal = [person("Cy"), {"method": "Shop.refuse", "args": {"why": "no"}}]
            for _ in range(2):
                refused = await desk.call(refusal, key="r")
                assert isinstance(refused.error, Conflict)
                assert refused.error.detail == "no"
                assert refused.error.data["call"] == 1
            assert desk.people() == ["Ada"]

    asyncio.run(story())


@pytest.mark.parametrize(
    ("calls", "code", "path"),
    [
        ({}, "invalid_argument", None),
        ([], "invalid_argument", None),
        ([1], "invalid_argument", "[0]"),
        ([{"args": {}}], "invalid_argument", "[0]"),
        ([{"method": "Shop.names", "more": 1}], "invalid_argument", "[0]"),
        ([{"method": "Shop.nothing"}], "unknown_method", "[0].method"),
        ([{"method": TOGETHER}], "unknown_method", "[0].method"),
        ([{"method": "Shop.hidden"}], "permission_denied", "[0].method"),
        ([person(7)], "invalid_argument", "[0].args.name"),
        ([person("a"), person(None)], "invalid_argument", "[1].args.name"),
        ([person({"$result": [0, "id"]})], "invalid_argument", "[0].args"),
        ([person("a"), person({"$result": [1, "id"]})], "invalid_argument", "[1].args"),
        ([person("a"), person({"$result": []})], "invalid_argument", "[1].args"),
        ([person("a"), person({"$result": [-1]})], "invalid_argument", "[1].args"),
        ([person("a"), person({"$result": [True]})], "invalid_argument", "[1].args"),
        ([person("a"), person({"$result": [0, "id"], "x": 1})], "invalid_argument", "[1].args"),
        ([person("a"), person({"$result": [0, "nope"]})], "invalid_argument", "[1]"),
        ([person("a"), person({"$result": [0, "id", 0]})], "invalid_argument", "[1]"),
        ([person("a"), person({"$result": [0]})], "invalid_argument", "[1].args.name"),
        ([person(str(n)) for n in range(6)], "too_large", None),
        ([{"method": "Shop.names"}, {"method": "Elsewhere.names"}], "invalid_argument", None),
    ],
)
def test_what_is_no_transaction_is_refused_whole(
    database: TestDatabase, calls: Any, code: str, path: str | None
) -> None:
    """With the place of what is wrong, and without a trace."""
    answer = run(database, calls)

    assert answer.error is not None
    assert answer.error.code == code
    assert answer.error.path == path
    assert database.database.read(names) == []


@pytest.mark.attack("A2")
def test_rights_are_looked_at_call_by_call(database: TestDatabase) -> None:
    """One call that the key may not make ends all."""
    reader = Caller("r", scopes=frozenset({"Shop.names"}))
    answer = run(database, [{"method": "Shop.names"}, person("a")], caller=reader)

    assert answer.error is not None
    assert answer.error.code == "permission_denied"
    assert answer.error.data["call"] == 1


@pytest.mark.attack("A33")
def test_depth_is_held_to_the_limit(database: TestDatabase) -> None:
    """Nested lists do not make the server recurse."""
    deep: Any = "x"
    for _ in range(200):
        deep = [deep]

    answer = run(database, [person(deep)])

    assert answer.error is not None
    assert answer.error.code in ("invalid_argument", "too_large")


@pytest.mark.attack("A33")
def test_references_stand_for_no_more_than_a_request_may_hold(database: TestDatabase) -> None:
    """A few bytes that stand for many are no way to take the server's memory."""
    big = {
        "method": "Shop.createOrder",
        "args": {"personId": {"$result": [0, "id"]}, "things": ["x" * 300_000]},
    }
    many = [{"$result": [1, "things", 0]}] * 5
    again = {
        "method": "Shop.createOrder",
        "args": {"personId": {"$result": [0, "id"]}, "things": many},
    }

    answer = run(database, [person("a"), big, again])

    assert answer.error is not None
    assert answer.error.code == "too_large"
    assert answer.error.data["call"] == 2
    assert database.database.read(names) == []


@pytest.mark.attack("A33")
def test_references_are_counted(database: TestDatabase) -> None:
    """However short they are."""
    many = [{"$result": [0, "name"]}] * 1_001
    call = {
        "method": "Shop.createOrder",
        "args": {"personId": {"$result": [0, "id"]}, "things": many},
    }

    answer = run(database, [person("a"), call])

    assert answer.error is not None
    assert answer.error.code == "too_large"
