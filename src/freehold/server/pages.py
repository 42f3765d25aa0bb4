"""
The pages beside the calls: health, contract, OpenAPI, metrics.

A Starlette application, for what is asked rarely and may cost something. Every answer that
is not a page is a problem, as everywhere. Calls never come here, see `front`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from freehold.errors import CallError, Unauthenticated, problem
from freehold.server.headers import key_of, readable
from freehold.server.refusals import AddressUnknown, WrongVerb
from freehold.server.seams import Authenticator, Gauge, HealthSource
from freehold.wire.codec import JSON


@dataclass(frozen=True, slots=True)
class Pages:
    """
    What the pages show.

    Args:
        service: The application's name, as `/health` tells it.
        version: The application's version.
        health: How the database is.
        contract_json: `/contract.json`, as bytes.
        contract_hash: What clients send as `Freehold-Contract`; told to them in the welcome.
        openapi_json: `/openapi.json`, as bytes.
        gauges: Numbers for `/metrics` beside the counted calls.
        routes: Further pages; each sees to its own callers.
    """

    service: str
    version: str
    health: HealthSource
    contract_json: bytes
    contract_hash: str
    openapi_json: bytes = b"{}"
    gauges: Iterable[Gauge] = ()
    routes: Sequence[BaseRoute] = ()


def pages_app(
    pages: Pages,
    authenticator: Authenticator,
    *,
    metrics: Callable[[], bytes],
    late_s: Callable[[str], float] = lambda _: 0.0,
) -> ASGIApp:
    """
    The pages as an ASGI application; `scope["state"]` has who needs no key and his address.

    Args:
        pages: What they show.
        authenticator: Knows the callers.
        metrics: Makes `/metrics`.
        late_s: Counts a wrong key from an address; how long its refusal waits.
    """

    async def need_key(request: Request) -> None:
        authorization = request.headers.get("authorization")
        try:
            key = key_of(None if authorization is None else authorization.encode("latin-1"))
            authenticator.caller(key, trusted=request.state.trusted)
        except Unauthenticated:
            await asyncio.sleep(late_s(request.state.source))
            raise

    async def health(_: Request) -> Response:
        state = pages.health.writer
        storage = pages.health.storage
        stopped = state == "stopped"
        parts = {
            "status": "unavailable" if stopped else "ok" if storage == "ok" else "degraded",
            "service": pages.service,
            "version": pages.version,
            "seq": pages.health.seq,
            "writer": state,
            "storage": storage,
            "clock": pages.health.clock,
        }
        return _json(JSON.encode(parts), status=503 if stopped else 200)

    async def contract(request: Request) -> Response:
        await need_key(request)
        return _json(pages.contract_json)

    async def openapi(request: Request) -> Response:
        await need_key(request)
        return _json(pages.openapi_json)

    async def show_metrics(request: Request) -> Response:
        await need_key(request)
        return Response(metrics(), media_type="text/plain; version=0.0.4")

    app = Starlette(
        routes=[
            Route("/health", health),
            Route("/contract.json", contract),
            Route("/openapi.json", openapi),
            Route("/metrics", show_metrics),
            *pages.routes,
        ],
        exception_handlers={
            CallError: _refused,
            HTTPException: _not_served,
            Exception: _raise_on,
        },
    )
    # A path is what it is: a redirect would only hide a typing mistake.
    app.router.redirect_slashes = False
    return app


def _json(body: bytes, *, status: int = 200) -> Response:
    return Response(body, status_code=status, media_type="application/json")


def _problem(error: CallError, headers: dict[str, str]) -> Response:
    return Response(
        JSON.encode(problem(error)),
        status_code=error.status,
        media_type="application/problem+json",
        headers=headers,
    )


async def _refused(_: Request, error: Exception) -> Response:
    if not isinstance(error, CallError):
        raise error
    unauthenticated = error.status == HTTPStatus.UNAUTHORIZED
    return _problem(
        error, {"www-authenticate": 'Bearer realm="freehold"'} if unauthenticated else {}
    )


async def _raise_on(_: Request, error: Exception) -> Response:
    """A defect is for who runs this application to log and to answer."""
    raise error


async def _not_served(request: Request, error: Exception) -> Response:
    """What Starlette's router says, as a problem."""
    path = readable(request.scope["raw_path"])
    allow: Any = getattr(error, "headers", None) or {}
    if getattr(error, "status_code", 404) == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(sorted(allow.get("Allow", "GET, HEAD").split(", ")))
        return _problem(WrongVerb(f"{path} takes {allowed}.", allow=allowed), {"allow": allowed})
    return _problem(
        AddressUnknown(
            f"Nothing is served at {path}.",
            hint="Calls are POSTs to /rpc/Entrypoint/method; /contract.json names them.",
        ),
        {},
    )
