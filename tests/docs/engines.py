"""
The three-engine table of `docs/reference/engines.md`, made of the contract suite itself.

What an area promises is the docstring of its file in `tests/contract`; how many cases it has is
counted by pytest, for each engine on its own. `python -m tests.docs.engines` renews the page.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Final

from freehold.testing import ENGINES
from tests.docs.pages import ROOT

PAGE: Final = ROOT / "docs" / "reference" / "engines.md"
SUITE: Final = ROOT / "tests" / "contract"
_FIRST: Final = "what is the same"
_LAST: Final = "cases together"
_TABLE: Final = re.compile(rf"^\| {_FIRST} \|.*?^\| {_LAST} \|[^\n]*", re.DOTALL | re.MULTILINE)
_COLLECTED: Final = re.compile(r"^tests/contract/(test_\w+)\.py::\w+(?:\[([^\n]*)\])?$", re.M)
_TITLES: Final = {"sqlite-memory": "SQLite, memory", "sqlite-file": "SQLite, file",
                  "postgresql": "PostgreSQL"}  # fmt: skip


def with_table(text: str) -> str:
    """The page with its table as the suite has it now."""
    return _TABLE.sub(lambda _: table(), text)


def table() -> str:
    """One row for each area: what is promised, and its cases on each engine."""
    counts = counted()
    head = [_FIRST, *(_TITLES[engine] for engine in ENGINES)]
    lines = [head, ["---", *("---:" for _ in ENGINES)]]
    total: Counter[str] = Counter()
    for area in sorted({name for name, _ in counts}):
        found = {engine: counts[area, engine] for engine in ENGINES}
        total.update(found)
        lines.append([promise(area), *(str(found[engine]) for engine in ENGINES)])
    lines.append([_LAST, *(str(total[engine]) for engine in ENGINES)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def promise(area: str) -> str:
    """What an area's file says first."""
    said = ast.get_docstring(ast.parse((SUITE / f"{area}.py").read_text())) or ""
    return said.split("\n\n")[0].rstrip(".")


def counted() -> Counter[tuple[str, str]]:
    """The collected cases by area and engine; a case without an engine counts for none."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider",
         "-p", "no:xdist", "-o", "addopts=", str(SUITE.relative_to(ROOT))],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: Counter[tuple[str, str]] = Counter()
    for area, case in _COLLECTED.findall(done.stdout):
        for engine in ENGINES:
            if case.startswith(engine) or f"-{engine}" in case:
                found[area, engine] += 1
                break
    return found


def main() -> None:
    """Write the page when it is out of date."""
    before = PAGE.read_text()
    after = with_table(before)
    if after != before:
        Path(PAGE).write_text(after)
        sys.stdout.write(f"{PAGE.relative_to(ROOT)} written\n")


if __name__ == "__main__":
    main()
