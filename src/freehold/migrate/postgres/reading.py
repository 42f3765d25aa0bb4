"""
Reading the parts of PostgreSQL's statements: names, types, columns, constraints.

What they are done to is `paper`. What is not understood is said, never guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from freehold.migrate.postgres.lexing import Token, closing, normalised, split, without_parentheses
from freehold.migrate.postgres.parts import IDENTITY, SERIAL, Column, Constraint

_TYPES: Final = {
    "int8": "bigint", "int": "integer", "int4": "integer", "int2": "smallint",
    "float8": "double precision", "float4": "real", "float": "double precision",
    "bool": "boolean", "varchar": "character varying", "char": "character",
    "timestamptz": "timestamp with time zone", "decimal": "numeric",
    "timestamp": "timestamp without time zone", "bigserial": "bigint", "serial8": "bigint",
    "serial": "integer", "serial4": "integer", "smallserial": "smallint",
}  # fmt: skip
_SERIALS: Final = frozenset(("bigserial", "serial8", "serial", "serial4", "smallserial"))
#: What ends a type or a default within a column.
_NEXT: Final = (
    "collate", "constraint", "not", "null", "check", "default", "generated", "unique", "primary",
    "references", "storage", "compression", "deferrable", "initially",
)  # fmt: skip


class Unread(Exception):
    """A statement says something that is not read here."""


class Cursor:
    """A place in a list of tokens."""

    def __init__(self, text: Sequence[Token]) -> None:
        self._text = list(text)
        self._at = 0

    @property
    def text(self) -> str:
        """The whole of it, as it is compared."""
        return normalised(self._text)

    @property
    def is_done(self) -> bool:
        """Nothing is left."""
        return self._at >= len(self._text)

    def peek(self, *words: str) -> bool:
        """These keywords come next, one after the other."""
        part = self._text[self._at : self._at + len(words)]
        return len(part) == len(words) and all(
            token.is_word(word) or token.text == word
            for token, word in zip(part, words, strict=True)
        )

    def take(self, *words: str) -> bool:
        """Go past these keywords where they come next."""
        found = self.peek(*words)
        self._at += len(words) if found else 0
        return found

    def need(self, *words: str) -> None:
        """Go past these keywords."""
        if not self.take(*words):
            raise Unread(f"`{' '.join(words)}` was expected")

    def one_of(self, *words: str) -> str | None:
        """Go past one of these keywords and say which."""
        return next((word for word in words if self.take(word)), None)

    def name(self) -> str:
        """A name that is not qualified."""
        if self.is_done or not self._text[self._at].is_name:
            raise Unread("a name was expected")
        token = self._text[self._at]
        self._at += 1
        if self.peek("."):
            raise Unread("names are not qualified here")
        return token.name

    def inside(self) -> list[Token]:
        """What stands in the parentheses that come next."""
        if not self.peek("("):
            raise Unread("`(` was expected")
        end = closing(self._text, self._at)
        found = self._text[self._at + 1 : end]
        self._at = end + 1
        return found

    def until(self, *words: str) -> list[Token]:
        """Everything up to one of these keywords, outside of parentheses."""
        found: list[Token] = []
        depth = 0
        while not self.is_done:
            token = self._text[self._at]
            if depth == 0 and found and token.is_word(*words):
                break
            depth += (token.text == "(") - (token.text == ")")
            found.append(token)
            self._at += 1
        return found

    def rest(self) -> list[Token]:
        """Everything that is left."""
        found = self._text[self._at :]
        self._at = len(self._text)
        return found

    def end(self) -> None:
        """See that nothing is left."""
        if not self.is_done:
            raise Unread(f"`{self._text[self._at].text}` is not read here")


def names_in(text: Sequence[Token]) -> tuple[str, ...]:
    """The names of a list `(a, b)`."""
    found = []
    for part in split(text):
        cursor = Cursor(part)
        found.append(cursor.name())
        cursor.end()
    return tuple(found)


def condition(text: Sequence[Token]) -> str:
    """A condition as it is compared."""
    return normalised(without_parentheses(text))


def type_of(text: Sequence[Token]) -> tuple[str, str]:
    """The type's full name, and how it counts up."""
    words = " ".join(token.normal for token in text if token.text not in "()")
    first = words.split(" ", 1)[0] if words else ""
    if words in _SERIALS:
        return _TYPES[words], SERIAL
    full = _TYPES.get(first, first)
    return f"{full}{words[len(first) :]}", ""


def column_of(cursor: Cursor) -> tuple[str, Column, list[tuple[str | None, Constraint]]]:
    """A column's name, the column, and the constraints that are said with it."""
    name = cursor.name()
    kind, counts = type_of(cursor.until(*_NEXT))
    column = Column(kind, counts=counts, is_nullable=not counts)
    constraints: list[tuple[str | None, Constraint]] = []
    while not cursor.is_done:
        _add_to_column(cursor, name, column, constraints)
    return name, column, constraints


def _add_to_column(
    cursor: Cursor,
    name: str,
    column: Column,
    constraints: list[tuple[str | None, Constraint]],
) -> None:
    said = cursor.name() if cursor.take("constraint") else None
    if cursor.take("collate"):
        column.collation = cursor.name()
    elif cursor.take("not", "null"):
        column.is_nullable = False
    elif cursor.take("null"):
        column.is_nullable = True
    elif cursor.take("default"):
        column.default = default_of(cursor.until(*_NEXT))
    elif cursor.take("generated"):
        _generated(cursor, column)
    elif cursor.take("unique"):
        constraints.append((said, Constraint("u", (name,))))
    elif cursor.take("primary", "key"):
        constraints.append((said, Constraint("p", (name,))))
    elif cursor.take("check"):
        constraints.append((said, Constraint("c", (name,), condition(cursor.inside()))))
    elif cursor.peek("references"):
        constraints.append((said, _reference(cursor, (name,))))
    else:
        cursor.end()


def default_of(text: Sequence[Token]) -> str | None:
    """A default as it is compared; `'x'::text` is `'x'`."""
    parts = without_parentheses(text)
    casts = [at for at, token in enumerate(parts) if token.text == "::"]
    if casts and all(token.kind in ("word", "sign") for token in parts[casts[0] :]):
        parts = without_parentheses(parts[: casts[0]])
    said = normalised(parts)
    return None if said == "null" else said


def _generated(cursor: Cursor, column: Column) -> None:
    if not cursor.take("always"):
        cursor.need("by", "default")
    cursor.need("as")
    if cursor.take("identity"):
        column.counts = IDENTITY
        column.is_nullable = False
        if cursor.peek("("):
            cursor.inside()
        return
    cursor.inside()
    column.is_generated = True
    cursor.one_of("stored", "virtual")


def constraint_of(cursor: Cursor) -> tuple[str | None, Constraint]:
    """A table's constraint, with the name that it is given."""
    said = cursor.name() if cursor.take("constraint") else None
    if cursor.take("primary", "key"):
        found = Constraint("p", names_in(cursor.inside()))
    elif cursor.take("unique"):
        if cursor.take("nulls", "not", "distinct"):
            found = Constraint("u", names_in(cursor.inside()), clause="nulls not distinct")
        else:
            found = Constraint("u", names_in(cursor.inside()))
    elif cursor.take("check"):
        found = Constraint("c", text=condition(cursor.inside()))
    elif cursor.take("foreign", "key"):
        columns = names_in(cursor.inside())
        return said, _reference(cursor, columns)
    elif cursor.peek("exclude") and said:
        return said, Constraint("x", text=f"{said} {normalised(cursor.rest())}")
    else:
        raise Unread("a constraint was expected")
    _timing(cursor, found)
    return said, found


def starts_constraint(cursor: Cursor) -> bool:
    """A constraint of the table comes next, and no column."""
    return any(
        cursor.peek(*words)
        for words in (
            ("constraint",), ("primary", "key"), ("unique", "("), ("unique", "nulls"),
            ("check", "("), ("foreign", "key"), ("exclude",),
        )
    )  # fmt: skip


def _reference(cursor: Cursor, columns: tuple[str, ...]) -> Constraint:
    cursor.need("references")
    table = cursor.name()
    targets = names_in(cursor.inside()) if cursor.peek("(") else ()
    found = Constraint("f", columns, "", table, targets)
    while cursor.take("on"):
        event = cursor.one_of("delete", "update")
        action = _action(cursor)
        if event == "delete":
            found.on_delete = action
        else:
            found.on_update = action
    _timing(cursor, found)
    return found


def _action(cursor: Cursor) -> str:
    for words in (
        ("no", "action"), ("restrict",), ("cascade",), ("set", "null"), ("set", "default"),
    ):  # fmt: skip
        if cursor.take(*words):
            return " ".join(words).upper()
    raise Unread("an action was expected")


def _timing(cursor: Cursor, found: Constraint) -> None:
    if cursor.take("not", "deferrable") or cursor.take("deferrable"):
        if not cursor.take("initially", "immediate"):
            found.clause = "deferrable"
        cursor.take("initially", "deferred")
    if cursor.take("not", "valid"):
        found.clause = "not valid"
