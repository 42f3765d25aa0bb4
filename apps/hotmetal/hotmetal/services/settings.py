"""What a service is told by its environment, asked once at its start."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

#: Where a service listens when nothing else is said.
HOST: Final = "127.0.0.1"


class SettingMissing(Exception):
    """The environment does not say what the service cannot do without."""


def required(name: str, what: str, *, given: Mapping[str, str] = os.environ) -> str:
    """
    The value of the variable.

    Args:
        name: The variable.
        what: What it is, for the message when there is none.
        given: Where to look.

    Raises:
        SettingMissing: It is not set, or empty.
    """
    if value := given.get(name, "").strip():
        return value
    raise SettingMissing(f"{name} is not set: {what}. `freehold dev` sets it by itself.")


def optional(name: str, *, given: Mapping[str, str] = os.environ) -> str | None:
    """The value of the variable; None when it is not set or empty."""
    return given.get(name, "").strip() or None


def number(name: str, usual: int, *, given: Mapping[str, str] = os.environ) -> int:
    """
    A whole number from the environment.

    Raises:
        SettingMissing: It is set to something else.
    """
    said = optional(name, given=given)
    if said is None:
        return usual
    try:
        return int(said)
    except ValueError:
        raise SettingMissing(f"{name} is {said!r}; it takes a whole number.") from None
