"""
Patterns of paths: `services/data-layer/**`, `apps/*/*/schema.py`, `tests`.

`*` and `?` stay within one folder's name, `**` goes over any number of folders; a pattern that
names a folder means all that is in it. Paths have slashes and begin at the root.
"""

from __future__ import annotations

import re
from functools import lru_cache


class Globs:
    """
    Several patterns, which remember whether they were ever needed.

    Args:
        patterns: As a person wrote them.
    """

    def __init__(self, patterns: list[str]) -> None:
        self._patterns = [(pattern, _compiled(pattern)) for pattern in patterns]
        self._used: set[str] = set()

    def match(self, path: str) -> str | None:
        """The first pattern that the path is of."""
        for pattern, expression in self._patterns:
            if expression.fullmatch(path):
                self._used.add(pattern)
                return pattern
        return None

    @property
    def unused(self) -> list[str]:
        """Patterns that no path was of."""
        return [pattern for pattern, _ in self._patterns if pattern not in self._used]

    def __bool__(self) -> bool:
        return bool(self._patterns)


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    text = pattern.removeprefix("./").rstrip("/")
    made = ""
    position = 0
    while position < len(text):
        rest = text[position:]
        if rest.startswith("**/"):
            made, position = made + "(?:[^/]+/)*", position + 3
        elif rest.startswith("**"):
            made, position = made + ".*", position + 2
        elif rest[0] == "*":
            made, position = made + "[^/]*", position + 1
        elif rest[0] == "?":
            made, position = made + "[^/]", position + 1
        else:
            made, position = made + re.escape(rest[0]), position + 1
    return re.compile(f"{made}(?:/.*)?", re.DOTALL)
