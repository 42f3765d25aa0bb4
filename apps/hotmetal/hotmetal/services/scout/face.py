"""The scout's routes: begin a run, see how runs went, deliver a dead letter once more."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import msgspec
from dbos import StepInfo, WorkflowStatus
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from freehold.errors import CallError
from hotmetal.clients.hotmetal import DataLayer
from hotmetal.services.scout.durable import Durable, NoSuchRun, NotDead
from hotmetal.services.scout.workflow import Order
from hotmetal.services.web import ApiError, answer, body_of, is_key, with_errors

_HEALTH_S: Final = 1.0
_ID_MOST: Final = 200
_LISTED: Final = 50
_LISTED_MOST: Final = 500

_STATES: Final = {
    "ENQUEUED": "queued",
    "DELAYED": "queued",
    "PENDING": "running",
    "SUCCESS": "finished",
    "ERROR": "dead",
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": "dead",
    "CANCELLED": "cancelled",
}


class RunBody(msgspec.Struct, rename="camel"):
    """Which publication."""

    publication_id: str | None = None


class Face:
    """
    The routes.

    Args:
        dal: The data layer.
        durable: The queue and its runs.
        api_key: What callers show as `Authorization: Bearer …`.
        store_id: Names this scout in the ids of its runs. Others may be asked under the same key,
            and what a run does carries keys that are made of its id.
    """

    def __init__(self, dal: DataLayer, durable: Durable, api_key: str, *, store_id: str) -> None:
        self._dal = dal
        self._durable = durable
        self._api_key = api_key
        self._store_id = store_id

    def app(self, lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]]) -> Starlette:
        """The application."""
        api = {
            ("POST", "/api/scout/run"): self.run,
            ("POST", "/api/scout/run-all"): self.run_all,
            ("GET", "/api/scout/runs"): self.runs,
            ("GET", "/api/scout/runs/{id}"): self.one_run,
            ("GET", "/api/scout/dead-letters"): self.dead_letters,
            ("POST", "/api/scout/dead-letters/{id}/retry"): self.retry,
        }
        routes = [Route("/health", self.health, methods=["GET"])]
        routes += [
            Route(path, self._with_key(handler), methods=[method])
            for (method, path), handler in api.items()
        ]
        return with_errors(Starlette(routes=routes, lifespan=lifespan))

    def _with_key(self, handler: Any) -> Any:
        async def checked(request: Request) -> Response:
            scheme, _, shown = request.headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not is_key(shown.strip(), self._api_key):
                raise ApiError(401, "unauthorized")
            response: Response = await handler(request)
            return response

        return checked

    async def health(self, _request: Request) -> Response:
        """Open to everybody: that it serves, and whether the data layer answers."""
        said = "ok"
        try:
            await self._dal.with_options(timeout_s=_HEALTH_S).get_due_publications(0)
        except CallError as error:
            said = str(error)
        return answer({"status": "ok", "service": "scout", "dataLayer": said})

    async def run(self, request: Request) -> Response:
        """A manual run; its slot in the schedule stays as it is."""
        body = await body_of(request, RunBody)
        publication_id = (body.publication_id or "").strip()
        if not publication_id:
            raise ApiError(400, "publicationId is required")
        if len(publication_id) > _ID_MOST:
            raise ApiError(400, f"publicationId is longer than {_ID_MOST} characters")
        # Only for its refusal: without the data layer a run would fail step by step.
        await self._dal.get_publication_by_id(publication_id)
        run_id = f"scout-{publication_id}-{self._manual(request)}"
        await self._durable.enqueue(
            Order(run_id=run_id, publication_id=publication_id, triggered_by="manual")
        )
        return answer(_run(await self._durable.run(run_id)), 202)

    async def run_all(self, request: Request) -> Response:
        """A manual run for every publication."""
        ids = await self._dal.get_all_publication_ids()
        id = self._manual(request)
        await self._durable.start_all(id)
        return answer({"id": id, "queued": len(ids)}, 202)

    def _manual(self, request: Request) -> str:
        """What makes the ids of manual runs: the caller's key, so that asking twice is one run."""
        key = request.headers.get("idempotency-key")
        if key is None:
            return f"manual-{secrets.token_hex(16)}"
        if not 1 <= len(key) <= _ID_MOST:
            raise ApiError(400, f"Idempotency-Key takes 1 to {_ID_MOST} characters")
        return f"manual-{hashlib.sha256(f'{self._store_id} {key}'.encode()).hexdigest()[:32]}"

    async def runs(self, request: Request) -> Response:
        """The runs, of one publication or of all, the newest first."""
        publication_id = request.query_params.get("publicationId") or None
        found = await self._durable.runs(publication_id, _limit(request))
        return answer({"data": [_run(each) for each in found]})

    async def one_run(self, request: Request) -> Response:
        """A run with its steps."""
        id = request.path_params["id"]
        try:
            found = await self._durable.run(id)
        except NoSuchRun:
            raise ApiError(404, "run not found") from None
        steps = await self._durable.steps_of(id)
        return answer(_run(found) | {"steps": [_step(each) for each in steps]})

    async def dead_letters(self, request: Request) -> Response:
        """The runs that failed for good."""
        found = await self._durable.dead_letters(_limit(request))
        return answer({"data": [_run(each) for each in found]})

    async def retry(self, request: Request) -> Response:
        """Deliver one of them once more."""
        id = request.path_params["id"]
        try:
            await self._durable.retry(id)
        except NoSuchRun:
            raise ApiError(404, "dead letter not found") from None
        except NotDead:
            raise ApiError(409, "the run is not a dead letter") from None
        return answer(_run(await self._durable.run(id)), 202)


def _limit(request: Request) -> int:
    said = request.query_params.get("limit", str(_LISTED))
    if not said.isascii() or not said.isdecimal() or not 1 <= int(said) <= _LISTED_MOST:
        raise ApiError(400, f"limit is a whole number from 1 to {_LISTED_MOST}")
    return int(said)


def _run(status: WorkflowStatus) -> dict[str, Any]:
    """A run as it is told: state, times in epoch milliseconds, what came out, what went wrong."""
    [order] = status.input["args"] if status.input else [{}]
    return {
        "id": status.workflow_id,
        "publicationId": order.get("publicationId", status.queue_partition_key),
        "triggeredBy": order.get("triggeredBy"),
        "state": _STATES.get(status.status, "running"),
        "createdAtMs": status.created_at,
        "startedAtMs": status.dequeued_at,
        "endedAtMs": status.completed_at,
        "starts": status.recovery_attempts,
        "result": status.output,
        "error": None if status.error is None else getattr(status.error, "message", None),
    }


def _step(step: StepInfo) -> dict[str, Any]:
    output = step["output"]
    failed = output.get("failed") if isinstance(output, dict) else None
    if step["error"] is not None:
        failed = str(step["error"])
    return {
        "name": step["function_name"],
        "state": "finished" if failed is None else "failed",
        "startedAtMs": step["started_at_epoch_ms"],
        "endedAtMs": step["completed_at_epoch_ms"],
        "count": _count(output),
        "error": failed,
    }


def _count(output: Any) -> int | None:
    """How many things a step answered; None for one that answers no list and no number."""
    done = output.get("done") if isinstance(output, dict) else None
    if isinstance(done, list):
        return len(done)
    return done if type(done) is int else None
