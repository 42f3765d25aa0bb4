"""
Values, names and conditions as SQL text, for statements that build tables.

Only for these: the values of a statement that reads or changes rows are parameters.
"""

from __future__ import annotations

import re
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles

_QUOTED: Final = re.compile(r"('(?:[^']|'')*')")


def quoted(name: str) -> str:
    """The name as SQL has it, whatever word it is."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str | float | bytes) -> str:
    """A driver's value as SQL has it."""
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(int(value)) if isinstance(value, int) else repr(value)


class BytesLiteral(sa.ColumnElement[bytes]):
    """Bytes as each engine writes them."""

    inherit_cache = False

    def __init__(self, value: bytes) -> None:
        self.value = value


@compiles(BytesLiteral)
def _as_blob(element: BytesLiteral, _: Any, **__: Any) -> str:
    return literal(element.value)


@compiles(BytesLiteral, "postgresql")
def _as_bytea(element: BytesLiteral, _: Any, **__: Any) -> str:
    return f"'\\x{element.value.hex()}'::bytea"


def expression(sql: str) -> Any:
    """
    SQL as it is.

    Not `text()`: that takes the `:8` of `{"hour":8}` for a parameter.
    """
    return sa.literal_column(sql)


def tidy(sql: str) -> str:
    """The compiler's text with its spaces in order; what stands in quotes is left alone."""
    parts = _QUOTED.split(sql.strip())
    for place in range(0, len(parts), 2):
        part = parts[place].replace("\t", "  ")
        parts[place] = re.sub(r"\s*\n(?:\s*\n)*", "\n", part)
    return "".join(parts)
