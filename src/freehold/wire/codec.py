"""
The two codecs, JSON and MessagePack, over msgspec with the scalars' hooks.

Encoders are made once and shared; equal values give equal bytes, whatever order a dict
was filled in. What a body may hold at all (depth, NUL) is in `inspect_body`; what a method's
arguments may be is the caller's decoder. There are no decimals here: neither codec has
them, and a float that is NaN or infinite is refused where types are known, see `rpc`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, Protocol

import msgspec

from freehold.scalars import dec_hook, enc_hook

CodecName = Literal["json", "msgpack"]


class Decoder(Protocol):
    """Reads bytes as one type; made by `Codec.decoder`, kept and reused."""

    def decode(self, body: bytes, /) -> Any:
        """
        The value.

        Raises:
            msgspec.ValidationError: It is well-formed and of another type.
            Exception: It is malformed; msgspec has several kinds of that.
        """


class Codec:
    """
    One way to write values as bytes.

    `JSON` and `MSGPACK` are the only two; compare with `is`.
    """

    __slots__ = ("_make_decoder", "content_type", "decode", "encode", "index", "name")

    def __init__(
        self,
        name: CodecName,
        content_type: str,
        *,
        encode: Callable[[Any], bytes],
        make_decoder: Callable[[Any], Decoder],
        index: int,
    ) -> None:
        self.name: CodecName = name
        #: What a request or an answer in this codec is labelled with.
        self.content_type = content_type
        #: 0 or 1: the place of this codec's things in a pair.
        self.index = index
        #: Any value that may travel, as bytes. A bound method of the shared encoder.
        self.encode = encode
        #: Bytes as plain lists, dicts, texts and numbers; for what has no type.
        self.decode: Callable[[bytes], Any] = make_decoder(Any).decode
        self._make_decoder = make_decoder

    def decoder(self, kind: Any) -> Decoder:
        """A decoder straight into a type; make it once and keep it."""
        return self._make_decoder(kind)

    def __repr__(self) -> str:
        return f"Codec({self.name})"


def _encode_other(value: Any) -> Any:
    """What msgspec does not know: the scalars, and texts of a class of their own."""
    if isinstance(value, str):
        return str.__str__(value)
    return enc_hook(value)


def _json_decoder(kind: Any) -> Decoder:
    return msgspec.json.Decoder(kind, dec_hook=dec_hook)


def _msgpack_decoder(kind: Any) -> Decoder:
    return msgspec.msgpack.Decoder(kind, dec_hook=dec_hook)


JSON: Final = Codec(
    "json",
    "application/json",
    encode=msgspec.json.Encoder(enc_hook=_encode_other, order="deterministic").encode,
    make_decoder=_json_decoder,
    index=0,
)
MSGPACK: Final = Codec(
    "msgpack",
    "application/msgpack",
    encode=msgspec.msgpack.Encoder(enc_hook=_encode_other, order="deterministic").encode,
    make_decoder=_msgpack_decoder,
    index=1,
)
