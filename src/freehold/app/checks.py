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
from typing import TYPE_CHECKING, Final

from freehold.app.secrets import Secrets
from freehold.errors import KeysInvalidHere

if TYPE_CHECKING:
    import apsw

    from freehold.drivers.postgres import BlockingConnection

CHECKS_TABLE: Final = "_freehold_checks"
_PEPPER: Final = "pepper"
_COLUMN_KEY: Final = "column key "
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


def _new(known: Mapping[str, str], secrets: Secrets) -> dict[str, str]:
    here = {_PEPPER: _value(_PEPPER, secrets.pepper.reveal())}
    for key_id in secrets.ring.ids:
        name = f"{_COLUMN_KEY}{key_id}"
        here[name] = _value(name, secrets.ring.key(key_id).secret.reveal())
    for name, value in here.items():
        if not hmac.compare_digest(known.get(name, value), value):
            raise _refusal(secrets, f"its {name} is another one")
    keys = {name for name in known if name.startswith(_COLUMN_KEY)}
    if keys and not keys & here.keys():
        raise _refusal(secrets, f"it has none of {', '.join(sorted(keys))}")
    return {name: value for name, value in here.items() if name not in known}


def _value(name: str, secret: bytes) -> str:
    return hmac.digest(secret, f"freehold check: {name}".encode(), hashlib.sha256).hex()


def _refusal(secrets: Secrets, why: str) -> KeysInvalidHere:
    return KeysInvalidHere(
        f"{secrets.path} is not what this database was written with: {why}.",
        hint="Every process of a database has the same secrets file; put the right one there.",
    )
