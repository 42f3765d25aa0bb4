"""
A language model's provider over HTTP: chat completions and images, as OpenAI's API has them.

It answers what it is told to answer (`POST /_stand_in/script`), one reply for each request,
and has a reply of its own when it was told nothing: it calls the tool that the request forces
it to, saves a draft when it is asked to write, and otherwise says that it heard. It fails as the
other stand-ins do, and by breaking off in the middle of a stream or by talking nonsense.
"""

from __future__ import annotations

import base64
import json
import os
import struct
import sys
import time
import uuid
import zlib
from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from hotmetal.services.settings import HOST, SettingMissing, number
from hotmetal.services.web import ApiError, answer, body_of, refusal, serve, with_errors
from hotmetal.stand_ins.on_demand import OnDemand

PORT: Final = 8799
_SCRIPT: Final = "/_stand_in/script"
_PIECE: Final = 24


class Call(msgspec.Struct, forbid_unknown_fields=True):
    """A tool that the model calls."""

    name: str
    arguments: Any = {}


class Reply(msgspec.Struct, forbid_unknown_fields=True):
    """
    What one request is answered: a text, or tools to call.

    `broken` ends a stream in its middle, or answers what is no answer.
    """

    text: str = ""
    calls: list[Call] = []
    broken: Literal["mid_stream", "garbage"] | None = None


class Script(msgspec.Struct, forbid_unknown_fields=True):
    """The replies to the next requests, in this order; earlier ones are forgotten."""

    replies: list[Reply] = []


class _Wanted(msgspec.Struct):
    messages: list[dict[str, Any]] = []
    model: str = ""
    stream: bool = False
    tools: list[dict[str, Any]] = []
    tool_choice: Any = None


class _Picture(msgspec.Struct):
    prompt: str = ""
    n: int = 1


class Model:
    """
    The provider, and the replies that it was given.

    Args:
        key: What callers show as a bearer key; None takes any.
    """

    def __init__(self, key: str | None = None) -> None:
        self._key = key
        self._replies: list[Reply] = []
        self._inner = OnDemand(
            with_errors(
                Starlette(
                    routes=[
                        Route("/health", self._health, methods=["GET"]),
                        Route("/v1/chat/completions", self._complete, methods=["POST"]),
                        Route("/v1/images/generations", self._draw, methods=["POST"]),
                    ]
                )
            )
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One call of ASGI."""
        if scope["type"] != "http" or scope["path"] != _SCRIPT:
            await self._inner(scope, receive, send)
            return
        try:
            self._replies = (await body_of(Request(scope, receive), Script)).replies
            response = answer({"replies": len(self._replies)})
        except ApiError as error:
            response = refusal(error.status, error.message)
        await response(scope, receive, send)

    async def _health(self, _request: Request) -> Response:
        return answer({"status": "ok", "service": "model"})

    def _check(self, request: Request) -> None:
        if self._key is not None and request.headers.get("authorization") != f"Bearer {self._key}":
            raise ApiError(401, "Incorrect API key provided")

    async def _complete(self, request: Request) -> Response:
        self._check(request)
        wanted = await body_of(request, _Wanted)
        if await request.is_disconnected():
            # Told to be slow, it was too slow: nobody hears this, so no reply is used up.
            return answer({})
        reply = self._replies.pop(0) if self._replies else _own_reply(wanted)
        if reply.broken == "garbage":
            return Response(b'{"choices": 7, "nonsense', media_type="application/json")
        if wanted.stream:
            return StreamingResponse(_streamed(wanted.model, reply), media_type="text/event-stream")
        return answer(_whole(wanted.model, reply))

    async def _draw(self, request: Request) -> Response:
        self._check(request)
        wanted = await body_of(request, _Picture)
        drawn = [_png(f"{wanted.prompt} {uuid.uuid4()}") for _ in range(wanted.n)]
        data = [{"b64_json": base64.b64encode(each).decode()} for each in drawn]
        return answer({"created": int(time.time()), "data": data})


def _own_reply(wanted: _Wanted) -> Reply:
    """A sensible reply to what was asked."""
    tools = {tool["function"]["name"]: tool["function"] for tool in wanted.tools}
    last = wanted.messages[-1] if wanted.messages else {}
    said = _text_of(last)
    if output := next((name for name in tools if name.startswith("final_result")), None):
        return Reply(calls=[Call(output, _fitting(tools[output].get("parameters", {})))])
    if last.get("role") == "user" and "write" in said.lower() and "save_draft" in tools:
        draft = {"title": "As it was told", "content": f"## What was asked\n\n{said}\n"}
        return Reply(calls=[Call("save_draft", draft)])
    return Reply(text=f"I heard {len(wanted.messages)} messages, the last one: {said[:200]}")


def _text_of(message: dict[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")


def _fitting(schema: dict[str, Any]) -> dict[str, Any]:
    """Arguments that fit a tool's schema of plain fields."""
    made: dict[str, Any] = {}
    for name, field in schema.get("properties", {}).items():
        kinds: dict[str, Any] = {"string": f"a {name}", "integer": 1, "number": 0.5,
                                 "boolean": True, "array": [], "object": {}}  # fmt: skip
        made[name] = kinds.get(field.get("type", "string"))
    return made


def _called(reply: Reply) -> list[dict[str, Any]]:
    return [
        {
            "index": i,
            "id": f"call_{uuid.uuid4().hex[:12]}",
            "type": "function",
            "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
        }
        for i, call in enumerate(reply.calls)
    ]


def _whole(model: str, reply: Reply) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
    if reply.calls:
        message["tool_calls"] = _called(reply)
    return _frame("chat.completion", model) | {
        "choices": [{"index": 0, "message": message, "finish_reason": _ending(reply)}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20},
    }


def _frame(kind: str, model: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex[:12]}",
        "object": kind,
        "created": int(time.time()),
        "model": model,
    }


def _ending(reply: Reply) -> str:
    return "tool_calls" if reply.calls else "stop"


def _streamed(model: str, reply: Reply) -> Iterator[bytes]:
    """The reply in chunks; a broken one ends without its end."""
    frame = _frame("chat.completion.chunk", model)
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    text = reply.text
    deltas += [{"content": text[i : i + _PIECE]} for i in range(0, len(text), _PIECE)]
    deltas += [{"tool_calls": [call]} for call in _called(reply)]
    for i, delta in enumerate(deltas):
        if reply.broken == "mid_stream" and i >= len(deltas) / 2:
            raise ConnectionAbortedError("the stand-in was told to break off here")
        yield _event(frame | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    end = {"index": 0, "delta": {}, "finish_reason": _ending(reply)}
    yield _event(frame | {"choices": [end]})
    yield b"data: [DONE]\n\n"


def _event(value: dict[str, Any]) -> bytes:
    return b"data: %s\n\n" % json.dumps(value).encode()


def _png(seed: str) -> bytes:
    """A picture of one colour, four by four points."""
    colour = zlib.crc32(seed.encode()).to_bytes(4, "big")[:3]
    rows = b"".join(b"\0" + colour * 4 for _ in range(4))

    def chunk(kind: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + check

    head = struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def model_app(key: str | None = None) -> ASGIApp:
    """
    The provider as an application.

    Args:
        key: What callers show as a bearer key; None takes any.
    """
    return Model(key)


def main() -> None:
    """Serve on `PORT` until told to stop; `MODEL_API_KEY` is what callers have to show."""
    try:
        port = number("PORT", PORT)
    except SettingMissing as missing:
        sys.exit(f"model: {missing}")
    serve(model_app(os.environ.get("MODEL_API_KEY")), host=HOST, port=port)


if __name__ == "__main__":
    main()
