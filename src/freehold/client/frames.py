"""
The client's half of the frames protocol: messages to bytes and back. Pure.

    client  ["hello", 1, {"key", "contract", "client"}]      once, first
            [id, "DataLayer.getIdeaById", {…}, {options}]     calls, right behind it
    server  ["welcome", 1, {…}] or ["refused", 1, problem]    once, first
            [id, 0, seq, result] or [id, 1, seq, problem]     answers, in any order
            ["goaway", 1, {}]                                 no new calls here, please

A call is packed by hand around its arguments: the name is packed once per method, and the
rest is twenty bytes of fixed shape. How frames are cut out of a stream is `wire.frames`;
nothing is opened, sent or awaited here.
"""

from __future__ import annotations

import struct
from typing import Any, Final

import msgspec

from freehold.errors import CallError, Unavailable
from freehold.wire.codec import MSGPACK
from freehold.wire.frames import frame

#: What a client says it is.
CLIENT: Final = "python/0.1.0"
#: The protocol's version, in hello and welcome.
VERSION: Final = 1
#: The longest answer that is read: enough for any page, and far below what noise on the
#: line reads as a length ("HTTP" would be 1.2 GB).
ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024
#: The longest frame that is sent before the server has said what it takes; the first byte
#: of a frame on a Unix socket must be 0, which is how it is told apart from HTTP.
FRAME_BYTES_MAX: Final = 2**24 - 1
#: The part of a call's payload before its tail.
CALL_HEAD_BYTES: Final = 6
#: Calls on one connection that wait for their answers; the server reads no more than this.
CALLS_IN_FLIGHT_MAX: Final = 256
#: Ids go around after this.
ID_MAX: Final = 2**32 - 1
#: A connection that was silent for so long is not trusted with a mutation: the server
#: closes resting ones after 300 s, and a call that meets the closing has no answer.
IDLE_S: Final = 240.0

_HEAD: Final = struct.Struct(">IBBI")
_ARRAY_OF_4: Final = 0x94
_UINT32: Final = 0xCE
_UPGRADED: Final = b"HTTP/1.1 101"
_HEADERS_BYTES_MAX: Final = 16 * 1024

_options_1: Final = struct.Struct(">B10sBI")
_options_2: Final = struct.Struct(">B10sBI7sBQ")
_TIMEOUT: Final = MSGPACK.encode("timeoutMs")
_MIN_SEQ: Final = MSGPACK.encode("minSeq")
_KEY: Final = MSGPACK.encode("idempotencyKey")
_ACT_AS: Final = MSGPACK.encode("actAs")

#: An answer; its result stays bytes until the method's own decoder reads them.
read_answer: Final = msgspec.msgpack.Decoder(tuple[int, int, int, msgspec.Raw]).decode
_read_notice: Final = msgspec.msgpack.Decoder(tuple[str, int, Any]).decode


class ProtocolBroken(Unavailable):
    """What came is not the frames protocol; the connection is closed."""


def pack_options(
    timeout_ms: int, min_seq: int, key: str | None = None, *, act_as: str | None = None
) -> bytes:
    """The options map of a call; no `minSeq` when there is nothing to wait for."""
    if act_as is not None:
        packed = pack_options(timeout_ms, min_seq, key)
        # One more entry than the first byte says.
        return bytes((packed[0] + 1,)) + packed[1:] + _ACT_AS + MSGPACK.encode(act_as)
    if key is not None:
        return b"\x82" + _options_1.pack(0x81, _TIMEOUT, 0xCE, timeout_ms)[1:] + _packed_key(key)
    if min_seq:
        return _options_2.pack(0x82, _TIMEOUT, 0xCE, timeout_ms, _MIN_SEQ, 0xCF, min_seq)
    return _options_1.pack(0x81, _TIMEOUT, 0xCE, timeout_ms)


def _packed_key(key: str) -> bytes:
    return _KEY + MSGPACK.encode(key)


def pack_call(number: int, tail: bytes) -> bytes:
    """A whole frame; `tail` is name, arguments and options, each packed."""
    return _HEAD.pack(len(tail) + CALL_HEAD_BYTES, _ARRAY_OF_4, _UINT32, number) + tail


def pack_hello(key: str | None, contract: str | None) -> bytes:
    """The first frame of a connection."""
    said = {"key": key, "contract": contract, "client": CLIENT}
    return frame(MSGPACK.encode(["hello", VERSION, said]))


def tail_bytes_max(welcome: dict[str, Any]) -> int:
    """How long a call may be, besides its head, by what the server's welcome says."""
    limit = welcome.get("maxFrame")
    if not isinstance(limit, int) or limit <= 0:
        limit = FRAME_BYTES_MAX
    return min(limit, FRAME_BYTES_MAX) - CALL_HEAD_BYTES


def is_answer(payload: bytes) -> bool:
    """Whether it is an array of four; all else is a notice."""
    return payload[0] == _ARRAY_OF_4


def read_notice(payload: bytes) -> tuple[str, dict[str, Any]]:
    """
    A message of the server that answers no call: its word and what it says.

    Raises:
        ProtocolBroken: It is no such message.
    """
    try:
        word, _, said = _read_notice(payload)
    except msgspec.DecodeError as error:
        raise broken(str(error)) from error
    return word, said if isinstance(said, dict) else {}


def read_result(result: msgspec.Raw) -> Any:
    """Bytes as plain values; for problems, which have no type of their own."""
    return MSGPACK.decode(result)


def upgrade_request(authority: str) -> bytes:
    """What turns a connection to the HTTP port into one of frames."""
    lines = (
        "GET /frames HTTP/1.1",
        f"Host: {authority}",
        "Connection: Upgrade",
        "Upgrade: freehold",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def upgrade_rest(data: bytes, place: str) -> bytes | None:
    """
    What follows the server's agreement to speak frames; None while it is not all there.

    Raises:
        Unavailable: Something else than a data layer answers, or it does not want to.
    """
    head, end, rest = data.partition(b"\r\n\r\n")
    if not end:
        if len(data) > _HEADERS_BYTES_MAX:
            raise broken("its answer to the upgrade has no end")
        return None
    if not head.startswith(_UPGRADED):
        status = head.split(b"\r\n", 1)[0][:80].decode("latin-1")
        raise Unavailable(
            f"what listens at {place} does not speak frames: it answered {status!r}.",
            hint='Check the address; through an HTTP proxy use connect(transport="http").',
        )
    return rest


def broken(reason: str) -> CallError:
    """The error of a connection whose bytes make no sense."""
    return ProtocolBroken(
        f"the answer is not the frames protocol: {reason}.",
        hint="Check that the address is a data layer's, and the versions on both sides.",
    )
