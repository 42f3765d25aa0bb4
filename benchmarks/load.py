"""
A load generator: N connections, one call in flight on each, every answer checked.

Plain epoll on raw bytes, because a load generator that costs more than the server measures
itself. It reports how busy it was: near 1.0 it was the limit and the server was not.

Not answered: open-loop arrival (calls that come whether or not the last one was answered), many
calls in flight on one connection, TLS.
"""

from __future__ import annotations

import gc
import re
import select
import socket
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from benchmarks.machine import busy_s, cpu_s

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: (host, port), or the path of a Unix socket.
Address = tuple[str, int] | str
#: One call: the bytes to send, and what its answer must contain.
Call = tuple[bytes, bytes]

_LENGTH = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: *(\d+)\r\n")
_CHUNKED = re.compile(rb"\r\n[Tt]ransfer-[Ee]ncoding: *chunked\r\n")
_STATUS_OK = (b"HTTP/1.1 200 ", b"HTTP/1.1 201 ")
#: No answer for this long is a failure of the run, not a slow answer.
_SILENCE_S = 60.0


class LoadError(Exception):
    """An answer was not what the call asked for; the numbers would be worth nothing."""


@dataclass(frozen=True)
class LoadResult:
    """What one run measured."""

    calls: float
    seconds: float
    calls_per_s: float
    p50_us: float
    p99_us: float
    server_cpu_us: float
    database_cpu_us: float
    generator_busy: float
    foreign_cores: float

    def as_dict(self) -> dict[str, float]:
        """For --json."""
        return {name: round(value, 3) for name, value in asdict(self).items()}


@dataclass
class _Link:
    """One connection and the call that is out on it."""

    socket: socket.socket
    sent_ns: int = 0
    marker: bytes = b""
    part: bytes = b""


def run_load(
    addresses: Sequence[Address],
    calls: Iterator[Call],
    *,
    connections: int,
    seconds: float,
    server_pids: Sequence[int],
    database_pid: int | None = None,
) -> LoadResult:
    """
    Keep one call in flight on each connection for so many seconds.

    Args:
        addresses: Each (host, port), or the path of a Unix socket; connections take turns.
        calls: Where the calls come from; must not run dry.
        connections: How many.
        seconds: How long new calls are sent; the ones in flight are waited for.
        server_pids: Whose CPU time is the servers'.
        database_pid: Whose CPU time is told apart as the database's.

    Raises:
        LoadError: An answer had another status or did not contain its marker.
    """
    links: dict[int, _Link] = {}
    poll = select.epoll()
    try:
        for number in range(connections):
            link = _Link(_connect(addresses[number % len(addresses)]))
            links[link.socket.fileno()] = link
            poll.register(link.socket.fileno(), select.EPOLLIN)
        gc.collect()
        gc.disable()
        return _drive(poll, links, calls, seconds, Meter(server_pids, database_pid))
    finally:
        gc.enable()
        poll.close()
        for link in links.values():
            link.socket.close()


class Meter:
    """The CPU time of everybody who takes part, from now on."""

    def __init__(self, server_pids: Sequence[int], database_pid: int | None) -> None:
        self._servers = server_pids
        self._database = [] if database_pid is None else [database_pid]
        self._before = self._read()

    def _read(self) -> tuple[float, float, float, float]:
        servers_s = sum(cpu_s(pid) for pid in self._servers)
        database_s = sum(cpu_s(pid) for pid in self._database)
        return servers_s, database_s, time.process_time(), busy_s()

    def result(self, latencies: list[int], seconds: float) -> LoadResult:
        """What was measured, once the last answer is here."""
        now = self._read()
        servers_s, database_s, own_s, all_s = (
            after - before for after, before in zip(now, self._before, strict=True)
        )
        latencies.sort()
        count = len(latencies)
        return LoadResult(
            calls=count,
            seconds=seconds,
            calls_per_s=count / seconds,
            p50_us=latencies[count // 2] / 1e3,
            p99_us=latencies[min(count - 1, count * 99 // 100)] / 1e3,
            server_cpu_us=servers_s / count * 1e6,
            database_cpu_us=database_s / count * 1e6,
            generator_busy=own_s / seconds,
            foreign_cores=max(0.0, (all_s - servers_s - database_s - own_s) / seconds),
        )


def _drive(
    poll: select.epoll,
    links: dict[int, _Link],
    calls: Iterator[Call],
    seconds: float,
    meter: Meter,
) -> LoadResult:
    now_ns = time.perf_counter_ns
    latencies: list[int] = []
    note = latencies.append
    start_ns = now_ns()
    deadline_ns = start_ns + int(seconds * 1e9)
    for link in links.values():
        _send(link, next(calls), now_ns())
    in_flight = len(links)
    while in_flight:
        events = poll.poll(_SILENCE_S)
        if not events:
            raise LoadError(f"No answer on {in_flight} connections for {_SILENCE_S:.0f} s.")
        for number, _event in events:
            link = links[number]
            data = link.socket.recv(262_144)
            if not data:
                raise LoadError("The server closed the connection with a call in flight.")
            if link.part:
                data = link.part + data
            if not is_whole(data):
                link.part = data
                continue
            link.part = b""
            check_answer(data, link.marker)
            now = now_ns()
            note(now - link.sent_ns)
            if now < deadline_ns:
                _send(link, next(calls), now)
            else:
                in_flight -= 1
    return meter.result(latencies, (now_ns() - start_ns) / 1e9)


def is_whole(data: bytes) -> bool:
    """Head and body of an HTTP answer are here; more than that is refused."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return False
    length = _LENGTH.search(data, 0, end + 2)
    if length is None:
        if _CHUNKED.search(data, 0, end + 2):
            return data.endswith(b"\r\n0\r\n\r\n")
        raise LoadError(f"An answer of unknown length: {data[:300]!r}")
    missing = end + 4 + int(length[1]) - len(data)
    if missing < 0:
        raise LoadError(f"More than one answer to one call: {data[:600]!r}")
    return missing == 0


def check_answer(data: bytes, marker: bytes) -> None:
    """The status is 200 or 201 and the body is the one that was asked for."""
    if not data.startswith(_STATUS_OK) or marker not in data:
        raise LoadError(f"Expected 200 and {marker!r}, got {data[:600]!r}")


def _send(link: _Link, call: Call, now_ns: int) -> None:
    request, link.marker = call
    link.sent_ns = now_ns
    sent = link.socket.send(request)
    if sent != len(request):
        raise LoadError("A request did not fit the socket's buffer.")


def _connect(address: Address) -> socket.socket:
    if isinstance(address, str):
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    else:
        link = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link.settimeout(10)
    link.connect(address)
    link.setblocking(False)
    return link
