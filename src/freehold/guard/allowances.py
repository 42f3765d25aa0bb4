"""
Allowances in the code: `# freehold: allow-database — why this place may`.

It stands on the offending line or alone on the line above it, in a comment of any language.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

WORD: Final = "freehold: allow-database"
_COMMENT: Final = re.compile(
    r"(?P<sign>\#|//|/\*|<!--|--|;|\*)\s*freehold:\s*allow-database\b"
    r"\s*(?:—|\u2013|--|-|:)?\s*(?P<reason>.*?)\s*(?:\*/|-->)?\s*$"
)


@dataclass
class Allowance:
    """
    One comment.

    Args:
        lines: The lines that it is for.
        reason: Why; empty when nobody said.
    """

    line: int
    column: int
    lines: tuple[int, ...]
    reason: str
    is_used: bool = False


def allowances(text: str, *, is_python: bool) -> list[Allowance]:
    """The allowances of a file."""
    if WORD.split(" ", 1)[1] not in text:
        return []
    lines = text.splitlines()
    comments = _python_comments(text) if is_python else None
    made = []
    for number, line in enumerate(lines, 1):
        found = _COMMENT.search(line)
        if found is None or (comments is not None and number not in comments):
            continue
        is_alone = not line[: found.start()].strip()
        covered = (number, *_below(lines, number)) if is_alone else (number,)
        made.append(Allowance(number, found.start() + 1, covered, found["reason"]))
    return made


def allowance_of(line: int, every: Iterable[Allowance]) -> Allowance | None:
    """The allowance for a line; it is used from then on."""
    for allowance in every:
        if line in allowance.lines and allowance.reason:
            allowance.is_used = True
            return allowance
    return None


def _below(lines: list[str], number: int) -> tuple[int, ...]:
    """The first line under a comment that is none: a long reason may go on."""
    for below in range(number, len(lines)):
        if not re.match(r"\s*(?:#|//|\*|--|;)", lines[below]):
            return (below + 1,)
    return ()


def _python_comments(text: str) -> set[int]:
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError):
        return set()
    return {token.start[0] for token in tokens if token.type == tokenize.COMMENT}
