"""
Reading TypeScript and JavaScript by their grammars: imports, bindings, statements, addresses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from freehold.guard import grammars
from freehold.guard.doors import Doors
from freehold.guard.findings import Place
from freehold.guard.grammars import NotWellFormed, text_of
from freehold.guard.text import commands
from freehold.guard.vocabulary import (
    ADDRESS,
    BINDING_NAME,
    DATABASE_FILE,
    DATABASE_VARIABLE,
    JS_DATABASE_TYPES,
    PROGRAMS,
    SQL,
    js_kind,
)

if TYPE_CHECKING:
    from tree_sitter import Node, Tree

_BOTH: Final = """
(import_statement source: (string) @source)
(export_statement source: (string) @source)
(call_expression) @call
(new_expression) @new
(member_expression) @member
(subscript_expression) @subscript
(object_pattern) @pattern
(string) @string
(template_string) @string
(binary_expression right: (template_string)) @generic_tag
"""
_TYPED: Final = """
(import_require_clause source: (string) @source)
(type_identifier) @type
(property_signature name: (property_identifier) @signature)
(public_field_definition name: (property_identifier) @signature)
"""
#: `<in out T>`, `export type * from`, `export default abstract class`, sql<Row[]>`…`: what is
#: blank then changes nothing.
_NOT_IN_THE_GRAMMAR: Final = (
    re.compile(rb"(?<=[<,\s])(?:in\s+)?(?:in|out)(?=\s+[\w$]+\s*(?:[,>=]|extends\b))"),
    re.compile(rb"(?<=export)\s+type(?=\s*\*)"),
    re.compile(rb"(?<=export default)\s+abstract(?=\s+class)"),
    re.compile(rb"(?<=\w)<[^<>()`;]*(?:<[^<>()`;]*>)?[^<>()`;]*>(?=`)"),
)
_OPENERS: Final = frozenset({
    "Database", "DatabaseSync", "Pool", "SQL", "createClient", "createDatabase", "drizzle",
    "connect", "open", "openDatabase", "createConnection", "createPool", "postgres",
})  # fmt: skip
_RUNNERS: Final = frozenset({
    "$executeRawUnsafe", "$queryRawUnsafe", "all", "any", "begin", "each", "exec", "execute",
    "get", "many", "manyOrNone", "none", "one", "oneOrNone", "query", "raw", "run", "unsafe",
    "values",
})  # fmt: skip
_STARTERS: Final = frozenset({
    "$", "exec", "execFile", "execFileSync", "execSync", "spawn", "spawnSync", "execa",
})  # fmt: skip
_TAGS: Final = frozenset({"sql", "SQL", "$queryRaw", "$executeRaw", "pgsql"})
_ENVIRONMENTS: Final = frozenset({"env", "Bindings", "bindings", "platform"})
#: What follows a prepared statement; nothing else that is prepared has these.
_AFTER_PREPARE: Final = frozenset({"bind", "first", "all", "run", "raw", "get", "iterate", "pluck"})
_HANDLES: Final = re.compile(r"(?:\w*_)?(?:db|d1|database|sqlite|conn|connection)", re.IGNORECASE)
_WRAPPERS: Final = frozenset({
    "as_expression", "await_expression", "non_null_expression", "parenthesized_expression",
    "satisfies_expression",
})  # fmt: skip
_QUOTES: Final = "\"'`"
_PATTERN_KEYS: Final = frozenset({"shorthand_property_identifier_pattern", "property_identifier"})


def read_script(
    content: bytes, path: str, doors: Doors, *, grammar: str, bindings: frozenset[str]
) -> Iterator[Place]:
    """
    The places of a file of TypeScript or JavaScript; what can be read of a broken one, too.

    Args:
        grammar: `typescript`, `tsx` or `javascript`.
        bindings: Names that are databases' bindings wherever they stand.

    Raises:
        NotWellFormed: It is not of its language, told after its places.
        GrammarMissing: The extra is not installed.
    """
    grammar, tree = _parsed(grammar, content)
    text = _BOTH if grammar == "javascript" else _BOTH + _TYPED
    found = grammars.captures(grammar, text, tree.root_node)
    reader = _Reader(path, doors, bindings)
    for name, nodes in found.items():
        look = getattr(reader, name)
        for node in nodes:
            yield from look(node)
    broken = grammars.first_error(tree.root_node)
    if broken is not None:
        raise NotWellFormed(broken.start_point[0] + 1)


def _parsed(grammar: str, content: bytes) -> tuple[str, Tree]:
    tree = grammars.parse(grammar, content)
    if not tree.root_node.has_error:
        return grammar, tree
    tries = [(grammar, _eased(content))]
    if grammar == "javascript":
        # Many a .js file has types in it.
        tries += [("tsx", content), ("tsx", _eased(content))]
    for name, text in tries:
        other = grammars.parse(name, text)
        if not other.root_node.has_error:
            return name, other
    return grammar, tree


def _eased(content: bytes) -> bytes:
    """The text without what the grammar does not know yet, blank instead: places stay."""
    for unknown in _NOT_IN_THE_GRAMMAR:
        content = unknown.sub(lambda m: b" " * len(m[0]), content)
    return content


class _Reader:
    """One method for each capture of the queries."""

    def __init__(self, path: str, doors: Doors, bindings: frozenset[str]) -> None:
        self._path = path
        self._doors = doors
        self._bindings = bindings

    def source(self, node: Node) -> Iterator[Place]:
        statement = node.parent
        types_only = statement is not None and _is_types_only(statement)
        yield from self._module(_string(node) or "", node, types_only=types_only)

    def call(self, node: Node) -> Iterator[Place]:
        function = node.child_by_field_name("function")
        arguments = node.child_by_field_name("arguments")
        if function is None or arguments is None:
            return
        # `await db.query<Row>(…)`: some grammars have the `await` inside.
        function = _unwrapped(function)
        name = _last_name(function)
        if arguments.type == "template_string":
            if name in _TAGS:
                yield _place("js-sql-template", node, f"{name}`…`")
            elif name == "$":
                yield from self._started(node, arguments)
            return
        first = arguments.named_children[0] if arguments.named_children else None
        if first is None:
            return
        if function.type == "import" or (function.type == "identifier" and name == "require"):
            yield from self._imported(node, name, first)
        elif name == "prepare" and function.type == "member_expression":
            if _is_statement(node, function, first):
                yield _place("js-prepare", node, f"{_receiver(function)}.prepare(…)")
        else:
            yield from self._called(node, function, first)

    def new(self, node: Node) -> Iterator[Place]:
        function = node.child_by_field_name("constructor")
        arguments = node.child_by_field_name("arguments")
        if function is not None and arguments is not None and arguments.named_children:
            yield from self._opened(node, _last_name(function), arguments.named_children[0])

    def member(self, node: Node) -> Iterator[Place]:
        name = text_of(node.child_by_field_name("property"))
        owner = node.child_by_field_name("object")
        yield from self._property(node, name, _last_name(owner) if owner else "")

    def subscript(self, node: Node) -> Iterator[Place]:
        owner = node.child_by_field_name("object")
        index = node.child_by_field_name("index")
        name = _string(index) if index is not None else None
        if owner is not None and name is not None:
            yield from self._property(node, name, _last_name(owner))

    def pattern(self, node: Node) -> Iterator[Place]:
        parent = node.parent
        value = parent.child_by_field_name("value") if parent is not None else None
        owner = _last_name(value) if value is not None else ""
        for child in node.named_children:
            key = child.child_by_field_name("key") or child.child_by_field_name("left") or child
            if key.type in _PATTERN_KEYS:
                yield from self._property(key, text_of(key), owner)

    def string(self, node: Node) -> Iterator[Place]:
        said = text_of(node).strip(_QUOTES)
        found = ADDRESS.search(said)
        if found is not None:
            what = f"{found[0].split(':')[0]}://…"
            yield _place("connection-string", node, what, said[found.start() :])

    def generic_tag(self, node: Node) -> Iterator[Place]:
        """sql<Row>`…`, which some grammars take for two comparisons."""
        left = node.child_by_field_name("left")
        if left is not None and left.type == "binary_expression":
            word = left.child_by_field_name("left")
            if word is not None and _last_name(word) in _TAGS:
                yield _place("js-sql-template", node, f"{_last_name(word)}`…`")

    def type(self, node: Node) -> Iterator[Place]:
        name = text_of(node)
        if name in JS_DATABASE_TYPES:
            yield _place("js-database-type", node, name)

    def signature(self, node: Node) -> Iterator[Place]:
        parent = node.parent
        kind = parent.child_by_field_name("type") if parent is not None else None
        said = text_of(kind)
        is_one = any(re.search(rf"\b{each}\b", said) for each in JS_DATABASE_TYPES)
        if is_one or text_of(node) in self._bindings:
            yield _place("js-binding", node, text_of(node))

    def _imported(self, node: Node, name: str, first: Node) -> Iterator[Place]:
        said = _string(first)
        if said is not None:
            yield from self._module(said, node)
        else:
            yield _place("js-unknown-import", node, f"{name or 'import'}(…)")

    def _called(self, node: Node, function: Node, first: Node) -> Iterator[Place]:
        name = _last_name(function)
        said = _string(first)
        if function.type == "member_expression" and name in _RUNNERS and SQL.match(said or ""):
            yield _place("js-sql", node, f".{name}({(said or '').split()[0].upper()} …)")
        elif name in _STARTERS:
            yield from self._started(node, first)
        elif name == "get" and said is not None and _receiver(function) == "env":
            # Deno.env.get("DATABASE_URL")
            yield from self._property(node, said, "env")
        yield from self._opened(node, name, first)

    def _opened(self, node: Node, name: str, first: Node) -> Iterator[Place]:
        said = _string(first)
        if name in _OPENERS and said is not None and DATABASE_FILE.fullmatch(said):
            yield _place("js-connect", node, f"{name}({said!r})")

    def _started(self, node: Node, first: Node) -> Iterator[Place]:
        said = _string(first) or ""
        if said.rsplit("/", 1)[-1] in PROGRAMS:
            yield _place("command-line-client", node, said)
            return
        for found in commands(said, 1):
            yield _place("command-line-client", node, found.what)
            return

    def _property(self, node: Node, name: str, owner: str) -> Iterator[Place]:
        is_environment = owner in _ENVIRONMENTS
        if is_environment and DATABASE_VARIABLE.fullmatch(name):
            yield _place("database-variable", node, name)
        elif name in self._bindings or (is_environment and BINDING_NAME.fullmatch(name)):
            yield _place("js-binding", node, f"{owner}.{name}" if owner else name)

    def _module(self, target: str, node: Node, *, types_only: bool = False) -> Iterator[Place]:
        kind = js_kind(target)
        if kind is not None:
            yield _place(kind, node, target)
        elif not types_only and self._doors.is_script_behind(self._path, target):
            yield _place("js-data-layer", node, target)


def _is_types_only(statement: Node) -> bool:
    """`import type …`; also when each of the names has its own `type`."""
    if any(child.type == "type" for child in statement.children):
        return True
    clause = next((c for c in statement.named_children if c.type == "import_clause"), None)
    named = [c for c in (clause.named_children if clause else []) if c.type == "named_imports"]
    if clause is None or len(named) != len(clause.named_children):
        return False
    names = [each for group in named for each in group.named_children]
    return bool(names) and all(each.children[0].type == "type" for each in names)


def _is_statement(node: Node, function: Node, first: Node) -> bool:
    """Whether what is prepared is SQL: it says so, its handle does, or what follows does."""
    said = _string(first)
    if said is not None:
        if SQL.match(said):
            return True
    elif first.type not in ("object", "array", "number", "true", "false", "arrow_function"):
        return True
    receiver = _receiver(function)
    if _HANDLES.fullmatch(receiver) or BINDING_NAME.fullmatch(receiver):
        return True
    parent = node.parent
    after = parent.child_by_field_name("property") if parent is not None else None
    return text_of(after) in _AFTER_PREPARE


def _receiver(function: Node) -> str:
    owner = function.child_by_field_name("object")
    return _last_name(owner) if owner is not None else ""


def _unwrapped(node: Node) -> Node:
    """Without `!`, `as`, `await` and brackets around it."""
    while node.type in _WRAPPERS and node.named_children:
        node = node.named_children[0]
    return node


def _last_name(node: Node) -> str:
    """`env` of `this.env`, `c.env` and `env`."""
    node = _unwrapped(node)
    if node.type == "member_expression":
        return text_of(node.child_by_field_name("property"))
    if node.type == "subscript_expression":
        index = node.child_by_field_name("index")
        return (_string(index) if index is not None else None) or ""
    return text_of(node) if node.type in ("identifier", "super", "this") else ""


def _string(node: Node) -> str | None:
    """What a string says; of a template the parts that are written; of a sum its first part."""
    if node.type == "string":
        return text_of(node).strip(_QUOTES)
    if node.type == "template_string":
        return text_of(node)[1:-1]
    if node.type == "binary_expression":
        left = node.child_by_field_name("left")
        return _string(left) if left is not None else None
    return None


def _place(rule: str, node: Node, what: str, text: str | None = None) -> Place:
    # The column in bytes; the look around turns it into characters.
    return Place(rule, node.start_point[0] + 1, node.start_point[1] + 1, what, text)
