"""
What a body may hold before anybody looks at its meaning: depth and NUL characters.

Everything here refuses with `InvalidArgument`. What the decoders refuse themselves is not
done again: lone surrogates, broken UTF-8, NaN in JSON, bytes after the end. NaN in
MessagePack needs the types, see `rpc.arguments`.

Duplicate keys are not refused: the last one counts, in both codecs and on every path, as
JSON.parse and every decoder here have it. Finding them would cost a second parse of each
body, and nothing is signed or hashed over the bytes; fingerprints are made of the decoded
arguments.

There is no loop over bytes in Python: a megabyte of brackets costs milliseconds. MessagePack
is the dearer one, up to a third of a second for a megabyte of a million empty lists.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from freehold.errors import InvalidArgument

_BACKSLASH: Final = 0x5C
_BRACKETS: Final = bytes.maketrans(b"{}", b"[]")
_NO_MARKS: Final = bytes(byte for byte in range(256) if byte not in b'[]{}"')
#: Every byte that cannot open a MessagePack list or map (fixmap, fixarray, array, map).
_NO_OPENERS: Final = bytes(
    byte for byte in range(256) if not (0x80 <= byte <= 0x9F or 0xDC <= byte <= 0xDF)
)
#: An escaped NUL: a backslash that no other one escapes, and u0000.
_ESCAPED_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")

_read_json: Final = msgspec.json.Decoder().decode
_read_msgpack: Final = msgspec.msgpack.Decoder().decode
_write_json: Final = msgspec.json.Encoder(enc_hook=repr).encode


def inspect_json(body: bytes, depth_max: int) -> None:
    """
    Refuse a JSON body that is too deep or holds a NUL character.

    Twice the depth in bytes is what it takes to be too deep, and a backslash what it takes
    to write a NUL, so small bodies cost next to nothing.

    Raises:
        InvalidArgument: It is so; the sentence names the rule.
    """
    if (
        len(body) > 2 * depth_max
        and body.count(b"[") + body.count(b"{") > depth_max
        and _is_deep(body, depth_max)
    ):
        raise _too_deep(depth_max)
    if _BACKSLASH in body and _has_nul(body):
        raise _nul(_safely(_read_json, body))


def inspect_msgpack(body: bytes, depth_max: int) -> None:
    """
    The same for a MessagePack body.

    One that has many bytes like openers, or a zero byte (numbers have them too), is
    written as JSON, where a depth and a NUL have only one spelling.

    Raises:
        InvalidArgument: It is so; the sentence names the rule.
    """
    if 0 not in body and (
        len(body) <= depth_max or len(body.translate(None, _NO_OPENERS)) <= depth_max
    ):
        return  # malformed: the method's own decoder says in which way
    try:
        value = _read_msgpack(body)
        text = _write_json(value)
    except RecursionError:
        raise _too_deep(depth_max) from None
    except Exception:
        return  # malformed: the method's own decoder says in which way
    if _is_deep(text, depth_max):
        raise _too_deep(depth_max)
    if _has_nul(text):
        raise _nul(value)


def _has_nul(text: bytes) -> bool:
    return b"\\u0000" in text and _ESCAPED_NUL.search(text) is not None


def _is_deep(body: bytes, depth_max: int) -> bool:
    """
    Whether JSON text is nested deeper than that.

    Without its strings the text is brackets. Taking away every innermost pair lowers the
    depth by exactly one, so what is not empty after `depth_max` rounds is too deep. Malformed
    text keeps unpaired brackets; if they are few, that is left to the decoder to refuse.
    """
    if _BACKSLASH in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Two quotes side by side are a string without brackets, or the gap between two strings:
    # without them the parity of all other quotes stays, and most bodies have none left.
    marks = body.translate(_BRACKETS, _NO_MARKS).replace(b'""', b"")
    brackets = b"".join(marks.split(b'"')[::2])
    too_many = b"[" * (depth_max + 1)
    for _ in range(depth_max):
        if not brackets:
            return False
        if too_many in brackets:
            return True
        brackets = brackets.replace(b"[]", b"")
    return b"[]" in brackets or brackets.count(b"[") > depth_max


def _too_deep(depth_max: int) -> InvalidArgument:
    return InvalidArgument(
        f"The body is nested deeper than {depth_max} lists and objects.",
        hint="The limit is depth_max; send flatter values, or keep this one as a text.",
    )


def _nul(value: Any) -> InvalidArgument:
    path = _find_nul(value, "")
    return InvalidArgument(
        f"{path or 'A text in the body'} holds a NUL character.",
        hint="Take it out: no text in a database may hold U+0000.",
        path=path,
    )


def _find_nul(value: Any, path: str) -> str | None:
    """The path of the first text with a NUL; of the object itself when it is in a key."""
    if isinstance(value, str):
        return path if "\0" in value else None
    parts: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        if any("\0" in str(key) for key in value):
            return path
        parts = [(f"{path}.{key}" if path else str(key), item) for key, item in value.items()]
    elif isinstance(value, list):
        parts = [(f"{path}[{index}]", item) for index, item in enumerate(value)]
    for part, item in parts:
        found = _find_nul(item, part)
        if found is not None:
            return found
    return None


def _safely(read: Any, body: bytes) -> Any:
    try:
        return read(body)
    except Exception:
        return None
