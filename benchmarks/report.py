"""
How a benchmark tells what it found: tables, and each aim with whether it was reached.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.machine import machine

#: The sign behind a ratio.
TIMES = "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True)
class Aim:
    """
    Something that ought to be true of the numbers.

    Args:
        text: What is compared with what.
        value: What was measured.
        limit: The aim.
        at_most: The value should be no more than the limit, else no less.
        unit: Behind the number.
    """

    text: str
    value: float
    limit: float
    at_most: bool = False
    unit: str = TIMES

    @property
    def reached(self) -> bool:
        """The aim is met."""
        return self.value <= self.limit if self.at_most else self.value >= self.limit

    def line(self) -> str:
        """A row of a list."""
        sign = "≤" if self.at_most else "≥"
        verdict = "reached" if self.reached else "**missed**"
        return (
            f"- {self.text}: {figure(self.value)} {self.unit} "
            f"(aim {sign} {figure(self.limit)}): {verdict}"
        )


@dataclass
class Report:
    """The outcome of one benchmark."""

    name: str
    question: str
    lines: list[str] = field(default_factory=list)
    aims: list[Aim] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)

    def markdown(self) -> str:
        """A section for RESULTS.md."""
        parts = [f"## {self.name}", "", " ".join(self.question.split()), "", *self.lines]
        if self.aims:
            parts += ["", *(aim.line() for aim in self.aims)]
        return "\n".join(parts) + "\n"

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        aims = [
            {"text": aim.text, "value": round(aim.value, 3), "limit": aim.limit,
             "atMost": aim.at_most, "reached": aim.reached}
            for aim in self.aims
        ]  # fmt: skip
        return {"name": self.name, "aims": aims, **self.data}


Run = Callable[[bool], Report]


def question_of(docstring: str | None) -> str:
    """The first paragraph of a benchmark's heading."""
    text = (docstring or "").strip().split("\n\n")[0].removeprefix("Question:").strip()
    return text[:1].upper() + text[1:]


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> list[str]:
    """
    A Markdown table that also reads well as it is.

    Args:
        head: The columns' names.
        rows: The cells.
        left: So many columns are words; the others are numbers and stand to the right.
    """
    widths = [max(len(cell) for cell in column) for column in zip(head, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "| " + " | ".join(padded) + " |"

    rules = [
        "-" * width if place < left else "-" * (width - 1) + ":"
        for place, width in enumerate(widths)
    ]
    return [line(head), line(rules), *(line(row) for row in rows)]


def figure(value: float) -> str:
    """Three figures that mean something: 41,200 · 412 · 41.2 · 4.12 · 0.41."""
    if value >= 1000:
        digits = len(str(int(value))) - 3
        return f"{round(value, -digits):,.0f}"
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def times(ratio: float) -> str:
    """A ratio as it is shown."""
    return f"{ratio:.2f} {TIMES}"


def progress(text: str) -> None:
    """Tell a person who waits what is going on; goes to stderr."""
    print(f"  {text}", file=sys.stderr, flush=True)


def main(run: Run, description: str | None) -> None:
    """What every benchmark does when it is started by itself."""
    parser = argparse.ArgumentParser(description=question_of(description))
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--json", action="store_true", help="numbers for programs")
    options = parser.parse_args()
    began = time.monotonic()
    report = run(options.quick)
    if options.json:
        about = {"machine": machine().line(), "quick": options.quick}
        print(json.dumps({**about, **report.as_dict()}, indent=2))
        return
    print(report.markdown())
    print(f"{machine().line()}\n{time.monotonic() - began:.0f} s; load average {os.getloadavg()}")
