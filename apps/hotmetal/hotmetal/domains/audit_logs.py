"""The audit log: one row for each attempt to publish. It is written here and read elsewhere."""

from __future__ import annotations

from freehold import Input, Writer
from hotmetal.schema import AuditLog, AuditStatus


class AuditLogInput(Input):
    """What was tried, where, and how it ended; `result_data` is JSON text."""

    post_id: str
    outlet: str
    action: str
    status: AuditStatus
    result_data: str | None = None
    error_message: str | None = None


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
