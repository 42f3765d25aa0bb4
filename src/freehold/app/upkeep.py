"""
The operator's methods on one database: its audit log.

Each database has an entrypoint of its own, `Freehold_main`, beside the one of keys. As there,
the methods are in no contract and ask for the operator's scope word.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from freehold.access.admin import ADMIN_NAME, ADMIN_SCOPE
from freehold.db import Reader, Writer
from freehold.errors import InvalidArgument
from freehold.rpc import Entrypoint, method
from freehold.rpc.audit import AuditEntry, AuditLog, latest_entries
from freehold.rpc.audit_check import AuditFault, AuditStretch, check_kept_head, check_stretch

#: Rows of one call.
_ROWS_MAX = 1_000


def upkeep_name(database: str) -> str:
    """What a database's entrypoint is called."""
    return f"{ADMIN_NAME}_{database.replace('-', '_')}"


def upkeep_entrypoint(database: str, *, audit: AuditLog) -> type[Entrypoint]:
    """
    The operator's entrypoint of one database.

    Args:
        database: Its name.
        audit: Its audit log.
    """

    def check_audit(db: Reader, *, number: int, digest: str, rows: int = _ROWS_MAX) -> AuditStretch:
        """Walk the audit log on behind a row, over so many rows at most."""
        return check_stretch(db, audit, number=number, digest=digest, rows=_rows(rows))

    def check_audit_head(db: Reader, number: int, digest: str) -> AuditFault | None:
        """Whether the log still holds a row that was its head once."""
        return check_kept_head(db, number=number, digest=digest)

    def list_audit(
        db: Reader, *, below: int | None = None, rows: int = 100, user: str | None = None,
        key_id: str | None = None, method: str | None = None,
    ) -> list[AuditEntry]:  # fmt: skip
        """The newest rows of the audit log, newest first."""
        return latest_entries(
            db, below=below, rows=_rows(rows), user=user, key_id=key_id, method=method
        )

    def prune_audit(db: Writer, before_ms: int, rows: int = _ROWS_MAX) -> int:
        """Forget the oldest rows that are older than that; how many were forgotten."""
        return audit.prune(db, before_ms, _rows(rows))

    reading: tuple[Callable[..., Any], ...] = (check_audit, check_audit_head, list_audit)
    body: dict[str, Any] = {each.__name__: method(each, scope=ADMIN_SCOPE) for each in reading}
    body["prune_audit"] = method(prune_audit, scope=ADMIN_SCOPE, audited=True)
    return type(upkeep_name(database), (Entrypoint,), {"database": database, **body})


def _rows(rows: int) -> int:
    if not 1 <= rows <= _ROWS_MAX:
        raise InvalidArgument(f"rows {rows} is not between 1 and {_ROWS_MAX}.", path="rows")
    return rows
