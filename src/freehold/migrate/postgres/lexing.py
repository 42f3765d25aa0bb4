"""
SQL as PostgreSQL reads it, as a list of tokens: strings of every kind, dollars, comments.

Enough to find where a statement ends and to compare two texts; `paper` reads what those
statements say that change tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from freehold.schema.sqltext import quoted

_TOKEN: Final = re.compile(
    r"""
    (?P<space>\s+|--[^\n]*)
  | (?P<comment>/\*)
  | (?P<string>[eE]'(?:[^'\\]|\\.|'')*'|(?:[xXbBnN]|[uU]&)?'(?:[^']|'')*')
  | (?P<dollar>\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$)
  | (?P<quoted>"(?:[^"]|"")*")
  | (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
  | (?P<word>[^\W\d][\w$]*)
  | (?P<sign>::|<=|>=|<>|!=|\|\||->>|->|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_PLAIN: Final = re.compile(r"[a-z_][a-z0-9_$]*")


class Token(NamedTuple):
    """A piece of SQL: its kind, its text, and where it stands."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def normal(self) -> str:
        """The text without what makes no difference: case of a word, quotes of a plain name."""
        if self.kind == "word":
            return self.text.lower()
        if self.kind == "quoted":
            name = self.name
            return name if _PLAIN.fullmatch(name) else quoted(name)
        return self.text

    @property
    def name(self) -> str:
        """The name that it is, where it is one."""
        if self.kind == "quoted":
            return self.text[1:-1].replace('""', '"')
        return self.text.lower()

    @property
    def is_name(self) -> bool:
        """It is a word or a name in quotes."""
        return self.kind in ("word", "quoted")

    def is_word(self, *words: str) -> bool:
        """It is one of these keywords, not a quoted name which looks like it."""
        return self.kind == "word" and self.text.lower() in words


def tokens(sql: str) -> list[Token]:
    """The tokens of a text, without spaces and comments."""
    found = []
    at = 0
    while at < len(sql):
        match = _TOKEN.match(sql, at)
        if match is None:
            break
        kind = str(match.lastgroup) if match.lastgroup != "tag" else "dollar"
        at = match.end()
        if kind == "comment":
            at = _end_of_comment(sql, at)
        elif kind != "space":
            found.append(Token(kind, match.group(), match.start(), at))
    return found


def statements(sql: str) -> Iterator[tuple[int, str]]:
    """The statements of a text with their offsets, each with the semicolon that ends it."""
    start = 0
    depth = 0
    for token in tokens(sql):
        depth += (token.text == "(") - (token.text == ")")
        if token.text == ";" and token.kind == "sign" and depth <= 0:
            yield start, sql[start : token.end]
            start, depth = token.end, 0
    if sql[start:].strip():
        yield start, sql[start:]


def normalised(parts: Sequence[Token]) -> str:
    """The same text for two pieces that differ in spaces, comments, case and quotes only."""
    return " ".join(token.normal for token in parts)


def without_parentheses(parts: Sequence[Token]) -> list[Token]:
    """`(-5)` as `-5`; `(a) + (b)` as it is."""
    text = list(parts)
    while len(text) > 1 and text[0].text == "(" and closing(text, 0) == len(text) - 1:
        text = text[1:-1]
    return text


def closing(text: Sequence[Token], opening: int) -> int:
    """The index of the parenthesis that closes the one at `opening`."""
    depth = 0
    for at in range(opening, len(text)):
        depth += (text[at].text == "(") - (text[at].text == ")")
        if depth == 0:
            return at
    return len(text) - 1


def split(text: Sequence[Token]) -> list[list[Token]]:
    """What stands between the commas outside of parentheses."""
    found: list[list[Token]] = [[]]
    depth = 0
    for token in text:
        depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        if token.text == "," and depth == 0:
            found.append([])
        else:
            found[-1].append(token)
    return found


def mentions(sql: str, name: str) -> bool:
    """The text names it."""
    return any(token.is_name and token.name == name for token in tokens(sql))


def renamed(sql: str, old: str, new: str) -> str:
    """The normalised text with another name in place of a name."""
    fresh = new if _PLAIN.fullmatch(new) else quoted(new)
    text = tokens(sql)
    return " ".join(
        fresh if token.is_name and token.name == old and not _is_call(text, at) else token.normal
        for at, token in enumerate(text)
    )


def _is_call(text: Sequence[Token], at: int) -> bool:
    return text[at].kind == "word" and at + 1 < len(text) and text[at + 1].text == "("


def _end_of_comment(sql: str, at: int) -> int:
    """Behind the comment that began before `at`; the engine's comments can be nested."""
    depth = 1
    for match in re.compile(r"/\*|\*/").finditer(sql, at):
        depth += 1 if match.group() == "/*" else -1
        if depth == 0:
            return match.end()
    return len(sql)
