"""
The assignment: what a writing session is told about the post that comes of an idea.

The scout and the promoting of an idea write it in one form, which the offline writer reads.
"""

from __future__ import annotations

from collections.abc import Iterable


def write_assignment(
    *,
    publication: str,
    tone: str | None,
    title: str,
    angle: str,
    summary: str,
    sources: Iterable[tuple[str, str, str]],
) -> str:
    """
    The text.

    Args:
        publication: The name of where the post will stand.
        tone: How that one writes.
        title: The idea's title.
        angle: The idea's angle.
        summary: What it is about.
        sources: Title, address and snippet of each place where it was told.
    """
    parts = [
        "## Writing Assignment",
        f"**Publication:** {publication}\n**Title:** {title}\n**Angle:** {angle}",
        f"**Brief:**\n{summary}",
    ]
    if tone:
        parts.append(f"**Writing Tone:** {tone}")
    found = [f"### {name}\nURL: {url}\n{snippet}" for name, url, snippet in sources]
    if found:
        parts += ["## Source Material", *found]
    return "\n\n".join(parts) + "\n"
