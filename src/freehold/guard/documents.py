"""
TOML, JSON (with comments) and YAML as one flat list: each value with its path and its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from freehold.guard import grammars
from freehold.guard.grammars import NotWellFormed, text_of

if TYPE_CHECKING:
    from tree_sitter import Node

Path = tuple[str, ...]
#: A settings file has fewer; one whose anchors multiply has more.
_ENTRIES_MAX: Final = 20_000
_DEPTH_MAX: Final = 60


@dataclass(frozen=True)
class Entry:
    """
    A value, or the beginning of a list or a table (`value` is None).

    Args:
        path: Keys from the top; the places in lists as numbers.
        line: From 1, of the key when it has one.
        column: From 1.
    """

    path: Path
    value: str | None
    line: int
    column: int


def entries(grammar: str, content: bytes) -> list[Entry]:
    """
    Every value of a document.

    Raises:
        NotWellFormed: It is not of its language, or refers to itself without end.
        GrammarMissing: The extra is not installed.
    """
    root = grammars.parse(grammar, content).root_node
    for broken in grammars.errors(root):
        # A comma before the closing bracket: everybody's reader of JSON with comments takes it.
        text = text_of(broken).strip()
        if grammar != "json" or not (text in ("", ",") and _is_at_the_end(broken, content)):
            raise NotWellFormed(broken.start_point[0] + 1)
    made: list[Entry] = []
    reader = {"json": _json, "toml": _toml, "yaml": _yaml}[grammar]
    for entry in reader(root):
        made.append(entry)
        if len(made) > _ENTRIES_MAX:
            raise NotWellFormed(entry.line)
    return made


def _is_at_the_end(node: Node, content: bytes) -> bool:
    if node.is_missing and (node.parent is None or node.parent.type != "array"):
        return False
    behind = content[node.end_byte :].lstrip()
    return behind[:1] in (b"]", b"}", b"") or behind.startswith((b"//", b"/*"))


def _entry(path: Path, node: Node, value: str | None) -> Entry:
    if len(path) > _DEPTH_MAX:
        raise NotWellFormed(node.start_point[0] + 1)
    return Entry(path, value, node.start_point[0] + 1, node.start_point[1] + 1)


def _unquoted(text: str) -> str:
    for quote in ('"""', "'''", '"', "'"):
        if len(text) >= 2 * len(quote) and text.startswith(quote) and text.endswith(quote):
            return text[len(quote) : -len(quote)]
    return text


# -- JSON ---------------------------------------------------------------------------------


def _json(root: Node) -> Iterator[Entry]:
    for child in root.named_children:
        if child.type != "comment":
            yield from _json_value((), child, child)


def _json_value(path: Path, node: Node, at: Node) -> Iterator[Entry]:
    if node.type == "object":
        yield _entry(path, at, None)
        for pair in node.named_children:
            key, value = pair.child_by_field_name("key"), pair.child_by_field_name("value")
            if pair.type == "pair" and key is not None and value is not None:
                yield from _json_value((*path, _unquoted(text_of(key))), value, key)
    elif node.type == "array":
        yield _entry(path, at, None)
        inner = [child for child in node.named_children if child.type not in ("comment", "ERROR")]
        for number, child in enumerate(inner):
            if not child.is_missing:
                yield from _json_value((*path, str(number)), child, child)
    elif node.type != "ERROR":
        yield _entry(path, at, _unquoted(text_of(node)))


# -- TOML ---------------------------------------------------------------------------------


def _toml(root: Node) -> Iterator[Entry]:
    counts: dict[Path, int] = {}
    for child in root.named_children:
        if child.type == "pair":
            yield from _toml_pair((), child)
        elif child.type in ("table", "table_array_element"):
            keys = _toml_keys(child.named_children[0])
            path = _numbered(keys, counts)
            if child.type == "table_array_element":
                if keys not in counts:
                    yield _entry(keys, child, None)
                counts[keys] = counts.get(keys, -1) + 1
                path = (*_numbered(keys[:-1], counts), keys[-1], str(counts[keys]))
            yield _entry(path, child, None)
            for pair in child.named_children[1:]:
                if pair.type == "pair":
                    yield from _toml_pair(path, pair)


def _numbered(keys: Path, counts: dict[Path, int]) -> Path:
    """`[a.b]` behind `[[a]]` is in the last of them."""
    made: list[str] = []
    for length, key in enumerate(keys, 1):
        made.append(key)
        if length < len(keys) and keys[:length] in counts:
            made.append(str(counts[keys[:length]]))
    return tuple(made)


def _toml_keys(node: Node) -> Path:
    if node.type == "dotted_key":
        return tuple(key for child in node.named_children for key in _toml_keys(child))
    return (_unquoted(text_of(node)),)


def _toml_pair(path: Path, pair: Node) -> Iterator[Entry]:
    key, value = pair.named_children[0], pair.named_children[-1]
    yield from _toml_value((*path, *_toml_keys(key)), value, pair)


def _toml_value(path: Path, node: Node, at: Node) -> Iterator[Entry]:
    if node.type == "inline_table":
        yield _entry(path, at, None)
        for pair in node.named_children:
            if pair.type == "pair":
                yield from _toml_pair(path, pair)
    elif node.type == "array":
        yield _entry(path, at, None)
        inner = [child for child in node.named_children if child.type != "comment"]
        for number, child in enumerate(inner):
            yield from _toml_value((*path, str(number)), child, child)
    else:
        yield _entry(path, at, _unquoted(text_of(node)))


# -- YAML ---------------------------------------------------------------------------------


def _yaml(root: Node) -> Iterator[Entry]:
    for document in root.named_children:
        if document.type == "document":
            reader = _Yaml()
            for child in document.named_children:
                yield from reader.value((), child, child)


class _Yaml:
    """One document, whose anchors are remembered."""

    def __init__(self) -> None:
        self._anchors: dict[str, Node] = {}

    def value(self, path: Path, node: Node, at: Node) -> Iterator[Entry]:
        if len(path) > _DEPTH_MAX:
            raise NotWellFormed(at.start_point[0] + 1)
        if node.type in ("block_node", "flow_node"):
            inner = None
            for child in node.named_children:
                if child.type == "anchor":
                    self._anchors[text_of(child).lstrip("&")] = node
                elif child.type not in ("tag", "comment"):
                    inner = child
            if inner is None:
                yield _entry(path, at, "")
            else:
                yield from self._inner(path, inner, at)
        elif node.type != "comment":
            yield from self._inner(path, node, at)

    def _inner(self, path: Path, node: Node, at: Node) -> Iterator[Entry]:
        if node.type == "alias":
            target = self._anchors.get(text_of(node).lstrip("*"))
            if target is not None:
                # Deeper by the alias itself, so that one which holds itself comes to an end.
                yield from self.value(path, target, at) if path else ()
        elif node.type in ("block_mapping", "flow_mapping"):
            yield _entry(path, at, None)
            for pair in node.named_children:
                yield from self._pair(path, pair)
        elif node.type in ("block_sequence", "flow_sequence"):
            yield _entry(path, at, None)
            inner = [c for c in node.named_children if c.type != "comment"]
            for number, item in enumerate(inner):
                child = item
                if item.type == "block_sequence_item":
                    child = next((c for c in item.named_children if c.type != "comment"), item)
                yield from self.value((*path, str(number)), child, child)
        else:
            yield _entry(path, at, _unquoted(text_of(node).strip()))

    def _pair(self, path: Path, pair: Node) -> Iterator[Entry]:
        key, value = pair.child_by_field_name("key"), pair.child_by_field_name("value")
        if key is None:
            return
        name = _unquoted(text_of(key).strip())
        if value is None:
            yield _entry((*path, name), key, "")
        elif name == "<<":
            yield from (e for e in self.value((*path, "<<"), value, key) if e.path != (*path, "<<"))
        else:
            yield from self.value((*path, name), value, key)


def merged(path: Path) -> Path:
    """A path without the marks of YAML's merge keys, and the numbers of lists behind them."""
    made: list[str] = []
    skip = False
    for part in path:
        if part == "<<":
            skip = True
        elif skip and part.isdigit():
            skip = False
        else:
            skip = False
            made.append(part)
    return tuple(made)
