"""
Hostile clients of every kind, in a process of their own: `python -m tests.hostile.attackers`.

    … PORT SOCKET SECONDS KIND=COUNT…

Those that hold a connection open each open it once and wait to be closed; `flood` and
`malformed` go on for the whole time. At the end one line of JSON says, for each kind, how many
were opened and closed, and after how many seconds at most.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from freehold.wire.codec import MSGPACK
from freehold.wire.frames import frame

_CALL: Final = b"POST /rpc/DataLayer/listUsers HTTP/1.1\r\nHost: localhost\r\n"
_JSON: Final = b"Content-Type: application/json\r\n"
_UPGRADE: Final = (
    b"GET /frames HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: freehold\r\n\r\n"
)
_HELLO: Final = frame(MSGPACK.encode(["hello", 1, {"key": None}]))
_HUNG_UP: Final = select.POLLHUP | select.POLLERR
_DRIP_S: Final = 0.4
#: What a reader who does not read asks for: more answers than all buffers on the way hold.
_MANY: Final = (_CALL + _JSON + b"Content-Length: 2\r\n\r\n{}") * 300
_PAGES: Final = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n" * 300


@dataclass
class Kind:
    """
    What a hostile client does.

    Args:
        first: What it sends at once.
        drip: What it then sends a little of now and then.
        reads: Whether it takes what is answered.
        more: What it sends without end, as fast as it is taken.
        unix: It is on the Unix socket.
    """

    first: bytes = b""
    drip: bytes = b""
    reads: bool = True
    more: bytes = b""
    unix: bool = False


HOLDERS: Final[dict[str, Kind]] = {
    "silent": Kind(),
    "half_sent": Kind(_CALL[:30]),
    "slow_header": Kind(_CALL + b"X: ", b"v"),
    "slow_lines": Kind(_CALL, b"X: v\r\n"),
    "empty_lines": Kind(b"", b"\r\n"),
    "slow_body": Kind(_CALL + _JSON + b"Content-Length: 100000\r\n\r\n", b" "),
    "slow_chunks": Kind(_CALL + _JSON + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "half_body": Kind(_CALL + _JSON + b"Content-Length: 100000\r\n\r\n" + b" " * 4_000),
    "no_reader": Kind(reads=False, more=_MANY),
    "unix_no_reader": Kind(reads=False, more=_MANY, unix=True),
    "frames_silent": Kind(_UPGRADE),
    "frames_slow_hello": Kind(_UPGRADE + _HELLO[:5], b"\x00"),
    "frames_slow": Kind(_HELLO + b"\x00\x0f\x00\x00", b"\x94", unix=True),
    "unix_silent": Kind(unix=True),
    "unix_slow_header": Kind(_CALL + b"X: ", b"v", unix=True),
}
HUGE: Final[dict[str, Kind]] = {
    "huge_length": Kind(_CALL + _JSON + b"Content-Length: 1073741824\r\n\r\n", more=b" " * 65_536),
    "huge_header": Kind(_CALL + b"X: ", more=b"v" * 65_536),
    "huge_address": Kind(b"GET /", more=b"a" * 65_536),
    "huge_chunks": Kind(
        _CALL + _JSON + b"Transfer-Encoding: chunked\r\n\r\n",
        more=b"ffff\r\n" + b" " * 65_535 + b"\r\n",
    ),
    "chunk_extension": Kind(
        _CALL + _JSON + b"Transfer-Encoding: chunked\r\n\r\n1;", more=b"x" * 65_536
    ),
    "frames_huge": Kind(_HELLO + b"\x00\xff\xff\xff", more=b"x" * 65_536, unix=True),
}
#: Who asks and asks and does not read: closed once the buffers have been full for long enough, and
#: what is little takes long to fill them.
FLOODS: Final[dict[str, Kind]] = {"no_reader_of_pages": Kind(reads=False, more=_PAGES)}
KINDS: Final = HOLDERS | HUGE | FLOODS


@dataclass
class Attacker:
    """One connection of a kind."""

    name: str
    kind: Kind
    raw: socket.socket
    opened_at: float
    next_drip: float
    unsent: bytes = b""
    closed_at: float | None = None

    def act(self, now: float) -> None:
        """Send what it is time to send, and read what came."""
        try:
            if self.kind.reads:
                self._read()
            if self.closed_at is not None:
                return
            if self.kind.drip and now >= self.next_drip:
                self.next_drip = now + _DRIP_S
                self.unsent += self.kind.drip
            if self.kind.more and not self.unsent:
                self.unsent = self.kind.more
            while self.unsent:
                sent = self.raw.send(self.unsent)
                self.unsent = self.unsent[sent:]
        except BlockingIOError:
            return
        except OSError:
            self.closed_at = time.monotonic()

    def _read(self) -> None:
        with suppress(BlockingIOError):
            while True:
                if not self.raw.recv(65_536):
                    # The server has said its last word; whoever still sends hangs up now.
                    self.closed_at = time.monotonic()
                    return


@dataclass
class Tally:
    """What became of the attackers of a kind."""

    opened: int = 0
    closed: int = 0
    longest_s: float = 0.0
    requests: int = 0
    refused: int = field(default=0)


class Crowd:
    """
    Attackers, and where they attack.

    Args:
        port: The TCP port.
        unix: The Unix socket.
    """

    def __init__(self, port: int, unix: str) -> None:
        self._port, self._unix = port, unix
        self._open: list[Attacker] = []
        self._poll = select.poll()
        self._by_handle: dict[int, Attacker] = {}
        self.tallies: dict[str, Tally] = {}

    def connect(self, *, unix: bool = False) -> socket.socket:
        """A new connection."""
        raw = socket.socket(socket.AF_UNIX if unix else socket.AF_INET, socket.SOCK_STREAM)
        raw.settimeout(5)
        raw.connect(self._unix if unix else ("127.0.0.1", self._port))
        raw.setblocking(False)
        return raw

    def open(self, name: str, count: int) -> None:
        """Open that many of a kind; who is not let in is counted as closed."""
        tally = self.tallies.setdefault(name, Tally())
        kind = KINDS[name]
        for _ in range(count):
            now = time.monotonic()
            try:
                raw = self.connect(unix=kind.unix)
            except OSError:
                tally.refused += 1
                continue
            tally.opened += 1
            attacker = Attacker(name, kind, raw, now, now + _DRIP_S, kind.first)
            self._open.append(attacker)
            self._by_handle[raw.fileno()] = attacker
            self._poll.register(raw, 0)

    def turn(self) -> None:
        """Let each one act once, and see who was closed."""
        for handle, event in self._poll.poll(0):
            attacker = self._by_handle[handle]
            if event & _HUNG_UP and attacker.closed_at is None and not attacker.kind.reads:
                attacker.closed_at = time.monotonic()
        now = time.monotonic()
        for attacker in self._open:
            if attacker.closed_at is None:
                attacker.act(now)
        for attacker in [each for each in self._open if each.closed_at is not None]:
            self._forget(attacker)

    def _forget(self, attacker: Attacker) -> None:
        tally = self.tallies[attacker.name]
        tally.closed += 1
        took = (attacker.closed_at or 0.0) - attacker.opened_at
        tally.longest_s = max(tally.longest_s, took)
        self._open.remove(attacker)
        self._poll.unregister(attacker.raw)
        del self._by_handle[attacker.raw.fileno()]
        attacker.raw.close()

    def burst(self, name: str, request: bytes) -> Callable[[], None]:
        """Send a request on a new connection again and again: what one turn of it does."""
        tally = self.tallies.setdefault(name, Tally())

        def once() -> None:
            with suppress(OSError), self.connect() as raw:
                raw.settimeout(2)
                tally.opened += 1
                raw.sendall(request)
                while raw.recv(65_536):
                    tally.requests += 1
                tally.closed += 1

        return once


def main() -> None:
    """Attack for so many seconds, then tell."""
    # They stand for other machines: where there are two cores, what their own work takes of
    # them is not the server's to give.
    os.nice(10)
    port, unix, seconds, *counts = sys.argv[1:]
    crowd = Crowd(int(port), unix)
    bursts: list[Callable[[], None]] = []
    for each in counts:
        name, _, count = each.partition("=")
        if name == "flood":
            close = _CALL + b"Connection: close\r\n\r\n"
            request = (_CALL + b"\r\n") * 200 + close
            bursts += [crowd.burst(name, request)] * int(count)
        elif name == "malformed":
            bursts += [crowd.burst(name, b"\x16\x03 nonsense\r\n\r\n")] * int(count)
        else:
            crowd.open(name, int(count))
    until = time.monotonic() + float(seconds)
    while time.monotonic() < until:
        crowd.turn()
        for burst in bursts:
            burst()
        time.sleep(0.02)
    told = {name: vars(tally) for name, tally in crowd.tallies.items()}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
