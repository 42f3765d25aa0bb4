"""
What callers were told, held against what is stored: with a model of the whole stock.

`History` follows a service batch by batch. It knows every world that may be stored: one, as
long as nobody was told `unknown`; then also those in which it happened. `contradictions` takes
what was found after a cut and says what cannot be.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Final

import apsw

from freehold.drivers.sqlite.checksums import shim
from tests.faults.power.model import EMPTY, Contents, World
from tests.faults.power.service import Heard

#: What says nothing of the data: a refusal for want of disk, memory or time.
_OF_THE_DISK: Final = ("Unavailable", "StorageFull")
_SHOWN_MAX: Final = 300


@dataclass(frozen=True)
class Batch:
    """One batch that was told."""

    #: What may be stored after it.
    worlds: dict[Contents, World]
    #: What was told of it.
    heard: tuple[Heard, ...]


@dataclass
class History:
    """All that was told, and all that may be stored."""

    worlds: list[World] = field(default_factory=lambda: [World()])
    #: After each batch; the first is before all.
    batches: list[Batch] = field(default_factory=lambda: [Batch({EMPTY: World()}, ())])
    #: What was told and cannot be, and in which batch.
    wrong: list[tuple[int, str]] = field(default_factory=list)

    def take(self, heard: Sequence[Heard]) -> None:
        """A batch was told, in the order of its callers."""
        found: list[World] = []
        for world in self.worlds:
            found += _after(world, heard)
        if not found:
            self.wrong.append((len(self.batches), _unlike(self.worlds[0], heard)))
            # Go on with what a serial model makes of the calls.
            found = [self.worlds[0].copy()]
            for each in heard:
                found[0].call(each.ask)
        self.worlds = found
        worlds = {world.contents(): world.copy() for world in found}
        self.batches.append(Batch(worlds, tuple(heard)))

    def contradictions(self, found: Contents, *, told: int, begun: int) -> list[str]:
        """
        What cannot be after a cut.

        Args:
            found: What is stored.
            told: How many batches were told before it.
            begun: How many were begun.
        """
        wrong = [said for batch, said in self.wrong if batch <= told]
        if self.world(found, told=told, begun=begun) is None:
            expected = next(iter(self.batches[told].worlds))
            wrong += [*self._losses(found, told), _difference(found, expected)]
        return wrong

    def world(self, found: Contents, *, told: int, begun: int) -> World | None:
        """The world that is stored; None when it is none of those that may be."""
        for batch in self.batches[told : begun + 1]:
            if found in batch.worlds:
                return batch.worlds[found].copy()
        return None

    def _losses(self, found: Contents, told: int) -> list[str]:
        """Single callers who were told something that is not so."""
        kept = {(method, key): outcome for key, method, outcome in found.calls}
        wrong = []
        for batch in self.batches[: told + 1]:
            for heard in batch.heard:
                ask, (outcome, value) = heard.ask, heard.told
                there = kept.get((ask.method, ask.key))
                if ask.key is None or value == "IdempotencyMismatch":
                    continue
                if outcome == "ok" and there != "ok":
                    wrong.append(f"{ask} was acknowledged as {heard.seq} and is lost")
                elif outcome == "failed" and there == "ok":
                    wrong.append(f"{ask} was told to have failed ({value}) and is there")
        return wrong


def _after(world: World, heard: Sequence[Heard]) -> list[World]:
    """Every world that may be after this one, when these were told that; none when none may."""
    doubtful = [place for place, each in enumerate(heard) if each.told.outcome == "unknown"]
    choices = [()] if not doubtful else [(), tuple(doubtful)]
    if doubtful and any(each.told.outcome == "ok" for each in heard):
        # They were committed one by one.
        choices = [part for n in range(len(doubtful) + 1) for part in combinations(doubtful, n)]
    unsaid = sum(each.told.value in _OF_THE_DISK for each in heard)
    found = []
    for happened in choices:
        for refusals in range(unsaid + 1):
            after = _if(world.copy(), heard, happened=happened, refusals=refusals)
            if after is not None:
                found.append(after)
    return found


def _if(
    world: World, heard: Sequence[Heard], *, happened: Container[int], refusals: int
) -> World | None:
    """
    The world after these; None when they cannot have been told so.

    Args:
        world: The world before; it is changed.
        heard: What was told.
        happened: Which of those in doubt happened.
        refusals: A refusal may be kept in a commit that is in doubt. Its caller heard nothing
            of it, and it has no effect but that it is told when he asks again. So many were.
    """
    for place, each in enumerate(heard):
        if each.told.outcome == "unknown":
            if place in happened:
                world.call(each.ask)
        elif each.told.value in _OF_THE_DISK:
            if refusals and world.copy().call(each.ask).outcome == "failed":
                refusals -= 1
                world.call(each.ask)
        else:
            before = world.seq
            if world.call(each.ask) != each.told or before < world.seq != each.seq:
                return None
    return world


def _unlike(world: World, heard: Sequence[Heard]) -> str:
    """Who was told what no serial execution would say."""
    world = world.copy()
    for each in heard:
        expected = world.call(each.ask)
        if expected != each.told:
            return f"{each.ask} was told {each.told}, and one after the other says {expected}"
    return "nobody was told anything wrong alone"


def _difference(found: Contents, expected: Contents) -> str:
    parts = []
    for name, there, wanted in zip(Contents._fields, found, expected, strict=True):
        if there == wanted:
            continue
        if isinstance(there, tuple) and isinstance(wanted, tuple):
            more = sorted(set(there) - set(wanted))
            less = sorted(set(wanted) - set(there))
            parts.append(f"{name}: too much {more}, missing {less}"[:_SHOWN_MAX])
        else:
            parts.append(f"{name}: {there} instead of {wanted}")
    return f"not what was told last: {'; '.join(parts) or 'another world'}"


def look(path: str) -> tuple[Contents, list[str]]:
    """
    What is stored in a file that nobody has open, and what SQLite finds wrong with it.

    Raises:
        apsw.Error, UnicodeDecodeError: It cannot be read.
    """
    connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE, vfs=shim())
    try:
        wrong = [
            f"integrity_check: {said}"
            for (said,) in connection.execute("PRAGMA integrity_check")
            if said != "ok"
        ]
        wrong += [
            f"foreign_key_check: {row}" for row in connection.execute("PRAGMA foreign_key_check")
        ]

        found = contents_of(connection)
    finally:
        connection.close()
    return found, wrong


def contents_of(connection: apsw.Connection) -> Contents:
    """What is stored, as this connection sees it."""

    def rows(sql: str) -> tuple[Any, ...]:
        return tuple(connection.execute(sql).fetchall())

    return Contents(
        connection.execute("SELECT seq FROM _freehold_meta").get,
        connection.execute("SELECT amount FROM totals").get,
        rows("SELECT id, place, amount, body FROM items ORDER BY id"),
        rows("SELECT id, item_id FROM parts ORDER BY id"),
        rows(
            "SELECT key, replace(method, 'Stock.', ''), outcome FROM _freehold_calls ORDER BY 1, 2"
        ),
        rows("SELECT number, replace(method, 'Stock.', ''), seq FROM _freehold_audit ORDER BY 1"),
    )
