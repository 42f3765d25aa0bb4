"""
The data that every server in the benchmarks serves: one table, 10,000 users, the same rows.
"""

from __future__ import annotations

import json
import random
import sqlite3
import uuid
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.load import Call

USERS = 10_000
CREATED_AT = 1_760_000_000
#: Loads ask for the same keys in the same order, each benchmark from its own place.
_KEYS_DRAWN = 16_384

#: What Freehold makes of the record in `freehold_app`; the peers get the same table.
TABLE_SQL = """
CREATE TABLE users (
    id TEXT NOT NULL,
    email TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    CONSTRAINT pk_users PRIMARY KEY (id),
    CONSTRAINT uq_users_email UNIQUE (email)
) STRICT, WITHOUT ROWID
"""


def user_ids() -> list[str]:
    """The ids of all users, in the order they were created; UUIDs, as most systems have."""
    draw = random.Random(1)
    return [str(uuid.UUID(int=draw.getrandbits(128), version=4)) for _ in range(USERS)]


def user_rows() -> list[tuple[str, str, str, int, int]]:
    """All users, as rows of the table."""
    return [
        (id, f"user{n}@example.org", f"User Number {n}", CREATED_AT + n, CREATED_AT + n)
        for n, id in enumerate(user_ids())
    ]


def drawn_ids(seed: int = 2) -> list[str]:
    """Keys to ask for: uniform over all users."""
    return random.Random(seed).choices(user_ids(), k=_KEYS_DRAWN)


def make_file(path: Path) -> None:
    """A fresh database file with the users in it, as the peers need it."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(TABLE_SQL)
    connection.executemany("INSERT INTO users VALUES (?, ?, ?, ?, ?)", user_rows())
    connection.commit()
    connection.close()


def rest_reads() -> Iterator[Call]:
    """`GET /users/{id}`, for ever."""
    calls = [(_http("GET", f"/users/{id}"), id.encode()) for id in drawn_ids()]
    while True:
        yield from calls


def rest_inserts() -> Iterator[Call]:
    """`POST /users` with an email that nobody has."""
    for n in _numbers():
        email = f"new{n}@example.org"
        body = json.dumps({"email": email, "name": "New User"}).encode()
        yield _http("POST", "/users", body), email.encode()


def postgrest_reads() -> Iterator[Call]:
    """`GET /users?id=eq.{id}`, for ever."""
    calls = [(_http("GET", f"/users?id=eq.{id}"), id.encode()) for id in drawn_ids()]
    while True:
        yield from calls


def postgrest_inserts() -> Iterator[Call]:
    """`POST /users` with an email that nobody has; the row comes back, as the others give it."""
    for n in _numbers():
        email = f"new{n}@example.org"
        body = json.dumps({"email": email, "name": "New User"}).encode()
        more = "Prefer: return=representation\r\n"
        yield _http("POST", "/users", body, more=more), email.encode()


def rpc_reads(key: str, method: str = "getUser") -> Iterator[Call]:
    """`getUser` by Freehold's own HTTP, for ever; or another method that takes an id."""
    calls = []
    for id in drawn_ids():
        body = json.dumps({"id": id}).encode()
        calls.append((_http("POST", f"/rpc/Users/{method}", body, key), id.encode()))
    while True:
        yield from calls


def rpc_inserts(key: str) -> Iterator[Call]:
    """`createUser` with an email that nobody has."""
    for n in _numbers():
        email = f"new{n}@example.org"
        body = json.dumps({"data": {"email": email, "name": "New User"}}).encode()
        yield _http("POST", "/rpc/Users/createUser", body, key), email.encode()


_next_number = count(1)


def new_rows() -> Iterator[list[str]]:
    """An id and an email that nobody has, for ever."""
    for n in _numbers():
        yield [str(uuid.uuid4()), f"new{n}@example.org"]


def _numbers() -> Iterator[int]:
    """Numbers that were never given out in this process."""
    return _next_number


def _http(method: str, path: str, body: bytes = b"", key: str = "", more: str = "") -> bytes:
    """A request as a plain HTTP/1.1 client sends it."""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n"
    head += more
    if key:
        head += f"Authorization: Bearer {key}\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body
