"""
Every disk that a power cut may leave of a workload: recovered by the real opener, and judged.
"""

from __future__ import annotations

import random
from collections.abc import Container, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import apsw

from freehold.clock import ManualClock
from freehold.drivers.sqlite import SqliteDatabase
from freehold.errors import StartError
from freehold.ids import SeededIds
from freehold.rpc.audit import START
from freehold.rpc.audit_check import BEGINNING, check_stretch
from freehold.testing.checksums import checksummed
from tests.faults.power.crashes import Crash, crashes
from tests.faults.power.judge import look
from tests.faults.power.model import Contents
from tests.faults.power.recording import RecordedDisk
from tests.faults.power.service import AUDIT, Heard, Service, prepare
from tests.faults.power.stock import SCHEMA
from tests.faults.power.workload import NAME, Played, quiet

#: One state in so many loses power a second time, while it recovers.
_AGAIN_EVERY: Final = 41
_CUTS_AGAIN: Final = 5
#: One recovered file in so many is served again, and asked everything again.
_ASKED_EVERY: Final = 16
#: One workload in so many is cut from its very first change, when there is no database yet.
_FROM_NOTHING_EVERY: Final = 4
_BATCH: Final = 8
_CLOCK: Final = ManualClock()


@dataclass(frozen=True)
class Found:
    """What was found after one cut."""

    #: `workload.state`, or `workload.state.cut` of a second one: finds it again.
    state: str
    crash: Crash
    #: What cannot be; nothing, when all is well.
    wrong: list[str]

    def __str__(self) -> str:
        return f"{self.state} ({self.crash}): {'; '.join(self.wrong)}"


class Cutter:
    """
    Recovers and judges what cuts left of one workload.

    Args:
        played: The workload.
        folder: Where disks are put together; for this alone, and empty.
        seed: What is lost and what is kept comes from it.
        per_change: How many disks for each change.
    """

    def __init__(self, played: Played, folder: Path, *, seed: int, per_change: int) -> None:
        self._played = played
        self._path = folder / NAME
        self._folder = folder
        self._seed = seed * 1_000_003 + played.number
        self._per_change = per_change
        #: What is known of a recovered file: most cuts lead to one of a few.
        self._known: dict[tuple[bytes, int, int], list[str]] = {}
        #: Recovered files that were read in full.
        self.judged = 0
        #: Recovered stocks that were asked everything again.
        self.asked_again = 0
        #: Disks that lost power once more while they recovered.
        self.cut_again = 0

    def all(self, only: str | None = None) -> Iterator[Found]:
        """
        Every state.

        Args:
            only: The state of this number alone, as `Found.state` says it.
        """
        played = self._played
        parts = [int(part) for part in only.split(".")] if only else []
        first = 0 if played.number % _FROM_NOTHING_EVERY == 0 else played.first
        for crash in crashes(
            played.disk, seed=self._seed, per_event=self._per_change, first=first,
            only=parts[1] if parts else None,
        ):  # fmt: skip
            state = f"{played.number}.{crash.number}"
            if len(parts) < 3:
                yield Found(state, crash, self._wrong(crash, crash))
            if crash.number % _AGAIN_EVERY == 0 and len(parts) != 2:
                yield from self._second(state, crash, only=parts[2] if parts else None)

    def some(self, at: Container[int]) -> Iterator[Found]:
        """The states after so many changes, and no others."""
        played = self._played
        for crash in crashes(played.disk, seed=self._seed, per_event=self._per_change, at=at):
            yield Found(f"{played.number}.{crash.number}", crash, self._wrong(crash, crash))

    def _second(self, state: str, crash: Crash, *, only: int | None) -> Iterator[Found]:
        """The power goes once more, while what the first cut left is recovered."""
        crash.restore(self._folder)
        with RecordedDisk(self._folder, seed=self._seed) as disk, ExitStack() as stack:
            storage = disk.name
            if self._played.has_checksums:
                storage = stack.enter_context(checksummed(disk.name))
            self._recovered(storage)
        draw = random.Random(f"{self._seed} {state}")
        at = sorted(draw.choices(range(len(disk.changes) + 1), k=_CUTS_AGAIN))
        for second in crashes(disk, seed=self._seed, per_event=2, at=at, only=only):
            self.cut_again += 1
            wrong = self._wrong(second, crash)
            yield Found(f"{state}.{second.number}", second, wrong)

    def _wrong(self, crash: Crash, said: Crash) -> list[str]:
        told = max((number for what, number in said.marks if what == "told"), default=0)
        begun = max((number for what, number in said.marks if what == "begun"), default=0)
        crash.restore(self._folder)
        try:
            seq, has_checksums = self._recovered()
        except StartError as error:
            return [f"cannot be opened: {error}"]
        if has_checksums != self._played.has_checksums:
            return [f"its pages {'have' if has_checksums else 'have lost their'} checksums"]
        key = (self._path.read_bytes(), told, begun)
        if key not in self._known:
            self._known[key] = self._judge(seq, told=told, begun=begun)
        return self._known[key]

    def _recovered(self, storage: str | None = None) -> tuple[int, bool]:
        """The real opener, and closed again; its `seq`, and whether pages have checksums."""
        database = SqliteDatabase(
            self._path, SCHEMA, clock=_CLOCK, ids=SeededIds(), storage=storage,
            has_checksums=self._played.has_checksums,
        )  # fmt: skip
        try:
            database.open(prepare)
            return database.seq, database.has_checksums
        finally:
            database.close()

    def _judge(self, seq: int, *, told: int, begun: int) -> list[str]:
        """The whole file, row by row."""
        self.judged += 1
        try:
            contents, wrong = look(str(self._path))
        except (apsw.Error, UnicodeDecodeError) as error:
            return [f"cannot be read: {type(error).__name__}: {error}"]
        if contents.seq != seq:
            wrong.append(f"it says {seq} and stores {contents.seq}")
        history = self._played.history
        wrong += history.contradictions(contents, told=told, begun=begun)
        if not wrong and self.judged % _ASKED_EVERY == _ASKED_EVERY // 2:
            wrong += self._ask_again(contents, told=told, begun=begun)
        return wrong

    def _ask_again(self, contents: Contents, *, told: int, begun: int) -> list[str]:
        """
        Every client repeats all that it ever asked: it hears what it heard, or it is done now. The
        audit log of both lives is one unbroken chain.
        """
        self.asked_again += 1
        history = self._played.history
        world = history.world(contents, told=told, begun=begun)
        calls = [heard.ask for batch in history.batches[: begun + 1] for heard in batch.heard]
        heard: list[Heard] = []
        service = Service(self._path, on_answer=heard.append)
        with quiet():
            service.open()
            try:
                for start in range(0, len(calls), _BATCH):
                    for ask in calls[start : start + _BATCH]:
                        service.ask(ask)
                    service.turn()
                chain = service.database.read(
                    lambda db: check_stretch(db, AUDIT, number=BEGINNING, digest=START, rows=10_000)
                )
            finally:
                service.close()
        wrong = [f"the audit log: {chain.fault.detail}"] if chain.fault else []
        for each in heard:
            expected = world.call(each.ask) if world else None
            if each.told != expected:
                wrong.append(f"asked again, {each.ask} was told {each.told}, not {expected}")
        again, broken = look(str(self._path))
        if world and again != world.contents():
            wrong.append("asked again, something was done twice")
        return wrong + broken
