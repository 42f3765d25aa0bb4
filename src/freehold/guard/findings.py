"""
What a look around a repository gives: places, files that could not be read, and their count.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from freehold.guard.masking import plain, shown
from freehold.guard.rules import RULES, Level

_FINGERPRINT_HEX: Final = 24


@dataclass(frozen=True)
class Place:
    """
    Where something was found, as one of the readers says it.

    Args:
        rule: The id of its rule.
        line: From 1.
        column: From 1, in characters.
        what: What it is, in a few words: `sqlite3`, `env.WRITER_DB`.
        text: What is shown instead of the line, when the line would not do.
    """

    rule: str
    line: int
    column: int
    what: str
    text: str | None = None


@dataclass(frozen=True)
class Finding:
    """
    A place, for people and programs: nothing secret is in it.

    Args:
        path: From the root, with slashes.
        text: The offending line, masked and shortened.
        fingerprint: The same when the line moves; another when it is changed.
    """

    rule: str
    level: Level
    path: str
    line: int
    column: int
    what: str
    text: str
    fingerprint: str

    @property
    def why(self) -> str:
        """Why it is a way to the database."""
        return RULES[self.rule].why

    @property
    def next_step(self) -> str:
        """What to do about it."""
        return RULES[self.rule].next_step


@dataclass(frozen=True)
class NotRead:
    """A file that could not be judged, and why; as long as there is one there is no proof."""

    path: str
    reason: str
    next_step: str


@dataclass
class Report:
    """All that a look around found."""

    root: str
    findings: list[Finding] = field(default_factory=list)
    not_read: list[NotRead] = field(default_factory=list)
    #: How many files were read, by kind.
    read: Counter[str] = field(default_factory=Counter)
    #: Files in which nothing runs and nothing is bound: prose, pictures, tables of data.
    not_code: int = 0
    excluded: int = 0
    #: Files of the data layer: there the database is used, and they are not looked at.
    data_layer: int = 0
    #: Places that a comment or the settings allow, with the reason.
    allowed: list[tuple[Finding, str]] = field(default_factory=list)
    #: Files of the listing that are links to others of it.
    links: int = 0
    #: How the files were found: `git` or `walk`.
    listed_by: str = "git"
    #: Places that the baseline knows.
    known: list[Finding] = field(default_factory=list)
    #: Entries of the baseline that are gone.
    fixed: int = 0
    #: The ids of rules that are off.
    rules_off: list[str] = field(default_factory=list)

    @property
    def errors(self) -> list[Finding]:
        """The places that count."""
        return [found for found in self.findings if found.level == "error"]

    @property
    def notes(self) -> list[Finding]:
        """The places that are only told."""
        return [found for found in self.findings if found.level == "note"]

    @property
    def is_proof(self) -> bool:
        """Everything was read, and there is no place."""
        return not self.errors and not self.known and not self.not_read and not self.rules_off

    @property
    def exit_code(self) -> int:
        """0 nothing, 1 places, 2 something could not be read."""
        if self.errors:
            return 1
        return 2 if self.not_read else 0


def findings_of(
    path: str, places: Iterable[Place], *, lines: list[str], levels: dict[str, Level]
) -> list[Finding]:
    """The places of one file, in its order, each with its fingerprint; rules that are off aside."""
    path = plain(path)
    seen: Counter[tuple[str, str]] = Counter()
    found = []
    for place in sorted(set(places), key=lambda p: (p.line, p.column, p.rule, p.what)):
        level = levels[place.rule]
        if level == "off":
            continue
        line = lines[place.line - 1] if 0 < place.line <= len(lines) else ""
        text = shown(place.text if place.text is not None else line)
        # Its number among equals, so that two equal lines are two places.
        seen[place.rule, text] += 1
        found.append(
            Finding(
                rule=place.rule, level=level, path=path, line=place.line, column=place.column,
                what=shown(place.what), text=text,
                fingerprint=_fingerprint(path, place.rule, f"{text}\0{seen[place.rule, text]}"),
            )
        )  # fmt: skip
    return found


def _fingerprint(path: str, rule: str, text: str) -> str:
    # Of the masked text: nobody can try passwords against it.
    said = "\0".join((rule, path, text))
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:_FINGERPRINT_HEX]
