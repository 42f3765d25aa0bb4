"""
Python text laid out as `ruff format` would, at 100 columns; strings and docstrings.

Only the few forms that generated code has: brackets that are flat, opened once or one item a
line. Knows nothing of contracts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final, Literal

WIDTH: Final = 100
INDENT: Final = "    "

Style = Literal["call", "literal", "def"]
_CLOSING: Final = {"(": ")", "[": "]", "{": "}"}


@dataclasses.dataclass(frozen=True, slots=True)
class Group:
    """
    Something with brackets: `head(item, item)`.

    Args:
        head: What stands before the bracket.
        items: What stands in it.
        opening: The bracket.
        style: A `literal` has one item a line as soon as it does not fit; a `def` with one
            item ends it with a comma.
    """

    head: str
    items: Sequence[str | Group]
    opening: str = "("
    style: Style = "call"

    def flat(self) -> str:
        """All on one line."""
        return f"{self.head}{self.opening}{self._joined()}{_CLOSING[self.opening]}"

    def _joined(self) -> str:
        return ", ".join(flat(item) for item in self.items)

    def lines(self, indent: str, prefix: str = "", suffix: str = "") -> list[str]:
        """Laid out between a prefix and a suffix, as few lines as fit."""
        line = f"{indent}{prefix}{self.flat()}{suffix}"
        if len(line) <= WIDTH or not self.items:
            return [line]
        inner = indent + INDENT
        opening = f"{indent}{prefix}{self.head}{self.opening}"
        closing = f"{indent}{_CLOSING[self.opening]}{suffix}"
        comma = "," if self.style == "def" and len(self.items) == 1 else ""
        once = f"{inner}{self._joined()}{comma}"
        if self.style != "literal" and len(once) <= WIDTH:
            return [opening, once, closing]
        # A lone argument of a call gets no comma when it is opened up itself.
        ending = (
            "" if self.style == "call" and self.opening == "[" and len(self.items) == 1 else ","
        )
        body = [line for item in self.items for line in _item_lines(item, inner, ending)]
        return [opening, *body, closing]


def flat(item: str | Group) -> str:
    """All on one line."""
    return item if isinstance(item, str) else item.flat()


def _item_lines(item: str | Group, indent: str, suffix: str) -> list[str]:
    if isinstance(item, str):
        return [f"{indent}{item}{suffix}"]
    return item.lines(indent, suffix=suffix)


def assignment(indent: str, target: str, value: str) -> list[str]:
    """`target = value`, the value in parentheses when only that makes it fit."""
    line = f"{indent}{target} = {value}"
    inner = f"{indent}{INDENT}{value}"
    if len(line) <= WIDTH or len(inner) > WIDTH:
        return [line]
    return [f"{indent}{target} = (", inner, f"{indent})"]


def string(text: str) -> str:
    """A string literal that holds exactly this text, whatever it is."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    return quote + "".join(_escaped(char, quote) for char in text) + quote


def _escaped(char: str, quote: str) -> str:
    if char in ("\\", quote):
        return "\\" + char
    if char.isprintable():
        return char
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(char) or _by_number(char)


def _by_number(char: str) -> str:
    number = ord(char)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def docstring(text: str, indent: str) -> list[str]:
    """A docstring that says this; no line when there is nothing to say."""
    said = [_docstring_line(line) for line in text.expandtabs(4).split("\n")]
    while said and not said[0]:
        del said[0]
    while said and not said[-1]:
        del said[-1]
    if not said:
        return []
    said[0] = said[0].lstrip(" ")
    line = f'{indent}"""{said[0]}"""'
    if len(said) == 1 and len(line) <= WIDTH and said[0][0] != '"' and said[0][-1] not in '"\\':
        return [line]
    return [f'{indent}"""', *(indent + line if line else "" for line in said), f'{indent}"""']


def _docstring_line(text: str) -> str:
    told = text.rstrip().replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return "".join(char if char.isprintable() else _told_by_number(char) for char in told)


def _told_by_number(char: str) -> str:
    # Half a surrogate pair cannot stand in a docstring; its number can be read instead.
    return ("\\" if "\ud800" <= char <= "\udfff" else "") + _by_number(char)
