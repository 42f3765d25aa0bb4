"""
One look around a repository: every file is listed, read, and judged by its settings.
"""

from __future__ import annotations

import posixpath
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

import msgspec

from freehold.guard.allowances import allowance_of, allowances
from freehold.guard.bindings import binding_names
from freehold.guard.documents import entries
from freehold.guard.doors import Doors
from freehold.guard.files import Listing, content_of, list_files
from freehold.guard.findings import Finding, NotRead, Place, Report, findings_of
from freehold.guard.globs import Globs
from freehold.guard.grammars import GrammarMissing, NotWellFormed
from freehold.guard.kinds import Kind, grammar_of, kind_by_first_line, kind_of
from freehold.guard.masking import plain
from freehold.guard.reading import Ground, Reading, read_file
from freehold.guard.settings import Settings

_SETTINGS_NAME: Final = "(settings)"
_EXCLUDE: Final = "Make it smaller or readable, or exclude it with a reason."


class Progress(Protocol):
    """Is told how far a look is."""

    def __call__(self, done: int, of: int) -> None:
        """`done` files of `of`."""


def look(root: Path, settings: Settings, *, progress: Progress | None = None) -> Report:
    """
    Look at every file of a repository.

    Args:
        root: Its root.
        settings: What it says about itself.
        progress: Is told after each file.

    Returns:
        Places, files that could not be read, and counts. Nothing is left out unsaid.
    """
    tour = _Tour(root, settings, list_files(root))
    of = len(tour.paths)
    for done, path in enumerate(tour.paths, 1):
        tour.take(path)
        if progress is not None:
            progress(done, of)
    return tour.finish()


class _Tour:
    def __init__(self, root: Path, settings: Settings, listing: Listing) -> None:
        self._root = root
        self._settings = settings
        self._levels = settings.levels
        self._excluded = Globs([each.path for each in settings.exclude])
        self._stores = Globs([each.path for each in settings.local_stores])
        self._data_layer = Globs(settings.data_layer)
        self._doors = Globs(settings.doors)
        self._stores_used: set[str] = set()
        self.report = Report(str(root), listed_by=listing.by, links=listing.links)
        self.report.not_read = [
            replace(each, path=plain(each.path))
            for each in listing.not_read
            if not self._excluded.match(each.path)
        ]
        self.report.rules_off = [id for id, level in self._levels.items() if level == "off"]
        self.paths = [path for path in listing.paths if not self._is_excluded(path)]
        self._ground = self._survey()

    def take(self, path: str) -> None:
        """Read one file, and add what is in it to the report."""
        if self._ground.doors.owns(path):
            self.report.data_layer += 1
            return
        kind = kind_of(path)
        if kind == "other" and "." in posixpath.basename(path):
            self.report.not_code += 1
            return
        content = content_of(self._root / path, bytes_max=self._settings.file_bytes_max)
        if isinstance(content, bytes) and kind == "other":
            kind = kind_by_first_line(content.split(b"\n", 1)[0])
        if kind == "other":
            self.report.not_code += 1
        elif isinstance(content, str):
            self.report.not_read.append(NotRead(plain(path), content, _EXCLUDE))
        else:
            self._judge(path, kind, read_file(path, kind, content, ground=self._ground))

    def finish(self) -> Report:
        """The report, with the entries of the settings that nothing needs."""
        unused = [
            *((f"data_layer {pattern}", self._data_layer) for pattern in self._data_layer.unused),
            *((f"doors {pattern}", self._doors) for pattern in self._doors.unused),
            *((f"exclude {pattern}", self._excluded) for pattern in self._excluded.unused),
        ]
        said = [name for name, _ in unused]
        said += [
            f"local_stores {each.path}"
            for each in self._settings.local_stores
            if each.path not in self._stores_used
        ]
        places = [Place("unused-allowance", 1, 1, each, each) for each in said]
        self._add(findings_of(_SETTINGS_NAME, places, lines=[], levels=self._levels))
        self.report.findings.sort(key=lambda found: (found.path, found.line, found.column))
        return self.report

    def _is_excluded(self, path: str) -> bool:
        is_so = self._excluded.match(path) is not None
        self.report.excluded += is_so
        return is_so

    def _judge(self, path: str, kind: Kind, reading: Reading) -> None:
        if reading.not_read is not None:
            self.report.not_read.append(
                NotRead(plain(path), reading.not_read.reason, reading.not_read.next_step)
            )
        else:
            self.report.read[kind] += 1
        found = findings_of(path, reading.places, lines=reading.lines, levels=self._levels)
        if found and (pattern := self._stores.match(path)) is not None:
            self._stores_used.add(pattern)
            reason = next(s.reason for s in self._settings.local_stores if s.path == pattern)
            self.report.allowed += [(each, reason) for each in found]
            return
        every = allowances(reading.text, is_python=kind == "python")
        for each in found:
            allowance = allowance_of(each.line, every)
            if allowance is None:
                self.report.findings.append(each)
            else:
                self.report.allowed.append((each, allowance.reason))
        wrong = [
            Place("unused-allowance" if each.reason else "allowance-without-reason", each.line,
                  each.column, "allow-database")
            for each in every if not each.is_used
        ]  # fmt: skip
        self._add(findings_of(path, wrong, lines=reading.lines, levels=self._levels))

    def _add(self, found: list[Finding]) -> None:
        self.report.findings += found

    def _survey(self) -> Ground:
        """What must be known before the first file is read: modules, packages, bindings."""
        names = set(self._settings.bindings)
        packages: dict[str, str] = {}
        for path in self.paths:
            kind = kind_of(path)
            is_owner = self._data_layer.match(path) is not None
            if kind == "worker" and not is_owner:
                names |= self._bound(path)
            elif kind == "package" and is_owner and (name := self._package(path)):
                packages[name] = posixpath.dirname(path)
        doors = Doors(self.paths, data_layer=self._data_layer, doors=self._doors, packages=packages)
        services = frozenset(self._settings.data_layer_services)
        return Ground(doors, self._data_layer, frozenset(names), services)

    # What is wrong with such a file is said when its turn comes.

    def _bound(self, path: str) -> set[str]:
        content = content_of(self._root / path, bytes_max=self._settings.file_bytes_max)
        if isinstance(content, str):
            return set()
        try:
            return binding_names(entries(grammar_of(path, "worker") or "", content))
        except (GrammarMissing, NotWellFormed, RecursionError):
            return set()

    def _package(self, path: str) -> str | None:
        content = content_of(self._root / path, bytes_max=self._settings.file_bytes_max)
        try:
            found = msgspec.json.decode(content)
        except (msgspec.DecodeError, RecursionError):
            return None
        name = found.get("name") if isinstance(found, dict) else None
        return name if isinstance(name, str) else None
