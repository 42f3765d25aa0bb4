"""
The wall clock of real server processes is set, by a second up to ten years, forward and back,
while clients call.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Sequence
from typing import Any, Final

import pytest

from tests.faults.appends import anomalies
from tests.faults.figures import record
from tests.faults.line import Line
from tests.faults.load import Load
from tests.faults.oracle import contradictions
from tests.faults.share import SEED, share
from tests.faults.world import CLIENT_S, ENGINES, Engine, Process, World, world

pytestmark = [pytest.mark.promise("P18"), pytest.mark.fault]

_DAY: Final = 86_400.0
#: Ten years are the most: what is stored as a time ends with the year 2100.
_JUMPS_S: Final = (1.0, 2.0, 10.0, 3_600.0, _DAY, 7 * _DAY, 365 * _DAY, 3_650 * _DAY)


async def asked(process: Process, method: str, **args: Any) -> tuple[int, Any]:
    """One call: its status and its answer."""
    line = Line(process.socket, timeout_s=CLIENT_S)
    try:
        answer = await line.ask(f"/rpc/{method}", json.dumps(args).encode())
        return answer.status, json.loads(answer.body)
    finally:
        line.cut()


def move(processes: Sequence[Process], chance: random.Random) -> float:
    """Set the clocks of all: each may be elsewhere, as machines' clocks are."""
    for process in processes:
        assert process.offset is not None
        process.offset.set(chance.choice((-1, 1)) * chance.choice(_JUMPS_S))
    assert processes[0].offset is not None
    return processes[0].offset.seconds


@pytest.mark.timeout(share(120, 1_800))
@pytest.mark.parametrize("engine", ENGINES)
def test_no_commit_is_lost_repeated_or_out_of_order(engine: Engine) -> None:
    """Jumps many times a second: every call is answered as ever, in the order of one history."""
    began = time.monotonic()
    wanted = share(25, 1_000)
    chance = random.Random(SEED)
    jumps = operations = 0
    wrong_times: list[str] = []

    async def trouble(here: World, load: Load, over: asyncio.Event) -> None:
        nonlocal jumps
        for turn in range(min(wanted, 100)):
            offset = move(here.processes, chance)
            jumps += 1
            earliest = time.time() + offset
            key = f"made.{load.first_seq}.{turn}"
            status, _ = await asked(here.processes[0], "Ledger/append", key=key, item=turn)
            assert status == 200
            _, made_at = await asked(here.processes[0], "Ledger/madeAt", key=key)
            if not int(earliest) <= made_at <= time.time() + offset:
                wrong_times.append(f"{key} was made at {made_at}, the clock said {earliest}")
            await asyncio.sleep(chance.uniform(0.0, 0.03))
        over.set()

    with world(2, engine=engine, jumps=True) as here:
        number = 0
        while jumps < wanted:
            number += 1
            load = Load(here, number=number)
            before = jumps
            asyncio.run(load.run(trouble, count=1_000_000))
            # The mutations of `trouble` itself are in no history.
            own_max = 2 * len(here.processes) + jumps - before
            found = [
                *contradictions(load.operations, first_seq=load.first_seq, own_max=own_max),
                *anomalies(load.operations),
                *wrong_times,
            ]
            assert not found, f"FREEHOLD_FAULTS_SEED={SEED}, {engine}: {found[:5]}; {here.said}"
            # Nobody was late, nobody's outcome was lost.
            assert set(load.codes) <= {"ok", "OtherLength"}, load.codes
            operations += len(load.operations)
    record("P18", f"wall clocks set under load on {engine}", seconds=time.monotonic() - began,
           bad=0, jumps=jumps, operations=operations)  # fmt: skip
    assert operations > 10 * jumps


def test_a_jump_is_logged_and_shown() -> None:
    """A server tells by how much its clock was set, and goes on."""

    async def health(process: Process) -> dict[str, Any]:
        reader, writer = await asyncio.open_unix_connection(str(process.socket))
        writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        said: dict[str, Any] = json.loads((await reader.read()).partition(b"\r\n\r\n")[2])
        writer.close()
        return said

    with world(engine="sqlite", jumps=True) as here:
        (process,) = here.processes
        assert process.offset is not None
        assert asyncio.run(health(process))["clock"] == "ok"

        process.offset.set(-3_600)

        until = time.monotonic() + 10
        while "set back by 3600.0 s" not in process.said:
            assert time.monotonic() < until, process.said
            time.sleep(0.02)
        said = asyncio.run(health(process))
        assert (said["clock"], said["status"]) == ("jumped", "ok")


@pytest.mark.promise("P4")
def test_an_answer_kept_under_a_key_outlives_its_time_by_no_more_than_the_jump() -> None:
    """Seven days of the wall clock: repeated before it is the first answer, and after it is new."""
    body = b'{"name":"once"}'
    week = 7 * _DAY

    async def run(process: Process) -> list[int]:
        assert process.offset is not None
        line = Line(process.socket, timeout_s=CLIENT_S)
        answers = []
        # Set back, it lives on, until the wall clock has come to the same end.
        for offset in (0.0, week - 60, -3_650 * _DAY, week - 60, week + 60, week + 61):
            process.offset.set(offset)
            answer = await line.ask("/rpc/Ledger/add", body, "Idempotency-Key: week\r\n")
            assert answer.status == 200
            answers.append(int(answer.body))
        line.cut()
        return answers

    with world(engine="sqlite", jumps=True) as here:
        assert asyncio.run(run(here.processes[0])) == [0, 0, 0, 0, 1, 1]
