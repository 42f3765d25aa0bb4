"""
HotMetal's OAuth states on real server processes: 64 consumers race for each, answers are lost,
servers are killed, clocks jump. A state is accepted at most once.
"""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from freehold.testing.cluster import cluster
from tests.faults.figures import record
from tests.faults.jumping import WallOffset
from tests.faults.line import Line, Lost, NotSent
from tests.faults.meddler import meddling
from tests.faults.share import SEED, share
from tests.faults.world import CLIENT_S, ENGINES, ROOT, Engine, Process

pytestmark = [pytest.mark.promise("P10"), pytest.mark.attack("A15"), pytest.mark.fault]

_HOTMETAL: Final = ROOT / "apps" / "hotmetal" / "hotmetal" / "app.py"
_CONSUMERS: Final = 64
_TTL_S: Final = 600
_STORE: Final = "/rpc/DataLayer/storeOAuthState"
_CONSUME: Final = "/rpc/DataLayer/validateAndConsumeOAuthState"


@contextmanager
def hotmetal(engine: Engine, *, wrong: str | None = None) -> Iterator[Process]:
    """One server process with HotMetal on an empty database, and a clock that can be set."""
    with tempfile.TemporaryDirectory(prefix="fh-states-") as made:
        folder = Path(made)
        offset = WallOffset(folder / "offset")
        if engine == "sqlite":
            process = Process(folder, None, offset=offset, wrong=wrong, app=_HOTMETAL)
            process.start()
            try:
                yield process
            finally:
                process.kill()
            return
        with cluster(tcp=True, durable=True) as server:
            server.sql("CREATE SCHEMA hotmetal")
            url = server.tcp_url(schema="hotmetal")
            process = Process(folder, url, offset=offset, app=_HOTMETAL)
            process.start()
            try:
                yield process
            finally:
                process.kill()


async def until_answered(line: Line, path: str, key: str, **args: Any) -> Any:
    """Call under the key, again and again, until it is answered."""
    body = json.dumps(args).encode()
    until = time.monotonic() + 60
    while True:
        try:
            answer = await line.ask(path, body, f"Idempotency-Key: {key}\r\n")
        except (Lost, NotSent):
            pass
        else:
            if answer.status == 200:
                return json.loads(answer.body)
            # Only a server that keeps no answers says so of a state that is new.
            if answer.status == 409:
                return None
        assert time.monotonic() < until, f"seed {SEED}: {path} under {key} is not answered"
        await asyncio.sleep(0.01)


class Race:
    """
    Consumers of one state after the other.

    Args:
        socket: Where they call, a proxy's.
        chance: Their choices.
    """

    def __init__(self, socket: Path, chance: random.Random) -> None:
        self._lines = [Line(socket, timeout_s=CLIENT_S) for _ in range(_CONSUMERS)]
        self._chance = chance
        self.contradictions: list[str] = []
        self.accepted = 0

    async def run(self, number: int) -> None:
        """One state: stored, then asked for by all at once."""
        state, session = f"state-{number}-{self._chance.random()}", f"session-{number}"
        await until_answered(
            self._lines[0], _STORE, f"store-{number}", state=state, provider="linkedin",
            ttlSeconds=_TTL_S, boundTo=session,
        )  # fmt: skip
        # Some come with another provider or from another browser; they never get it.
        stolen = set(self._chance.sample(range(_CONSUMERS), _CONSUMERS // 4))
        answers = await asyncio.gather(
            *(
                until_answered(
                    line, _CONSUME, f"{number}-{consumer}", state=state,
                    provider="medium" if consumer in stolen and consumer % 2 else "linkedin",
                    boundTo="another" if consumer in stolen else session,
                )
                for consumer, line in enumerate(self._lines)
            )
        )  # fmt: skip
        winners = [consumer for consumer, is_good in enumerate(answers) if is_good]
        self.accepted += len(winners)
        if len(winners) != 1 or winners[0] in stolen:
            self.contradictions.append(f"state {number} was accepted by {winners}")

    def end(self) -> None:
        """Hang up."""
        for line in self._lines:
            line.cut()


@pytest.mark.timeout(share(120, 3_600))
@pytest.mark.parametrize("engine", ENGINES)
def test_a_state_is_accepted_once_however_many_race_for_it(engine: Engine) -> None:
    """Lost answers are asked for again under the consumer's own key; only it hears yes again."""
    began = time.monotonic()
    states = share(100, 8_000 if engine == "sqlite" else 2_000)
    kills = 0

    async def run(process: Process) -> tuple[Race, dict[str, int]]:
        nonlocal kills
        chance = random.Random(SEED)
        socket = process.folder / "meddler.sock"
        assert process.offset is not None
        async with meddling(process.socket, socket, seed=SEED, share=0.02) as meddler:
            race = Race(socket, chance)
            for number in range(states):
                # Within its time, wherever the clock stands: it is moved between two states.
                process.offset.set(chance.choice((-1, 1)) * chance.choice((0, 1, 3_600, 1e8)))
                racing = asyncio.create_task(race.run(number))
                if number % 40 == 20:
                    await asyncio.sleep(chance.uniform(0, 0.03))
                    await asyncio.to_thread(process.kill)
                    await asyncio.to_thread(process.start)
                    kills += 1
                await racing
            race.end()
            return race, dict(meddler.done)

    with hotmetal(engine) as process:
        race, done = asyncio.run(run(process))
    record(
        "P10", f"states raced for on {engine}", seconds=time.monotonic() - began,
        bad=len(race.contradictions), states=states, consumers=states * _CONSUMERS, kills=kills,
        answers_lost=done.get("unanswered", 0) + done.get("reset", 0),
        clock_jumps=states,
    )  # fmt: skip
    assert not race.contradictions, f"seed {SEED}, {engine}: {race.contradictions[:5]}"
    assert race.accepted == states
    assert kills


def test_a_server_that_keeps_no_answers_is_found_out() -> None:
    """Negative control: whose yes was lost asks again, and hears no; nobody was accepted."""
    began = time.monotonic()

    async def run(process: Process) -> Race:
        socket = process.folder / "meddler.sock"
        async with meddling(process.socket, socket, seed=SEED, share=0.4):
            race = Race(socket, random.Random(SEED))
            for number in range(20):
                await race.run(number)
            race.end()
            return race

    with hotmetal("sqlite", wrong="forgetful") as process:
        race = asyncio.run(run(process))
    record("P10", "negative control: a forgetful server", seconds=time.monotonic() - began,
           bad=len(race.contradictions), states=20)  # fmt: skip
    assert race.contradictions, f"seed {SEED}"


@pytest.mark.promise("P18")
@pytest.mark.parametrize("jump_s", [0.0, 1.0, -1.0, 3_600.0, -3_600.0, 3e8, -3e8])
def test_a_state_lives_no_longer_than_its_time_and_the_jump(jump_s: float) -> None:
    """The clock is set while it lives: it ends when the wall clock has come to its end."""

    async def run(process: Process) -> list[bool]:
        assert process.offset is not None
        line = Line(process.socket, timeout_s=CLIENT_S)
        heard = []
        for number, passed_s in enumerate((_TTL_S - 30, _TTL_S + 30 + max(0.0, -jump_s))):
            process.offset.set(0.0)
            state = f"state-{number}"
            await until_answered(
                line, _STORE, f"store-{number}", state=state, provider="linkedin",
                ttlSeconds=_TTL_S,
            )  # fmt: skip
            process.offset.set(jump_s + passed_s)
            heard.append(
                await until_answered(
                    line, _CONSUME, f"consume-{number}", state=state, provider="linkedin"
                )
            )
        line.cut()
        return heard

    with hotmetal("sqlite") as process:
        in_time, too_late = asyncio.run(run(process))
    assert in_time == (jump_s < 30)
    assert not too_late
