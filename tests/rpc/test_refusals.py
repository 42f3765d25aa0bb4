"""The sentence of a refusal: which argument, which rule, what came, what would be right."""

from __future__ import annotations

import pytest

from freehold.db import IN_PROCESS
from freehold.errors import InvalidArgument
from freehold.wire.codec import JSON
from tests.rpc.shop import Desk


def refusal(desk: Desk, method: str, body: bytes) -> InvalidArgument:
    """How a call with this body is refused."""
    error = desk.ask(method, body, caller=IN_PROCESS).error
    assert isinstance(error, InvalidArgument), error
    return error


@pytest.mark.parametrize(
    ("method", "body", "path", "detail"),
    [
        ("echo", b'{"text":7}', "text", "text must be text, not a whole number (it is 7)."),
        ("echo", b"[7]", "text", "text must be text, not a whole number (it is 7)."),
        ("echo", b'{"flag":"yes"}', "flag", 'flag must be true or false, not text (it is "yes").'),
        ("echo", b'{"ratio":[]}', "ratio", "ratio must be a number, not a list."),
        (
            "echo",
            b'{"wholeNumber":1.5}',
            "wholeNumber",
            "wholeNumber must be a whole number, not a number (it is 1.5).",
        ),
        (
            "echo",
            b'{"whole_number":null}',
            "whole_number",
            "whole_number must be a whole number, not null.",
        ),
        (
            "echo",
            b'{"names":["a",7]}',
            "names[1]",
            "names[1] must be text, not a whole number (it is 7).",
        ),
        (
            "echo",
            b'{"names":{}}',
            "names",
            "names must be a list or null, not an object.",
        ),
        ("echo", b'{"kind":"c"}', "kind", "kind must be one of 'a', 'b' (it is \"c\")."),
        (
            "createProduct",
            b'{"data":{"productName":"x","parts":[{"partName":"p"},{"part_name":3}]}}',
            "data.parts[1].part_name",
            "data.parts[1].part_name must be text, not a whole number (it is 3).",
        ),
        ("createProduct", b"{}", "data", "data is missing."),
        ("createProduct", b"", "data", "data is missing."),
        ("createProduct", b"[]", "data", "Shop.createProduct takes 2 arguments, not 0."),
        ("createProduct", b"[{}]", "data.productName", "data.productName is missing."),
        (
            "createProduct",
            b'{"data":{"productName":"x","mainPart":{}}}',
            "data.mainPart.partName",
            "data.mainPart.partName is missing.",
        ),
        (
            "createProduct",
            b'{"data":{"productNam":"x"}}',
            "data.productNam",
            "NewProduct has no field 'productNam'.",
        ),
        ("getProductById", b'{"ID":"x"}', "ID", "Shop.getProductById has no argument 'ID'."),
        ("getProductById", b'["a","b"]', "[1]", "Shop.getProductById takes 1 argument, not 2."),
        ("countProducts", b"[1]", "[0]", "Shop.countProducts takes 0 arguments, not 1."),
        ("echo", b'"text"', None, "Arguments are an object by name, or a list by position."),
        ("echo", b"7", None, "Arguments are an object by name, or a list by position."),
        ("echo", b'{"raw":"?"}', "raw", "raw: invalid base64 encoded string."),
    ],
)
def test_a_refusal_names_the_argument_and_the_rule(
    desk: Desk, method: str, body: bytes, path: str | None, detail: str
) -> None:
    """In the caller's own spelling; the value is shown when it is short."""
    error = refusal(desk, method, body)

    assert error.detail == detail
    assert error.path == path


@pytest.mark.parametrize(
    ("method", "body", "hint"),
    [
        ("createProduct", b'{"data":{"productNam":"x"}}', "Did you mean 'productName'? There are:"),
        ("createProduct", b'{"dta":{}}', "Did you mean 'data'? There are: data, noteText."),
        ("createProduct", b"{}", "Shop.createProduct takes data, noteText."),
        ("createProduct", b'{"data":[]}', "NewProduct takes productName, priceCents,"),
        ("createProduct", b"[]", "In this order: data, noteText."),
        ("countProducts", b'{"x":1}', "There are none."),
        ("countProducts", b"[1]", "Send an empty list, or no body."),
        ("echo", b'{"wholeNumber":9007199254740992}', "±(2^53-1) is what every client can"),
        ("echo", b"7", 'Send {"name": value} or [value]'),
    ],
)
def test_the_hint_says_what_would_be_right(desk: Desk, method: str, body: bytes, hint: str) -> None:
    """The accepted names, the nearest one first."""
    assert refusal(desk, method, body).hint.startswith(hint)


def test_a_secret_is_never_shown(desk: Desk) -> None:
    """Neither by its type nor by its name; a long value is not shown either."""
    by_type = refusal(desk, "openSafe", b'{"token":123456}')
    long = refusal(desk, "echo", JSON.encode({"flag": "x" * 41}))
    short = refusal(desk, "echo", JSON.encode({"flag": "x" * 40}))

    assert by_type.detail == "token: expected a string."
    assert long.detail == "flag must be true or false, not text."
    assert "x" * 40 in short.detail


def test_a_name_of_a_megabyte_is_not_sent_back(desk: Desk) -> None:
    """The refusal stays a sentence."""
    error = refusal(desk, "echo", b'{"' + b"n" * 1_000_000 + b'":1}')

    assert len(error.detail + error.hint + str(error.path)) < 500


@pytest.mark.parametrize(
    "body", [b"{", b'{"text"', b"nul", b"\xff", b'{"text":"\xff"}', b"{}x", b"[1,]", b"'", b"\\"]
)
def test_a_malformed_body_is_refused_as_such(desk: Desk, body: bytes) -> None:
    """With what the decoder knows, which is about bytes and never about values."""
    error = refusal(desk, "echo", body)

    assert error.detail.startswith(("The body is not json: ", "A text in the body is not valid"))
    assert error.path is None
