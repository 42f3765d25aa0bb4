"""
What callers hear: from an engine's error to the call error that says what it means for them.
"""

from __future__ import annotations

import apsw

from freehold.db import ConstraintViolation, Context
from freehold.db.violations import explain
from freehold.drivers.sqlite.checksums import is_fault
from freehold.drivers.sqlite.links import (
    Damaged,
    DiskFailed,
    OverBudget,
    TransactionGone,
    WriteLink,
    translated,
    violation,
)
from freehold.errors import (
    CallError,
    DeadlineExceeded,
    OutcomeUnknown,
    StorageDamaged,
    StorageFull,
    Unavailable,
)


def refusal(error: BaseException, *, link: WriteLink, context: Context) -> BaseException:
    """
    What a caller hears of an error that ended its mutation without effect.

    What a function raised itself comes back as it is.

    Args:
        error: What ended it.
        link: The mutation's; asked which reference is broken, while its transaction stands.
        context: Knows the schema's records.
    """
    if isinstance(error, (TransactionGone, DiskFailed, Damaged)):
        error = error.cause
    if isinstance(error, apsw.ConstraintError):
        error = violation(error)
    if isinstance(error, ConstraintViolation):
        return explain(error, link, context)
    if isinstance(error, (OverBudget, apsw.InterruptError)):
        return DeadlineExceeded("the mutation was interrupted; nothing was written.")
    if is_fault(error):
        return damaged("nothing was written")
    if isinstance(error, apsw.FullError):
        return full()
    if isinstance(error, (apsw.NoMemError, MemoryError)):
        return Unavailable(
            "there was not enough memory; nothing was written.",
            hint="Ask for less at once, or call again.",
        )
    if isinstance(error, (apsw.IOError, apsw.BusyError, apsw.LockedError)):
        return Unavailable(
            "the storage refused the mutation; nothing was written.", hint="Call again."
        )
    return translated(error) if isinstance(error, apsw.Error) else error


def full() -> CallError:
    """What a caller hears while there is no space for its mutation."""
    return StorageFull(
        "the disk is full; nothing was written.", hint="Free space, then call again."
    )


def damaged(so: str) -> CallError:
    """
    What a caller hears who needs a page that is not what was written.

    Args:
        so: What that means for the call.
    """
    return StorageDamaged(
        f"a page of the database is damaged on the disk; {so}.",
        hint="`freehold doctor --scrub` names the pages; restore a backup.",
    )


def stopped() -> CallError:
    """What a caller hears when the writer has stopped and its mutation was not done."""
    return Unavailable(
        "the writer has stopped after a storage fault; nothing was done.",
        hint="Call again when the data layer has been started again.",
    )


def unknown() -> CallError:
    """What a caller hears when a COMMIT failed on the disk."""
    return OutcomeUnknown(
        "the disk failed during the commit; the mutation may be there or not.",
        hint="Look, or call again, when the data layer has been started again.",
    )


def unread(error: BaseException) -> BaseException:
    """What the caller of a query hears; what a function raised itself comes back as it is."""
    if isinstance(error, Damaged) or is_fault(error):
        return damaged("nothing of it is shown")
    if isinstance(error, (apsw.NoMemError, MemoryError)):
        return Unavailable("there was not enough memory.", hint="Ask for less at once.")
    refused = (apsw.IOError, apsw.BusyError, apsw.LockedError, apsw.FullError, apsw.CantOpenError)
    if isinstance(error, refused):
        return Unavailable("the storage refused to be read.", hint="Call again.")
    return error
