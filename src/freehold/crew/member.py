"""
One of the crew: a process that is kept running.

    starting   it runs and does not yet answer /health
    serving    it has answered
    waiting    it crashed, and is started again after a while
    left       it crashed too often; a change of its files tries again
    stopped    as asked
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from freehold.clock import SystemClock
from freehold.crew import looking
from freehold.crew.log import Log, Pen
from freehold.crew.process import Child, Warden, how_it_ended, start_child
from freehold.crew.restarts import CRASHES_MAX, WINDOW_S, Restarts
from freehold.errors import FreeholdError

T = TypeVar("T")
State = Literal["starting", "serving", "waiting", "left", "stopped"]
#: Who does not answer for so long is not waited for any longer.
START_S: Final = 60.0
#: Between SIGTERM and SIGKILL.
GRACE_S: Final = 10.0
_FIRST_LOOK_S: Final = 0.02
_BETWEEN_LOOKS_S: Final = 0.25


@dataclass(frozen=True, kw_only=True)
class Orders:
    """
    What a member is.

    Args:
        name: Before its lines.
        command: What is run.
        folder: Where.
        host: Where it listens.
        port: And on which port.
        environ: Asked before each start; may take its time, and raise.
    """

    name: str
    command: Sequence[str]
    folder: Path
    host: str
    port: int
    environ: Callable[[], Awaitable[Mapping[str, str]]]


class Member:
    """
    Keeps one process running.

    Args:
        orders: What it is.
        log: Where its lines go, and what is said about it.
        warden: Knows its processes.
    """

    def __init__(self, orders: Orders, log: Log, warden: Warden) -> None:
        self.orders = orders
        self.state: State = "stopped"
        #: How it ended the last time, when it was not asked to.
        self.code: int | None = None
        #: What its /health answered when it first did.
        self.health: dict[str, Any] = {}
        self._log = log
        self._warden = warden
        self._restarts = Restarts()
        self._child: Child | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._changed = asyncio.Condition()

    @property
    def name(self) -> str:
        """Its name."""
        return self.orders.name

    def start(self) -> None:
        """Start it, and again whenever it crashes."""
        self._stopping.clear()
        self._restarts.forget()
        self.state, self.code = "starting", None
        self._task = asyncio.ensure_future(self._keep_running())

    async def settled(self, *, until_crash: bool = False) -> bool:
        """
        Wait until it serves; False when it will not, or takes too long.

        Args:
            until_crash: Its first crash is answer enough.
        """
        try:
            async with asyncio.timeout(START_S), self._changed:
                await self._changed.wait_for(
                    lambda: (
                        self.state in ("serving", "left", "stopped")
                        or (until_crash and self.code is not None)
                    )
                )
        except TimeoutError:
            self._log.say(
                f"it has not answered http://{self.orders.host}:{self.orders.port}/health "
                f"for {START_S:g} s; the others go on",
                of=self.name,
            )
        return self.state == "serving"

    async def stop(self, *, grace_s: float = GRACE_S) -> None:
        """
        SIGTERM, and after the grace SIGKILL.

        Args:
            grace_s: 0 kills at once.
        """
        self._stopping.set()
        if self._task is None:
            return
        if self._child is not None and grace_s:
            self._child.ask_to_stop()
        if grace_s:
            await asyncio.wait([self._task], timeout=grace_s)
        if not self._task.done():
            if grace_s:
                self._log.say(f"it did not stop within {grace_s:g} s and is killed", of=self.name)
            self.kill()
            await asyncio.wait([self._task])
        self._task = None
        await self._become("stopped")

    def kill(self) -> None:
        """SIGKILL, now; whoever waits for its end hears of it."""
        if self._child is not None:
            self._child.kill()

    async def _become(self, state: State) -> None:
        async with self._changed:
            self.state = state
            self._changed.notify_all()

    async def _keep_running(self) -> None:
        while not self._stopping.is_set():
            await self._become("starting")
            began_s = _now_s()
            try:
                said = await self._run_once()
            except (FreeholdError, OSError) as error:
                said = f"it cannot be started: {error}"
            if self._stopping.is_set():
                return
            wait_s = self._restarts.crashed(_now_s())
            if wait_s is None:
                self._log.say(
                    f"{said}, {CRASHES_MAX} times within {WINDOW_S:g} s. It is left alone until "
                    f"one of its files changes; `freehold dev --only {self.name}` starts it "
                    "by itself",
                    of=self.name,
                )
                await self._become("left")
                return
            lived_s = _now_s() - began_s
            self._log.say(f"{said} after {lived_s:.1f} s; again in {wait_s:g} s", of=self.name)
            await self._become("waiting")
            await self._unless_stopped(asyncio.sleep(wait_s))

    async def _run_once(self) -> str:
        environ = await self._unless_stopped(self.orders.environ())
        if environ is None:
            return ""
        child = await start_child(
            self.orders.command,
            environ=environ,
            folder=self.orders.folder,
            pen=Pen(self._log, self.name),
            warden=self._warden,
        )
        self._child = child
        if self._stopping.is_set():
            # Asked to stop while it was born: it has begun nothing.
            child.kill()
        look = asyncio.ensure_future(self._look())
        try:
            code = await child.wait()
        finally:
            look.cancel()
            self._child = None
        if not self._stopping.is_set():
            self.code = code
        return how_it_ended(code)

    async def _unless_stopped(self, work: Awaitable[T]) -> T | None:
        """What the work comes to; None when it is stopped before."""
        working = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
            return None if self._stopping.is_set() else await working
        finally:
            for each in (working, stopping):
                each.cancel()

    async def _look(self) -> None:
        """Until it answers."""
        pause_s = _FIRST_LOOK_S
        while True:
            found = await looking.health(self.orders.host, self.orders.port)
            if found is not None:
                self.health = found
                await self._become("serving")
                return
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.5, _BETWEEN_LOOKS_S)


def _now_s() -> float:
    return SystemClock().monotonic_ns() / 1e9
