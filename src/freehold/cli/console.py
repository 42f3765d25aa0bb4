"""
What the command line says: results to standard output, talk and refusals to standard error.

With `--json` a result is JSON and nothing else, so that a program can read it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from freehold.errors import CallError, FreeholdError
from freehold.scalars import enc_hook

OUT: Final = Console(soft_wrap=True, highlight=False)
TALK: Final = Console(stderr=True, soft_wrap=True, highlight=False)


def say(text: str) -> None:
    """A line of talk."""
    TALK.print(Text(text))


def tell(text: str) -> None:
    """A line of the result."""
    OUT.print(Text(text))


def show_json(value: Any) -> None:
    """The result for a program: indented JSON."""
    OUT.print(Text(msgspec.json.format(msgspec.json.encode(value, enc_hook=enc_hook)).decode()))


def show_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """The result for people, as a table."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if value is None else str(value)) for value in row))
    OUT.print(table)


def refuse(error: FreeholdError) -> None:
    """What went wrong, and the next step."""
    text = Text("✗ ", style="bold red")
    if isinstance(error, CallError):
        where = f" ({error.path})" if error.path else ""
        text.append(f"{error.code}{where}: ", style="bold")
    text.append(error.detail, style="default")
    TALK.print(text)
    if error.hint:
        TALK.print(Text(f"  {error.hint}", style="dim"))
