"""
A PostgreSQL database on paper: what statements would make of it, without a server.

It reads what Freehold writes, and what a person is likely to write beside it; statements
that change rows, views and the like are passed over. So a plan needs no server, and the
files of both engines can be checked anywhere. The tests compare it with a real server.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from freehold.errors import MigrationFailed
from freehold.migrate.files import Migration
from freehold.migrate.postgres import ddl, reading
from freehold.migrate.postgres.alter import alter_table, rename_column
from freehold.migrate.postgres.lexing import normalised, renamed, split, tokens
from freehold.migrate.postgres.parts import Constraint, Table, TriggerPart
from freehold.migrate.postgres.reading import Cursor, Unread
from freehold.migrate.postgres.shape import index_order
from freehold.migrate.run import where
from freehold.migrate.shape import IndexShape, Shape, TriggerShape
from freehold.schema import Schema

#: Statements that change no table.
_PASSED: Final = frozenset(
    (
        "select", "insert", "update", "delete", "with", "values", "do", "comment", "lock",
        "grant", "revoke", "analyze", "truncate", "merge", "call", "set", "refresh", "notify",
    )
)  # fmt: skip
#: Things that no record says.
_PASSED_KINDS: Final = (
    "view", "materialized", "sequence", "extension", "type", "domain", "schema", "policy",
    "statistics", "aggregate", "operator", "collation", "procedure", "rule", "role", "cast",
    "recursive", "event", "publication", "temp", "temporary",
)  # fmt: skip


class Paper:
    """Tables and functions by name, as the statements so far have made them."""

    def __init__(self) -> None:
        self.tables: dict[str, Table] = {}
        self.functions: dict[str, str] = {}

    @classmethod
    def of_schema(cls, schema: Schema) -> Paper:
        """What the schema builds from nothing."""
        paper = cls()
        paper.run_all(ddl.of_schema(schema))
        return paper

    @classmethod
    def of_migrations(cls, migrations: Iterable[Migration]) -> Paper:
        """
        Where the files lead.

        Raises:
            MigrationFailed: A statement cannot be followed.
        """
        paper = cls()
        for migration in migrations:
            for statement in migration.statements:
                try:
                    paper.run(statement.sql)
                except Unread as error:
                    raise MigrationFailed(
                        f"{where(migration, statement)}: it cannot be followed without a server: "
                        f"{error}.",
                        hint="Write it in the way that `freehold migrate plan` does.",
                    ) from None
        return paper

    @classmethod
    def of_shape(cls, shape: Shape) -> Paper:
        """The paper of a database that was read."""
        paper = cls()
        paper.tables = {name: Table.of_shape(table) for name, table in shape.tables.items()}
        for name, trigger in shape.triggers.items():
            function = _function_of(trigger.sql)
            paper.functions[function] = trigger.body
            paper.tables[trigger.table].triggers[name] = TriggerPart(
                trigger.sql, function, trigger.body
            )
        return paper

    def copied(self) -> Paper:
        """Another one, to be changed on its own."""
        return copy.deepcopy(self)

    def shape(self) -> Shape:
        """What is compared."""
        triggers = {
            name: TriggerShape(table, part.text, part.body)
            for table, said in self.tables.items()
            for name, part in said.triggers.items()
        }
        return Shape({name: table.shape() for name, table in self.tables.items()}, triggers)

    def run_all(self, statements: Sequence[str]) -> None:
        """Do several statements."""
        for sql in statements:
            self.run(sql)

    def run(self, sql: str) -> None:
        """
        Do one statement.

        Raises:
            Unread: It says something about tables that is not read here.
        """
        text = [token for token in tokens(sql) if token.text != ";"]
        cursor = Cursor(text)
        if not text or text[0].normal in _PASSED:
            return
        verb = cursor.one_of("create", "alter", "drop")
        if verb is None:
            raise Unread(f"`{text[0].text}` is not read here")
        cursor.take("or", "replace")
        if any(cursor.peek(kind) for kind in _PASSED_KINDS):
            return
        cursor.take("constraint")
        kind = cursor.one_of("table", "index", "unique", "function", "trigger")
        action = _ACTIONS.get((verb, str(kind)))
        if action is None:
            raise Unread(f"`{' '.join(token.text for token in text[:3])}` is not read here")
        action(self, cursor)

    def table(self, name: str) -> Table:
        """The table of that name."""
        if name not in self.tables:
            raise Unread(f"there is no table {name}")
        return self.tables[name]

    def remove_table(self, name: str) -> None:
        """The table goes, and what references it."""
        del self.tables[name]
        for other in self.tables.values():
            for constraint, said in list(other.of_kind("f").items()):
                if said.table == name:
                    del other.constraints[constraint]


def _create_table(paper: Paper, cursor: Cursor) -> None:
    is_soft = cursor.take("if", "not", "exists")
    name = cursor.name()
    parts = split(cursor.inside())
    cursor.rest()
    if name in paper.tables:
        if is_soft:
            return
        raise Unread(f"there is a table {name} already")
    table = paper.tables[name] = Table()
    for part in filter(None, parts):
        if part[0].is_word("like"):
            raise Unread("LIKE is not read here")
        alter_table(paper, name, Cursor([*tokens("ADD"), *part]))
    for column in table.key:
        table.columns[column].is_nullable = False


def _alter_table(paper: Paper, cursor: Cursor) -> None:
    is_soft = cursor.take("if", "exists")
    cursor.take("only")
    name = cursor.name()
    if is_soft and name not in paper.tables:
        return
    table = paper.table(name)
    if cursor.take("rename", "to"):
        _rename_table(paper, name, cursor.name())
    elif cursor.take("rename", "constraint"):
        old = cursor.name()
        cursor.need("to")
        table.constraints = _with_new_name(table.constraints, old, cursor.name())
    elif cursor.take("rename"):
        cursor.take("column")
        old = cursor.name()
        cursor.need("to")
        rename_column(paper, name, old=old, new=cursor.name())
    else:
        for part in split(cursor.rest()):
            alter_table(paper, name, Cursor(part))
    cursor.end()


def _rename_table(paper: Paper, old: str, new: str) -> None:
    paper.tables = {(new if name == old else name): table for name, table in paper.tables.items()}
    for table in paper.tables.values():
        for constraint in table.of_kind("f").values():
            if constraint.table == old:
                constraint.table = new
    for trigger in paper.tables[new].triggers.values():
        trigger.text = renamed(trigger.text, old, new)


def _with_new_name(parts: dict[str, Constraint], old: str, new: str) -> (
    dict[str, Constraint]
):  # fmt: skip
    if old not in parts:
        raise Unread(f"there is no constraint {old}")
    return {(new if name == old else name): part for name, part in parts.items()}


def _drop_table(paper: Paper, cursor: Cursor) -> None:
    is_soft = cursor.take("if", "exists")
    while True:
        name = cursor.name()
        if name in paper.tables:
            paper.remove_table(name)
        elif not is_soft:
            raise Unread(f"there is no table {name}")
        if not cursor.take(","):
            break
    cursor.one_of("cascade", "restrict")
    cursor.end()


def _create_unique(paper: Paper, cursor: Cursor) -> None:
    cursor.need("index")
    _create_index(paper, cursor, is_unique=True)


def _create_index(paper: Paper, cursor: Cursor, *, is_unique: bool = False) -> None:
    cursor.take("concurrently")
    is_soft = cursor.take("if", "not", "exists")
    name = cursor.name()
    cursor.need("on")
    cursor.take("only")
    table = paper.table(cursor.name())
    method = cursor.name() if cursor.take("using") else "btree"
    parts = tuple(_index_part(normalised(part)) for part in split(cursor.inside()))
    columns = parts if method == "btree" else (f"{method}: {', '.join(parts)}",)
    where = reading.condition(cursor.rest()) if cursor.take("where") else None
    cursor.end()
    if is_soft and name in table.indexes:
        return
    table.indexes[name] = IndexShape(columns, is_unique, where)


def _index_part(said: str) -> str:
    """`score desc`, without what the engine takes when nothing is said."""
    text, nulls = said, ""
    for which in ("first", "last"):
        if text.endswith(f" nulls {which}"):
            text, nulls = text.removesuffix(f" nulls {which}"), which
    is_descending = text.endswith(" desc")
    text = text.removesuffix(" desc").removesuffix(" asc")
    nulls_first = nulls == "first" if nulls else is_descending
    return f"{text}{index_order(is_descending=is_descending, nulls_first=nulls_first)}"


def _alter_index(paper: Paper, cursor: Cursor) -> None:
    cursor.take("if", "exists")
    old = cursor.name()
    cursor.need("rename", "to")
    new = cursor.name()
    cursor.end()
    for table in paper.tables.values():
        if old in table.indexes:
            table.indexes[new] = table.indexes.pop(old)
        if old in table.constraints:
            table.constraints = _with_new_name(table.constraints, old, new)


def _drop_index(paper: Paper, cursor: Cursor) -> None:
    cursor.take("concurrently")
    is_soft = cursor.take("if", "exists")
    while True:
        name = cursor.name()
        found = [table for table in paper.tables.values() if name in table.indexes]
        if not found and not is_soft:
            raise Unread(f"there is no index {name}")
        for table in found:
            del table.indexes[name]
        if not cursor.take(","):
            break
    cursor.one_of("cascade", "restrict")
    cursor.end()


def _create_function(paper: Paper, cursor: Cursor) -> None:
    name = cursor.name()
    rest = cursor.rest()
    language = body = ""
    for at, token in enumerate(rest[:-1]):
        if token.is_word("language"):
            language = rest[at + 1].name
        elif token.is_word("as") and rest[at + 1].kind in ("dollar", "string"):
            text = rest[at + 1].text
            mark = text[: text.index("$", 1) + 1] if text[0] == "$" else ""
            body = text[len(mark) : -len(mark)] if mark else text[1:-1].replace("''", "'")
    paper.functions[name] = f"{language}: {body}"
    for table in paper.tables.values():
        for trigger in table.triggers.values():
            if trigger.function == name:
                trigger.body = paper.functions[name]


def _drop_function(paper: Paper, cursor: Cursor) -> None:
    cursor.take("if", "exists")
    name = cursor.name()
    cursor.rest()
    paper.functions.pop(name, None)


def _create_trigger(paper: Paper, cursor: Cursor) -> None:
    text = cursor.text
    name = cursor.name()
    cursor.until("on")
    cursor.need("on")
    table = paper.table(cursor.name())
    function = _function_of(text)
    if function not in paper.functions:
        raise Unread(f"there is no function {function}")
    cursor.rest()
    text = text.replace("create or replace trigger ", "create trigger ", 1)
    table.triggers[name] = TriggerPart(text, function, paper.functions[function])


def _drop_trigger(paper: Paper, cursor: Cursor) -> None:
    is_soft = cursor.take("if", "exists")
    name = cursor.name()
    cursor.need("on")
    table = paper.table(cursor.name())
    if name not in table.triggers and not is_soft:
        raise Unread(f"there is no trigger {name}")
    table.triggers.pop(name, None)
    cursor.one_of("cascade", "restrict")
    cursor.end()


def _function_of(text: str) -> str:
    """The function that a trigger calls."""
    found = tokens(text)
    for at in range(len(found) - 2, 0, -1):
        if found[at].is_word("function", "procedure") and found[at - 1].is_word("execute"):
            return found[at + 1].name
    raise Unread("a trigger executes a function")


_ACTIONS: Final[dict[tuple[str, str], Callable[[Paper, Cursor], None]]] = {
    ("create", "table"): _create_table,
    ("alter", "table"): _alter_table,
    ("drop", "table"): _drop_table,
    ("create", "index"): _create_index,
    ("create", "unique"): _create_unique,
    ("alter", "index"): _alter_index,
    ("drop", "index"): _drop_index,
    ("create", "function"): _create_function,
    ("drop", "function"): _drop_function,
    ("create", "trigger"): _create_trigger,
    ("drop", "trigger"): _drop_trigger,
}
