"""From a body to arguments: by name, by position, in both spellings and both codecs."""

from __future__ import annotations

from typing import Any

import pytest

from freehold.db import Caller
from freehold.errors import InvalidArgument
from freehold.wire.codec import JSON, MSGPACK, Codec
from tests.rpc.shop import Desk

BOTH = pytest.mark.parametrize("codec", [JSON, MSGPACK], ids=["json", "msgpack"])
INT_MAX = 2**53 - 1


def refusal(desk: Desk, method: str, arguments: Any, codec: Codec = JSON) -> InvalidArgument:
    """How a call with these arguments is refused."""
    body = arguments if isinstance(arguments, bytes) else codec.encode(arguments)
    error = desk.ask(method, body, codec=codec).error
    assert isinstance(error, InvalidArgument), error
    return error


@BOTH
def test_positional_named_and_snake_case_are_the_same(desk: Desk, codec: Codec) -> None:
    """Three ways to write one call, and a fourth that mixes the spellings."""
    ways: list[Any] = [
        {"text": "x", "wholeNumber": 7, "anything": {"keep_me": 1}, "leftOut": None},
        {"text": "x", "whole_number": 7, "anything": {"keep_me": 1}, "left_out": None},
        {"text": "x", "wholeNumber": 7, "anything": {"keep_me": 1}, "left_out": None},
        ["x", 7, 0.0, "0", False, b"", None, "a", None, None, {"keep_me": 1}, None],
    ]

    answers = [desk.value("echo", way, codec=codec) for way in ways]

    assert answers[0][:3] == ["x", 7, 0.0]
    assert answers[0][10:] == [{"keep_me": 1}, None]
    assert all(answer == answers[0] for answer in answers)


@BOTH
def test_names_inside_inputs_may_be_snake_case_too(desk: Desk, codec: Codec) -> None:
    """In structs, in lists of structs, and in optional ones; never in plain dicts."""
    camel = {
        "data": {"productName": "a", "mainPart": {"partName": "p"}, "parts": [{"partName": "q"}]}
    }
    snake = {
        "data": {
            "product_name": "a",
            "main_part": {"part_name": "p"},
            "parts": [{"part_name": "q"}],
        }
    }

    rows = [
        desk.value("create_product", way, codec=codec) for way in (camel, snake, [snake["data"]])
    ]

    assert {row["productName"] for row in rows} == {"a"}
    assert all(row["parts"] == [{"partName": "q", "weight": 1.0}] for row in rows)


@BOTH
@pytest.mark.parametrize("method", ["Shop.countProducts", "Shop.count_products"])
def test_a_method_is_called_in_either_spelling(desk: Desk, codec: Codec, method: str) -> None:
    """And nothing, null, an empty object and an empty list are all no arguments."""
    bodies = [b"", codec.encode(None), codec.encode({}), codec.encode([])]

    answers = [desk.ask(method, body, codec=codec) for body in bodies]

    assert [codec.decode(answer.body) for answer in answers] == [0, 0, 0, 0]


def test_white_space_around_a_json_body_means_nothing(desk: Desk) -> None:
    """Curl's here-documents end in a newline, and people begin with one."""
    assert JSON.decode(desk.ask("echo", b' \n{"text":"x"}\n').body)[0] == "x"
    assert JSON.decode(desk.ask("echo", b" \r\n\t").body)[0] == ""


def test_defaults_stand_in_for_what_is_left_out(desk: Desk) -> None:
    """Left out, null and a value are three things where the type says so."""
    assert desk.value("echo") == [
        "", 0, 0.0, "0", False, "", None, "a", None, None, None, "left out",
    ]  # fmt: skip
    assert desk.value("echo", {"leftOut": None})[-1] is None
    assert desk.value("echo", {"leftOut": "x"})[-1] == "x"


def test_a_name_of_before_is_still_accepted(desk: Desk) -> None:
    """`method(…, aliases=…)`; together with today's name it is refused."""
    row = desk.value("create_product", {"data": {"productName": "a"}})
    desk.value("sell_product", {"id": row["id"], "customer": "ann"})

    both = refusal(desk, "sell_product", {"id": "x", "customer": "a", "buyer": "b"})

    assert both.detail == "customer and buyer are the same argument in two spellings."
    assert both.hint == "Send 'buyer' only."


@BOTH
def test_two_spellings_of_one_argument_are_refused(desk: Desk, codec: Codec) -> None:
    """Nobody can say which one was meant; also inside an input."""
    outer = refusal(desk, "echo", {"whole_number": 1, "wholeNumber": 2}, codec)
    inner = refusal(
        desk, "create_product", {"data": {"productName": "a", "product_name": "b"}}, codec
    )

    assert outer.path == "whole_number"
    assert inner.detail == (
        "data.product_name and data.productName are the same argument in two spellings."
    )


def test_of_two_equal_names_the_last_one_counts(desk: Desk) -> None:
    """As in every JSON parser; on the fast way and on the slow one."""
    assert JSON.decode(desk.ask("echo", b'{"text":"a","text":"b"}').body)[0] == "b"
    assert JSON.decode(desk.ask("echo", b'{"left_out":"a","left_out":"b"}').body)[-1] == "b"


@pytest.mark.attack("A28")
@BOTH
@pytest.mark.parametrize("number", [INT_MAX, -INT_MAX])
def test_a_whole_number_stays_within_what_every_client_has(
    desk: Desk, codec: Codec, number: int
) -> None:
    """±(2^53-1) passes and one more is refused by name: in parameters, inputs, and Any."""
    beyond = number + (1 if number > 0 else -1)
    assert desk.value("echo", {"wholeNumber": number}, codec=codec)[1] == number
    assert desk.value("echo", {"counts": {"a": number}}, codec=codec)[9] == {"a": number}
    assert desk.value("echo", {"anything": [number]}, codec=codec)[10] == [number]

    top = refusal(desk, "echo", {"wholeNumber": beyond}, codec)
    inside = refusal(
        desk, "create_product", {"data": {"productName": "x", "priceCents": beyond}}, codec
    )
    any_value = refusal(desk, "echo", {"anything": {"a": [beyond]}}, codec)

    assert (top.path, inside.path, any_value.path) == (
        "wholeNumber", "data.priceCents", "anything.a[0]",
    )  # fmt: skip
    assert "Int64 travels as a text" in top.hint
    refusal(desk, "echo", {"counts": {"a": beyond}}, codec)


def test_an_int64_travels_as_text_whatever_its_size(desk: Desk) -> None:
    """The whole range, both ways; past it is refused."""
    assert desk.value("echo", {"big": str(2**63 - 1)})[3] == str(2**63 - 1)

    assert refusal(desk, "echo", {"big": str(2**63)}).path == "big"
    assert "decimal string" in refusal(desk, "echo", {"big": "1e3"}).detail
    assert "decimal string" in refusal(desk, "echo", b'{"big":9007199254740993}').detail


@pytest.mark.attack("A28")
@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_float_that_is_no_number_is_refused(desk: Desk, number: float) -> None:
    """MessagePack can say it: in a parameter, in a nested struct, and in Any."""
    top = refusal(desk, "echo", {"ratio": number}, MSGPACK)
    nested = refusal(
        desk,
        "create_product",
        {"data": {"productName": "x", "parts": [{"partName": "p", "weight": number}]}},
        MSGPACK,
    )
    any_value = refusal(desk, "echo", {"anything": {"deep": [number]}}, MSGPACK)

    assert (top.path, nested.path, any_value.path) == (
        "ratio", "data.parts[0].weight", "anything.deep[0]",
    )  # fmt: skip


@pytest.mark.attack("A28")
@pytest.mark.parametrize("body", [b'{"ratio":NaN}', b'{"ratio":1e400}', b'{"anything":-1e999}'])
def test_json_has_no_such_number_either(desk: Desk, body: bytes) -> None:
    """NaN is no JSON, and 1e400 is no float."""
    refusal(desk, "echo", body)


@pytest.mark.attack("A28")
@BOTH
def test_nul_is_refused_by_its_path(desk: Desk, codec: Codec) -> None:
    """No text of the database may hold it."""
    assert refusal(desk, "echo", {"text": "a\0b"}, codec).path == "text"
    assert refusal(desk, "echo", {"anything": [{"a": "\0"}]}, codec).path == "anything[0].a"
    assert desk.value("echo", {"raw": b"\0"}, codec=codec)[5] in ("AA==", b"\0")


@pytest.mark.attack("A28")
@BOTH
def test_the_depth_limit_is_met_exactly(desk: Desk, codec: Codec) -> None:
    """The arguments are the first level; 32 pass, 33 do not."""

    def deep(levels: int) -> dict[str, Any]:
        value: Any = 1
        for _ in range(levels - 1):
            value = [value]
        return {"anything": value}

    assert desk.ask("echo", codec.encode(deep(32)), codec=codec).error is None

    assert "deeper than 32" in refusal(desk, "echo", deep(33), codec).detail


@pytest.mark.attack("A28")
@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"a":' * 1000, b'{"anything":' + b"[" * 500_000]
)
def test_json_bombs_are_refusals(desk: Desk, body: bytes) -> None:
    """Never a RecursionError."""
    refusal(desk, "echo", body)


@pytest.mark.attack("A28")
@pytest.mark.parametrize(
    "body",
    [
        b"\x91" * 100_000,
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\x81\xa8anything" + b"\x91" * 100_000,
        b"\x81\xa8anything\xc7\x00\x05",
        b"\x81\xa8anything\xd6\xff\x00\x00\x00\x00",
        b"\x81\xa8anything\x81\x91\x01\x01",
        b"\x81\xa8anything\x81\x01\x01",
        b"\x81\xa4text\xa3\xed\xa0\x80",
        b"\x81\x01\x01",
        b"\xc1",
        b"\x05",
    ],
)
def test_messagepack_bombs_are_refusals(desk: Desk, body: bytes) -> None:
    """Huge headers, extension types, keys that are no text, bytes that mean nothing."""
    refusal(desk, "echo", body, MSGPACK)


def test_a_function_run_again_gets_its_arguments_anew(desk: Desk) -> None:
    """The driver may run a query twice; what the first run did to a list is not seen."""
    assert desk.value("spoil_arguments", {"names": ["a"]}) == 2


def test_a_hashed_argument_takes_the_raw_token(desk: Desk) -> None:
    """The digest itself opens nothing."""
    caller = Caller("k", frozenset({"safe_opening"}))
    right = desk.ask("open_safe", b'["sesame"]', caller=caller)
    digest = desk.ask("open_safe", JSON.encode(["e" * 64]), caller=caller)

    assert (right.body, digest.body) == (b"true", b"false")
