"""
Reading Python: imports, calls, SQL and addresses, by the language's own parser.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from typing import Final

from freehold.guard.doors import Doors
from freehold.guard.findings import Place
from freehold.guard.text import commands
from freehold.guard.vocabulary import (
    ADDRESS,
    AMBIGUOUS,
    DATABASE_FILE,
    DATABASE_VARIABLE,
    KEYWORD_ADDRESS,
    PROGRAMS,
    SQL,
    python_kind,
)

#: What opens something when it is called.
_OPENERS: Final = frozenset({
    "Connection", "Database", "SqliteDatabase", "SqliteExtDatabase", "connect", "create_engine",
    "create_async_engine", "create_pool", "open", "open_database",
})  # fmt: skip
_RUNNERS: Final = frozenset({
    "execute", "executemany", "executescript", "execute_script", "exec_driver_sql", "fetch",
    "fetchrow", "fetchval", "fetch_all", "fetch_one", "fetch_val", "execute_sql", "query", "raw",
    "read_sql", "read_sql_query", "run_sql", "copy", "cursor",
})  # fmt: skip
_STARTERS: Final = frozenset({
    "Popen", "call", "check_call", "check_output", "create_subprocess_exec",
    "create_subprocess_shell", "execvp", "getoutput", "popen", "run", "spawn", "system",
})  # fmt: skip
_IMPORTERS: Final = frozenset({"__import__", "import_module", "find_spec", "import_string"})

#: Nodes with nothing in them.
_LEAVES: Final = (ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop)


def decoded(content: bytes) -> str:
    """
    The text of a Python file, by the encoding that it names.

    Raises:
        SyntaxError: It names none that there is.
        UnicodeDecodeError: It is not in the encoding that it names.
    """
    encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    return content.decode(encoding)


def read_python(text: str, path: str, doors: Doors) -> Iterator[Place]:
    """
    The places of a Python file.

    Raises:
        SyntaxError, ValueError, RecursionError: It is no Python, or of an absurd depth.
    """
    tree = ast.parse(text)
    reader = _Reader(text.splitlines(), path, doors)
    # Strings that are statements, which nobody is handed; and the parts of longer ones.
    skipped: set[int] = set()
    for node in _nodes(tree):
        kind = type(node)
        if kind is ast.Constant:
            if id(node) not in skipped:
                yield from reader.constant(node)  # type: ignore[arg-type]
        elif kind is ast.Call:
            yield from reader.call(node)  # type: ignore[arg-type]
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from reader.imports(node)
        elif isinstance(node, ast.Expr):
            skipped.add(id(node.value))
        elif isinstance(node, ast.JoinedStr):
            skipped.update(id(part) for part in node.values)
            yield from reader.joined(node)
        elif isinstance(node, ast.Subscript):
            yield from reader.subscript(node)


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node, parents first; three times as fast as `ast.walk`, which is half of all time."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for value in node.__dict__.values():
            if type(value) is list:
                waiting += [each for each in value if isinstance(each, ast.AST)]
            elif isinstance(value, ast.AST) and not isinstance(value, _LEAVES):
                waiting.append(value)


class _Reader:
    def __init__(self, lines: list[str], path: str, doors: Doors) -> None:
        self._lines = lines
        self._path = path
        self._doors = doors

    def imports(self, node: ast.Import | ast.ImportFrom) -> Iterator[Place]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from self._module(alias.name, node)
            return
        module = node.module or ""
        if node.level:
            names = [f"{module}.{alias.name}".strip(".") for alias in node.names]
            if any(self._doors.is_relative_behind(self._path, node.level, n) for n in names):
                yield self._place("python-data-layer", node, "." * node.level + module)
            return
        found = list(self._module(module, node))
        for alias in node.names if not found else ():
            found = list(self._module(f"{module}.{alias.name}", node))
            if found:
                break
        yield from found

    def call(self, node: ast.Call) -> Iterator[Place]:
        name = _last_name(node.func)
        first = _text(node.args[0]) if node.args else None
        if name in _IMPORTERS and node.args:
            if first is not None:
                yield from self._module(first, node)
            elif name in ("__import__", "import_module"):
                yield self._place("python-unknown-import", node, name)
        elif name in _STARTERS and node.args:
            yield from self._started(node, node.args[0])
        elif name in ("getenv", "get", "pop") and first is not None and _is_environ(node.func):
            yield from self._variable(first, node)
        if first is None:
            return
        if name in _OPENERS and DATABASE_FILE.fullmatch(first):
            yield self._place("python-connect", node, f"{name}({first!r})")
        if name in _RUNNERS and isinstance(node.func, ast.Attribute) and SQL.match(first):
            yield self._place("python-sql", node, f".{name}({_verb(first)} …)")
        if name in _OPENERS and KEYWORD_ADDRESS.search(first):
            yield self._place("connection-string", node, "dbname=…", first)

    def constant(self, node: ast.Constant) -> Iterator[Place]:
        if isinstance(node.value, str):
            yield from self._address(node.value, node)

    def joined(self, node: ast.JoinedStr) -> Iterator[Place]:
        said = "".join(
            str(part.value) if isinstance(part, ast.Constant) else "{…}" for part in node.values
        )
        yield from self._address(said, node)

    def subscript(self, node: ast.Subscript) -> Iterator[Place]:
        key = _text(node.slice)
        if key is not None and _last_name(node.value) in ("environ", "environb"):
            yield from self._variable(key, node)

    def _module(self, module: str, node: ast.AST) -> Iterator[Place]:
        kind = python_kind(module)
        head = module.split(".")[0]
        if kind and head in AMBIGUOUS and self._doors.has_module(self._path, head):
            kind = None
        if kind is None and self._doors.is_behind(self._path, module):
            kind = "python-data-layer"
        if kind == "python-data-layer" and self._doors.is_door(self._path, module):
            return
        if kind is not None:
            yield self._place(kind, node, module)

    def _started(self, node: ast.Call, first: ast.expr) -> Iterator[Place]:
        if isinstance(first, ast.List | ast.Tuple):
            word = _text(first.elts[0]) if first.elts else None
            if word is not None and word.rsplit("/", 1)[-1] in PROGRAMS:
                yield self._place("command-line-client", node, word)
            return
        said = _text(first)
        if said is None:
            return
        for found in commands(said, node.lineno):
            yield self._place("command-line-client", node, found.what)
            return

    def _variable(self, name: str, node: ast.AST) -> Iterator[Place]:
        if DATABASE_VARIABLE.fullmatch(name):
            yield self._place("database-variable", node, name)

    def _address(self, said: str, node: ast.AST) -> Iterator[Place]:
        found = ADDRESS.search(said)
        if found is not None:
            what = f"{found[0].split(':')[0]}://…"
            # The value and not the line: an address may be written in parts.
            yield self._place("connection-string", node, what, said[found.start() :])

    def _place(self, rule: str, node: ast.AST, what: str, text: str | None = None) -> Place:
        line: int = getattr(node, "lineno", 1)
        offset: int = getattr(node, "col_offset", 0)
        if line <= len(self._lines) and not self._lines[line - 1].isascii():
            before = self._lines[line - 1].encode()[:offset]
            offset = len(before.decode(errors="replace"))
        return Place(rule, line, offset + 1, what, text)


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _is_environ(function: ast.expr) -> bool:
    if isinstance(function, ast.Name):
        return function.id == "getenv"
    if isinstance(function, ast.Attribute):
        return function.attr == "getenv" or _last_name(function.value) == "environ"
    return False


def _text(node: ast.expr) -> str | None:
    """What a string says; the parts of an f-string that are written."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values
        )
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _text(node.left), _text(node.right)
        return None if left is None and right is None else f"{left or '…'}{right or '…'}"
    if isinstance(node, ast.Call) and _last_name(node.func) in ("text", "Path", "str"):
        return _text(node.args[0]) if node.args else None
    return None


def _verb(sql: str) -> str:
    return sql.split(None, 1)[0].upper()
