"""
What stops a handle in the middle of its function, on whichever engine.

Raised as a `BaseException`, which no `except Exception` in a domain function swallows.
"""

from __future__ import annotations

from freehold.errors import StatementError


class Stopped(BaseException):
    """The handle cannot go on; which of its kinds says what the driver does about it."""


class NeedsSnapshot(Stopped):
    """A query asked twice outside a transaction; it is run again inside one."""


class Shut(Stopped):
    """The function has returned; its handle may live on in somebody's hands."""


def still(stopped: Stopped) -> BaseException:
    """What is raised at the next use of a handle that was stopped."""
    if isinstance(stopped, Shut):
        return StatementError(
            "the handle is gone with the call that it was made for.",
            hint="Read everything before the function returns; do not keep `db`.",
        )
    return stopped
