"""
A post out of what is known, and a new version out of what somebody says about the last one.

Only given words are used: the brief, the answers, the notes. What nobody said is not there.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from hotmetal.services.writer.agent.brief import Source
from hotmetal.services.writer.agent.memory import Memory

_TITLE_MAX: Final = 90
_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9“\"'])")
_ANSWER: Final = re.compile(r"(?:^|(?<=[.!?\n]))\s*(?:\d{1,2}[.)]|[-*])\s+")
_ADD: Final = re.compile(r"^(please\s+)?(add|mention|include|say)(\s+that\b|\s*:|\s)\s*", re.I)
_RENAME: Final = re.compile(r"\b(?:call it|title it|retitle(?: it)?(?: to)?|title:)\s*(.+)", re.I)
_SHORTER: Final = re.compile(r"\b(shorter|cut|trim|condense|tighten)\b", re.I)
_GO: Final = re.compile(
    r"^((please|now|just|ok(ay)?|then|thanks)\W+)*(write|draft|compose|go ahead|start)\b"
    r"[^.!?]*[.!?]?\s*",
    re.I,
)
#: From so many words on, what somebody opens the talk with is more than a greeting.
_OPENING_WORDS: Final = 15
_THANKS: Final = re.compile(r"^\W*(thanks?( you)?|ok(ay)?|good|great|fine|perfect|nice)\W*$", re.I)


def composed(memory: Memory, message: str) -> dict[str, Any]:
    """The arguments of `save_draft` for a first version."""
    brief, answers = memory.brief, _answers(memory, message)
    lead, *rest = _sentences(brief.brief) or _sentences(answers.pop(0) if answers else "") or [""]
    title = brief.title or memory.title or _headline(lead)
    parts = [lead, " ".join(rest)]
    # A source that says what the brief says is in it already.
    known = ("", _sentence(brief.brief))
    body = [_reported(s) for s in brief.sources if _sentence(s.text) not in known]
    urls = {source.url for source in brief.sources}
    body += [_sentence(note.text) for note in memory.notes if note.source not in urls]
    body += answers
    if brief.angle:
        # A heading wants something below it.
        angle = brief.angle.rstrip(".")
        parts.append(f"## {angle}" if body else _sentence(angle))
    elif body:
        parts.append("## What there is to say")
    parts += body
    if brief.sources:
        parts += ["## Sources", "\n".join(f"- [{s.title}]({s.url})" for s in brief.sources)]
    return {
        "title": title[:_TITLE_MAX],
        "content": "\n\n".join(part for part in parts if part),
        "citations": [{"url": s.url, "title": s.title} for s in brief.sources],
    }


def revised(memory: Memory, message: str) -> tuple[dict[str, Any], str]:
    """
    The arguments of `save_draft` for the next version, and what was done in words.

    Nothing is done, and the words are empty, when the message says nothing about the text.
    """
    draft = memory.draft
    if draft is None:
        return composed(memory, message), "wrote it"
    title, content, did = draft.title or "Untitled", draft.content, ""
    if rename := _RENAME.search(message):
        title = rename[1].strip().strip("“”\"'.")[:_TITLE_MAX]
        did = "it has another title"
    elif _SHORTER.search(message):
        content, did = _shorter(content)
    elif not _GO.match(message) and (text := _answer(message)):
        # An order to write that is repeated over a draft says nothing about the draft.
        content, did = _with_addition(content, text), "what you said is in it"
    return {
        "title": title,
        "content": content,
        "citations": json.loads(draft.citations or "[]"),
        "feedback": message[:2_000],
    }, did


def _answers(memory: Memory, message: str) -> list[str]:
    """What the person said that belongs into the post."""
    said = [*memory.said, message]
    if memory.has_assignment:
        # With an assignment the talk opens with a greeting or with the order to write.
        opening, *said = said
        if len(opening.split()) > _OPENING_WORDS and not _GO.match(opening):
            said = [opening, *said]
    return [text for each in said if (text := _answer(each))]


def _answer(said: str) -> str:
    """What of a message is material: without numbering, and without the order to write."""
    if _THANKS.match(said):
        return ""
    text = _ADD.sub("", _GO.sub("", _ANSWER.sub(" ", said).strip()))
    return _sentence(" ".join(text.split())) if len(text.split()) > 2 else ""


def _shorter(content: str) -> tuple[str, str]:
    """Without the last section before the sources; a single section loses its last paragraph."""
    sections = re.split(r"\n\n(?=## )", content)
    ends = [s for s in sections[1:] if s.startswith("## Sources")]
    inner = [s for s in sections[1:] if not s.startswith("## Sources")]
    if inner:
        gone = inner.pop().splitlines()[0].lstrip("# ")
        return "\n\n".join([sections[0], *inner, *ends]), f"the section “{gone}” is gone"
    paragraphs = sections[0].split("\n\n")
    if len(paragraphs) < 2:
        return content, ""
    return "\n\n".join([*paragraphs[:-1], *ends]), "its last paragraph is gone"


def _with_addition(content: str, text: str) -> str:
    """The text as a paragraph before the sources."""
    head, mark, sources = content.partition("\n\n## Sources")
    return f"{head}\n\n{text}{mark}{sources}"


def _reported(source: Source) -> str:
    return f"{_sentence(source.text or source.title)} ([{source.title}]({source.url}))"


def _sentences(text: str) -> list[str]:
    return [part for part in _SENTENCE.split(_sentence(" ".join(text.split()))) if part]


def _sentence(text: str) -> str:
    """The text with a capital at its start and a stop at its end."""
    text = text.strip()
    if not text:
        return ""
    return text[0].upper() + text[1:] + ("" if text[-1] in ".!?”\"'…" else ".")


def _headline(lead: str) -> str:
    words = lead.rstrip(".!?").split()
    return " ".join(words[:9]) or "Untitled"
