"""
The same load on data layers that break a promise: the judges must find each of them out.
"""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.faults.appends import anomalies
from tests.faults.figures import record
from tests.faults.load import Load
from tests.faults.oracle import contradictions
from tests.faults.share import FULL, SEED
from tests.faults.world import Engine, World, world

pytestmark = [pytest.mark.promise("P5"), pytest.mark.fault]

_COUNT = 1_200


async def calm(_: World, __: Load, over: asyncio.Event) -> None:
    """No trouble at all: what is wrong is in the data layer."""
    await over.wait()


async def one_kill(here: World, _: Load, over: asyncio.Event) -> None:
    """Killed between an early answer and its COMMIT."""
    await asyncio.sleep(0.3)
    await asyncio.to_thread(here.processes[0].kill)
    await asyncio.to_thread(here.processes[0].start)
    over.set()


@pytest.mark.parametrize(
    ("engine", "wrong", "by_oracle", "by_appends"),
    [
        ("sqlite", "hasty", "", ""),
        ("sqlite", "stale", "there were", "-rt"),
        ("sqlite", "kept", "G1a", "G1a"),
        ("sqlite", "lossy", "incompatible", "incompatible"),
        ("sqlite", "twice", "duplicate", "duplicate"),
        # Who looks at no number cannot see that one is wrong.
        ("sqlite", "swapped", "before it", None),
        ("postgresql", "early", "", ""),
        ("postgresql", "twice", "duplicate", "duplicate"),
        # They stand in each other's way, and wait for seconds.
        *([("postgresql", "unlocked", "times", "incompatible")] if FULL else []),
    ],
)
def test_a_wrong_data_layer_is_found_out(
    engine: Engine, wrong: str, by_oracle: str, by_appends: str | None
) -> None:
    """Negative control: both judges, each by what it knows."""
    began = time.monotonic()
    trouble = one_kill if wrong in ("early", "hasty") else calm
    with world(2, engine=engine, wrong=wrong) as here:
        load = Load(here, number=1)
        asyncio.run(load.run(trouble, count=_COUNT))
        said = contradictions(load.operations, first_seq=load.first_seq, own_max=4)
        seen = anomalies(load.operations)
    record(
        "P5", f"negative control: {wrong} on {engine}", seconds=time.monotonic() - began,
        bad=len(said) + len(seen), operations=len(load.operations),
    )  # fmt: skip
    assert any(by_oracle in each for each in said), f"seed {SEED}: {said[:5]}; {load.codes}"
    if by_appends is None:
        assert not seen
    else:
        assert any(by_appends in each for each in seen), f"seed {SEED}: {seen[:5]}; {load.codes}"
