"""
The audit log: who did what, written in the transaction that did it, each row chained to the last.

    row 1 ── hash ──> row 2 ── hash ──> row 3 … row n          head: n, its hash, and a seal

A row and its effects live and die together, so there is no change without its row and no row
without its change. A hash is an HMAC under a key spun from the pepper, which is not in the
database: whoever has only the database can forge no row and no head. A row that was altered,
taken out, moved or slipped in is found by its hash, and a tail that was cut off by the head.

What it cannot find: a whole database put back as it was earlier, head and all. Against that a
head is kept elsewhere, and compared (`audit verify --head`). Who has the pepper too can write
whatever he likes.

Arguments are not in it, only their fingerprint under the pepper: the log holds no secret, and
a guess of what was sent can be checked by who has the pepper. Refused calls have no effect and
no row; a repeated call has the row of the first.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import msgspec

from freehold.crypto import Secret
from freehold.db import Caller, Reader, Writer, delete, param, select, update
from freehold.rpc.idempotency import fingerprint
from freehold.schema import EpochMillis, PrimaryKey, Record, Schema

#: What is written down of a database: the operator's own calls and those that act for a user,
#: always; or every mutation.
AuditMode = Literal["operator", "mutations"]
#: In front of the first row.
START: Final = "0" * 64
_VERSION: Final = 1
_KEY_OF: Final = b"freehold audit chain 1"
_ENCODE: Final = msgspec.msgpack.Encoder().encode


class AuditEntry(Record, table="_freehold_audit"):
    """One thing that was done."""

    #: Counts up by one, without a gap.
    number: Annotated[int, PrimaryKey()]
    at: EpochMillis
    #: The service key's id; `local` for the owner on the machine itself.
    key_id: str
    #: The user whom it was done for.
    user: str | None = None
    #: The key is nobody's own and said itself for which user it acts.
    acted: bool = False
    method: str
    #: A fingerprint of the arguments under the pepper.
    arguments: str
    #: The commit that it is in.
    seq: int
    prev_hash: str
    hash: str


class AuditHead(Record, table="_freehold_audit_head"):
    """The last row, and the last one that retention took away, sealed together."""

    id: Annotated[int, PrimaryKey()]
    number: int
    hash: str
    base_number: int
    base_hash: str
    seal: str


AUDIT_SCHEMA: Final = Schema([AuditEntry, AuditHead], is_system=True)
_ROWS: Final = "the audit log is written once: its rows are neither changed nor taken out."
_HEAD: Final = "the head of the audit log never goes back."
_BACK: Final = (
    "NEW.number < OLD.number OR NEW.base_number < OLD.base_number OR NEW.base_number > NEW.number"
)
_KEPT: Final = 'OLD.number > (SELECT base_number FROM "_freehold_audit_head" WHERE id = 1)'
_BEGIN: Final = "RETURNS trigger LANGUAGE plpgsql AS $audit$ BEGIN"
#: Rows at or below the base are retention's to delete; everything else is refused.
TRIGGERS: Final[dict[str, list[str]]] = {
    "sqlite": [
        f"CREATE TRIGGER {name} BEFORE {event} {condition} BEGIN SELECT RAISE(ABORT, '{why}'); END"
        for name, event, condition, why in (
            ("_freehold_audit_kept", "UPDATE ON _freehold_audit", "", _ROWS),
            ("_freehold_audit_stays", "DELETE ON _freehold_audit", f"WHEN {_KEPT}", _ROWS),
            ("_freehold_audit_forward", "UPDATE ON _freehold_audit_head", f"WHEN {_BACK}", _HEAD),
            ("_freehold_audit_headed", "DELETE ON _freehold_audit_head", "", _HEAD),
        )
    ],
    "postgresql": [
        sql
        for name, table, event, condition, passes, why in (
            ("_freehold_audit_kept", "_freehold_audit", "DELETE", _KEPT, "OLD", _ROWS),
            ("_freehold_audit_forward", "_freehold_audit_head", "UPDATE", _BACK, "NEW", _HEAD),
        )
        for sql in (
            (
                f"CREATE FUNCTION {name}() {_BEGIN} IF TG_OP = '{event}' THEN IF NOT ({condition}) "
                f"THEN RETURN {passes}; END IF; END IF; "
                f"RAISE EXCEPTION USING MESSAGE = '{why}'; END $audit$"
            ),
            (
                f"CREATE TRIGGER {name} BEFORE UPDATE OR DELETE ON {table} "
                f"FOR EACH ROW EXECUTE FUNCTION {name}()"
            ),
        )
    ],
}
_AFTER: Final = (
    select(AuditEntry).where(AuditEntry.c.number > param("number"))
    .order_by(AuditEntry.c.number).limit(param("rows"))
)  # fmt: skip
_LATEST: Final = (
    select(AuditEntry)
    .where(AuditEntry.c.number < param("below"))
    .where_given(
        AuditEntry.c.user == param("user"),
        AuditEntry.c.key_id == param("key_id"),
        AuditEntry.c.method == param("method"),
    )
    .order_by(AuditEntry.c.number.desc()).limit(param("rows"))
)  # fmt: skip
_MOVE: Final = (
    update(AuditHead).where(AuditHead.c.id == 1)
    .values(number=param("number"), hash=param("hash"), seal=param("seal"))
)  # fmt: skip
_REBASE: Final = (
    update(AuditHead).where(AuditHead.c.id == 1)
    .values(base_number=param("number"), base_hash=param("hash"), seal=param("seal"))
)  # fmt: skip
_FORGET: Final = delete(AuditEntry).where(AuditEntry.c.number <= param("number"))
_END: Final = (1 << 63) - 1


class AuditLog:
    """
    Writes one database's log.

    Args:
        database: The database's name; a row of another database's log does not fit here.
        pepper: What the chain's key is spun from.
        mode: Which calls are written down.
    """

    __slots__ = ("_database", "_key", "_pepper", "everything")

    def __init__(self, database: str, pepper: Secret, *, mode: AuditMode = "operator") -> None:
        self._database = database
        self._pepper = pepper
        self._key = Secret(hmac.digest(pepper.reveal(), _KEY_OF, "sha256"))
        #: Every mutation is written down.
        self.everything = mode == "mutations"

    def takes(self, caller: Caller) -> bool:
        """Whether what this caller does is always written down: it acts for somebody."""
        return caller.acts_for

    def arguments(self, args: tuple[Any, ...]) -> str:
        """The fingerprint of a call's arguments; taken before the function sees them."""
        return fingerprint(args, self._pepper)

    def append(self, db: Writer, method: str, arguments: str) -> AuditEntry:
        """Write down what the mutation of this handle does, in its own transaction."""
        caller = db.caller
        head = db.find(AuditHead, 1)
        number, prev = (1, START) if head is None else (head.number + 1, head.hash)
        row = AuditEntry(
            number=number, at=db.now_ms, key_id=caller.key_id, user=caller.user,
            acted=self.takes(caller), method=method, arguments=arguments, seq=db.own_seq,
            prev_hash=prev, hash="",
        )  # fmt: skip
        row.hash = self.hash_of(row)
        db.insert(row)
        if head is None:
            seal = self.seal_of(number, row.hash, base_number=0, base_hash=START)
            db.insert(AuditHead(
                id=1, number=number, hash=row.hash, base_number=0, base_hash=START, seal=seal,
            ))  # fmt: skip
        else:
            seal = self.seal_of(
                number, row.hash, base_number=head.base_number, base_hash=head.base_hash
            )
            db.execute(_MOVE, number=number, hash=row.hash, seal=seal)
        return row

    def prune(self, db: Writer, before_ms: int, rows: int) -> int:
        """
        Forget the oldest rows that are older than that, at most so many; the last one stays.

        Returns:
            How many were forgotten.
        """
        head = db.find(AuditHead, 1)
        if head is None:
            return 0
        old = db.all(_AFTER, number=head.base_number, rows=rows)
        kept = next((at for at, row in enumerate(old) if row.at >= before_ms), len(old))
        going = [row for row in old[:kept] if row.number < head.number]
        if not going:
            return 0
        last = going[-1]
        seal = self.seal_of(head.number, head.hash, base_number=last.number, base_hash=last.hash)
        db.execute(_REBASE, number=last.number, hash=last.hash, seal=seal)
        return db.execute(_FORGET, number=last.number)

    def hash_of(self, row: AuditEntry) -> str:
        """What the row's hash has to be."""
        said = [
            _VERSION, self._database, row.number, row.at, row.key_id, row.user, row.acted,
            row.method, row.arguments, row.seq, row.prev_hash,
        ]  # fmt: skip
        return self._mac(said)

    def seal_of(self, number: int, digest: str, *, base_number: int, base_hash: str) -> str:
        """What the head's seal has to be."""
        return self._mac([_VERSION, self._database, "head", number, digest, base_number, base_hash])

    def _mac(self, said: Sequence[Any]) -> str:
        return hmac.digest(self._key.reveal(), _ENCODE(said), "sha256").hex()


def entries_after(db: Reader, number: int, rows: int) -> list[AuditEntry]:
    """The rows behind that number, oldest first."""
    return db.all(_AFTER, number=number, rows=rows)


def latest_entries(
    db: Reader, *, below: int | None, rows: int, user: str | None, key_id: str | None,
    method: str | None,
) -> list[AuditEntry]:  # fmt: skip
    """The newest rows below that number, newest first; of one user, key or method if given."""
    said = {"user": user, "key_id": key_id, "method": method}
    given = {name: value for name, value in said.items() if value is not None}
    return db.all(_LATEST, below=_END if below is None else below, rows=rows, **given)


def head_of(db: Reader) -> AuditHead | None:
    """The head, None before the first row."""
    return db.find(AuditHead, 1)
