"""
Histories of real server processes under kill, pause, clock jumps and cut connections, on both
engines, held against both judges.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter

import pytest

from tests.faults.appends import anomalies
from tests.faults.figures import record
from tests.faults.load import Load, Trouble
from tests.faults.oracle import contradictions
from tests.faults.share import SEED, note, share
from tests.faults.world import ENGINES, Engine, World, world

pytestmark = pytest.mark.promise("P5")

#: Calls of one history; the judges keep all of it in memory.
_ROUND = share(4_000, 60_000)
#: What a call may end with here; every number that is asked for was told, so it is always reached.
_CODES = {
    "ok", "OtherLength", "Lost", "Unavailable", "Overloaded", "DeadlineExceeded", "OutcomeUnknown",
}  # fmt: skip
_JUMPS_S = (1.0, 60.0, 86_400.0, 315_360_000.0)


def troubled_by(kinds: tuple[str, ...], done: Counter[str], seed: int, *, rest_s: float) -> Trouble:
    """Now one of these kinds of trouble, now another, until it is over."""
    chance = random.Random(seed)
    turns = 0

    async def trouble(here: World, load: Load, over: asyncio.Event) -> None:
        nonlocal turns
        while not over.is_set() or turns < len(kinds):
            await asyncio.sleep(chance.uniform(0.3, 1.0) * rest_s)
            # Each of them once, and then as it comes.
            kind = kinds[turns] if turns < len(kinds) else chance.choice(kinds)
            turns += 1
            victim = chance.choice(here.processes)
            if kind == "kill":
                await asyncio.to_thread(victim.kill)
                await asyncio.to_thread(victim.start)
            elif kind == "pause":
                victim.pause()
                await asyncio.sleep(chance.uniform(0.02, 0.3))
                victim.resume()
            elif kind == "jump" and victim.offset is not None:
                victim.offset.set(chance.choice((-1, 0, 1)) * chance.choice(_JUMPS_S))
            elif kind == "cut":
                for lines in load.lines:
                    for line in lines:
                        if line.is_busy and chance.random() < 0.3:
                            line.cut()
            done[kind] += 1

    return trouble


def judged(here: World, load: Load, *, unheard_before: int = 0) -> list[str]:
    """What both say against it."""
    own_max = 2 * len(here.processes) + unheard_before
    return [
        *contradictions(load.operations, first_seq=load.first_seq, own_max=own_max),
        *anomalies(load.operations),
    ]


@pytest.mark.fault
@pytest.mark.timeout(share(120, 3_600))
@pytest.mark.parametrize("engine", ENGINES)
def test_a_history_under_faults_is_one_order(engine: Engine) -> None:
    """Kill, SIGSTOP, clock jumps and cut connections: one order explains all that was answered."""
    began = time.monotonic()
    wanted = share(_ROUND, 3_000_000)
    # Long runs take as long on either engine, and say how far they came.
    until = began + share(60, 540)
    done: Counter[str] = Counter()
    operations = ok = unknown = unheard = rounds = 0
    kinds = ("kill", "pause", "jump", "cut")
    with world(2, engine=engine, jumps=True) as here:
        while operations < wanted and (time.monotonic() < until or not rounds):
            rounds += 1
            seed = SEED + rounds
            load = Load(here, number=rounds, clients=share(24, 48))
            trouble = troubled_by(kinds, done, seed, rest_s=share(2, 12) / 10)
            asyncio.run(load.run(trouble, count=_ROUND))
            found = judged(here, load, unheard_before=unheard)
            assert not found, (
                f"FREEHOLD_FAULTS_SEED={SEED}, {engine}, round {rounds}: {len(found)}, as "
                f"{found[:5]}; {load.codes}; {here.said}"
            )
            assert set(load.codes) <= _CODES, f"FREEHOLD_FAULTS_SEED={SEED}: {load.codes}"
            unheard = load.count("unknown")
            operations += len(load.operations)
            ok += load.count("ok")
            unknown += unheard
            note(f"{len(load.operations)} calls: {load.codes}")
    record(
        "P5", f"histories on {engine}, judged by seq and by cycles",
        seconds=time.monotonic() - began, bad=0, operations=operations, ok=ok, unknown=unknown,
        kills=done["kill"], pauses=done["pause"], clock_jumps=done["jump"], cuts=done["cut"],
    )  # fmt: skip
    assert set(done) == set(kinds)
    assert unknown, "no answer was lost, so nothing was shown"
    assert ok > operations / 2
