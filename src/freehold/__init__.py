"""
Freehold: one process owns the data; everyone else calls its typed methods.

The public names, each loaded when it is first used: importing this loads no driver and no
server, and a consumer that needs only `freehold.client` loads no database.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from msgspec import UNSET

    from freehold.app import App, Database, Service
    from freehold.db import (
        Caller,
        OwnedReader,
        OwnedWriter,
        Page,
        Reader,
        Writer,
        any_of,
        delete,
        param,
        select,
        statement,
        update,
    )
    from freehold.errors import (
        AlreadyExists,
        Conflict,
        FreeholdError,
        InvalidArgument,
        NotFound,
        PermissionDenied,
        ReferenceBroken,
        RuleBroken,
    )
    from freehold.rpc import Entrypoint, method, raises
    from freehold.scalars import Hashed, Int64, Sealed
    from freehold.schema import (
        AUTO,
        Check,
        Column,
        CreatedAt,
        CreatedAtMs,
        EpochMillis,
        EpochSeconds,
        ForeignKey,
        Index,
        Input,
        Maybe,
        Owner,
        Patch,
        PrimaryKey,
        Record,
        References,
        Schema,
        Struct,
        Trigger,
        Unique,
        UpdatedAt,
        UpdatedAtMs,
        Was,
        given,
    )

__version__ = "0.1.0"

_ROOMS = {
    "freehold.app": ("App", "Database", "Service"),
    "freehold.db": (
        "Caller", "OwnedReader", "OwnedWriter", "Page", "Reader", "Writer", "any_of", "delete",
        "param", "select", "statement", "update",
    ),
    "freehold.errors": (
        "AlreadyExists", "Conflict", "FreeholdError", "InvalidArgument", "NotFound",
        "PermissionDenied", "ReferenceBroken", "RuleBroken",
    ),
    "freehold.rpc": ("Entrypoint", "method", "raises"),
    "freehold.scalars": ("Hashed", "Int64", "Sealed"),
    "freehold.schema": (
        "AUTO", "Check", "Column", "CreatedAt", "CreatedAtMs", "EpochMillis", "EpochSeconds",
        "ForeignKey", "Index", "Input", "Maybe", "Owner", "Patch", "PrimaryKey", "Record",
        "References", "Schema", "Struct", "Trigger", "Unique", "UpdatedAt", "UpdatedAtMs", "Was",
        "given",
    ),
    "msgspec": ("UNSET",),
}  # fmt: skip
_HOME = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "AUTO",
    "UNSET",
    "AlreadyExists",
    "App",
    "Caller",
    "Check",
    "Column",
    "Conflict",
    "CreatedAt",
    "CreatedAtMs",
    "Database",
    "Entrypoint",
    "EpochMillis",
    "EpochSeconds",
    "ForeignKey",
    "FreeholdError",
    "Hashed",
    "Index",
    "Input",
    "Int64",
    "InvalidArgument",
    "Maybe",
    "NotFound",
    "OwnedReader",
    "OwnedWriter",
    "Owner",
    "Page",
    "Patch",
    "PermissionDenied",
    "PrimaryKey",
    "Reader",
    "Record",
    "ReferenceBroken",
    "References",
    "RuleBroken",
    "Schema",
    "Sealed",
    "Service",
    "Struct",
    "Trigger",
    "Unique",
    "UpdatedAt",
    "UpdatedAtMs",
    "Was",
    "Writer",
    "any_of",
    "delete",
    "given",
    "method",
    "param",
    "raises",
    "select",
    "statement",
    "update",
]


def __getattr__(name: str) -> Any:
    room = _HOME.get(name)
    if room is None:
        raise AttributeError(f"module 'freehold' has no attribute {name!r}")
    value = getattr(import_module(room), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
