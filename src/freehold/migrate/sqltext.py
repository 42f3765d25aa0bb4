"""
SQL as a list of tokens: enough to compare two texts, and to find a CHECK in a CREATE TABLE.

This is no SQL parser. It knows strings, quoted names, comments and parentheses, and leaves
it to the engine to say what a statement means and where it ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import apsw

from freehold.schema.sqltext import quoted

_TOKEN = re.compile(
    r"""
    (?P<space>\s+|--[^\n]*|/\*.*?(?:\*/|\Z))
  | (?P<string>[xX]?'(?:[^']|'')*')
  | (?P<quoted>"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\])
  | (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
  | (?P<word>[^\W\d][\w$]*)
  | (?P<sign><=|>=|<>|!=|==|\|\||->>|->|<<|>>|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_NAME = re.compile(r"[^\W\d][\w$]*")


class Token(NamedTuple):
    """A piece of SQL: its kind, its text, and where it ends."""

    kind: str
    text: str
    end: int

    @property
    def normal(self) -> str:
        """The text without what makes no difference: case and the quotes of a name."""
        if self.kind == "word":
            return self.text.lower()
        if self.kind == "quoted":
            name = unquoted(self.text).lower()
            return name if _NAME.fullmatch(name) else quoted(name)
        return self.text

    def is_word(self, word: str) -> bool:
        """It is that keyword, not a quoted name which looks like it."""
        return self.kind == "word" and self.text.lower() == word


def tokens(sql: str) -> list[Token]:
    """The tokens of a text, without spaces and comments."""
    return [
        Token(str(match.lastgroup), match.group(), match.end())
        for match in _TOKEN.finditer(sql)
        if match.lastgroup != "space"
    ]


def normalised(sql: str) -> str:
    """The same text for two statements that differ in spaces, comments, case and quotes only."""
    return " ".join(token.normal for token in tokens(sql))


def mentioned(sql: str) -> frozenset[str]:
    """Every name in a text, in lower case; keywords are among them."""
    return frozenset(t.normal for t in tokens(sql) if t.kind in ("word", "quoted"))


def unquoted(text: str) -> str:
    """The name inside quotes of any of the three kinds."""
    mark = text[0]
    return text[1:-1] if mark == "[" else text[1:-1].replace(mark * 2, mark)


def without_outer_parentheses(text: list[Token]) -> list[Token]:
    """`(-5)` as `-5`; `(a) + (b)` as it is."""
    while len(text) > 2 and text[0].text == "(" and _closing(text, 0) == len(text) - 1:
        text = text[1:-1]
    return text


def checks_of(create_table: str) -> list[tuple[str, str]]:
    """Name (or "") and normalised condition of each CHECK in a CREATE TABLE."""
    text = tokens(create_table)
    found = []
    for at, token in enumerate(text[:-1]):
        if not token.is_word("check") or text[at + 1].text != "(":
            continue
        inner = without_outer_parentheses(text[at + 2 : _closing(text, at + 1)])
        name = text[at - 1].normal if text[at - 2].is_word("constraint") else ""
        found.append((name, " ".join(part.normal for part in inner)))
    return found


def clauses_of(create_table: str) -> frozenset[str]:
    """What a CREATE TABLE says that no pragma shows: AUTOINCREMENT, conflict rules, deferring."""
    text = tokens(create_table)
    found = set()
    for at, token in enumerate(text):
        if token.is_word("autoincrement"):
            found.add("autoincrement")
        elif token.is_word("deferrable") and not text[at - 1].is_word("not"):
            found.add("deferrable")
        elif token.is_word("conflict") and text[at - 1].is_word("on"):
            found.add(f"on conflict {text[at + 1].normal}")
    return frozenset(found)


def indexed_by(create_index: str) -> str:
    """What an index is over, as its statement says it."""
    text = tokens(create_index)
    start = next(at for at, token in enumerate(text) if token.text == "(")
    return " ".join(part.normal for part in text[start + 1 : _closing(text, start)])


def condition_of(create_index: str) -> str | None:
    """The normalised WHERE of a partial index, None when it is whole."""
    text = tokens(create_index)
    depth = 0
    for at, token in enumerate(text):
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0 and token.is_word("where"):
            rest = without_outer_parentheses(text[at + 1 :])
            return " ".join(part.normal for part in rest)
    return None


def without_strict(create_table: str) -> str:
    """A CREATE TABLE for an engine from before STRICT tables."""
    text = tokens(create_table)
    start = next((at for at, token in enumerate(text) if token.text == "("), None)
    if start is None:
        return create_table
    end = _closing(text, start)
    without_rowid = any(token.is_word("rowid") for token in text[end + 1 :])
    return create_table[: text[end].end] + (" WITHOUT ROWID" if without_rowid else "")


def complete_statements(text: str) -> Iterator[tuple[int, str]]:
    """
    The statements of a text with their offsets, split where the engine says one is complete.

    The engine knows that a semicolon inside a trigger, a string or a comment ends nothing.
    """
    start = 0
    for match in re.finditer(";", text):
        piece = text[start : match.end()]
        if apsw.complete(piece):
            yield start, piece
            start = match.end()
    if text[start:].strip():
        yield start, text[start:]


def _closing(text: list[Token], opening: int) -> int:
    """The index of the parenthesis that closes the one at `opening`."""
    depth = 0
    for at in range(opening, len(text)):
        depth += (text[at].text == "(") - (text[at].text == ")")
        if depth == 0:
            return at
    return len(text) - 1
