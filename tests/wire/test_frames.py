"""Frames: any cutting of the stream gives the same payloads, and a bad length ends it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.wire.frames import FrameSplitter, frame

PAYLOADS = st.lists(st.binary(min_size=1, max_size=300), max_size=8)
CUTS = st.lists(st.integers(min_value=0, max_value=3000), max_size=12)


def pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    """The stream cut at these places."""
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut <= len(stream))})
    return [stream[a:b] for a, b in itertools.pairwise(edges)]


def fed(stream: bytes, cuts: list[int], *, payload_bytes_max: int) -> tuple[list[bytes], str]:
    splitter = FrameSplitter(payload_bytes_max)
    payloads: list[bytes] = []
    for piece in pieces(stream, cuts):
        payloads += splitter.split(piece)
    return payloads, splitter.broken or ""


@given(payloads=PAYLOADS, cuts=CUTS)
def test_any_cutting_gives_the_payloads_that_were_framed(
    payloads: list[bytes], cuts: list[int]
) -> None:
    """What one side frames, the other side gets, wherever the network cuts."""
    stream = b"".join(frame(payload) for payload in payloads)

    assert fed(stream, cuts, payload_bytes_max=300) == (payloads, "")


@given(stream=st.binary(max_size=400), cuts=CUTS)
def test_any_cutting_of_any_bytes_gives_the_same(stream: bytes, cuts: list[int]) -> None:
    """Also for nonsense: the same payloads, then the same sentence about what broke."""
    whole = fed(stream, [], payload_bytes_max=40)

    assert fed(stream, cuts, payload_bytes_max=40) == whole


def test_a_payload_at_the_limit_is_taken() -> None:
    """The limit itself is allowed."""
    splitter = FrameSplitter(10)

    assert splitter.split(frame(b"x" * 10)) == [b"x" * 10]
    assert splitter.broken is None


def test_a_payload_one_past_the_limit_is_refused_by_its_length_alone() -> None:
    """The refusal does not wait for the payload, so none of it is ever kept."""
    splitter = FrameSplitter(10)

    assert splitter.split((11).to_bytes(4, "big")) == []

    assert splitter.broken == "A frame says it has 11 bytes; at most 10 are taken."
    assert not splitter.unfinished


def test_an_empty_frame_is_refused() -> None:
    """A length of zero carries no message."""
    splitter = FrameSplitter(10)

    splitter.split(bytes(4))

    assert splitter.broken == "A frame has no payload."


def test_payloads_before_a_bad_length_still_come_out_and_none_after_it() -> None:
    """What was said well is heard; after it the stream cannot be found again."""
    splitter = FrameSplitter(10)

    assert splitter.split(frame(b"good") + bytes(4) + frame(b"late")) == [b"good"]
    assert splitter.split(frame(b"later")) == []


def test_a_splitter_says_whether_a_frame_is_unfinished() -> None:
    """The server's deadline for a frame begins with its first byte."""
    splitter = FrameSplitter(10)

    splitter.split(frame(b"abc")[:5])
    assert splitter.unfinished

    splitter.split(frame(b"abc")[5:])
    assert not splitter.unfinished


def test_an_empty_payload_cannot_be_framed() -> None:
    """Nobody may write what everybody refuses."""
    with pytest.raises(AssertionError, match="1 to"):
        frame(b"")
