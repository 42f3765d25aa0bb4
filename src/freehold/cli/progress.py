"""
Progress of a long command in lines: when a table begins, and every so many rows with their speed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from freehold.cli.console import say
from freehold.clock import SystemClock

if TYPE_CHECKING:
    from freehold.app.moving import Progress

_EVERY_ROWS: Final = 20_000
_NS: Final = 1_000_000_000


def rows_line(verb: str) -> Callable[[Progress], None]:
    """Says `verb` of each table, and then how fast its rows go."""
    clock = SystemClock()
    began = {"ns": clock.monotonic_ns(), "told": 0}

    def tell(told: Progress) -> None:
        if told.rows == 0:
            began.update(ns=clock.monotonic_ns(), told=0)
            say(f"{verb} {told.table}, {told.of} rows")
        elif told.rows - began["told"] >= _EVERY_ROWS:
            began["told"] = told.rows
            spent_s = max(1, clock.monotonic_ns() - began["ns"]) / _NS
            say(f"  {told.rows} of {told.of} rows, {told.rows / spent_s:,.0f} a second")

    return tell
