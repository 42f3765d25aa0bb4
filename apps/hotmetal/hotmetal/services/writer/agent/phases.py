"""
The phases of a session's agent, and which steps between them somebody may ask for.

    idle → interviewing → researching → drafting → revising → publishing → published
"""

from __future__ import annotations

from typing import Final, Literal

Phase = Literal[
    "idle", "interviewing", "researching", "drafting", "revising", "publishing", "published"
]

#: What the model may set by itself; publishing is a person's decision, or the scout's.
WORKING: Final = ("interviewing", "researching", "drafting", "revising")
#: In these the text stands as it is.
CLOSED: Final = ("publishing", "published")
