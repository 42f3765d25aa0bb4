"""
Why rows do not move. In every case the database is as it was, and no file is left behind.
"""

from __future__ import annotations

from typing import Any, Final

from freehold.errors import StartError

#: The last words of every refusal, after which there is nothing to clean up.
NOTHING_IMPORTED: Final = "Nothing was imported."


class ImportRefused(StartError):
    """
    Rows cannot be taken in as they are; nothing was imported.

    Args:
        detail: What is wrong.
        hint: What to do.
        report: What was found until then, table by table; None when no row was looked at.
    """

    exit_code = 1

    def __init__(self, detail: str, *, hint: str = "", report: Any = None) -> None:
        super().__init__(detail, hint=f"{hint} {NOTHING_IMPORTED}".strip())
        self.report = report


class SourceUnreadable(ImportRefused):
    """The file is not what it should be: cut off, damaged, of another kind, or hostile."""


class ExportRefused(StartError):
    """An export cannot be made; no file was written."""

    exit_code = 1
