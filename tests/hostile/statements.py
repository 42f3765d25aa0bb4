"""Every statement that both engines are asked to run, as their own drivers hear it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import apsw
import asyncpg


@contextmanager
def heard_statements() -> Iterator[set[str]]:
    """The texts of all statements on connections that are opened within the block."""
    heard: set[str] = set()

    def listen(connection: Any) -> None:
        connection.trace_v2(apsw.SQLITE_TRACE_STMT, lambda event: heard.add(event["sql"]))

    prepare, execute = asyncpg.Connection.prepare, asyncpg.Connection.execute

    async def prepare_aloud(self: Any, query: str, **options: Any) -> Any:
        heard.add(query)
        return await prepare(self, query, **options)

    async def execute_aloud(self: Any, query: str, *values: Any, **options: Any) -> Any:
        heard.add(query)
        return await execute(self, query, *values, **options)

    apsw.connection_hooks.append(listen)
    driver: Any = asyncpg.Connection
    driver.prepare, driver.execute = prepare_aloud, execute_aloud
    try:
        yield heard
    finally:
        apsw.connection_hooks.remove(listen)
        driver.prepare, driver.execute = prepare, execute
