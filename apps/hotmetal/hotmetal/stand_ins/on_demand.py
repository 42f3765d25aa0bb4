"""
What every stand-in can do besides: fail when told to, and tell what it was asked.

`POST /_stand_in/fail` plans a failure of the next calls, `GET /_stand_in/calls` lists what came in,
`POST /_stand_in/forget` drops plans and list. The list has no credentials in it.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final, Literal
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hotmetal.services.web import ApiError, answer, body_of, refusal

_PREFIX: Final = "/_stand_in/"
_CALLS_MAX: Final = 10_000
_HEADERS: Final = ("idempotency-key", "linkedin-version", "x-restli-protocol-version")


class Plan(msgspec.Struct, forbid_unknown_fields=True):
    """
    What happens to the next calls that fit.

    `status` is an HTTP status that is answered in place of the work; `drop_before` closes the
    connection without the work, `drop_after` with it done. `slow_s` waits before the work and
    `hold_s` after it, before the answer; both go with a status or alone.
    """

    times: int = 1
    path: str = "/"
    method: str | None = None
    status: int | Literal["drop_before", "drop_after"] | None = None
    slow_s: float = 0.0
    hold_s: float = 0.0
    body: Any = None
    headers: dict[str, str] = {}

    def fits(self, scope: Scope) -> bool:
        """Whether the call is one of those."""
        of_method = self.method is None or self.method == scope["method"]
        return self.times > 0 and of_method and str(scope["path"]).startswith(self.path)


class OnDemand:
    """
    A stand-in that fails when it is told to.

    Args:
        app: The stand-in itself.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._plans: list[Plan] = []
        self._calls: list[dict[str, Any]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One call of ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"].startswith(_PREFIX):
            await self._control(scope, receive, send)
        else:
            body = await _whole_body(receive)
            self._note(scope, body)
            await self._play(scope, _once(body, receive), send)

    async def _play(self, scope: Scope, receive: Receive, send: Send) -> None:
        plan = next((plan for plan in self._plans if plan.fits(scope)), None)
        if plan is None:
            await self._app(scope, receive, send)
            return
        plan.times -= 1
        await asyncio.sleep(plan.slow_s)
        if isinstance(plan.status, int):
            said = plan.body if plan.body is not None else {"error": f"told to fail: {plan.status}"}
            response = answer(said, plan.status)
            response.headers.update(plan.headers)
            await asyncio.sleep(plan.hold_s)
            await response(scope, receive, send)
        elif plan.status == "drop_before":
            await _drop(receive, send)
        else:
            sent: list[Message] = []
            await self._app(scope, receive, _keep_in(sent))
            await asyncio.sleep(plan.hold_s)
            if plan.status == "drop_after":
                await _drop(receive, send)
            else:
                for message in sent:
                    await send(message)

    def _note(self, scope: Scope, body: bytes) -> None:
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            said: Any = json.loads(body) if body else None
        except ValueError:
            # A form: of the token exchange for one, which is made of credentials.
            form = dict(parse_qsl(body.decode("latin-1")))
            said = {name: form[name] for name in ("grant_type",) if name in form}
        call = {
            "method": scope["method"],
            "path": scope["path"],
            "query": scope["query_string"].decode("latin-1"),
            "headers": {name: headers[name] for name in _HEADERS if name in headers},
            "body": said,
        }
        self._calls = [*self._calls[-_CALLS_MAX + 1 :], call]

    async def _control(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = answer(await self._controlled(request))
        except ApiError as error:
            response = refusal(error.status, error.message)
        await response(scope, receive, send)

    async def _controlled(self, request: Request) -> Any:
        what = (request.method, request.url.path.removeprefix(_PREFIX))
        if what == ("GET", "calls"):
            return {"data": self._calls}
        # A page of somebody else's cannot send this type unasked.
        if request.headers.get("content-type", "").split(";")[0] != "application/json":
            raise ApiError(415, "a stand-in is told what to do by POST and application/json")
        if what == ("POST", "fail"):
            self._plans.append(await body_of(request, Plan))
        elif what == ("POST", "forget"):
            self._plans, self._calls = [], []
        else:
            raise ApiError(404, "a stand-in knows fail, forget and calls")
        return {"plans": [plan for plan in self._plans if plan.times > 0]}


async def _whole_body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return bytes(body)


def _once(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body again, then what comes after it."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again


def _keep_in(sent: list[Message]) -> Send:
    async def keep(message: Message) -> None:
        sent.append(message)

    return keep


async def _drop(receive: Receive, send: Send) -> None:
    """Close the connection without a word; uvicorn's `send` is a method of what has it."""
    send.__self__.transport.abort()  # type: ignore[attr-defined]
    while (await receive())["type"] != "http.disconnect":
        pass
