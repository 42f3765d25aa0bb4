"""
TypeScript text laid out at 100 columns: strings, comments, and lists in brackets.

Knows nothing of contracts. Whatever a text holds, it closes neither its quotes nor its comment.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

WIDTH: Final = 100
INDENT: Final = "  "


def literal(value: str | int | float | bool | None) -> str:
    """A constant as TypeScript writes it."""
    if not isinstance(value, str):
        return json.dumps(value)
    return "".join(_visible(char) for char in json.dumps(value, ensure_ascii=False))


def _visible(char: str) -> str:
    if char.isprintable():
        return char
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def comment(lines: Sequence[str], indent: str = "") -> list[str]:
    """A `/** … */` that says this; no line when there is nothing to say."""
    said = [line for text in lines for line in _comment_lines(text)]
    while said and not said[0]:
        del said[0]
    while said and not said[-1]:
        del said[-1]
    if not said:
        return []
    line = f"{indent}/** {said[0]} */"
    if len(said) == 1 and len(line) <= WIDTH:
        return [line]
    inside = [f"{indent} * {each}".rstrip() for each in said]
    return [f"{indent}/**", *inside, f"{indent} */"]


def _comment_lines(text: str) -> list[str]:
    """Its lines, of which none ends the comment."""
    lines = text.expandtabs(4).replace("\r", "").split("\n")
    told = ["".join(_visible(char) for char in line.rstrip()) for line in lines]
    return [line.replace("*/", "*\\/") for line in told]


def bracketed(
    indent: str, head: str, items: Sequence[str], *, brackets: str = "()", tail: str = ""
) -> list[str]:
    """`head(item, item)tail` on one line when it fits, else one item a line."""
    opening, closing = brackets[0], brackets[1]
    pad = " " if opening == "{" and items else ""
    line = f"{indent}{head}{opening}{pad}{', '.join(items)}{pad}{closing}{tail}"
    if not items or (len(line) <= WIDTH and "\n" not in line):
        return [line]
    inner = [f"{indent}{INDENT}{item}," for item in items]
    return [f"{indent}{head}{opening}", *inner, f"{indent}{closing}{tail}"]


def union_lines(indent: str, head: str, members: Sequence[str]) -> list[str]:
    """`head a | b;` on one line when it fits, else one member a line."""
    line = f"{indent}{head} {' | '.join(members)};"
    if len(line) <= WIDTH or len(members) == 1:
        return [line]
    *most, last = [f"{indent}{INDENT}| {member}" for member in members]
    return [f"{indent}{head}", *most, f"{last};"]
