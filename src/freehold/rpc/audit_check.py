"""
The check of the audit log: walked from its first row to its head, a stretch at a time.

Which row is the first bad one is told with what is wrong with it:

    altered   its hash does not fit it: it was changed, moved, or is not the log's at all
    parted    it does not follow the row before it
    missing   the rows in front of it are gone
    cut       the rows behind it are gone, up to the head
    beyond    it is behind the head
    head      the head itself was altered, or is gone
    elsewhere the log is whole, and is not the one that a head kept elsewhere is of
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Final, Literal

from freehold.db import Reader
from freehold.rpc.audit import START, AuditEntry, AuditHead, AuditLog, entries_after, head_of
from freehold.schema import Struct

FaultKind = Literal["altered", "parted", "missing", "cut", "beyond", "head", "elsewhere"]
#: In front of everything: the walk begins at the log's base.
BEGINNING: Final = -1


class AuditFault(Struct):
    """The first thing that is wrong, and the row that shows it."""

    number: int
    kind: FaultKind
    detail: str


class AuditStretch(Struct):
    """
    How far a walk has come.

    `number` and `hash` are the last row that holds; the next stretch goes on from there.
    """

    number: int
    hash: str
    rows: int
    total: int
    is_end: bool
    fault: AuditFault | None = None


def check_stretch(
    db: Reader, log: AuditLog, *, number: int, digest: str, rows: int
) -> AuditStretch:
    """
    Walk on behind row `number`, whose hash is `digest`, over so many rows at most.

    Args:
        db: One snapshot.
        log: Knows the key.
        number: `BEGINNING`, or where the last stretch ended.
        digest: The hash of that row.
        rows: How many at most.
    """
    head = head_of(db)
    found = entries_after(db, max(number, 0), rows)
    if head is None:
        return _without_head(found, number, digest)
    if not _is_sealed(log, head):
        return _bad(number, digest, 0, head, AuditFault(
            number=head.number, kind="head",
            detail="the head was altered, so nothing says where the log begins and ends",
        ))  # fmt: skip
    if number < head.base_number:
        # At the start; or retention has overtaken the walk.
        number, digest = head.base_number, head.base_hash
        found = entries_after(db, number, rows)
    checked = 0
    for row in found:
        fault = _fault_of(log, head, row, number, digest)
        if fault is not None:
            return _bad(number, digest, checked, head, fault)
        number, digest, checked = row.number, row.hash, checked + 1
    is_end = len(found) < rows
    if is_end and (number, digest) != (head.number, head.hash):
        return _bad(number, digest, checked, head, _cut(number, head))
    return AuditStretch(
        number=number,
        hash=digest,
        rows=checked,
        total=head.number - head.base_number,
        is_end=is_end,
    )


def check_rows(
    log: AuditLog, head: AuditHead | None, rows: Iterable[AuditEntry]
) -> AuditFault | None:
    """What is wrong with a whole log, wherever its rows lie; None when it holds."""
    if head is None:
        return _without_head(list(rows), 0, START).fault
    if not _is_sealed(log, head):
        return AuditFault(number=head.number, kind="head", detail="the head was altered")
    number, digest = head.base_number, head.base_hash
    for row in rows:
        fault = _fault_of(log, head, row, number, digest)
        if fault is not None:
            return fault
        number, digest = row.number, row.hash
    return None if (number, digest) == (head.number, head.hash) else _cut(number, head)


def _cut(number: int, head: AuditHead) -> AuditFault:
    return AuditFault(
        number=number + 1,
        kind="cut",
        detail=f"rows {number + 1} to {head.number} are gone: the end was cut off",
    )


def check_kept_head(db: Reader, *, number: int, digest: str) -> AuditFault | None:
    """
    Whether the log still holds a row that was its head once.

    To be asked of a log that has been walked: then all up to that row is what it was.
    """
    head = head_of(db)
    if head is not None and number == head.base_number:
        held: str | None = head.base_hash
    else:
        found = entries_after(db, number - 1, 1)
        held = found[0].hash if found and found[0].number == number else None
    if held is not None and hmac.compare_digest(held, digest):
        return None
    last = 0 if head is None else head.number
    if held is None and number > last:
        why = f"the log ends at row {last}: it was cut, or the database was put back"
    elif held is None:
        why = "retention has taken that row away: keep a newer head"
    else:
        why = "row and hash do not agree: this is another log than the one it was taken of"
    return AuditFault(number=number, kind="elsewhere", detail=why)


def _is_sealed(log: AuditLog, head: AuditHead) -> bool:
    seal = log.seal_of(
        head.number, head.hash, base_number=head.base_number, base_hash=head.base_hash
    )
    return hmac.compare_digest(seal, head.seal)


def _fault_of(
    log: AuditLog, head: AuditHead, row: AuditEntry, number: int, digest: str
) -> AuditFault | None:
    if not hmac.compare_digest(log.hash_of(row), row.hash):
        kind: FaultKind = "altered"
        why = f"row {row.number} is not what was written: altered, moved or slipped in"
    elif row.number != number + 1:
        kind = "missing"
        gone = f"row {number + 1} is" if row.number == number + 2 else (
            f"rows {number + 1} to {row.number - 1} are"
        )  # fmt: skip
        return AuditFault(number=number + 1, kind=kind, detail=f"{gone} gone")
    elif not hmac.compare_digest(row.prev_hash, digest):
        kind, why = "parted", f"row {row.number} does not follow row {number}"
    elif row.number > head.number:
        kind, why = "beyond", f"row {row.number} is behind the head, which is at {head.number}"
    else:
        return None
    return AuditFault(number=row.number, kind=kind, detail=why)


def _without_head(found: list[AuditEntry], number: int, digest: str) -> AuditStretch:
    if not found and number <= 0:
        return AuditStretch(number=0, hash=START, rows=0, total=0, is_end=True)
    first = found[0].number if found else number
    fault = AuditFault(number=first, kind="head", detail="there are rows and the head is gone")
    return AuditStretch(number=number, hash=digest, rows=0, total=0, is_end=True, fault=fault)


def _bad(number: int, digest: str, rows: int, head: AuditHead, fault: AuditFault) -> AuditStretch:
    return AuditStretch(
        number=number, hash=digest, rows=rows, total=head.number - head.base_number, is_end=True,
        fault=fault,
    )  # fmt: skip
