"""
One step of the machine, as it can be written down and played again.
"""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any

import msgspec

from freehold.db import IN_PROCESS, Caller
from freehold.wire.codec import JSON, MSGPACK, Codec

#: A key that may call what has no word of its own, and one that may call little.
CALLERS = {
    "owner": IN_PROCESS,
    "key": Caller("key-1", frozenset({"DataLayer.*", "Shelf.*"}), user="user-1"),
    "reader": Caller("key-2", frozenset({"DataLayer.get*"})),
}


@dataclass(frozen=True)
class Call:
    """
    One call: everything that a transport would bring.

    A `cursor-7` in its body stands for the cursor that step 7 was answered with: an engine
    signs its own, so each gets the one that it gave.
    """

    method: str
    body: bytes
    codec: str = "json"
    caller: str = "owner"
    #: How far behind the last commit it asks to see; negative asks for one to come.
    behind: int | None = None
    #: Names the logical call: whoever says it again gets the first answer.
    key: str | None = None

    @property
    def spoken(self) -> Codec:
        """The codec itself."""
        return JSON if self.codec == "json" else MSGPACK


@dataclass(frozen=True)
class Step:
    """
    Calls that are handed over in one moment; several are mutations that share a batch.

    Args:
        number: Names the step: ids and random bytes are spun from it, so a step that is played
            without those before it still draws the same.
        at_s: The wall clock.
        calls: What is called.
    """

    number: int
    at_s: int
    calls: tuple[Call, ...] = field(default_factory=tuple)


def json_body(tree: Any, *, escaped: bool = True) -> bytes:
    """
    A tree as JSON text, whatever it holds: lone surrogates, NaN and numbers without end too.

    Args:
        tree: Lists, dicts, texts, numbers, bytes.
        escaped: Write what is not ASCII as `\\u…`; else as UTF-8, broken where the text is.
    """
    text = json.dumps(tree, ensure_ascii=escaped, default=_base64)
    return text.encode("utf-8", "surrogatepass")


def msgpack_body(tree: Any) -> bytes | None:
    """A tree as MessagePack; None when MessagePack cannot say it."""
    try:
        return msgspec.msgpack.encode(tree)
    except (ValueError, OverflowError, UnicodeError, TypeError):
        return None


def _base64(value: Any) -> str:
    if not isinstance(value, bytes):
        raise TypeError(f"{type(value).__name__} is not written as JSON")
    return b64encode(value).decode()
