"""
The scout's offline model: no language model, and it says so by its name.

It answers the two questions of `thinking.py` by the words that texts share, always the same way,
so that HotMetal can be tried and tested without a provider. Its ideas are the stories' own words.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    ToolCallPart,
    UserPromptPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel

from hotmetal.services.scout.feed import words_of
from hotmetal.services.scout.ideas import IDEAS_MOST
from hotmetal.services.scout.thinking import Thinker

_NAME: Final = "hotmetal-offline"
#: From this share of common words on, two titles tell the same story.
_SAME: Final = 0.6


def offline_thinker() -> Thinker:
    """What thinks where `HOTMETAL_MODEL` is not set."""
    return Thinker(_model(_verdicts), _model(_ideas))


def _model(answer: Callable[[dict[str, Any]], dict[str, Any]]) -> FunctionModel:
    def respond(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        called = ToolCallPart(info.output_tools[0].name, answer(_asked(messages)))
        return ModelResponse(parts=[called], model_name=_NAME)

    return FunctionModel(respond, model_name=_NAME)


def _asked(messages: list[ModelMessage]) -> dict[str, Any]:
    """The document that was sent."""
    [document] = [
        part.content
        for message in messages
        if isinstance(message, ModelRequest)
        for part in message.parts
        if isinstance(part, UserPromptPart) and isinstance(part.content, str)
    ]
    found: dict[str, Any] = json.loads(document)
    return found


def _verdicts(asked: dict[str, Any]) -> dict[str, Any]:
    known = [words_of(each["title"]) for each in asked["recentIdeas"]]
    sources = {url for each in asked["recentIdeas"] for url in each.get("sources", [])}
    return {
        "verdicts": [
            {
                "index": each["index"],
                "keep": each["url"] not in sources
                and not any(_alike(words_of(each["title"]), one) for one in known),
            }
            for each in asked["stories"]
        ]
    }


def _alike(one: set[str], other: set[str]) -> bool:
    return bool(one) and len(one & other) / len(one | other) >= _SAME


def _ideas(asked: dict[str, Any]) -> dict[str, Any]:
    """The closest stories, one of each topic in turn."""
    lines: list[list[dict[str, Any]]] = []
    for topic in asked["topics"]:
        wanted = words_of(f"{topic['name']} {topic.get('description') or ''}")
        of_topic = [each for each in asked["stories"] if each["topic"] == topic["name"]]
        ideas = [_idea(asked["publication"], topic["name"], each, wanted) for each in of_topic]
        lines.append(sorted(ideas, key=lambda idea: -idea["relevance_score"]))
    rounds = (line[n] for n in range(IDEAS_MOST) for line in lines if n < len(line))
    return {"ideas": [idea for idea, _ in zip(rounds, range(IDEAS_MOST), strict=False)]}


def _idea(
    publication: dict[str, Any], topic: str, found: dict[str, Any], wanted: set[str]
) -> dict[str, Any]:
    shared = wanted & words_of(f"{found['title']} {found['snippet']}")
    host = (urlsplit(found["url"]).hostname or "").removeprefix("www.")
    # The sample feed lives at a bare number, which is nobody's name.
    by = f" As told by {host}." if any(each.isalpha() for each in host) else ""
    told = found["snippet"] or found["title"]
    source = {name: found[name] for name in ("url", "title", "snippet", "publishedAt")}
    return {
        "title": found["title"],
        "angle": f"What it changes for those who follow {topic} in {publication['name']}",
        "summary": f"{told.rstrip('.')}.{by}",
        "topic": topic,
        "relevance_score": round(0.4 + 0.6 * len(shared) / max(1, len(wanted)), 2),
        "sources": [{name: value for name, value in source.items() if value}],
    }
