"""
Whether the secrets at hand are those that the database was written with.

Beside the data lies a check value for the pepper and for each column key: a HMAC over a fixed
text, which tells nobody the key. Another installation's secrets would let the data layer start,
and store what nobody else can open; so they are refused before anything is served.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Final

from freehold.app.secrets import Secrets
from freehold.db import Writer
from freehold.errors import KeysInvalidHere
from freehold.schema import PrimaryKey, Record, Schema

if TYPE_CHECKING:
    import apsw

    from freehold.drivers.postgres import BlockingConnection

CHECKS_TABLE: Final = "_freehold_checks"
_PEPPER: Final = "pepper"
_COLUMN_KEY: Final = "column key "
_PRIMARY: Final = "primary"
_RIGHT_ONE: Final = (
    "Every process of a database has the same secrets file; put the right one there."
)
_SELECT: Final = f'SELECT "name", "value" FROM "{CHECKS_TABLE}"'  # noqa: S608 - a name of ours


def require_file(connection: apsw.Connection, secrets: Secrets) -> None:
    """
    Compare the secrets with what a file knows of them; nothing is written.

    Raises:
        KeysInvalidHere: They are another installation's.
    """
    if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (CHECKS_TABLE,)).fetchall():
        known = connection.execute(_SELECT).fetchall()
        _new({str(name): str(value) for name, value in known}, secrets)


def require_server(connection: BlockingConnection, secrets: Secrets) -> None:
    """
    The same for a database on a server.

    Raises:
        KeysInvalidHere: They are another installation's.
    """
    there = (
        "SELECT 1, 0 FROM pg_tables WHERE schemaname = current_schema() AND tablename = $1::text"
    )
    if connection.rows(there, CHECKS_TABLE):
        _new({str(name): str(value) for name, value in connection.rows(_SELECT)}, secrets)


def check_file(connection: apsw.Connection, secrets: Secrets) -> None:
    """
    Compare the secrets with what a file knows of them, and write down what is new.

    Raises:
        KeysInvalidHere: They are another installation's.
    """
    with connection:
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {CHECKS_TABLE} "
            "(name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID"
        )
        known = {str(name): str(value) for name, value in connection.execute(_SELECT).fetchall()}
        for name, value in _new(known, secrets).items():
            connection.execute(f"INSERT INTO {CHECKS_TABLE} VALUES (?, ?)", (name, value))  # noqa: S608


def check_server(connection: BlockingConnection, secrets: Secrets) -> None:
    """
    The same for a database on a server.

    Raises:
        KeysInvalidHere: They are another installation's.
    """
    from freehold.drivers.postgres import create_once

    create_once(
        connection,
        CHECKS_TABLE,
        [f'CREATE TABLE "{CHECKS_TABLE}" ("name" TEXT PRIMARY KEY, "value" TEXT NOT NULL)'],
    )
    known = {str(name): str(value) for name, value in connection.rows(_SELECT)}
    for name, value in _new(known, secrets).items():
        connection.rows(
            f'INSERT INTO "{CHECKS_TABLE}" VALUES ($1, $2) '  # noqa: S608
            'ON CONFLICT DO NOTHING RETURNING "name", "value"',
            name,
            value,
        )


class CheckValue(Record, table="_freehold_checks"):
    """What a key is known by; and, under `primary`, the id of the key that seals."""

    name: Annotated[str, PrimaryKey()]
    value: str


CHECKS_SCHEMA: Final = Schema([CheckValue], is_system=True)


def keep_checks(db: Writer, secrets: Secrets) -> None:
    """
    Write down what the ring has come to hold since the start, and which of its keys seals.

    Raises:
        KeysInvalidHere: A key is another one than the database knows under its id.
    """
    known = {row.name: row.value for row in db.all(CheckValue)}
    for name, value in _compared(known, secrets).items():
        db.insert(CheckValue(name=name, value=value))
    primary = secrets.ring.primary.id
    if _PRIMARY not in known:
        db.insert(CheckValue(name=_PRIMARY, value=primary))
    elif known[_PRIMARY] != primary:
        db.update(CheckValue, _PRIMARY, {"value": primary})


def forget_check(db: Writer, key_id: str) -> None:
    """No value needs that key any more: the next start does not ask for it."""
    db.delete(CheckValue, f"{_COLUMN_KEY}{key_id}")


def _new(known: Mapping[str, str], secrets: Secrets) -> dict[str, str]:
    """What is to be written down, once every key that the database knows is at hand."""
    new = _compared(known, secrets)
    held = {f"{_COLUMN_KEY}{key_id}" for key_id in secrets.ring.ids}
    lacking = sorted(name for name in known if name.startswith(_COLUMN_KEY) and name not in held)
    if lacking:
        raise _refusal(
            secrets,
            f"it lacks {', '.join(lacking)}",
            hint="Put the key back behind the first one; `freehold secrets retire` says when a "
            "key is not needed any more, and lets it go.",
        )
    return new


def _compared(known: Mapping[str, str], secrets: Secrets) -> dict[str, str]:
    here = {_PEPPER: _value(_PEPPER, secrets.pepper.reveal())}
    for key_id in secrets.ring.ids:
        name = f"{_COLUMN_KEY}{key_id}"
        here[name] = _value(name, secrets.ring.key(key_id).secret.reveal())
    for name, value in here.items():
        if not hmac.compare_digest(known.get(name, value), value):
            raise _refusal(secrets, f"its {name} is another one")
    return {name: value for name, value in here.items() if name not in known}


def _value(name: str, secret: bytes) -> str:
    return hmac.digest(secret, f"freehold check: {name}".encode(), hashlib.sha256).hex()


def _refusal(secrets: Secrets, why: str, *, hint: str = _RIGHT_ONE) -> KeysInvalidHere:
    where = secrets.path if secrets.variable is None else secrets.variable
    return KeysInvalidHere(f"{where} is not what this database was written with: {why}.", hint=hint)
