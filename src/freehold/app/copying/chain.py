"""
The audit log of a copy: walked on the side where it has arrived, before COMMIT.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from freehold.app.copying.parts import Part, Target
from freehold.app.copying.refusals import NOTHING_COPIED, CopyRefused
from freehold.crypto import Secret
from freehold.rpc.audit import AuditEntry, AuditHead, AuditLog
from freehold.rpc.audit_check import check_rows


def require_chain(database: str, parts: list[Part], target: Target, *, pepper: Secret) -> None:
    """
    Walk the log that has arrived.

    Raises:
        CopyRefused: It is not whole; it was not in the source either.
    """
    by_table = {part.table: part for part in parts}
    heads = list(_rows(AuditHead, by_table[AuditHead.__table__.name], target))
    rows = _rows(AuditEntry, by_table[AuditEntry.__table__.name], target)
    fault = check_rows(AuditLog(database, pepper), heads[0] if heads else None, rows)
    if fault is not None:
        raise CopyRefused(
            f"the audit log of {database} does not hold: {fault.detail}.",
            hint=f"`freehold audit verify` says so of the source too; find out who changed it. "
            f"{NOTHING_COPIED}",
        )


def _rows(record: Any, part: Part, target: Target) -> Iterator[Any]:
    """The rows of a table as its record; engines differ in how they give a bool."""
    names = [field.name for field in record.__fields__]
    for rows in target.rows(part):
        for row in rows:
            said = dict(zip(names, row, strict=True))
            if "acted" in said:
                said["acted"] = bool(said["acted"])
            yield record(**said)
