"""
What callers hear whose call never reached a transaction, on whichever engine.
"""

from __future__ import annotations

from freehold.errors import CallError, DeadlineExceeded, Overloaded, SeqNotReached, Unavailable


def closed() -> CallError:
    """Of a database that is not open any more, or not yet served."""
    return Unavailable(
        "the database is closed; nothing was done.",
        hint="Call again when the data layer has been started again.",
    )


def too_late() -> CallError:
    """The call was not begun in time."""
    return DeadlineExceeded("the call's time ran out while it waited; nothing was done.")


def too_many(waiting: int) -> CallError:
    """So many mutations wait for the writer that one more would wait too long."""
    return Overloaded(f"{waiting} mutations wait already.", hint="Call again in a second.")


def not_reached(wanted: int, last: int) -> CallError:
    """It asks for a commit that is not there."""
    return SeqNotReached(
        f"commit {wanted} is not in this database, whose last one is {last}.",
        hint="The number comes from an answer of this database; was it restored since?",
        path="Freehold-Min-Seq",
    )
