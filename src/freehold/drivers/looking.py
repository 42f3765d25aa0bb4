"""
What an operator's look into a database comes back with, on any engine.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Rows:
    """What came back."""

    columns: list[str] = field(default_factory=list)
    rows: list[list[Any]] = field(default_factory=list)
    #: There was more than asked for, or than is shown at once.
    is_cut: bool = False
