"""One request, exactly one answer: look-up, scope, contract, time, run, encode, refuse."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import msgspec
import pytest

from freehold.clock import ManualClock
from freehold.db import IN_PROCESS, Caller, Reader, Writer
from freehold.db.ports import Call
from freehold.errors import (
    CallError,
    ContractError,
    ContractMismatch,
    DeadlineExceeded,
    Internal,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    SeqNotReached,
    TooLarge,
    UnknownMethod,
)
from freehold.ids import SeededIds
from freehold.rpc.contract import contract_of
from freehold.rpc.dispatch import Answer, Dispatcher, Request
from freehold.rpc.entrypoint import Entrypoint
from freehold.rpc.refusals import place_of
from freehold.wire.codec import JSON, MSGPACK
from freehold.wire.limits import Limits
from tests.rpc.shop import AlreadySold, Desk, Shop


class Shelf:
    """A database that keeps the call, so that a test drives it by hand."""

    def __init__(self) -> None:
        self.queries: list[Call] = []
        self.mutations: list[Call] = []

    def run_query(self, call: Call, /) -> None:
        """Keep a query."""
        self.queries.append(call)

    def submit(self, call: Call, /) -> None:
        """Keep a mutation."""
        self.mutations.append(call)


def greet(db: Reader, name: str = "you") -> str:
    """A greeting."""
    return f"hello {name}"


def note(db: Writer) -> None:
    """A mutation."""


class Small(Entrypoint):
    """For databases that are driven by hand."""

    greet = greet
    note = note


def small(database: Any, **options: Any) -> Dispatcher:
    """A dispatcher over that database."""
    contract = contract_of("small", [Small])
    return Dispatcher([Small], {"main": database}, contract=contract, ids=SeededIds(), **options)


def request(answers: list[Answer], name: str = "Small.greet", **options: Any) -> Request:
    """A request that puts its answer into the list."""
    given: dict[str, Any] = {
        "body": b"",
        "codec": JSON,
        "caller": IN_PROCESS,
        "reply": answers.append,
    } | options
    return Request(method=name, **given)


def test_a_mutation_answers_with_its_own_commit(desk: Desk) -> None:
    """And a query with the commit that it saw; the result is bare, in the request's codec."""
    made = desk.ask("createProduct", b'{"data":{"productName":"ball","priceCents":5}}')
    row = JSON.decode(made.body)
    read = desk.ask("getProductById", MSGPACK.encode([row["id"]]), codec=MSGPACK)

    assert (made.seq, read.seq, made.error) == (1, 1, None)
    assert MSGPACK.decode(read.body) == row
    assert row == {
        "id": row["id"], "productName": "ball", "priceCents": 5, "rating": None, "serial": "0",
        "status": "new", "parts": None, "isOpen": True, "createdAt": row["createdAt"],
    }  # fmt: skip


def test_pages_travel_with_their_cursor(desk: Desk) -> None:
    """`items` and `nextCursor`."""
    for name in "abc":
        desk.value("createProduct", {"data": {"productName": name}})

    first = desk.value("pageProducts")
    second = desk.value("pageProducts", {"cursor": first["nextCursor"]})

    assert {row["productName"] for row in first["items"] + second["items"]} == {"a", "b", "c"}
    assert second["nextCursor"] is None


@pytest.mark.parametrize(
    "name",
    [
        "Shop.nope",
        "shop.countProducts",
        "Shop.countproducts",
        "Shop.COUNT_PRODUCTS",
        "Shop",
        "",
        ".",
        "Shop.",
        ".countProducts",
        "Shop.countProducts.",
        "Shop..countProducts",
        "Shop.__class__",
        "Shop.__init__",
        "Shop.__methods__",
        "Shop.database",
        "Entrypoint.countProducts",
        "Shop.c\u043euntProducts",
        "Shop.countProducts\0",
        "Shop/countProducts",
        "x" * 100_000,
    ],
)
def test_the_method_table_is_the_only_router(desk: Desk, name: str) -> None:
    """No attribute, no other case, no letters that look alike are found."""
    answer = desk.ask(name if "." in name else f".{name}")

    assert isinstance(answer.error, UnknownMethod)
    assert len(answer.error.detail) < 200


def test_an_unknown_method_is_answered_with_what_the_caller_may_call(desk: Desk) -> None:
    """The nearest first, and no name that the key does not allow."""
    caller = Caller("k", frozenset({"Shop.find*"}))

    answer = desk.ask("Shop.find_produkt", caller=caller)

    assert answer.error is not None
    assert answer.error.hint == "Did you mean 'Shop.findProduct'? There is: Shop.findProduct."


@pytest.mark.parametrize(
    ("scopes", "method", "may"),
    [
        (["*"], "countProducts", True),
        (["Shop.*"], "countProducts", True),
        (["Shop.count*"], "count_products", True),
        (["Shop.countProducts"], "countProducts", True),
        (["Shop.get*"], "countProducts", False),
        (["shop.*"], "countProducts", False),
        (["Other.*"], "countProducts", False),
        ([], "countProducts", False),
        (["*"], "openSafe", False),
        (["Shop.openSafe"], "openSafe", False),
        (["safe_opening"], "openSafe", True),
        (["safe_opening"], "countProducts", False),
        (["safe_*"], "openSafe", False),
    ],
)
def test_a_key_needs_a_scope(desk: Desk, scopes: list[str], method: str, may: bool) -> None:
    """A pattern over the full name, or the method's own word, which no wildcard gives."""
    caller = Caller("key_7", frozenset(scopes))

    answer = desk.ask(method, b'{"token":"x"}' if method == "openSafe" else b"", caller=caller)

    if may:
        assert answer.error is None
    else:
        assert isinstance(answer.error, PermissionDenied)
        assert "key_7" in answer.error.detail


def test_scope_is_asked_before_arguments(desk: Desk) -> None:
    """A key that may not call learns nothing of what the method takes."""
    answer = desk.ask("createProduct", b"{", caller=Caller("k"))

    assert isinstance(answer.error, PermissionDenied)


def test_a_client_of_another_contract_is_told(desk: Desk) -> None:
    """Only when its call does not fit; one that does is served, for most changes only add."""
    other = "ffffffffffffffff"
    hashes = [None, desk.contract.hash, "0123456789abcdef", other]
    assert [desk.ask("countProducts", contract=each).error for each in hashes] == [None] * 4

    errors = [
        desk.ask("countProductz", contract=other).error,
        desk.ask("createProduct", b"{}", contract=other).error,
    ]

    for error in errors:
        assert isinstance(error, ContractMismatch)
        assert error.data == {"contract": desk.contract.hash}
        assert "freehold generate" in error.hint


def test_min_seq_is_asked_of_the_database(desk: Desk) -> None:
    """A commit that is not there yet is refused, with the one that is."""
    desk.value("createProduct", {"data": {"productName": "x"}})

    assert desk.ask("countProducts", min_seq=1).error is None
    answer = desk.ask("countProducts", min_seq=2)

    assert (answer.seq, type(answer.error)) == (1, SeqNotReached)


@pytest.mark.parametrize(
    ("asked_ms", "got_ms"),
    [(None, 30_000), (1, 1), (0, 1), (-5, 1), (60_000, 60_000), (60_001, 60_000)],
)
def test_timeouts_are_held_to_the_limits(asked_ms: int | None, got_ms: int) -> None:
    """The default, the caller's, and never more than the longest."""
    shelf, clock = Shelf(), ManualClock()
    clock.advance(seconds=5)

    small(shelf, clock=clock).call(request([], timeout_ms=asked_ms))

    assert shelf.queries[0].deadline_ns == (5_000 + got_ms) * 1_000_000


def test_limits_are_the_applications() -> None:
    """Depth and timeouts come from the dataclass that was handed in."""
    shelf, answers = Shelf(), list[Answer]()
    limits = Limits(depth_max=2, timeout_ms_default=7, timeout_ms_max=8)
    dispatcher = small(shelf, limits=limits, clock=ManualClock())

    dispatcher.call(request(answers, body=b'{"name":[[["' + b"x" * 99 + b'"]]]}'))
    dispatcher.call(request(answers))
    dispatcher.call(request(answers, timeout_ms=100))

    assert [type(answer.error) for answer in answers] == [InvalidArgument]
    assert [call.deadline_ns for call in shelf.queries] == [7_000_000, 8_000_000]


def test_queries_and_mutations_go_their_own_ways() -> None:
    """By the handle that their function takes; the database sees the canonical name."""
    shelf = Shelf()
    dispatcher = small(shelf)

    dispatcher.call(request([], "Small.greet"))
    dispatcher.call(request([], "Small.note"))

    assert [call.method for call in shelf.queries] == ["Small.greet"]
    assert [call.method for call in shelf.mutations] == ["Small.note"]


def test_a_call_that_nobody_waits_for_can_be_withdrawn() -> None:
    """Before it begins: the database reads the deadline again just before the start."""
    shelf, asked = Shelf(), request([], "Small.note")
    small(shelf).call(asked)

    asked.withdraw()

    assert shelf.mutations[0].deadline_ns == 0


def test_an_entrypoint_needs_its_database() -> None:
    """Told when the dispatcher is made."""
    with pytest.raises(ContractError, match="Small: there is no database 'main'") as refusal:
        Dispatcher([Small], {}, contract=contract_of("small", [Small]))

    assert refusal.value.hint == "The application has none."


def test_names_are_listed_in_both_spellings(desk: Desk) -> None:
    """For transports that keep a table of paths."""
    names = desk.dispatcher.names

    assert {"Shop.countProducts", "Shop.count_products", "Shop.echo"} <= set(names)
    target = desk.dispatcher.target("Shop.count_products")
    assert target is not None
    assert target.full_name == "Shop.countProducts"


# -- errors -------------------------------------------------------------------------------


def test_an_applications_error_travels_with_its_parts(desk: Desk) -> None:
    """Under its own name, with the code of what it extends."""
    row = desk.value("createProduct", {"data": {"productName": "x"}})
    desk.value("sellProduct", [row["id"]])

    error = desk.ask("sellProduct", JSON.encode([row["id"], "ann"])).error

    assert isinstance(error, AlreadySold)
    assert (error.code, error.data) == ("conflict", {"productId": row["id"], "soldTo": "ann"})


def test_a_library_error_passes_through(desk: Desk) -> None:
    """What the handle raises is what the caller gets, with the seq that was looked at."""
    answer = desk.ask("getProductById", b'["nobody"]')

    assert isinstance(answer.error, NotFound)
    assert answer.error.data == {"table": "products"}


def test_a_defect_is_internal_and_its_text_stays_in_the_log(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer has the incident's number; the log has the text, in one line, escaped."""
    error = desk.ask("breakInside", b'["hunter2"]').error

    assert isinstance(error, Internal)
    incident = error.data["incident"]
    assert incident in error.hint
    assert "hunter2" not in f"{error.detail}{error.hint}{error.data}"
    (record,) = caplog.records
    line = record.getMessage()
    assert f"incident {incident}: Shop.breakInside failed" in line
    assert r"RuntimeError: the\nsecret is hunter2\x1b[31m" in line
    assert not any(ord(character) < 32 for character in line)


@pytest.mark.parametrize("method", ["breakThePromise", "returnNan"])
def test_a_result_that_cannot_leave_fails_its_call_and_commits_nothing(
    desk: Desk, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is encoded inside the savepoint: no other type than promised, no NaN."""
    answer = desk.ask(method)

    assert isinstance(answer.error, Internal)
    assert desk.value("countProducts") == 0
    assert desk.database.seq == 0
    assert "ContractError: Shop." in caplog.text


def test_an_authors_mistake_at_run_time_is_internal(caplog: pytest.LogCaptureFixture) -> None:
    """AuthoringError names the application's code, which is nobody else's business."""

    class Careless(Shelf):
        def run_query(self, call: Call, /) -> None:
            call.failed(3, ContractError("something about the code"))

    answers: list[Answer] = []
    small(Careless()).call(request(answers))

    assert (answers[0].seq, type(answers[0].error)) == (3, Internal)
    assert "something about the code" in caplog.text


# -- exactly one answer -------------------------------------------------------------------


def raising(error: BaseException) -> Callable[[Any], None]:
    """A function that raises it."""

    def fail(_: Any) -> None:
        raise error

    return fail


def test_a_database_that_raises_is_answered_for(caplog: pytest.LogCaptureFixture) -> None:
    """It may not, and the caller is answered all the same."""
    shelf, answers = Shelf(), list[Answer]()
    shelf.run_query = raising(RuntimeError("broken"))  # type: ignore[method-assign]

    small(shelf).call(request(answers))

    assert [type(answer.error) for answer in answers] == [Internal]
    assert "broken" in caplog.text


def test_an_interrupt_is_answered_for_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    """Ctrl-C inside a query ends the process, after its caller was told."""
    shelf, answers = Shelf(), list[Answer]()
    shelf.run_query = raising(KeyboardInterrupt())  # type: ignore[method-assign]

    with pytest.raises(KeyboardInterrupt):
        small(shelf).call(request(answers))

    assert [type(answer.error) for answer in answers] == [Internal]


def test_a_reply_that_raises_is_logged_and_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """The writer's batch goes on to the next caller."""
    shelf = Shelf()
    small(shelf).call(request([], reply=raising(OSError("gone"))))

    shelf.queries[0].done(1, b"null")

    assert "the answer to Small.greet could not be handed over" in caplog.text
    assert "gone" in caplog.text


@pytest.mark.parametrize("again", ["done", "failed", "raise"])
def test_a_second_answer_is_dropped(again: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a database does, a caller hears once."""

    class Twice(Shelf):
        def run_query(self, call: Call, /) -> None:
            call.done(1, call.run(None))  # type: ignore[arg-type]
            if again == "raise":
                raise RuntimeError("after the answer")
            call.done(2, b"") if again == "done" else call.failed(2, NotFound("late"))

    answers: list[Answer] = []
    small(Twice()).call(request(answers, body=b'["ann"]'))

    assert [(answer.seq, answer.body) for answer in answers] == [(1, b'"hello ann"')]
    assert "answered twice" in caplog.text


def test_a_call_can_be_run_again_from_the_same_arguments() -> None:
    """A batch that is lost runs its innocent members again."""
    shelf = Shelf()
    small(shelf).call(request([], body=b'{"name":"ann"}'))

    results = [shelf.queries[0].run(None) for _ in range(3)]  # type: ignore[arg-type]

    assert results == [b'"hello ann"'] * 3


@pytest.mark.parametrize("breaks", ["caller", "codec", "method", "body"])
def test_a_broken_request_is_answered_too(breaks: str, caplog: pytest.LogCaptureFixture) -> None:
    """A transport's defect is Internal, not silence."""
    answers: list[Answer] = []
    asked = request(answers)
    setattr(asked, breaks, [] if breaks == "method" else None)

    small(Shelf()).call(asked)

    assert [type(answer.error) for answer in answers] == [Internal]


def test_an_answer_is_small_and_a_request_is_the_call_itself() -> None:
    """No object is made between the request and the database: the hot path counts them."""
    shelf = Shelf()
    asked = request([])
    small(shelf).call(asked)

    assert shelf.queries == [asked]
    assert isinstance(asked, msgspec.Struct)
    assert issubclass(CallError, Exception)


def test_the_deadline_of_a_waiting_mutation_is_kept(desk: Desk) -> None:
    """A call whose time is over when its turn comes is not begun."""
    answers: list[Answer] = []
    asked = Request(
        "Shop.createProduct",
        b'{"data":{"productName":"late"}}',
        JSON,
        IN_PROCESS,
        answers.append,
    )
    original = desk.database.submit

    def late(call: Call, /) -> None:
        asked.withdraw()
        original(call)

    target = desk.dispatcher.target("Shop.createProduct")
    assert target is not None
    target.hand_over = late
    desk.dispatcher.call(asked)
    count = desk.value("countProducts")
    while not answers:
        desk.turn()

    assert isinstance(answers[0].error, DeadlineExceeded)
    assert count == 0
    assert Shop.__methods__["createProduct"].kind == "mutation"


def test_an_answer_has_a_longest_length(desk: Desk) -> None:
    """At the limit it travels; one byte more is refused, and a mutation then had no effect."""
    body = b'{"data": {"productName": "a long name for a product"}}'
    length = len(desk.ask("createProduct", body).body)

    for spare, count, expected in ((0, 1, type(None)), (-1, 0, TooLarge)):
        limits = Limits(answer_bytes_max=length + spare)
        with closing(Desk(limits=limits)) as short:
            assert type(short.ask("createProduct", body).error) is expected
            assert short.value("countProducts") == count


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("id", "id"),
        ("productName", "data.productName"),
        ("parts[0].weight", "data.parts[0].weight"),
        ("expiresAt", None),
        ("Freehold-Min-Seq", "Freehold-Min-Seq"),
        (None, None),
    ],
)
def test_a_path_names_the_argument_as_it_was_sent(said: str | None, expected: str | None) -> None:
    """A database knows the column; the caller knows what was sent; the rest nobody sent."""
    wanted = "createProduct" if said and said[0] in "pe" else "sellProduct"
    error = InvalidArgument("no", path=said)

    place_of(error, Shop.__methods__[wanted])

    assert error.path == expected


def test_a_long_value_is_not_sent_back_whole(desk: Desk) -> None:
    """The sentence of a refusal has a length; what somebody sent may be a megabyte."""
    error = desk.ask("getProductById", JSON.encode({"id": "x" * 100_000})).error

    assert error is not None
    assert len(error.detail) < 1_000
