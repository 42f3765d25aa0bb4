"""
The durable steps and the queue: the only file that knows DBOS, the library that keeps them.

Its store is one SQLite file in the scout's folder. What this file takes care of, because the
library leaves it to its user (apps/hotmetal/SCOUT.md has the reasons and the numbers):

- The version of the application is said by us. The library's own is a hash of the code, and it
  recovers only runs of its own version: with it, every change would strand the runs under way.
- Values are kept as JSON. The library's own form is pickle, which runs what it reads.
- A step's failure is kept as an answer. A recorded exception comes back as another type, so code
  that told them apart would take another way after a crash.
- Finished runs are removed after a while; the library keeps them for ever.
- It writes to our log, in lines, and is never told of a console, a collector or a cloud.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import msgspec
from dbos import (
    DBOS,
    DBOSPortableJSONSerializer,
    SetEnqueueOptions,
    SetWorkflowID,
    StepInfo,
    WorkflowStatus,
)

from hotmetal.services.scout.clock import Clock
from hotmetal.services.scout.store import Store
from hotmetal.services.scout.workflow import Order, Outcome, Policy, StepFailed

T = TypeVar("T")
LOG: Final = logging.getLogger("hotmetal.scout")

RUN: Final = "scout"
TICK: Final = "scout-tick"
ALL: Final = "scout-all"

_QUEUE: Final = "hotmetal-scout-queue"
#: Never changed: a run is recovered only by the version that began it. A new order of steps takes
#: `DBOS.patch`, which asks the run's own record.
_VERSION: Final = "1"
#: A run that was under way at so many crashes is the likely cause of them: a dead letter.
_RECOVERIES_MOST: Final = 20
#: How many publications are looked at at once.
_AT_ONCE: Final = 8
_POLL_S: Final = 0.5

_KEPT_DAYS: Final = {"SUCCESS": 30, "CANCELLED": 30, "ERROR": 90}
_DEAD: Final = ["ERROR", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]
_DAY_S: Final = 86_400
_REMOVED_AT_ONCE: Final = 500


class NoSuchRun(Exception):
    """No run has this id."""


class NotDead(Exception):
    """The run is no dead letter."""


class DurableSteps:
    """
    The steps of the run that is under way, recorded.

    Args:
        hurry: Divides the waits between attempts.
    """

    def __init__(self, hurry: int) -> None:
        self._hurry = hurry

    async def step(self, policy: Policy, work: Callable[[], Awaitable[T]], kind: type[T]) -> T:
        """
        Do the work, or give what it answered before the crash.

        Raises:
            StepFailed: It was tried as often as it may be.
        """
        tries = 0

        async def attempt() -> dict[str, Any]:
            nonlocal tries
            tries += 1
            try:
                done = await asyncio.wait_for(work(), policy.limit_s)
            except Exception as error:
                if tries <= policy.retries:
                    raise
                LOG.warning("step %s failed: %s", policy.name, _words(error))
                return {"failed": _words(error)}
            return {"done": msgspec.to_builtins(done)}

        recorded = await DBOS.run_step_async(
            {
                "name": policy.name,
                "retries_allowed": policy.retries > 0,
                "max_attempts": policy.retries + 1,
                "interval_seconds": policy.wait_s / self._hurry,
                "backoff_rate": policy.growth,
            },
            attempt,
        )
        if "failed" in recorded:
            raise StepFailed(policy.name, recorded["failed"])
        return msgspec.convert(recorded["done"], kind)

    async def sleep(self, seconds: float) -> None:
        """Wait; over a crash it waits for the rest."""
        await DBOS.sleep_async(seconds / self._hurry)


def _words(error: BaseException) -> str:
    """What went wrong in one line; a timeout has no words of its own."""
    text = " ".join(str(error).split())[:500]
    if isinstance(error, TimeoutError) and not text:
        return "it took too long"
    return text or type(error).__name__


class Durable:
    """
    The library, running.

    Args:
        store: The scout's folder.
        clock: Says what is old.
        hurry: Divides the waits between attempts.
    """

    def __init__(self, store: Store, clock: Clock, hurry: int) -> None:
        self._store = store
        self._clock = clock
        self.steps = DurableSteps(hurry)

    def register(
        self,
        run: Callable[[Order], Awaitable[Outcome]],
        tick: Callable[[str], Awaitable[int]],
        run_all: Callable[[str], Awaitable[int]],
    ) -> None:
        """Say what the three workflows do; before `launch`, which recovers them."""

        async def durable_run(order: dict[str, Any]) -> dict[str, Any]:
            outcome = await run(msgspec.convert(order, Order))
            done: dict[str, Any] = msgspec.to_builtins(outcome)
            return done

        async def durable_tick(id: str) -> int:
            return await tick(id)

        async def durable_all(id: str) -> int:
            return await run_all(id)

        decorate = DBOS.workflow
        most = _RECOVERIES_MOST
        self._run = decorate(name=RUN, max_recovery_attempts=most)(durable_run)
        self._tick = decorate(name=TICK, max_recovery_attempts=most)(durable_tick)
        self._all = decorate(name=ALL, max_recovery_attempts=most)(durable_all)

    async def launch(self) -> None:
        """Open the store and go on with what was under way; in the service's event loop."""
        _quieten()
        DBOS(
            config={
                "name": "scout",
                "system_database_url": f"sqlite:///{self._store.workflows}",
                "application_version": _VERSION,
                "executor_id": "scout",
                "serializer": DBOSPortableJSONSerializer(),
                "log_level": "WARNING",
                "enable_otlp": False,
            }
        )
        DBOS.launch()
        await DBOS.register_queue_async(
            _QUEUE,
            partition_concurrency=1,
            worker_concurrency=_AT_ONCE,
            polling_interval_sec=_POLL_S,
            on_conflict="always_update",
        )

    async def stop(self) -> None:
        """Let go; what is under way goes on at the next start."""
        await asyncio.to_thread(DBOS.destroy)

    async def enqueue(self, order: Order) -> None:
        """Put a run on its publication's queue; one that is there already is left alone."""
        with (
            SetWorkflowID(order.run_id),
            SetEnqueueOptions(queue_partition_key=order.publication_id),
        ):
            await DBOS.enqueue_workflow_async(_QUEUE, self._run, msgspec.to_builtins(order))

    async def start_tick(self, id: str) -> None:
        """Begin an hour's work; one of this id that was begun already is left alone."""
        with SetWorkflowID(id):
            await DBOS.start_workflow_async(self._tick, id)

    async def start_all(self, id: str) -> None:
        """Begin a run for each publication; one of this id is begun once."""
        with SetWorkflowID(id):
            await DBOS.start_workflow_async(self._all, id)

    async def runs(self, publication_id: str | None, limit: int) -> list[WorkflowStatus]:
        """The runs, the newest first."""
        prefix = None if publication_id is None else f"scout-{publication_id}-"
        found = await DBOS.list_workflows_async(
            name=RUN, workflow_id_prefix=prefix, sort_desc=True, limit=limit
        )
        return [
            each
            for each in found
            # One publication's id may begin like another's.
            if publication_id is None or each.queue_partition_key == publication_id
        ]

    async def run(self, id: str) -> WorkflowStatus:
        """
        The run.

        Raises:
            NoSuchRun: No run has this id.
        """
        found = await DBOS.list_workflows_async(name=RUN, workflow_ids=[id])
        if not found:
            raise NoSuchRun(id)
        return found[0]

    async def steps_of(self, id: str) -> list[StepInfo]:
        """What the run has done so far, in order."""
        return await DBOS.list_workflow_steps_async(id)

    async def dead_letters(self, limit: int) -> list[WorkflowStatus]:
        """The runs that failed for good, the newest first."""
        return await DBOS.list_workflows_async(name=RUN, status=_DEAD, sort_desc=True, limit=limit)

    async def retry(self, id: str) -> None:
        """
        Deliver a dead letter once more; its finished steps are not done again.

        Raises:
            NoSuchRun: No run has this id.
            NotDead: It is under way, or went well.
        """
        found = await self.run(id)
        if found.status not in _DEAD:
            raise NotDead(id)
        failed = [each for each in await self.steps_of(id) if _failed(each)]
        begin = failed[-1]["function_id"] if failed else 1
        await DBOS.rewind_workflow_async(
            id,
            start_step=begin,
            application_version=_VERSION,
            queue_name=_QUEUE,
            queue_partition_key=found.queue_partition_key,
        )

    async def clean(self) -> int:
        """Remove what ended long ago; how many runs and ticks that were."""
        removed = 0
        for status, days in _KEPT_DAYS.items():
            before = datetime.fromtimestamp(self._clock.now() - days * _DAY_S, UTC)
            old = await DBOS.list_workflows_async(
                status=status,
                completed_before=before.isoformat(),
                limit=_REMOVED_AT_ONCE,
                load_input=False,
                load_output=False,
            )
            if old:
                await DBOS.delete_workflows_async([each.workflow_id for each in old])
                removed += len(old)
        return removed


def _failed(step: StepInfo) -> bool:
    output = step["output"]
    return step["error"] is not None or (isinstance(output, dict) and "failed" in output)


def _quieten() -> None:
    """Its lines go into our log, without traces: what failed is said by the step."""
    log = logging.getLogger("dbos")
    if not log.handlers:
        # With a handler of ours it adds none of its own, and does not leave our log.
        log.addHandler(logging.NullHandler())
        log.addFilter(_in_one_line)


def _in_one_line(record: logging.LogRecord) -> bool:
    if record.exc_info and record.exc_info[1] is not None:
        record.msg = f"{record.getMessage()}: {_words(record.exc_info[1])}"
        record.args, record.exc_info = (), None
    return True
