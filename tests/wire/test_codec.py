"""The two codecs: what a value looks like on the wire, and what is read from it."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.scalars import Hashed, Int64, Sealed
from freehold.wire.codec import JSON, MSGPACK, Codec

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("kind", "value", "json", "msgpack"),
    [
        (Int64, Int64(2**63 - 1), b'"9223372036854775807"', b"\xb39223372036854775807"),
        (Int64, Int64(-5), b'"-5"', b"\xa2-5"),
        (bytes, b"\x00\xff", b'"AP8="', b"\xc4\x02\x00\xff"),
        (str, "\u00e9\U0001f600", '"\u00e9\U0001f600"'.encode(), b"\xa6\xc3\xa9\xf0\x9f\x98\x80"),
        (bool, True, b"true", b"\xc3"),
        (type(None), None, b"null", b"\xc0"),
        (int, 2**53 - 1, b"9007199254740991", b"\xcf\x00\x1f\xff\xff\xff\xff\xff\xff"),
        (float, 0.5, b"0.5", b"\xcb\x3f\xe0\x00\x00\x00\x00\x00\x00"),
        (dict, {"b": 1, "a": [None]}, b'{"a":[null],"b":1}', b"\x82\xa1a\x91\xc0\xa1b\x01"),
    ],
)
def test_each_value_has_one_wire_text(kind: Any, value: Any, json: bytes, msgpack: bytes) -> None:
    """The table of wire texts, read in both directions and in both codecs."""
    for codec, text in ((JSON, json), (MSGPACK, msgpack)):
        assert codec.encode(value) == text
        assert codec.decoder(kind).decode(text) == value


def test_an_int64_may_come_as_a_small_number() -> None:
    """People type numbers; one that every client can represent is taken for an int64 too."""
    assert JSON.decoder(Int64).decode(b"7") == Int64(7)


@pytest.mark.parametrize(
    "text", [b"9007199254740993", b"1.5", b'"1e3"', b'"x"', b"true", b'"\xd9\xa1x"']
)
def test_what_is_no_int64_is_refused(text: bytes) -> None:
    """An int64 past 2^53-1 travels as a text, and nothing else is taken for one."""
    with pytest.raises(msgspec.ValidationError):
        JSON.decoder(Int64).decode(text)


def test_a_sealed_value_leaves_as_ciphertext_or_not_at_all() -> None:
    """The plain text of a value that is not stored yet never reaches a codec's output."""
    assert JSON.encode(Sealed.stored("cipher", ("t", "c", ("k",)))) == b'"cipher"'

    with pytest.raises(TypeError, match="stored"):
        JSON.encode(Sealed.of("plain"))


def test_a_token_comes_raw_and_leaves_as_its_digest() -> None:
    """What a caller sends is the token; what it gets back is never enough to log in."""
    token = JSON.decoder(Hashed).decode(b'"sesame"')

    assert token == Hashed.of("sesame")
    assert JSON.encode(token) == b'"' + Hashed.of("sesame").digest.encode() + b'"'


@pytest.mark.attack("A28")
@pytest.mark.parametrize(
    "text",
    [
        b"NaN",
        b"Infinity",
        b"1e400",
        b'"\\ud800"',
        b'"\\udc00x"',
        b'"\xed\xa0\x80"',
        b'"\xff"',
        b'"\n"',
        b"1 2",
        b"01",
        b"",
        b"[1,",
        b"9" * 5000,
    ],
)
def test_malformed_json_is_refused(text: bytes) -> None:
    """NaN, lone surrogates, broken UTF-8, control characters, and bytes after the end."""
    with pytest.raises((ValueError, msgspec.MsgspecError)):
        JSON.decode(text)


@pytest.mark.attack("A28")
@pytest.mark.parametrize("text", [b"\xa3\xed\xa0\x80", b"\x92\x01", b"\x01\x01", b"\xc1", b""])
def test_malformed_messagepack_is_refused(text: bytes) -> None:
    """Lone surrogates, cut-off values, bytes after the end, and the byte that means nothing."""
    with pytest.raises((ValueError, msgspec.MsgspecError)):
        MSGPACK.decode(text)


@given(PLAIN)
def test_plain_values_survive_both_codecs(value: Any) -> None:
    """What goes in comes out, and the same value gives the same bytes each time."""
    for codec in (JSON, MSGPACK):
        text = codec.encode(value)

        assert codec.decode(text) == value
        assert codec.encode(codec.decode(text)) == text


def test_the_order_in_which_a_dict_was_filled_does_not_show() -> None:
    """Two engines that keep a JSON column in different orders give the same answer."""
    for codec in (JSON, MSGPACK):
        assert codec.encode({"a": 1, "b": 2}) == codec.encode({"b": 2, "a": 1})


def test_a_codec_knows_its_name_and_its_place() -> None:
    """Transports label bodies by content type and keep what is theirs in pairs by index."""

    def parts(codec: Codec) -> tuple[str, str, int]:
        return codec.name, codec.content_type, codec.index

    assert parts(JSON) == ("json", "application/json", 0)
    assert parts(MSGPACK) == ("msgpack", "application/msgpack", 1)
    assert repr(JSON) == "Codec(json)"
    assert math.isfinite(JSON.decode(b"1.5"))


def test_a_text_of_a_class_of_its_own_is_its_text() -> None:
    """SQLAlchemy's names are such texts, and end up in errors."""

    class Name(str):
        __slots__ = ()

    assert JSON.encode([Name("users")]) == b'["users"]'
