"""
The schema room: records, their columns and constraints, and the tables they make.

Pure: it opens no database and reads no file.
"""

from freehold.schema.database import (
    DIALECTS,
    SYSTEM_PREFIX,
    DialectName,
    Schema,
    create_indexes,
    create_table,
    create_trigger,
)
from freehold.schema.fields import Field
from freehold.schema.kinds import Kind, Stored
from freehold.schema.marks import (
    AUTO,
    Check,
    Column,
    CreatedAt,
    CreatedAtMs,
    EpochMillis,
    EpochSeconds,
    ForeignKey,
    Index,
    PrimaryKey,
    References,
    Stamp,
    Trigger,
    Unique,
    UpdatedAt,
    UpdatedAtMs,
    Was,
)
from freehold.schema.record import Record, RecordMeta
from freehold.schema.structs import Input, Maybe, Patch, Struct, given

__all__ = [
    "AUTO",
    "DIALECTS",
    "SYSTEM_PREFIX",
    "Check",
    "Column",
    "CreatedAt",
    "CreatedAtMs",
    "DialectName",
    "EpochMillis",
    "EpochSeconds",
    "Field",
    "ForeignKey",
    "Index",
    "Input",
    "Kind",
    "Maybe",
    "Patch",
    "PrimaryKey",
    "Record",
    "RecordMeta",
    "References",
    "Schema",
    "Stamp",
    "Stored",
    "Struct",
    "Trigger",
    "Unique",
    "UpdatedAt",
    "UpdatedAtMs",
    "Was",
    "create_indexes",
    "create_table",
    "create_trigger",
    "given",
]
