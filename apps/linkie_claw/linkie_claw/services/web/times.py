"""
Times as the browser has them (ISO 8601 text) and as the data layer has them (epoch seconds).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec

#: A moment in a request; one without a zone would be a guess.
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


def epoch(moment: datetime) -> int:
    """The moment in whole seconds."""
    return int(moment.timestamp())


def iso(seconds: int) -> str:
    """The moment as JavaScript's dates write it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
