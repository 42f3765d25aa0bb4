"""
The db room: what a domain function holds, whatever engine is behind it.

Handles, statements, rows, pages. How a transaction is made is not here, see `drivers`.
"""

from freehold.db.caller import IN_PROCESS, Caller
from freehold.db.link import ConstraintViolation, Context, Link
from freehold.db.lists import any_of
from freehold.db.owned import OwnedReader, OwnedWriter
from freehold.db.pages import Page
from freehold.db.ports import Refused
from freehold.db.reader import Reader
from freehold.db.statements import (
    Change,
    Select,
    Statement,
    delete,
    param,
    select,
    statement,
    update,
)
from freehold.db.writer import Writer

__all__ = [
    "IN_PROCESS",
    "Caller",
    "Change",
    "ConstraintViolation",
    "Context",
    "Link",
    "OwnedReader",
    "OwnedWriter",
    "Page",
    "Reader",
    "Refused",
    "Select",
    "Statement",
    "Writer",
    "any_of",
    "delete",
    "param",
    "select",
    "statement",
    "update",
]
