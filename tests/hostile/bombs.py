"""
Bodies that were made to break a decoder, in both codecs.

`BODIES` are refused by every method; `VALUES` too, wherever they stand in the arguments.
"""

from __future__ import annotations

from typing import Final

_DEEP: Final = 100_000


def _msgpack_text(raw: bytes) -> bytes:
    return bytes([0xA0 + len(raw)]) + raw


JSON_VALUES: Final[dict[str, bytes]] = {
    "a hundred thousand lists": b"[" * _DEEP + b"]" * _DEEP,
    "a hundred thousand objects": b'{"a":' * _DEEP + b"1" + b"}" * _DEEP,
    "lists and objects in turn": b'[{"a":' * 5_000 + b"1" + b"}]" * 5_000,
    "lists one past the limit": b"[" * 32 + b"]" * 32,
    "five thousand digits": b"9" * 5_000,
    "five thousand digits below zero": b"-" + b"9" * 5_000,
    "a fraction of five thousand digits": b"0." + b"9" * 5_000 + b"e400",
    "2 to the 63rd": b"9223372036854775808",
    "2 to the 64th": b"18446744073709551616",
    "NaN": b"NaN",
    "Infinity": b"Infinity",
    "minus Infinity": b"-Infinity",
    "1e400": b"1e400",
    "-1e400": b"-1e400",
    "a lone high surrogate": b'"\\ud800"',
    "a lone low surrogate": b'"x\\udfffy"',
    "surrogates in the wrong order": b'"\\udc00\\ud800"',
    "an encoded surrogate": b'"\xed\xa0\x80"',
    "an overlong slash": b'"\xc0\xaf"',
    "half a character": b'"\xf0\x9f\xa6"',
    "NUL, escaped": b'"a\\u0000b"',
    "NUL, bare": b'"a\0b"',
    "NUL in a name": b'{"a\\u0000":1}',
    "a control character": b'"\x01"',
    "a number with zeros before it": b"007",
    "a hexadecimal number": b"0x10",
    "a single quote": b"'a'",
    "a comma too many": b"[1,]",
    "a comment": b"/* a */ 1",
    "a prototype": b'{"__proto__":{"admin":true}}',
    "a reference to no transaction": b'{"$result":[0,"id"]}',
}
MSGPACK_VALUES: Final[dict[str, bytes]] = {
    "a hundred thousand lists": b"\x91" * _DEEP + b"\xc0",
    "a hundred thousand maps": b"\x81\xa1a" * _DEEP + b"\xc0",
    "a list of 4 thousand million": b"\xdd\xff\xff\xff\xff",
    "a map of 4 thousand million": b"\xdf\xff\xff\xff\xff",
    "a text of 4 thousand million": b"\xdb\xff\xff\xff\xff",
    "bytes of 4 thousand million": b"\xc6\xff\xff\xff\xff",
    "an extension of 4 thousand million": b"\xc9\xff\xff\xff\xff\x01",
    "lists of lists that are too long": b"\xdd\x7f\xff\xff\xff" * 1_000,
    "2 to the 63rd": b"\xcf\x80" + bytes(7),
    "2 to the 64th less one": b"\xcf" + b"\xff" * 8,
    "NaN": b"\xcb\x7f\xf8" + bytes(6),
    "NaN with a message": b"\xcb\x7f\xf8" + b"\xab" * 6,
    "infinity": b"\xcb\x7f\xf0" + bytes(6),
    "infinity in four bytes": b"\xca\xff\x80\x00\x00",
    "an extension": b"\xd4\x01x",
    "a timestamp": b"\xd6\xff" + bytes(4),
    "a timestamp past all time": b"\xc7\x0c\xff" + b"\xff" * 12,
    "the byte that is never used": b"\xc1",
    "a list as a key": b"\x81\x91\x01\x01",
    "a map as a key": b"\x81\x81\x01\x01\x01",
    "nil as a key": b"\x81\xc0\x01",
    "a number as a key": b"\x81\x01\x01",
    "a lone surrogate": _msgpack_text(b"\xed\xa0\x80"),
    "an overlong slash": _msgpack_text(b"\xc0\xaf"),
    "half a character": _msgpack_text(b"\xf0\x9f\xa6"),
    "NUL": _msgpack_text(b"a\0b"),
    "NUL in a name": b"\x81" + _msgpack_text(b"a\0") + b"\x01",
    "a prototype": b"\x81" + _msgpack_text(b"__proto__") + b"\x80",
}

#: Whole bodies beside the values themselves.
JSON_BODIES: Final[dict[str, bytes]] = {
    "nothing but spaces and a bracket": b" " * 1_000 + b"[",
    "two bodies": b"{}{}",
    "rubbish behind it": b"{} x",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "a name twice and unknown": b'{"x__":1,"x__":2}',
    "a million commas": b"[" + b"," * 900_000 + b"]",
    "a million nulls": b"[" + b"null," * 150_000 + b"null]",
    "a name without end": b'{"' + b"a" * 900_000 + b'":1}',
    "MessagePack": b"\x81\xa1a\x01",
    "gzip": b"\x1f\x8b\x08\x00" + bytes(20),
}
MSGPACK_BODIES: Final[dict[str, bytes]] = {
    "two bodies": b"\x80\x80",
    "a million nils": b"\xdd\x00\x0d\xbb\xa0" + b"\xc0" * 900_000,
    "a name twice and unknown": b"\x82\xa3x__\x01\xa3x__\x02",
    "JSON": b'{"a":1}',
    "every byte": bytes(range(256)),
}


def named(codec: str, names: list[str], value: bytes) -> bytes:
    """A body of arguments that all are this value."""
    if codec == "json":
        return b"{" + b",".join(b'"%b":%b' % (name.encode(), value) for name in names) + b"}"
    parts = b"".join(_msgpack_text(name.encode()) + value for name in names)
    return bytes([0x80 + len(names)]) + parts


def bombs(codec: str, names: list[str]) -> dict[str, bytes]:
    """All bodies for a method with these arguments, by what they are."""
    values = JSON_VALUES if codec == "json" else MSGPACK_VALUES
    bodies = JSON_BODIES if codec == "json" else MSGPACK_BODIES
    found = {**bodies, **{f"only {what}": value for what, value in values.items()}}
    if names:
        # The largest ones fit once into a body.
        found |= {
            f"arguments: {what}": named(codec, names if len(value) < 10_000 else names[:1], value)
            for what, value in values.items()
        }
    return found
