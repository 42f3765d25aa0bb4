"""
What an operator's look into a database comes back with, on any engine.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any, Final

#: So many bytes in a row are no accident, and fewer are not worth having.
_WINDOW: Final = 6


@dataclass
class Rows:
    """What came back."""

    columns: list[str] = field(default_factory=list)
    rows: list[list[Any]] = field(default_factory=list)
    #: There was more than asked for, or than is shown at once.
    is_cut: bool = False


class Mask:
    """
    Knows a secret when it is shown, whole or in part, in whatever way SQL writes bytes.

    Args:
        secret: What is never shown.
    """

    def __init__(self, secret: bytes) -> None:
        parts = [secret[at : at + _WINDOW] for at in range(len(secret) - _WINDOW + 1)]
        self._hex = [part.hex() for part in parts]
        self._texts: list[str] = []
        for part in parts:
            # As Python writes bytes in a list, and PostgreSQL in its old format.
            self._texts.append(repr(part)[2:-1])
            self._texts.append("".join(_escaped(byte) for byte in part))
        # Whole groups of three bytes read the same wherever in a text they begin.
        for at in range(len(secret) - _WINDOW + 1):
            self._texts.append(base64.b64encode(secret[at : at + _WINDOW]).decode())
        self._texts += [text.replace("+", "-").replace("/", "_") for text in self._texts]

    def hides(self, shown: Any) -> bool:
        """Whether the value, as it would be shown, holds a part of the secret."""
        if not isinstance(shown, str):
            return False
        lower = shown.lower()
        if any(part in lower for part in self._hex):
            return True
        # A long text in base 64 has its lines broken.
        unbroken = shown.replace("\n", "")
        return any(part in unbroken for part in self._texts)


def _escaped(byte: int) -> str:
    if byte == ord("\\"):
        return "\\\\"
    return chr(byte) if 0 < byte < 0x80 else f"\\{byte:03o}"
