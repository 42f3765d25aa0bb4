"""
Question: what does a call cost the process that makes it: the generated client over frames and
over HTTP, beside httpx and aiohttp sending the same POST?

CPU time of the client's process per call, one call at a time and 32 in flight, on asyncio's own
loop and on uvloop. Every client asks the same server for the same users and makes a typed object
of each answer, which is checked. The server has another core.

Not answered: the server's cost (`bench_http`), connections that break, big answers, TLS.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import aiohttp
import httpx
import msgspec
import uvloop

from benchmarks import servers, users
from benchmarks.machine import LOAD_CORE, busy_s, cpu_s, middle, noise, pin, quiet
from benchmarks.report import Aim, Report, figure, main, progress, question_of, table

IN_FLIGHT = (1, 32)
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}

FRAMES_UNIX = "generated client, frames, Unix socket"
FRAMES_TCP = "generated client, frames, TCP"
OWN_HTTP = "generated client, HTTP"
HTTPX = "httpx, POST by hand"
AIOHTTP = "aiohttp, POST by hand"
CLIENTS = (FRAMES_UNIX, FRAMES_TCP, OWN_HTTP, AIOHTTP, HTTPX)

#: Calls of one round; httpx is so much dearer that it gets fewer.
CALLS = {FRAMES_UNIX: 8_000, FRAMES_TCP: 8_000, OWN_HTTP: 800, AIOHTTP: 3_000, HTTPX: 800}

GetUser = Callable[[str], Awaitable[Any]]


class User(msgspec.Struct, rename="camel"):
    """What the hand-made clients decode into."""

    id: str
    email: str
    name: str
    created_at: int
    updated_at: int


@dataclass(frozen=True)
class Sample:
    """One round of one client."""

    cpu_us: float
    calls_per_s: float
    foreign_cores: float


Case = tuple[str, int, str]


def run(quick: bool) -> Report:
    """Start the server, let every client call it in turn."""
    pin(LOAD_CORE)
    report = Report("What a call costs the caller", question_of(__doc__))
    rounds = 2 if quick else 7
    samples: dict[Case, list[Sample]] = {}
    progress("starting Freehold, generating its client")
    with servers.start(servers.FREEHOLD) as server:
        binding = servers.generated_client(server.folder / "clients")
        cases = [(loop, flight, name) for loop in LOOPS for flight in IN_FLIGHT for name in CLIENTS]
        for number in range(rounds):
            progress(f"round {number + 1} of {rounds}")
            random.shuffle(cases)
            for case in cases:
                loop, flight, name = case
                calls = CALLS[name] // (4 if quick else 1)
                with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
                    sample = runner.run(_round(name, server, binding, calls, flight))
                samples.setdefault(case, []).append(sample)
    medians = {case: _median(rounds) for case, rounds in samples.items()}
    _fill(report, medians)
    return report


async def _round(
    name: str, server: servers.Server, binding: Any, calls: int, in_flight: int
) -> Sample:
    """Connect, warm up, then count CPU time over so many calls."""
    async with AsyncExitStack() as stack:
        get_user = await _open(name, server, binding, stack)
        ids = users.drawn_ids()
        await _call_all(get_user, ids[: max(in_flight * 2, 50)], in_flight)
        wanted = [id for id, _ in zip(cycle(ids), range(calls), strict=False)]
        gc.collect()
        server_before, all_before = cpu_s(server.pid), busy_s()
        cpu, began = time.process_time(), time.perf_counter()
        await _call_all(get_user, wanted, in_flight)
        took, used = time.perf_counter() - began, time.process_time() - cpu
        foreign = busy_s() - all_before - (cpu_s(server.pid) - server_before) - used
    return Sample(used / calls * 1e6, calls / took, max(0.0, foreign / took))


async def _call_all(get_user: GetUser, ids: list[str], in_flight: int) -> None:
    """Each of so many tasks takes the next id as soon as it has its answer."""
    rest = iter(ids)

    async def caller() -> None:
        for id in rest:
            user = await get_user(id)
            if user.id != id:
                raise AssertionError(f"asked for {id}, got {user!r}")

    if in_flight == 1:
        await caller()
    else:
        await asyncio.gather(*(caller() for _ in range(in_flight)))


async def _open(name: str, server: servers.Server, binding: Any, stack: AsyncExitStack) -> GetUser:
    """A client's way to get a user."""
    url = f"http://127.0.0.1:{server.port}"
    if name == FRAMES_UNIX:
        client = await stack.enter_async_context(binding.connect(f"unix:{server.socket_path}"))
        return client.get_user  # type: ignore[no-any-return]
    if name == FRAMES_TCP:
        client = await stack.enter_async_context(binding.connect(url, key=server.key))
        return client.get_user  # type: ignore[no-any-return]
    if name == OWN_HTTP:
        client = binding.connect(url, key=server.key, transport="http")
        return (await stack.enter_async_context(client)).get_user  # type: ignore[no-any-return]
    headers = {"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"}
    path, decode = f"{url}/rpc/Users/getUser", msgspec.json.Decoder(User).decode
    if name == HTTPX:
        by_httpx = await stack.enter_async_context(httpx.AsyncClient(headers=headers))

        async def get_by_httpx(id: str) -> User:
            response = await by_httpx.post(path, content=json.dumps({"id": id}))
            response.raise_for_status()
            return decode(response.content)

        return get_by_httpx
    by_aiohttp = await stack.enter_async_context(aiohttp.ClientSession(headers=headers))

    async def get_by_aiohttp(id: str) -> User:
        async with by_aiohttp.post(path, data=json.dumps({"id": id})) as response:
            response.raise_for_status()
            return decode(await response.read())

    return get_by_aiohttp


def _median(rounds: list[Sample]) -> Sample:
    kept = quiet(rounds, lambda sample: sample.foreign_cores)
    return Sample(
        *(middle(getattr(each, name) for each in kept) for name in Sample.__dataclass_fields__)
    )


def _fill(report: Report, medians: dict[Case, Sample]) -> None:
    columns = [(loop, flight) for loop in LOOPS for flight in IN_FLIGHT]
    rows = [
        [name, *(figure(medians[loop, flight, name].cpu_us) for loop, flight in columns),
         *(figure(medians["uvloop", flight, name].calls_per_s) for flight in IN_FLIGHT)]
        for name in CLIENTS
    ]  # fmt: skip
    head = ["client", *(f"{loop}, {flight} in flight: CPU µs" for loop, flight in columns),
            *(f"uvloop, {flight}: calls/s" for flight in IN_FLIGHT)]  # fmt: skip
    report.lines = [*table(head, rows), "", noise(each.foreign_cores for each in medians.values())]
    for loop in LOOPS:
        for flight, limit in ((1, 70.0), (32, 20.0)):
            for name in (FRAMES_UNIX, FRAMES_TCP):
                text = f"{name}, {loop}, {flight} in flight"
                cpu = medians[loop, flight, name].cpu_us
                report.aims.append(Aim(text, cpu, limit, at_most=True, unit="µs"))
    report.data["results"] = [
        {"loop": loop, "inFlight": flight, "client": name, "cpuUs": round(each.cpu_us, 2),
         "callsPerS": round(each.calls_per_s)}
        for (loop, flight, name), each in medians.items()
    ]  # fmt: skip


if __name__ == "__main__":
    main(run, __doc__)
