"""
What generated Python clients stand on; it needs msgspec and no database.

    AsyncBinding, SyncBinding   what the generated classes extend; connect() is theirs
    Query, Mutation             what a generated client says of one method
    Record, Value, Input, Patch what its types extend; Int64, Maybe, UNSET, Page
    ErrorTypes                  the application's errors, by name
    Steps, Step                 the calls of a transaction, and one of them

The errors that calls end with are in `freehold.errors`. How calls travel is in the files
here; an application imports its generated module and this door.
"""

from freehold.client.binding import AsyncBinding, SyncBinding, TransportName
from freehold.client.method import AnswerUnreadable, Method, Mutation, Query
from freehold.client.problems import ErrorTypes
from freehold.client.struct import (
    UNSET,
    Input,
    Int64,
    Maybe,
    Page,
    Patch,
    Record,
    Value,
    field,
)
from freehold.client.transaction import AsyncTransaction, Step, Steps, SyncTransaction

__all__ = [
    "UNSET",
    "AnswerUnreadable",
    "AsyncBinding",
    "AsyncTransaction",
    "ErrorTypes",
    "Input",
    "Int64",
    "Maybe",
    "Method",
    "Mutation",
    "Page",
    "Patch",
    "Query",
    "Record",
    "Step",
    "Steps",
    "SyncBinding",
    "SyncTransaction",
    "TransportName",
    "Value",
    "field",
]
