"""
The offline writer: what writes when no language model is set.

It asks one or two questions, then composes a post out of what it was told: the seed context,
the answers, the notes. It invents nothing and says what it is. For pydantic-ai it is a model like
any other, so tools, streaming and storing go the same way.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
from collections.abc import AsyncIterator
from typing import Any, Final

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, DeltaToolCalls, FunctionModel

from hotmetal.services.writer.agent.compose import composed, revised
from hotmetal.services.writer.agent.memory import Memory

NAME: Final = "offline-writer"
HOW_TO: Final = (
    "I am the offline writer: no model is set, so I arrange what you tell me and invent nothing."
    " To have a language model write, set `HOTMETAL_MODEL` (for example `openai:gpt-5-mini`) and"
    " the provider's key (for example `OPENAI_API_KEY`), and start the writer again."
)
_GO: Final = re.compile(
    r"\b(write|draft|compose|go ahead|just do it|start writing|full (post|article))\b", re.I
)
_CHUNK: Final = 48


@dataclasses.dataclass
class Step:
    """What the model does next: tools to call, or the answer."""

    calls: list[tuple[str, dict[str, Any]]] = dataclasses.field(default_factory=list)
    text: str = ""


def offline_writer(memory: Memory) -> FunctionModel:
    """
    A model for one turn.

    Args:
        memory: What the agent knows when the turn begins.
    """

    def whole(messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
        step = next_step(memory, *_this_turn(messages))
        if step.calls:
            return ModelResponse(parts=[ToolCallPart(*call) for call in step.calls])
        return ModelResponse(parts=[TextPart(step.text)])

    async def stream(
        messages: list[ModelMessage], _info: AgentInfo
    ) -> AsyncIterator[str | DeltaToolCalls]:
        step = next_step(memory, *_this_turn(messages))
        for i, (name, arguments) in enumerate(step.calls):
            call = DeltaToolCall(name, json.dumps(arguments), tool_call_id=f"{name}-{i}")
            yield {i: call}
        for piece in _pieces(step.text):
            yield piece

    return FunctionModel(whole, stream_function=stream, model_name=NAME)


def next_step(memory: Memory, message: str, done: list[str]) -> Step:
    """
    What comes next in a turn.

    Args:
        memory: What the agent knew when the turn began.
        message: What somebody said.
        done: The tools that were called since.
    """
    if memory.draft is not None:
        return _revise(memory, message, done)
    if not _has_enough(memory, message):
        return Step(text=_with_how_to(memory, _questions(memory, message)))
    if "save_draft" not in done:
        notes = [] if done else _notes(memory)
        return Step(calls=notes or [("save_draft", composed(memory, message))])
    draft = composed(memory, message)
    words = len(draft["content"].split())
    return Step(
        text=_with_how_to(
            memory,
            f"The first draft is there: “{draft['title']}”, {words} words. Tell me what to"
            " change: a fact to add, “shorter”, or “call it …” for another title.",
        )
    )


def _revise(memory: Memory, message: str, done: list[str]) -> Step:
    draft, did = revised(memory, message)
    if did and "save_draft" not in done:
        return Step(calls=[("save_draft", draft)])
    if did:
        return Step(text=f"Done: {did}. The new version is “{draft['title']}”.")
    return Step(text="I left the draft as it is. Tell me a fact to add, “shorter”, or “call it …”.")


def _has_enough(memory: Memory, message: str) -> bool:
    """Whether to write: there is something, and it was asked before or somebody says so."""
    if not composed(memory, message)["content"]:
        return False
    if memory.said:
        return True
    return bool(_GO.search(message)) and (memory.has_assignment or len(message.split()) > 12)


def _questions(memory: Memory, message: str) -> str:
    brief = memory.brief
    if memory.has_assignment:
        subject = brief.title or memory.title or "this"
        return (
            f"I have the assignment for “{subject}”"
            f"{f', with the angle: {brief.angle}' if brief.angle else ''}. Two questions first."
            "\n\n1. What should a reader know or do after reading it?"
            "\n2. Is there a fact, a number or a person of your own that must be in it?"
        )
    subject = memory.title or message.strip().rstrip(".!?")
    return (
        f"Gladly, about “{subject[:120]}”. Two questions first."
        "\n\n1. What happened, or what do you claim, in two or three sentences?"
        "\n2. Who reads it, and why does it matter to them?"
    )


def _notes(memory: Memory) -> list[tuple[str, dict[str, Any]]]:
    """Sources that are not noted yet."""
    known = {note.source for note in memory.notes}
    return [
        ("save_note", {"text": source.text or source.title, "source": source.url})
        for source in memory.brief.sources
        if source.url not in known
    ]


def _with_how_to(memory: Memory, text: str) -> str:
    """The first answer of a talk says who is talking."""
    return text if memory.said else f"{text}\n\n{HOW_TO}"


def _this_turn(messages: list[ModelMessage]) -> tuple[str, list[str]]:
    """What was said last, and the tools that have answered since."""
    said = ""
    done: list[str] = []
    for part in itertools.chain.from_iterable(m.parts for m in messages if _is_request(m)):
        if isinstance(part, UserPromptPart):
            said, done = part.content if isinstance(part.content, str) else "", []
        elif isinstance(part, ToolReturnPart):
            done.append(part.tool_name)
    return said, done


def _is_request(message: ModelMessage) -> bool:
    return isinstance(message, ModelRequest)


def _pieces(text: str) -> list[str]:
    """The text in pieces that break between words, as a model streams it."""
    words = re.findall(r"\S*\s*", text)
    pieces = [""]
    for word in words:
        if len(pieces[-1]) + len(word) > _CHUNK and pieces[-1]:
            pieces.append("")
        pieces[-1] += word
    return [piece for piece in pieces if piece]
