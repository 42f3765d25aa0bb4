"""
The schema room: records, their columns and constraints, and the tables they make.

Pure: it opens no database and reads no file.
"""

from freehold.schema.database import SYSTEM_PREFIX, Schema, is_own_table, references_of
from freehold.schema.ddl import (
    DIALECTS,
    DialectName,
    create_indexes,
    create_table,
    create_trigger,
)
from freehold.schema.fields import Field
from freehold.schema.kinds import Hint, Holds, Kind, read_hint
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
    Owner,
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
from freehold.schema.stored import Open, Stored, Written
from freehold.schema.structs import Input, Maybe, Patch, Struct, given, wire_name

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
    "Hint",
    "Holds",
    "Index",
    "Input",
    "Kind",
    "Maybe",
    "Open",
    "Owner",
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
    "Written",
    "create_indexes",
    "create_table",
    "create_trigger",
    "given",
    "is_own_table",
    "read_hint",
    "references_of",
    "wire_name",
]
