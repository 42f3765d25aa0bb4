"""
The nearest name to one that does not exist, in either spelling.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from freehold.schema import wire_name


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint: the name that was probably meant, or all there are."""
    names = list(known)
    by_wire = {wire_name(each).lower(): each for each in reversed(names)}
    close = difflib.get_close_matches(wire_name(name).lower(), list(by_wire), n=1)
    meant = f"Did you mean {by_wire[close[0]]!r}? " if close else ""
    if not names:
        return "There are none."
    listed = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
    return f"{meant}There {'is' if len(names) == 1 else 'are'}: {listed}."
