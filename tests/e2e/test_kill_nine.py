"""
kill -9 of the real server under 64 writing clients, again and again.

Each mutation stores four ideas at once. Whatever was answered `ok` is there after the next
start, and of no mutation is there only a part.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hotmetal.clients.hotmetal import (
    CreateIdeaInput,
    CreatePublicationInput,
    CreateUserInput,
    DataLayer,
)

from freehold.errors import CallError, OutcomeUnknown, Unavailable
from tests.e2e.processes import ServerProcess

#: `tests/faults` kills by the thousand; here it is the command line, started as by hand.
ROUNDS = 8
CLIENTS = 64
IDEAS = 4
SEED = 20_261_120


def ideas_of(mutation: str, publication: str) -> list[CreateIdeaInput]:
    return [
        CreateIdeaInput(
            id=f"{mutation}.{number}",
            publication_id=publication,
            title="t",
            angle="a",
            summary="s",
        )
        for number in range(IDEAS)
    ]


async def write_until_it_dies(
    address: str, publication: str, client: int, answered: list[str]
) -> None:
    """One client: mutation after mutation, until the server is gone."""
    async with DataLayer.connect(address) as dal:
        number = 0
        while True:
            mutation = f"{publication}-{client}-{number}"
            try:
                added = await dal.create_ideas(items=ideas_of(mutation, publication))
            except (OutcomeUnknown, Unavailable):
                return
            assert added == IDEAS
            answered.append(mutation)
            number += 1


async def one_round(
    server: ServerProcess, publication: str, live_s: float, end: Callable[[], object]
) -> list[str]:
    """Let the clients write, end the server in the middle, and say what it had answered."""
    answered: list[str] = []
    async with DataLayer.connect(server.address) as dal:
        await dal.create_publication(
            data=CreatePublicationInput(id=publication, user_id="u", name="p", slug=publication)
        )
    clients = [
        asyncio.create_task(write_until_it_dies(server.address, publication, n, answered))
        for n in range(CLIENTS)
    ]
    await asyncio.sleep(live_s)
    await asyncio.to_thread(end)
    # They would go on trying for as long as somebody may come back.
    for client in clients:
        client.cancel()
    for ended in await asyncio.gather(*clients, return_exceptions=True):
        if isinstance(ended, AssertionError):
            raise ended
    return answered


async def stored(server: ServerProcess, publication: str) -> Counter[str]:
    """How many ideas of each mutation are there."""
    async with DataLayer.connect(server.address) as dal:
        found = await dal.list_ideas_by_publication(pub_id=publication)
    return Counter(idea.id.rsplit(".", 1)[0] for idea in found)


async def create_user(server: ServerProcess) -> None:
    async with DataLayer.connect(server.address) as dal:
        await dal.create_user(data=CreateUserInput(id="u", email="u@example.com", name="U"))


@pytest.mark.promise("P1")
@pytest.mark.promise("P2")
def test_nothing_that_was_answered_is_lost_and_nothing_is_half(tmp_path: Path) -> None:
    """Killed again and again: what was acknowledged is whole, all else whole or absent."""
    chance = random.Random(SEED)
    server = ServerProcess(tmp_path)
    server.start()
    asyncio.run(create_user(server))
    total = 0
    try:
        for number in range(ROUNDS):
            publication = f"round{number}"
            live_s = chance.uniform(0.1, 0.5)
            answered = asyncio.run(one_round(server, publication, live_s, server.kill))
            server.start()
            there = asyncio.run(stored(server, publication))

            missing = [mutation for mutation in answered if there[mutation] != IDEAS]
            half = {mutation: count for mutation, count in there.items() if count != IDEAS}
            assert not missing, f"round {number}, seed {SEED}: lost {missing[:5]}"
            assert not half, f"round {number}, seed {SEED}: half there {half}"
            total += len(answered)
    except CallError as error:
        raise AssertionError(f"seed {SEED}: {error}") from error
    finally:
        if server.process is not None:
            server.kill()

    assert total > ROUNDS * CLIENTS, "the clients hardly wrote, so nothing was shown"


def test_ctrl_c_in_the_middle_of_a_load_loses_nothing(tmp_path: Path) -> None:
    """The server answers what was begun, stops with exit code 0, and all of it is there."""
    codes: list[int] = []
    server = ServerProcess(tmp_path)
    server.start()
    try:
        asyncio.run(create_user(server))

        answered = asyncio.run(
            one_round(server, "load", 0.5, lambda: codes.append(server.stop(signal.SIGINT)))
        )
        server.start()
        there = asyncio.run(stored(server, "load"))
    finally:
        if server.process is not None:
            server.kill()

    assert codes == [0]
    assert len(answered) > CLIENTS
    assert all(there[mutation] == IDEAS for mutation in answered)
    assert set(there.values()) == {IDEAS}
