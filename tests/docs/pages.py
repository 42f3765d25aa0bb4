"""
Pages of the documentation, read as steps: what is written, run, started, stopped, compared.

A comment before a fenced block says what becomes of it:

    <!-- file: notes.py -->      written into the page's folder
    <!-- shown: notes.py -->     equal to the file that is there
    <!-- run -->                 run by bash; `run: exit 1` when it is to fail so
    <!-- start -->               started, and running until `<!-- stop -->` (Ctrl-C)
    <!-- output -->              what the step before says; `…` stands for anything
    <!-- raises -->              Python that ends in an error; its output is the error
    <!-- not run: why -->        nothing

A Python block without a comment is run, in one interpreter for the page. How steps are done
is in `stage`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
FRONT: Final = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")
PAGES: Final = [
    *(ROOT / name for name in FRONT),
    *sorted((ROOT / "docs").rglob("*.md")),
]

_COMMENT: Final = re.compile(r"<!-- (.+) -->")
_FENCE: Final = re.compile(r"```(\w*)")
#: Comments that say something about a stretch of a page and not about a block.
_AROUND: Final = re.compile(r"generated: .+|end")
MARKS: Final = re.compile(
    r"file: \S+|shown: \S+|run|run: exit \d+|start|stop|output|raises|not run: .+"
)


@dataclass(frozen=True)
class Step:
    """
    One block with its mark, or a mark that needs no block.

    Args:
        page: Where it stands.
        line: The number of its first line there.
        mark: What the comment says; empty when there is none.
        language: What the fence says.
        text: The block, without a last newline.
    """

    page: Path
    line: int
    mark: str
    language: str = ""
    text: str = ""

    @property
    def verb(self) -> str:
        """The first word of the mark."""
        return self.mark.partition(":")[0]

    @property
    def rest(self) -> str:
        """What stands behind the colon."""
        return self.mark.partition(":")[2].strip()

    @property
    def where(self) -> str:
        """`docs/tutorial.md:17`, as editors take it."""
        return f"{name_of(self.page)}:{self.line}"


def name_of(page: Path) -> str:
    """The page's path in the repository."""
    return str(page.relative_to(ROOT))


def steps_of(page: Path) -> list[Step]:
    """Every step of a page, in order."""
    steps: list[Step] = []
    mark = ""
    lines = iter(enumerate(page.read_text().splitlines(), 1))
    for number, line in lines:
        comment, fence = _COMMENT.fullmatch(line), _FENCE.fullmatch(line)
        if fence is not None:
            text = []
            for _, inner in lines:
                if inner == "```":
                    break
                text.append(inner)
            steps.append(Step(page, number + 1, mark, fence[1], "\n".join(text)))
            mark = ""
        elif comment is not None and comment[1] == "stop":
            steps.append(Step(page, number, "stop"))
        elif comment is not None and not _AROUND.fullmatch(comment[1]):
            mark = comment[1]
        elif line.strip() and mark:
            raise ValueError(f"{name_of(page)}:{number}: `{mark}` stands before no block")
    return steps


def prose_of(page: Path) -> str:
    """The page without its blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
