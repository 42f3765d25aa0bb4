"""
Somebody guesses keys as fast as he is let: none is found, his answers come late, and a caller with
a key, from the very same address, does not notice.
"""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

import pytest

from freehold.crypto import service_keys
from freehold.wire.limits import Limits
from tests.access.world import World, served
from tests.faults.figures import record
from tests.faults.share import SEED, share
from tests.server.toy import post

pytestmark = [
    pytest.mark.fault,
    pytest.mark.promise("P16"),
    pytest.mark.attack("A14"),
    pytest.mark.timeout(share(120, 3_600)),
]

GUESSES = share(3_000, 1_000_000)
CONNECTIONS = 8
#: One more in a row, and the server ends the connection.
AT_ONCE = 15


def guess(world: World, number: int, found: list[int]) -> None:
    """A share of the guesses, many on their way at once; a closed connection is opened again."""
    drawn = random.Random(SEED * 1_000 + number)
    left = GUESSES // CONNECTIONS
    while left > 0:
        count = min(AT_ONCE, left)
        client = world.client()
        guesses = [service_keys.mint("live", drawn.randbytes)[0] for _ in range(count)]
        client.send(b"".join(post("Door.who", key=each) for each in guesses))
        found.extend(client.answer().status for _ in range(count))
        client.close()
        world.clients.remove(client)
        left -= count


def test_guesses_find_nothing_and_hold_nobody_up(tmp_path: Path) -> None:
    """Every one is answered 401; in between, a good key is answered each time."""
    began = time.monotonic()
    limits = Limits(bad_keys_per_min_max=100, bad_key_wait_s=0.02)
    found: list[int] = []
    answered = 0
    with served(tmp_path, limits=limits) as world:
        key = world.key()
        threads = [
            threading.Thread(target=guess, args=(world, number, found))
            for number in range(CONNECTIONS)
        ]
        for thread in threads:
            thread.start()
        good = world.client()
        while any(thread.is_alive() for thread in threads):
            good.send(post("Door.who", key=key))
            assert good.answer().status == 200
            answered += 1
            time.sleep(0.002)
        for thread in threads:
            thread.join()
        strangers = world.server._hub.strangers
        late, remembered = strangers.late, len(strangers._due_ns)
    bad = sum(status != 401 for status in found)
    record(
        "P16",
        "guesses of keys beside a good caller",
        seconds=time.monotonic() - began,
        bad=bad,
        guesses=len(found),
        good_calls=answered,
    )

    assert bad == 0
    assert len(found) == GUESSES // CONNECTIONS * CONNECTIONS
    assert (late, remembered) == (0, 1)
    assert answered > 3
