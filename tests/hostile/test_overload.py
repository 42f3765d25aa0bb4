"""
P16: hostile clients of every kind beside good ones, on a real server.

The attackers have a process of their own. Good clients call all the while, over HTTP and over
frames: every call is answered, each attacker is closed in time, memory stays bounded; how much
slower the good ones become is measured within one run.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from freehold.wire.codec import JSON
from freehold.wire.limits import Limits
from tests.e2e.processes import ROOT
from tests.faults.figures import record
from tests.faults.share import FULL, share
from tests.hostile.attackers import FLOODS, HOLDERS, HUGE
from tests.hostile.served import Served, served_app

pytestmark = [
    pytest.mark.promise("P16"),
    *(pytest.mark.attack(number) for number in ("A30", "A31", "A32")),
]

EACH: Final = share(12, 300)
IDLE: Final = share(300, 9_000)
ATTACK_S: Final = share(12, 20)
#: The longest deadline of the wire, what it takes to fill the buffers, and a busy machine.
CLOSED_S: Final = Limits().write_time_s + share(3, 6)
BEFORE_S: Final = share(1, 5)
#: Between two calls of a good client.
_REST_S: Final = 0.004
#: What may be held for all attackers together, beside twice of what an idle server holds.
BUDGET_KB: Final = 128 * 1_024


@contextmanager
def attacked(served: Served, seconds: int, **counts: int) -> Iterator[subprocess.Popen[str]]:
    """Attackers beside the block."""
    kinds = [f"{name}={count}" for name, count in counts.items()]
    process = subprocess.Popen(
        [
            sys.executable, "-m", "tests.hostile.attackers", str(served.port),
            str(served.process.socket), str(seconds), *kinds,
        ],
        stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def a_user(number: int) -> dict[str, str]:
    """One whom nobody else makes."""
    return {"id": f"u{number}", "email": f"{number}@people.example", "name": "Ada"}


class Good:
    """Good clients: their calls, and how long each took."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self.took: list[float] = []
        self.failed: list[Any] = []
        self._count = 0

    def work(self, seconds: float, process: subprocess.Popen[str] | None = None) -> None:
        """Call over HTTP and over frames, read and write, until the time or the attack is over."""
        served = self._served
        until = time.monotonic() + seconds
        with served.client() as http, served.frames() as frames:
            while time.monotonic() < until if process is None else process.poll() is None:
                self._count += 1
                number = self._count
                method, args = (
                    ("createUser", {"data": a_user(number)})
                    if number % 5 == 0
                    else ("getUserById", {"id": f"u{number - number % 5}"})
                )
                began = time.monotonic()
                if number % 2:
                    http.send(served.call(f"DataLayer.{method}", JSON.encode(args)))
                    answer = http.answer()
                    ended: Any = None if answer.status == 200 else answer.json
                else:
                    frames.say([number, f"DataLayer.{method}", args, None])
                    message = frames.message()
                    ended = None if message[1] == 0 else message
                self.took.append(time.monotonic() - began)
                if ended is not None:
                    self.failed.append(ended)
                time.sleep(_REST_S)

    @property
    def p99_us(self) -> int:
        """The time that one call in a hundred took longer than."""
        return int(sorted(self.took)[len(self.took) * 99 // 100] * 1e6)


@pytest.fixture(scope="module")
def hotmetal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of HotMetal; in a long run it lets thousands in."""
    limits = ["--limit", f"connections_max={share(1_000, 12_000)}"]
    folder = tmp_path_factory.mktemp("attacked")
    with served_app("hotmetal", folder, more=limits) as running:
        yield running


def attack(served: Served, what: str, **counts: int) -> dict[str, dict[str, Any]]:
    """One attack beside good clients; what became of the attackers."""
    began = time.monotonic()
    before = Good(served)
    before.work(BEFORE_S)
    idle_kb = served.rss_kb()
    good = Good(served)
    good._count = 1_000_000 * (1 + sum(map(ord, what)))
    served.forget_peak()
    with attacked(served, ATTACK_S, **counts) as process:
        good.work(0, process)
        assert process.stdout is not None
        told: dict[str, dict[str, Any]] = json.loads(process.stdout.read())

    peak_kb = served.peak_kb()
    assert good.failed == []
    assert peak_kb <= 2 * idle_kb + BUDGET_KB
    assert served.is_well()
    record(
        "P16",
        what,
        seconds=time.monotonic() - began,
        bad=len(good.failed),
        attackers=sum(each["opened"] for each in told.values()),
        good_calls=len(good.took),
        p99_us_before=before.p99_us,
        p99_us_under_attack=good.p99_us,
        rss_mb_before=idle_kb // 1_024,
        rss_mb_under_attack=peak_kb // 1_024,
    )
    if FULL:
        assert good.p99_us <= 3 * max(before.p99_us, 1_000)
    return told


def all_closed(told: dict[str, dict[str, Any]], within_s: float) -> list[Any]:
    """The kinds of which one was left open, or for too long."""
    return [
        (name, each)
        for name, each in told.items()
        if each["closed"] < each["opened"] or each["longest_s"] > within_s
    ]


@pytest.mark.fault
@pytest.mark.timeout(share(120, 600))
def test_slow_and_huge_clients_are_closed_and_good_ones_served(hotmetal: Served) -> None:
    """Slow in headers, bodies, frames, as readers; silent; and a gigabyte of each part."""
    told = attack(
        hotmetal,
        "slow, silent and huge clients",
        **dict.fromkeys(HOLDERS, EACH),
        **dict.fromkeys(HUGE, max(2, EACH // 20)),
        **dict.fromkeys(FLOODS, 1),
    )

    assert {*told} == {*HOLDERS, *HUGE, *FLOODS}
    assert all_closed({name: told[name] for name in HOLDERS | HUGE}, CLOSED_S) == []
    assert not any(each["refused"] for each in told.values())


@pytest.mark.fault
@pytest.mark.timeout(share(120, 600))
def test_a_crowd_that_says_nothing_is_closed(hotmetal: Served) -> None:
    """As many connections as there are handles for; half of them have begun a request."""
    told = attack(hotmetal, "idle connections", silent=IDLE // 2, half_sent=IDLE - IDLE // 2)

    assert sum(each["opened"] for each in told.values()) == IDLE
    assert all_closed(told, Limits().header_time_s + share(4, 10)) == []


if FULL:
    # A flood takes a core for its whole time.
    @pytest.mark.fault
    @pytest.mark.timeout(600)
    def test_a_flood_of_refused_calls_does_not_hold_up_good_ones(hotmetal: Served) -> None:
        """Calls without a key as fast as they are answered, and bytes that are no HTTP."""
        told = attack(hotmetal, "a flood of refused calls", flood=2, malformed=2)

        assert told["flood"]["requests"] > 0
        assert told["malformed"]["closed"] > 0


def test_the_attackers_are_real(tmp_path: Path) -> None:
    """The control: a listener that never closes anybody is found out."""
    import socket

    listener = socket.create_server(("127.0.0.1", 0))
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(str(tmp_path / "s"))
    unix.listen(100)
    ended = subprocess.run(
        [
            sys.executable, "-m", "tests.hostile.attackers", str(listener.getsockname()[1]),
            str(tmp_path / "s"), "1", *(f"{name}=1" for name in HOLDERS | HUGE),
        ],
        capture_output=True, text=True, cwd=ROOT, check=True,
    )  # fmt: skip
    told = json.loads(ended.stdout)
    listener.close()
    unix.close()

    assert len(all_closed(told, CLOSED_S)) == len(HOLDERS | HUGE)
