"""Depth and NUL characters of a body, found without decoding it twice."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from freehold.errors import InvalidArgument
from freehold.wire.codec import JSON, MSGPACK
from freehold.wire.inspect_body import inspect_json, inspect_msgpack

DEPTH = 32


def nested(depth: int, inner: Any = 1) -> Any:
    """A value that deep, lists and objects in turn, with texts that look like brackets."""
    for level in range(depth):
        inner = [inner, '"]}]'] if level % 2 else {'[{\\"': "]", "k": inner}
    return inner


def depth_of(value: Any) -> int:
    """The naive way."""
    if isinstance(value, dict):
        return 1 + max((depth_of(item) for item in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((depth_of(item) for item in value), default=0)
    return 0


def is_refused(value: Any) -> tuple[bool, bool]:
    """Whether each codec's look at the value's bytes refuses it."""

    def asks(inspect: Any, body: bytes) -> bool:
        try:
            inspect(body, DEPTH)
        except InvalidArgument:
            return True
        return False

    return asks(inspect_json, JSON.encode(value)), asks(inspect_msgpack, MSGPACK.encode(value))


def test_the_limit_itself_is_fine_and_one_more_is_not() -> None:
    """32 levels pass, 33 do not, in both codecs."""
    assert is_refused(nested(DEPTH)) == (False, False)
    assert is_refused(nested(DEPTH + 1)) == (True, True)


def test_many_brackets_side_by_side_are_not_deep() -> None:
    """A list of a thousand objects is two levels, however its texts look."""
    rows = [{"name": 'a [ b { c \\ " d ] ', "tags": ["[[[", "}}}"]} for _ in range(1000)]

    assert is_refused(rows) == (False, False)


@pytest.mark.attack("A28")
@given(
    st.recursive(
        st.none() | st.booleans() | st.text(st.sampled_from('[]{}"\\u0,:\x00x')),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text(st.sampled_from('[]{}"\\'), max_size=4), inner, max_size=3)
        ),
        max_leaves=60,
    ),
    st.integers(0, 40),
)
@example(["\\u0000"], 0)
@example(["\\\\u0000", "\0"], 0)
def test_the_answer_is_the_naive_one(value: Any, around: int) -> None:
    """Against a walk over the decoded value: depth, and NUL, exactly, in both codecs."""
    value = nested(around, value)
    has_nul = "\\u0000" in json.dumps(value).replace("\\\\", "")

    assert is_refused(value) == (has_nul or depth_of(value) > DEPTH,) * 2


@pytest.mark.attack("A28")
@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"a":' * 100_000, b"[" * 500_000 + b"]" * 500_000, b"[[[" * 33 + b'"\\u00'],
)
def test_a_hundred_thousand_brackets_are_refused_by_the_rule(body: bytes) -> None:
    """Not by the decoder's recursion limit: the sentence names the limit."""
    with pytest.raises(InvalidArgument, match="deeper than 32"):
        inspect_json(body, DEPTH)


@pytest.mark.attack("A28")
@pytest.mark.parametrize("body", [b"\x91" * 100_000, b"\x81\xa1a" * 100_000])
def test_messagepack_bombs_are_refused_or_left_to_the_decoder(body: bytes) -> None:
    """Recursion never leaves as itself."""
    with pytest.raises(InvalidArgument, match="deeper than 32"):
        inspect_msgpack(body, DEPTH)


@pytest.mark.parametrize("body", [b"[1,2", b'{"a":"', b"]]]]", b'"\\', b"\\" * 999])
def test_what_is_merely_malformed_is_left_to_the_decoder(body: bytes) -> None:
    """It says better what is wrong."""
    inspect_json(body, DEPTH)


@pytest.mark.parametrize(
    "body", [b"\xdc\xff\xff\x00", b"\x00\x00", b"\x81\x91\x01\x00", b"\xc1\x00"]
)
def test_malformed_messagepack_is_left_to_the_decoder(body: bytes) -> None:
    """The same for the other codec."""
    inspect_msgpack(body, DEPTH)


def test_the_refusal_of_a_nul_names_its_place() -> None:
    """`data.tags[1]`, whichever codec it came in; an object when it is in a key."""
    value = {"data": {"tags": ["fine", "not\0fine"]}}

    for inspect, codec in ((inspect_json, JSON), (inspect_msgpack, MSGPACK)):
        with pytest.raises(InvalidArgument, match=r"data\.tags\[1\] holds a NUL") as refusal:
            inspect(codec.encode(value), DEPTH)
        assert refusal.value.path == "data.tags[1]"

        with pytest.raises(InvalidArgument, match="data holds a NUL"):
            inspect(codec.encode({"data": {"k\0": 1}}), DEPTH)


def test_zero_bytes_that_are_no_text_pass() -> None:
    """Numbers and bytes have them."""
    inspect_msgpack(MSGPACK.encode({"n": 256, "f": 1.0, "raw": b"\0\0"}), DEPTH)


def test_a_backslash_before_u0000_is_text() -> None:
    r"""`\\u0000` is a backslash and five letters; `\\\u0000` is a backslash and a NUL."""
    inspect_json(rb'["\\u0000"]', DEPTH)

    with pytest.raises(InvalidArgument, match="NUL"):
        inspect_json(rb'["\\\u0000"]', DEPTH)
