"""
The copying room: all rows of an application from one engine to another, whole or not at all.

    parts         the tables of a copy, and what each side of it must be able to do
    file_side     a SQLite file as the one side
    server_side   a PostgreSQL server as the other
    fingerprint   rows counted and hashed, the same on every engine
    run           the order of things: open, load, compare, commit
    refusals      why a copy is not made

Sealed columns are copied as they are stored: the key that opens them stays where it is.
"""

from freehold.app.copying.parts import Progress
from freehold.app.copying.refusals import CopyDiffers, CopyFailed, CopyRefused, TargetNotEmpty
from freehold.app.copying.run import Copied, TableCopied, copy

__all__ = [
    "Copied",
    "CopyDiffers",
    "CopyFailed",
    "CopyRefused",
    "Progress",
    "TableCopied",
    "TargetNotEmpty",
    "copy",
]
