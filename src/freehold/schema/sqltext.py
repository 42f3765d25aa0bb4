"""
Values, names and conditions as SQL text, for statements that build tables.

Only for these: the values of a statement that reads or changes rows are parameters.
"""

from __future__ import annotations

import re
from typing import Any, Final

import sqlalchemy as sa

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
