"""
The SQLite driver: owner lock, one writer with group commit, readers.
"""

from freehold.drivers.inprocess import InProcessCall
from freehold.drivers.pending import Pending
from freehold.drivers.sqlite.batch import CrashPoint, GroupCommit
from freehold.drivers.sqlite.checksums import shim
from freehold.drivers.sqlite.connection import Place, open_connection
from freehold.drivers.sqlite.database import SqliteDatabase
from freehold.drivers.sqlite.owner import Owner, OwnerLock, owner_of
from freehold.drivers.sqlite.pragmas import OLDEST_SQLITE, check_engine

__all__ = [
    "OLDEST_SQLITE",
    "CrashPoint",
    "GroupCommit",
    "InProcessCall",
    "Owner",
    "OwnerLock",
    "Pending",
    "Place",
    "SqliteDatabase",
    "check_engine",
    "open_connection",
    "owner_of",
    "shim",
]
