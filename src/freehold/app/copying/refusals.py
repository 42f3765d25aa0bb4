"""
Why a copy is not made. In every case the target has no row of it.
"""

from __future__ import annotations

from typing import Any, Final

from freehold.errors import StartError

#: The last words of every refusal, after which there is nothing to clean up.
NOTHING_COPIED: Final = "Nothing was copied."


class CopyRefused(StartError):
    """A copy cannot be made of these two; nothing was copied."""

    exit_code = 1


class TargetNotEmpty(CopyRefused):
    """A copy would go into a database that has rows; nothing was copied."""


class CopyDiffers(CopyRefused):
    """
    What arrived is not what the source holds; it was taken back.

    Args:
        detail: Which table it was.
        copied: The report, with the counts and hashes of both sides.
    """

    def __init__(self, detail: str, *, copied: list[Any]) -> None:
        super().__init__(detail, hint=f"{NOTHING_COPIED} Please report it, with this table.")
        self.copied = copied


class CopyFailed(StartError):
    """A copy broke off: a disk, a server or its rights refused; nothing was copied."""

    exit_code = 74


def has_rows(where: str, table: str) -> TargetNotEmpty:
    """The refusal to copy into a database with rows."""
    return _not_empty(f"{where} has rows in {table}")


def has_commits(where: str) -> TargetNotEmpty:
    """The refusal to copy into a database that was written to, though no row is left."""
    return _not_empty(f"{where} has had commits")


def _not_empty(why: str) -> TargetNotEmpty:
    return TargetNotEmpty(
        f"{why}: a copy goes into an empty database only.",
        hint="Name a new file, a new database, or another ?search_path=schema in the address.",
    )
