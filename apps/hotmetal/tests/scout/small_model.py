"""A language model on OpenAI's wire, small enough to be held and counted."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hotmetal.services.web import answer, raw_body
from hotmetal.stand_ins.on_demand import OnDemand
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp
from tests.scout.gates import Gates


class SmallModel:
    """What was asked of it, and where it is held."""

    def __init__(self) -> None:
        self.gates = Gates()
        self.asked: list[str] = []

    def app(self, _address: str) -> ASGIApp:
        """The application, which fails on demand."""
        routes = [Route("/chat/completions", self.complete, methods=["POST"])]
        return OnDemand(Starlette(routes=routes))

    async def complete(self, request: Request) -> Response:
        """`POST /chat/completions`: calls the one tool that it is given."""
        body = msgspec.json.decode(await raw_body(request))
        [text] = [each["content"] for each in body["messages"] if each["role"] == "user"]
        [tool] = [each["function"]["name"] for each in body["tools"]]
        asked = json.loads(text)
        name = "generate" if "topics" in asked else "dedupe"
        self.asked.append(name)
        await self.gates(name)
        return answer(_completion(body["model"], tool, _answer(asked)))


def _completion(model: str, tool: str, said: dict[str, Any]) -> dict[str, Any]:
    message = {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "call-1",
                "type": "function",
                "function": {"name": tool, "arguments": json.dumps(said)},
            }
        ],
    }
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_800_000_000,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }


def _answer(asked: dict[str, Any]) -> dict[str, Any]:
    """Drops the first story; proposes one idea of each, and some that are none."""
    if "topics" not in asked:
        return {"verdicts": [{"index": 0, "keep": False}, {"index": "x"}, 7]}
    good = [
        {
            "title": each["title"],
            "angle": "As seen from here",
            "summary": "Told shortly.",
            "topic": each["topic"],
            "relevance_score": 7,
            "sources": [{"url": each["url"], "title": each["title"]}],
        }
        for each in asked["stories"]
    ]
    return {"ideas": [{"title": " ", "angle": "", "summary": ""}, "nonsense", *good]}
