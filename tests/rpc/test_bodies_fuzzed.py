"""P17: no body makes an untyped error; and both codecs agree on every value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.errors import Internal, InvalidArgument
from freehold.wire.codec import JSON, MSGPACK, Codec
from tests.rpc.shop import Desk, Shop

METHODS = sorted(set(Shop.__methods__) - {"breakInside", "breakThePromise", "returnNan"})
CODECS = st.sampled_from([JSON, MSGPACK])
NAMES = sorted(
    {
        spelling
        for method in Shop.__methods__.values()
        for param in method.params
        for spelling in (param.name, param.wire)
    }
    | {"productName", "product_name", "mainPart", "partName", "part_name", "weight", "parts", "x"}
    | {"rating", "priceCents", "serial", "status"}
    - {"raw"}  # bytes are base64 in one codec and bin in the other
)
NUMBERS = st.sampled_from([0, 1, -1, 2**53 - 1, 2**53, -(2**53), 2**63 - 1, -(2**63), 2**64 - 1])
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | NUMBERS
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["a", "new", "9223372036854775807", "9223372036854775808", "AA==", "\0"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def open_desk() -> Iterator[Desk]:
    """One shop for all examples."""
    desk = Desk()
    yield desk
    desk.close()


def refused(desk: Desk, method: str, body: bytes, codec: Codec) -> str | None:
    """None when the call was not refused for its arguments, else the path; never Internal."""
    error = desk.ask(method, body, codec=codec).error
    assert not isinstance(error, Internal), body
    return (error.path or "") if isinstance(error, InvalidArgument) else None


@pytest.mark.attack("A28")
@pytest.mark.promise("P17")
@settings(max_examples=400, deadline=None)
@given(st.sampled_from(METHODS), st.binary(max_size=80), CODECS)
def test_arbitrary_bytes_are_never_internal(
    open_desk: Desk, method: str, body: bytes, codec: Codec
) -> None:
    """Whatever comes, in either codec, at any method."""
    refused(open_desk, method, body, codec)


@pytest.mark.attack("A28")
@pytest.mark.promise("P17")
@settings(max_examples=400, deadline=None)
@given(st.sampled_from(METHODS), ANYTHING, CODECS, st.data())
def test_damaged_bodies_are_never_internal(
    open_desk: Desk, method: str, value: Any, codec: Codec, data: st.DataObject
) -> None:
    """A body that was right, with one byte changed or its end cut off."""
    body = bytearray(codec.encode(value))
    place = data.draw(st.integers(0, len(body) - 1))
    body[place] = data.draw(st.integers(0, 255))

    refused(open_desk, method, bytes(body), codec)
    refused(open_desk, method, bytes(body[:place]), codec)


@pytest.mark.attack("A28")
@pytest.mark.promise("P17")
@settings(max_examples=600, deadline=None)
@given(st.sampled_from(METHODS), ANYTHING)
def test_both_codecs_refuse_the_same_values(open_desk: Desk, method: str, value: Any) -> None:
    """Or accept them; NaN alone is null in JSON, so values with it are only not internal."""
    paths = [refused(open_desk, method, codec.encode(value), codec) for codec in (JSON, MSGPACK)]

    if JSON.decode(JSON.encode(value)) == value:
        assert (paths[0] is None) == (paths[1] is None)
