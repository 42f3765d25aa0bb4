"""
Names in their two spellings, and the nearest one to a name that does not exist.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def camel_case(name: str) -> str:
    """
    `get_user_by_id` as it is called on the wire: `getUserById`.

    Letter for letter what msgspec's `rename="camel"` makes of a field, so that a parameter
    and a field of the same name are called the same.
    """
    bare = name.lstrip("_")
    head, *tail = bare.split("_")
    return name[: len(name) - len(bare)] + head + "".join(part.title() for part in tail)


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint: the name that was probably meant, or all there are."""
    names = list(known)
    by_wire = {camel_case(each).lower(): each for each in reversed(names)}
    close = difflib.get_close_matches(camel_case(name).lower(), list(by_wire), n=1)
    meant = f"Did you mean {by_wire[close[0]]!r}? " if close else ""
    if not names:
        return "There are none."
    listed = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
    return f"{meant}There {'is' if len(names) == 1 else 'are'}: {listed}."
