"""
The PostgreSQL that the benchmarks share: private, durable, with the users in it.

Its settings stand here, and whose CPU time is the server's. Nothing here knows who calls it.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from benchmarks import users
from benchmarks.load import LoadError
from benchmarks.machine import DATA_DIR, cpu_s, filesystem_of
from freehold.testing.cluster import SUPERUSER, Cluster, cluster

#: What Freehold makes of the record in `freehold_app`; the peers get the same table.
TABLE_SQL = """
CREATE TABLE users (
    id TEXT COLLATE "C" NOT NULL,
    email TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CONSTRAINT pk_users PRIMARY KEY (id),
    CONSTRAINT uq_users_email UNIQUE (email)
)
"""
USER = SUPERUSER
COLUMNS = ["id", "email", "name", "created_at", "updated_at"]
#: Everything that is compared waits for the same disk: fsync and synchronous_commit stay on.
SETTINGS = {"shared_buffers": "256MB", "max_connections": "400", "max_wal_size": "4GB"}


@dataclass(frozen=True)
class Postgres:
    """A running PostgreSQL."""

    cluster: Cluster
    pid: int

    def cpu_s(self) -> float:
        """CPU time of the server and all its processes so far, in seconds."""
        return cpu_s(self.pid)

    def pin(self, core: int) -> None:
        """Keep it on one core, with every connection that is opened from now on."""
        os.sched_setaffinity(self.pid, {core})

    def fresh_database(self, *, with_users: bool = True) -> str:
        """The address of a new database, with the table and its rows unless told otherwise."""
        url = self.cluster.url(self.cluster.new_database())
        if with_users:
            asyncio.run(_make_table(url))
        return url

    def count(self, url: str, sql: str = "SELECT count(*) FROM users") -> int:
        """One number, past everything that is measured."""
        return int(asyncio.run(_number(url, sql)))

    def require_rows(self, url: str, wanted: int, *, of: str) -> None:
        """
        As many users as were confirmed.

        Raises:
            LoadError: Some are missing, or too many are there.
        """
        found = self.count(url)
        if found != wanted:
            raise LoadError(f"{of}: {wanted} rows were confirmed, and {found} are there.")

    @property
    def line(self) -> str:
        """What the numbers must be quoted with."""
        version = self.cluster.sql("SHOW server_version").split()[0]
        disk = filesystem_of(self.cluster.folder)
        return (
            f"PostgreSQL {version}, fsync and synchronous_commit on, "
            f"{SETTINGS['shared_buffers']} of buffers, its data on {disk}, over its Unix socket."
        )


@contextmanager
def private_postgres(settings: Mapping[str, str] | None = None) -> Iterator[Postgres]:
    """A PostgreSQL that syncs as a real one does, on the disk under test, until the block ends."""
    before = tempfile.tempdir
    if filesystem_of(Path(tempfile.gettempdir())) == "tmpfs":
        DATA_DIR.mkdir(parents=True, exist_ok=True)
        tempfile.tempdir = str(DATA_DIR)
    try:
        with cluster(durable=True, settings={**SETTINGS, **(settings or {})}) as running:
            pid = int((running.folder / "data" / "postmaster.pid").read_text().split()[0])
            yield Postgres(running, pid)
    finally:
        tempfile.tempdir = before


async def _make_table(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(TABLE_SQL)
        await connection.copy_records_to_table("users", records=users.user_rows(), columns=COLUMNS)
        await connection.execute("VACUUM (ANALYZE, FREEZE) users")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def _number(url: str, sql: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval(sql))
    finally:
        await connection.close()
