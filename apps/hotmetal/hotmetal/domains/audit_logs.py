"""The audit log: one row for each attempt to publish. Rows are added and read, never changed."""

from __future__ import annotations

from typing import Final

from freehold import Input, Reader, Writer, param, select
from hotmetal.schema import AuditLog, AuditStatus

_ENTRIES_MAX: Final = 1000


class AuditLogInput(Input):
    """What was tried, where, and how it ended; `result_data` is JSON text."""

    post_id: str
    outlet: str
    action: str
    status: AuditStatus
    result_data: str | None = None
    error_message: str | None = None


class ListAuditLogsFilters(Input):
    """Which entries, and how many of them at most: 1 to 1000."""

    post_id: str | None = None
    limit: int = 100


_LIST = (
    select(AuditLog)
    .where_given(AuditLog.c.post_id == param("post_id"))
    .order_by(AuditLog.c.created_at.desc(), AuditLog.c.id.desc())
    .limit(param("limit"))
)


def write_audit_log(db: Writer, entry: AuditLogInput) -> None:
    """Add an entry; its id and its time are the data layer's."""
    db.insert(
        AuditLog(
            id=db.new_id(),
            post_id=entry.post_id,
            outlet=entry.outlet,
            action=entry.action,
            status=entry.status,
            result_data=entry.result_data,
            error_message=entry.error_message,
        )
    )


def list_audit_logs(db: Reader, filters: ListAuditLogsFilters | None = None) -> list[AuditLog]:
    """The last entries (100, at most 1000) of all posts or of one, the newest first."""
    wanted = filters or ListAuditLogsFilters()
    limit = min(max(wanted.limit, 1), _ENTRIES_MAX)
    return db.all(_LIST, post_id=wanted.post_id, limit=limit)
