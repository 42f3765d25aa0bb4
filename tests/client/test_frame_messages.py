"""
The bytes of the frames protocol, packed by hand and read by a plain decoder.
"""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.client import frames
from freehold.client.method import Query, encode_args
from freehold.errors import InvalidArgument, Unavailable
from freehold.wire.codec import MSGPACK
from freehold.wire.frames import FrameSplitter

METHOD = Query[int]("Toy.echo")


@given(
    number=st.integers(1, 2**32 - 1),
    timeout_ms=st.integers(1, 2**32 - 1),
    min_seq=st.integers(0, 2**63 - 1),
    value=st.text() | st.integers(-(2**53), 2**53) | st.binary(),
)
def test_a_call_packed_by_hand_reads_as_the_protocol_has_it(
    number: int, timeout_ms: int, min_seq: int, value: object
) -> None:
    """[id, method, args, options], with minSeq only when there is one."""
    args = encode_args(METHOD, {"value": value}, MSGPACK)

    frame = frames.pack_call(
        number, METHOD.packed + args + frames.pack_options(timeout_ms, min_seq)
    )

    options = {"timeoutMs": timeout_ms} | ({"minSeq": min_seq} if min_seq else {})
    (payload,) = FrameSplitter(2**20).split(frame)
    assert msgspec.msgpack.decode(payload) == [number, "Toy.echo", {"value": value}, options]


@given(timeout_ms=st.integers(1, 2**32 - 1), key=st.from_regex(r"[!-~]{1,255}", fullmatch=True))
def test_a_mutation_s_key_stands_among_its_options(timeout_ms: int, key: str) -> None:
    """Beside the time; a mutation asks for no commit to see."""
    packed = frames.pack_options(timeout_ms, 0, key)

    assert msgspec.msgpack.decode(packed) == {"timeoutMs": timeout_ms, "idempotencyKey": key}


def test_hello_says_who_calls() -> None:
    """The key, the contract and the client, in a frame whose first byte is 0."""
    frame = frames.pack_hello("fh_test_1", None)

    (payload,) = FrameSplitter(2**20).split(frame)
    said = {"key": "fh_test_1", "contract": None, "client": frames.CLIENT}
    assert msgspec.msgpack.decode(payload) == ["hello", 1, said]
    assert frame[0] == 0


def test_the_upgrade_waits_for_its_end_and_keeps_what_follows() -> None:
    """The server's first frame may stand right behind its headers."""
    whole = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: freehold\r\n\r\n\x00\x00"

    assert frames.upgrade_rest(whole[:-3], "x") is None
    assert frames.upgrade_rest(whole, "x") == b"\x00\x00"


def test_another_server_at_the_address_is_told_by_what_it_said() -> None:
    """Its status line is in the sentence."""
    with pytest.raises(Unavailable, match=r"http://x:1 does not speak frames.*404 Not Found"):
        frames.upgrade_rest(b"HTTP/1.1 404 Not Found\r\n\r\n", "http://x:1")


def test_an_endless_header_is_not_read_on_for_ever() -> None:
    """What is no end within 16 KiB is refused."""
    with pytest.raises(Unavailable, match="no end"):
        frames.upgrade_rest(b"x" * 20_000, "x")


@pytest.mark.parametrize("value", [object(), "\ud800", {1, 2}, 2**80])
def test_an_argument_that_cannot_travel_is_refused_before_anything_is_sent(value: object) -> None:
    """The method is named."""
    if value == {1, 2}:
        value = {object()}
    with pytest.raises(InvalidArgument, match=r"an argument of Toy\.echo cannot travel"):
        encode_args(METHOD, {"value": value}, MSGPACK)
