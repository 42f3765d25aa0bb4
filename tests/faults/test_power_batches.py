"""
Group commit against a model that runs one caller after the other: random batches of callers
who succeed, break a rule, raise, answer too much, come too late, go away, are cancelled, take
the transaction from everybody, or run on until they are interrupted.

Whoever is in a batch with them notices nothing: each hears what the model says, and what is
stored, with its idempotency rows and its audit log, is what the model stores.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

import apsw
import pytest

from freehold.clock import ManualClock
from freehold.drivers.sqlite import batch
from tests.faults.figures import record
from tests.faults.power import wrong
from tests.faults.power.judge import History, contents_of
from tests.faults.power.model import Ask
from tests.faults.power.service import Heard, Service
from tests.faults.power.workload import FIRST, METHODS, asks, quiet
from tests.faults.share import FULL, SEED, note, share

#: After so many batches there is a new stock.
LIFE = 50
SIZES = (1, 2, 3, 5, 8, 8, 13)
WORST = METHODS | {
    "undo": 8, "linger": 2, "explode": 4, "ramble": 4, "cancel": 4, "refuse": 8,
}  # fmt: skip
#: A few in a batch of many: more lost transactions than are run together again.
ALL_GUILTY = {"add": 10, "undo": 30, "linger": 1}


class Ticking(ManualClock):
    """A millisecond later whenever somebody looks; so who runs on is late at some time."""

    def monotonic_ns(self) -> int:
        self.advance(seconds=0.001)
        return super().monotonic_ns()


@dataclass
class Met:
    """What the batches came to."""

    batches: int = 0
    restarts: int = 0
    told: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def one_life(number: int, met: Met, *, batches: int = LIFE) -> None:
    """Batches on one stock, each held against the model."""
    draw = random.Random(f"{SEED} batches {number}")
    methods, sizes = (ALL_GUILTY, (30,)) if number % 10 == 9 else (WORST, SIZES)
    history, heard = History(), list[Heard]()
    service = Service(None, clock=Ticking(), mutation_ms_max=6, on_answer=heard.append)
    service.open()
    reader = apsw.Connection(service.database._place.path)
    try:
        for each in ([FIRST], *asks(draw, batches=batches, methods=methods, sizes=sizes)):
            heard.clear()
            for ask in each:
                service.ask(late(ask, draw))
            service.clock.advance(seconds=1)
            service.turn()
            history.take(heard)
            met.batches += 1
            met.told.update(
                f"{each.told.outcome} {each.told.value}" if each.told.outcome != "ok" else "ok"
                for each in heard
            )
            met.wrong += [said for at, said in history.wrong if at == len(history.batches) - 1]
            if contents_of(reader) not in history.batches[-1].worlds:
                met.wrong.append(f"life {number}, batch {len(history.batches)}: stored otherwise")
            if met.wrong:
                return
        met.restarts += service.database.commits.restarts
        assert reader.pragma("integrity_check") == "ok"
    finally:
        reader.close()
        service.close()


def late(ask: Ask, draw: random.Random) -> Ask:
    """One in thirty comes too late."""
    return replace(ask, is_late=True) if draw.random() < 0.03 else ask


@pytest.fixture
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who runs on is found out after fewer steps."""
    monkeypatch.setattr(batch, "_STEPS_BETWEEN_LOOKS", 10_000)


@pytest.mark.fault
@pytest.mark.promise("P2")
@pytest.mark.timeout(share(300, 7_200))
@pytest.mark.usefixtures("_looks_often")
def test_each_caller_of_a_batch_is_as_if_he_were_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One after the other or all at once: nobody can tell."""
    began = time.monotonic()
    met = Met()
    with quiet():
        for number in range(share(1_000, 100_000) // LIFE):
            one_life(number, met)
            if met.wrong:
                break
            if FULL and number % 200 == 199:
                with capsys.disabled():
                    note(f"{met.batches:,} batches, {met.told.total():,} callers")

    record(
        "P2", "group commit against a serial model (SQLite)", seconds=time.monotonic() - began,
        bad=len(met.wrong), batches=met.batches, callers=met.told.total(),
        lost_transactions=met.restarts,
    )  # fmt: skip
    assert not met.wrong, f"FREEHOLD_FAULTS_SEED={SEED}: {met.wrong}"
    assert met.restarts > met.batches // 4
    for kind in (
        "ok", "failed Internal", "failed TooLarge", "failed DeadlineExceeded", "failed Conflict",
        "failed AlreadyExists", "failed RuleBroken", "failed ReferenceBroken", "failed NotFound",
        "failed IdempotencyMismatch",
    ):  # fmt: skip
        assert met.told[kind] >= met.batches // 100, (kind, met.told)


@pytest.mark.parametrize("kind", ["careless", "harsh", None])
@pytest.mark.usefixtures("_looks_often")
def test_a_batch_whose_neighbours_notice_is_found_out(kind: str | None) -> None:
    """Negative controls, and one that is none."""
    met = Met()
    with quiet(), wrong.KINDS[kind]() if kind else nullcontext():
        one_life(1, met)
    assert bool(met.wrong) == (kind is not None)
