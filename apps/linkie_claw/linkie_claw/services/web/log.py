"""
The service's log: one JSON object a line on standard error, never a secret or a post's text.

JSON also keeps line breaks and terminal codes in a caller's text from forging other lines.
"""

from __future__ import annotations

import logging
from typing import Any

import msgspec

_LOG = logging.getLogger("linkie_claw.web")
_DEL = {code: f"\\u{code:04x}" for code in range(0x7F, 0xA0)}


def say(event: str, /, *, level: int = logging.INFO, **parts: Any) -> None:
    """Log an event with its parts."""
    _LOG.log(level, "%s", _line(event, parts))


def say_broken(event: str, error: BaseException, /, **parts: Any) -> None:
    """Log what nobody expected, with its trace; the caller only learns that it happened."""
    _LOG.error("%s", _line(event, parts), exc_info=error)


def _line(event: str, parts: dict[str, Any]) -> str:
    text = msgspec.json.encode({"event": event} | parts, enc_hook=str).decode()
    return text.translate(_DEL)
