"""
The grammars of other languages than Python, from the extra `guard`; loaded when first needed.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tree_sitter import Language, Node, Query, Tree

#: The package of each, and its function.
_SOURCES: Final = {
    "javascript": ("tree_sitter_javascript", "language"),
    "typescript": ("tree_sitter_typescript", "language_typescript"),
    "tsx": ("tree_sitter_typescript", "language_tsx"),
    "json": ("tree_sitter_json", "language"),
    "toml": ("tree_sitter_toml", "language"),
    "yaml": ("tree_sitter_yaml", "language"),
}


class GrammarMissing(Exception):
    """The extra `guard` is not installed, or not all of it."""


class NotWellFormed(Exception):
    """The text is not of its language; the line is the argument."""


@cache
def language(name: str) -> Language:
    """
    A grammar.

    Raises:
        GrammarMissing: It is not installed.
    """
    package, function = _SOURCES[name]
    try:
        from tree_sitter import Language

        return Language(getattr(importlib.import_module(package), function)())
    except ImportError as error:
        raise GrammarMissing(f"{name}: {error.name} is not installed") from None


def parse(name: str, content: bytes) -> Tree:
    """The tree of a text, whether it is well-formed or not."""
    grammar = language(name)
    from tree_sitter import Parser

    return Parser(grammar).parse(content)


@cache
def query(name: str, text: str) -> Query:
    """A compiled query of a grammar."""
    from tree_sitter import Query

    return Query(language(name), text)


def captures(name: str, text: str, node: Node) -> dict[str, list[Node]]:
    """The nodes that a query names."""
    from tree_sitter import QueryCursor

    return QueryCursor(query(name, text)).captures(node)


def first_error(node: Node) -> Node | None:
    """The first node that is not of the language, None when all are."""
    if not node.has_error:
        return None
    while True:
        if node.is_error or node.is_missing:
            return node
        inner = next(
            (child for child in node.children if child.has_error or child.is_missing), None
        )
        if inner is None:
            return node
        node = inner


def errors(node: Node) -> list[Node]:
    """All of them, outermost."""
    found = []
    waiting = [node]
    while waiting:
        each = waiting.pop()
        if each.is_error or each.is_missing:
            found.append(each)
        elif each.has_error:
            waiting += each.children
    return found


def text_of(node: Node | None) -> str:
    """The source of a node."""
    return "" if node is None or node.text is None else node.text.decode(errors="replace")
