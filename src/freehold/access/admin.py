"""
The entrypoint of the data layer's own operator: keys, and a look into the database.

It is served beside the application's and is in no contract. Its methods ask for a scope
word of their own, which no wildcard gives; the owner on the Unix socket needs none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from freehold.access import keys
from freehold.access.schema import Environment, KeyInfo, MintedKey, NewKey
from freehold.crypto import Secret
from freehold.db import Reader, Writer
from freehold.rpc import Entrypoint, method
from freehold.schema import Struct

ADMIN_SCOPE: Final = "freehold_admin"
ADMIN_NAME: Final = "Freehold"


class SqlRows(Struct):
    """The rows of a SELECT; `isCut` says that there were more."""

    columns: list[str]
    rows: list[list[str | int | float | None]]
    is_cut: bool


Inspect = Callable[[str, int], Any]


def admin_entrypoint(
    *,
    database: str,
    pepper: Secret,
    environment: Environment,
    changing: Callable[[], None],
    inspect: Inspect,
) -> type[Entrypoint]:
    """
    The operator's entrypoint over one database.

    Args:
        database: The database that holds the keys.
        pepper: What digests of keys are made with.
        environment: Of new keys, unless one is named.
        changing: Called when a key is about to change.
        inspect: Runs a SELECT.
    """

    def create_key(db: Writer, data: NewKey) -> MintedKey:
        """Make a service key; the answer is the only time that it can be seen."""
        changing()
        return keys.create_key(db, data, pepper=pepper, environment=environment)

    def rotate_key(db: Writer, id: str, overlap_s: int = keys.OVERLAP_S) -> MintedKey:
        """Make a key that replaces another, which lives on for the overlap; shown once."""
        changing()
        return keys.rotate_key(db, id, pepper=pepper, overlap_s=overlap_s)

    def list_keys(db: Reader) -> list[KeyInfo]:
        """Every key, oldest first."""
        return keys.list_keys(db)

    def revoke_key(db: Writer, id: str) -> KeyInfo:
        """End a key; it is refused from the next call on."""
        changing()
        return keys.revoke_key(db, id)

    def sql(db: Reader, text: str, limit: int = 100) -> SqlRows:
        """The rows of one SELECT."""
        found = inspect(text, limit)
        return SqlRows(columns=found.columns, rows=found.rows, is_cut=found.is_cut)

    functions = (create_key, rotate_key, list_keys, revoke_key, sql)
    minting = (create_key, rotate_key)
    body: dict[str, Any] = {
        function.__name__: method(
            function, scope=ADMIN_SCOPE, reveals=function in minting,
            audited=function in (*minting, revoke_key),
        )
        for function in functions
    }  # fmt: skip
    return type(ADMIN_NAME, (Entrypoint,), {"database": database, **body})
