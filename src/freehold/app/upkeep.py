"""
The operator's methods on one database: its audit log, and the keys of its sealed columns.

Each database has an entrypoint of its own, `Freehold_main`, beside the one of keys. As there,
the methods are in no contract and ask for the operator's scope word.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from freehold.access.admin import ADMIN_NAME, ADMIN_SCOPE
from freehold.app.checks import forget_check, keep_checks
from freehold.app.secrets import Secrets
from freehold.db import Reader, Writer
from freehold.db.resealing import (
    CountedStretch,
    ResealedStretch,
    SealedColumn,
    count_stretch,
    reseal_stretch,
    sealed_columns,
)
from freehold.errors import InvalidArgument
from freehold.rpc import Entrypoint, method
from freehold.rpc.audit import AuditEntry, AuditLog, latest_entries
from freehold.rpc.audit_check import AuditFault, AuditStretch, check_kept_head, check_stretch
from freehold.rpc.idempotency import IDEMPOTENCY_SCHEMA
from freehold.schema import Schema, Struct

#: Rows of one call.
_ROWS_MAX: Final = 1_000
#: Values that one mutation seals anew; a few milliseconds, in which everybody else waits.
_RESEALED: Final = 200


def upkeep_name(database: str) -> str:
    """What a database's entrypoint is called."""
    return f"{ADMIN_NAME}_{database.replace('-', '_')}"


class HeldSecrets(Struct):
    """The keys that the process holds now; `source` is a file, or a variable's name."""

    primary: str
    ids: list[str]
    source: str
    is_file: bool


def upkeep_entrypoint(
    database: str, *, audit: AuditLog, secrets: Secrets, schema: Schema
) -> type[Entrypoint]:
    """
    The operator's entrypoint of one database.

    Args:
        database: Its name.
        audit: Its audit log.
        secrets: The process's secrets, which it can be told to read again.
        schema: Its records, for its sealed columns.
    """
    methods = {**_audit_methods(audit), **_secrets_methods(secrets, schema)}
    return type(upkeep_name(database), (Entrypoint,), {"database": database, **methods})


def _secrets_methods(secrets: Secrets, schema: Schema) -> dict[str, Any]:
    records = [*schema.records, *IDEMPOTENCY_SCHEMA.records]
    columns = {column.name: column for column in sealed_columns(records)}

    def list_sealed(db: Reader) -> list[str]:
        """The sealed columns, Freehold's own too, as `table.column`."""
        return list(columns)

    def count_sealed(
        db: Reader, *, column: str, after: str | None = None, rows: int = _ROWS_MAX
    ) -> CountedStretch:
        """Count the values of a stretch of a column by the key that they name."""
        return count_stretch(db, _column(column), after=after, rows=_rows(rows))

    def reseal(
        db: Writer, *, column: str, after: str | None = None, rows: int = _RESEALED
    ) -> ResealedStretch:
        """Seal a stretch of a column with the primary key, where another one has sealed it."""
        return reseal_stretch(db, _column(column), after=after, rows=_rows(rows))

    def take_secrets(db: Writer) -> HeldSecrets:
        """Read the secrets file again, and hold its keys from now on."""
        newer = secrets.read_again()
        if newer is not None:
            secrets.ring.become(newer)
        keep_checks(db, secrets)
        return _held(secrets)

    def held_secrets(db: Reader) -> HeldSecrets:
        """The keys that the process holds."""
        return _held(secrets)

    def forget_key(db: Writer, id: str) -> None:
        """No value needs this key: the next start does not ask for it."""
        if id == secrets.ring.primary.id:
            raise InvalidArgument(f"{id!r} is the key that seals.", path="id")
        forget_check(db, id)

    def reveal_sealed(db: Writer, *, tables: list[str]) -> None:
        """Sealed columns of these tables, or of all, are about to leave in clear: it is noted."""

    def _column(name: str) -> SealedColumn:
        found = columns.get(name)
        if found is None:
            raise InvalidArgument(
                f"{name[:80]!r} is no sealed column.",
                hint=f"There are {', '.join(columns)}.",
                path="column",
            )
        return found

    return {
        "list_sealed": method(list_sealed, scope=ADMIN_SCOPE),
        "count_sealed": method(count_sealed, scope=ADMIN_SCOPE),
        "reseal": method(reseal, scope=ADMIN_SCOPE),
        "held_secrets": method(held_secrets, scope=ADMIN_SCOPE),
        "take_secrets": method(take_secrets, scope=ADMIN_SCOPE, audited=True),
        "reveal_sealed": method(reveal_sealed, scope=ADMIN_SCOPE, audited=True),
        "forget_key": method(forget_key, scope=ADMIN_SCOPE, audited=True),
    }


def _held(secrets: Secrets) -> HeldSecrets:
    ring = secrets.ring
    return HeldSecrets(
        primary=ring.primary.id,
        ids=list(ring.ids),
        source=secrets.variable or str(secrets.path),
        is_file=secrets.variable is None,
    )


def _audit_methods(audit: AuditLog) -> dict[str, Any]:

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
    return body


def _rows(rows: int) -> int:
    if not 1 <= rows <= _ROWS_MAX:
        raise InvalidArgument(f"rows {rows} is not between 1 and {_ROWS_MAX}.", path="rows")
    return rows
