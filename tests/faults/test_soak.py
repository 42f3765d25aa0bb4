"""
Exactly once: clients repeat under their keys, through a proxy that loses, repeats and holds back,
while the server is killed. Each mutation is there once, and has one answer.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, Literal

import pytest

from freehold.errors import CallError
from tests.faults.figures import record
from tests.faults.ledger import LedgerClient
from tests.faults.line import Line, Lost, NotSent
from tests.faults.meddler import MEDDLINGS, Meddler, meddling
from tests.faults.share import SEED, share
from tests.faults.world import CLIENT_S, ENGINES, Engine, World, world

pytestmark = [pytest.mark.promise("P4"), pytest.mark.fault]

#: A client gives each mutation one key; or, to be found out, none, or another at each attempt.
Keys = Literal["one", "none", "each"]
_LINES: Final = 48
_BINDINGS: Final = 4
_REST_S: Final = 0.02
#: One answer of so many is asked for once more, later.
_REPEATED: Final = 10


class Soak:
    """
    The clients, and what each mutation was answered.

    Args:
        here: The world.
        sockets: A proxy's for each process.
        keys: How they name their mutations.
        count: After so many they stop.
        until: Or at this moment of the monotonic clock.
    """

    def __init__(
        self, here: World, sockets: Sequence[Path], *, keys: Keys, count: int, until: float
    ) -> None:
        #: The place that each name was told.
        self.told: dict[str, int] = {}
        #: Names that were asked for and never answered.
        self.open: set[str] = set()
        self.unequal: list[str] = []
        self.attempts = 0
        self.repeated = 0
        self._here = here
        self._sockets = sockets
        self._keys = keys
        self._count = count
        self._until = until
        self._names = 0
        self._recent: deque[str] = deque(maxlen=1_000)

    @property
    def is_over(self) -> bool:
        """No new mutations."""
        return self._names >= self._count or time.monotonic() > self._until

    async def run(self) -> None:
        """All clients, to the end of what they began."""
        async with asyncio.TaskGroup() as group:
            for number in range(_LINES):
                group.create_task(self._line(random.Random(f"{self._here.seed}.{number}")))
            for number in range(_BINDINGS):
                group.create_task(self._binding(random.Random(f"{self._here.seed}.b.{number}")))

    def _begin(self) -> str:
        self._names += 1
        name = f"m{self._names}"
        self.open.add(name)
        return name

    def _hear(self, name: str, place: int) -> None:
        self.open.discard(name)
        self._recent.append(name)
        if self.told.setdefault(name, place) != place:
            self.unequal.append(f"{name} was answered {self.told[name]} and {place}")

    async def _line(self, chance: random.Random) -> None:
        """Plain HTTP, and again under the same key until it is answered."""
        lines = [Line(socket, timeout_s=CLIENT_S) for socket in self._sockets]
        while not self.is_over:
            name = self._begin()
            await self._until_answered(lines, name, chance)
            if chance.randrange(_REPEATED) == 0 and self._keys == "one":
                again = chance.choice(self._recent)
                self.repeated += 1
                await self._until_answered(lines, again, chance)
        for line in lines:
            line.cut()

    async def _until_answered(
        self, lines: Sequence[Line], name: str, chance: random.Random
    ) -> None:
        body = f'{{"name":"{name}"}}'.encode()
        while True:
            self.attempts += 1
            key = {"one": f"key-{name}", "each": f"key-{self.attempts}", "none": ""}[self._keys]
            header = f"Idempotency-Key: {key}\r\n" if key else ""
            try:
                answer = await chance.choice(lines).ask("/rpc/Ledger/add", body, header)
            except (NotSent, Lost):
                await asyncio.sleep(_REST_S * chance.random())
                continue
            if answer.status == 200:
                self._hear(name, int(answer.body))
                return
            await asyncio.sleep(_REST_S * chance.random())

    async def _binding(self, chance: random.Random) -> None:
        """The client that services use: it repeats by itself, and is asked again later."""
        async with AsyncExitStack() as stack:
            bindings = [
                await stack.enter_async_context(
                    LedgerClient.connect(f"unix:{socket}", timeout_s=CLIENT_S)
                )
                for socket in self._sockets
            ]
            while not self.is_over:
                name = self._begin()
                while name in self.open:
                    self.attempts += 1
                    binding = chance.choice(bindings)
                    if self._keys == "one":
                        binding = binding.with_options(idempotency_key=f"key-{name}")
                    try:
                        self._hear(name, await binding.add(name))
                    except CallError:
                        await asyncio.sleep(_REST_S)

    def contradictions(self, meddlers: Sequence[Meddler]) -> list[str]:
        """What is there, against what was asked for and told."""
        stored = self._here.stored()
        there = Counter(name for _, name in stored.entries)
        place_of = {name: place for place, name in stored.entries}
        found = [*self.unequal, *(each for meddler in meddlers for each in meddler.unequal)]
        found += [f"{name} is there {count} times" for name, count in there.items() if count > 1]
        found += [f"{name} was asked for and is lost" for name in self.told if not there[name]]
        found += [f"{name} is still open" for name in self.open]
        found += [
            f"{name} was told {place} and stands at {place_of[name]}"
            for name, place in self.told.items()
            if there[name] == 1 and place_of[name] != place
        ]
        if stored.total != self._names or len(there) != self._names:
            found.append(f"{self._names} keys, {len(there)} names, a total of {stored.total}")
        return found


async def kill_again_and_again(here: World, soak: Soak, *, every_s: tuple[float, float]) -> int:
    """kill -9 of a process and a restart; how often."""
    chance = random.Random(here.seed)
    kills = 0
    while not soak.is_over:
        await asyncio.sleep(chance.uniform(*every_s))
        victim = chance.choice(here.processes)
        await asyncio.to_thread(victim.kill)
        await asyncio.to_thread(victim.start)
        kills += 1
    return kills


def soaked(
    engine: Engine, *, count: int, seconds: float, every_s: tuple[float, float],
    keys: Keys = "one", wrong: str | None = None, share_of_faults: float = 0.05,
) -> tuple[list[str], dict[str, int]]:  # fmt: skip
    """One soak: what contradicts exactly once, and figures."""
    with world(2, engine=engine, wrong=wrong) as here:

        async def run() -> tuple[Soak, list[Meddler], int]:
            async with AsyncExitStack() as stack:
                meddlers, sockets = [], []
                for number, process in enumerate(here.processes):
                    socket = process.folder / "meddler.sock"
                    meddlers.append(
                        await stack.enter_async_context(
                            meddling(
                                process.socket, socket, seed=SEED + number, share=share_of_faults
                            )
                        )
                    )
                    sockets.append(socket)
                until = time.monotonic() + seconds
                soak = Soak(here, sockets, keys=keys, count=count, until=until)
                killing = asyncio.create_task(kill_again_and_again(here, soak, every_s=every_s))
                await soak.run()
                return soak, meddlers, await killing

        soak, meddlers, kills = asyncio.run(run())
        done = sum((meddler.done for meddler in meddlers), Counter[str]())
        figures = {
            "mutations": len(soak.told), "attempts": soak.attempts, "asked_again": soak.repeated,
            "kills": kills, **{f"requests_{kind}": done[kind] for kind in MEDDLINGS},
            "connections_cut": done["cut"],
        }  # fmt: skip
        return soak.contradictions(meddlers), figures


@pytest.mark.timeout(share(120, 1_800))
@pytest.mark.parametrize("engine", ENGINES)
def test_every_mutation_is_there_once_and_has_one_answer(engine: Engine) -> None:
    """Requests lost, answers lost, requests twice, late and reset, and the server killed."""
    began = time.monotonic()
    found, figures = soaked(
        engine,
        count=share(1_000, 1_000_000),
        seconds=share(30, 600),
        every_s=(0.2, 0.5) if share(0, 1) == 0 else (2.0, 5.0),
    )
    record("P4", f"exactly-once soak on {engine}", seconds=time.monotonic() - began,
           bad=len(found), **figures)  # fmt: skip
    assert not found, f"FREEHOLD_FAULTS_SEED={SEED}: {len(found)}, as {found[:5]}; {figures}"
    assert figures["mutations"] >= 300
    assert figures["kills"]
    assert all(figures[f"requests_{kind}"] for kind in MEDDLINGS)


@pytest.mark.parametrize(("keys", "wrong"), [("none", None), ("each", None), ("one", "forgetful")])
def test_without_a_kept_key_it_is_found_out(keys: Keys, wrong: str | None) -> None:
    """Negative control: no key, a key of each attempt, a server that keeps no answers."""
    began = time.monotonic()
    found, figures = soaked(
        "sqlite", count=300, seconds=30, every_s=(0.3, 0.6), keys=keys, wrong=wrong,
        share_of_faults=0.2,
    )  # fmt: skip
    name = (
        "a forgetful server" if wrong else {"none": "no keys", "each": "a key each attempt"}[keys]
    )
    record("P4", f"negative control: {name}", seconds=time.monotonic() - began, bad=len(found),
           mutations=figures["mutations"])  # fmt: skip
    assert any("is there 2 times" in each for each in found), f"seed {SEED}: {found[:5]}"


@pytest.mark.timeout(share(120, 1_800))
@pytest.mark.parametrize("engine", ENGINES)
def test_a_client_that_is_killed_repeats_under_the_key_that_it_was_given(engine: Engine) -> None:
    """The process dies with its call in flight; the next one has the key, and the first answer."""
    began = time.monotonic()
    chance = random.Random(SEED)
    errands = share(3, 100)
    deaths = 0
    with world(1, engine=engine) as here:
        (process,) = here.processes
        places = []
        for number in range(errands):
            answer = process.folder / f"answer{number}"
            arguments = ["errand", process.address, f"e{number}", f"errand-{number}", str(answer)]
            is_first = True
            while not answer.exists():
                # Sent to a server that stands still, it is in flight when its client dies.
                stands_still = is_first and number % 2 == 0
                if stands_still:
                    process.pause()
                pid = process.nursery.start(arguments, said=process.folder / "errand")
                until = time.monotonic() + (chance.uniform(0.001, 0.04) if is_first else 30)
                is_first = False
                while time.monotonic() < until and not process.nursery.has_ended(pid):
                    time.sleep(0.002)
                if not process.nursery.has_ended(pid):
                    deaths += 1
                process.nursery.reap(pid)
                if stands_still:
                    process.resume()
            # Once more, by another process: the first answer.
            place = int(answer.read_text())
            answer.unlink()
            pid = process.nursery.start(arguments, said=process.folder / "errand")
            while not process.nursery.has_ended(pid):
                time.sleep(0.002)
            assert int(answer.read_text()) == place, f"seed {SEED}, errand {number}"
            places.append(place)
        stored = here.stored()
    record("P4", f"client processes killed on {engine}", seconds=time.monotonic() - began,
           bad=0, errands=errands, killed=deaths)  # fmt: skip
    assert stored.entries == [(place, f"e{number}") for number, place in enumerate(places)]
    assert stored.total == errands
    assert deaths
