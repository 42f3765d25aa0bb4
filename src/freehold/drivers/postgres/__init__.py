"""
The PostgreSQL driver: plain functions over a bridge, one writer over all processes, readers.
"""

from freehold.drivers.postgres.address import Address, is_address
from freehold.drivers.postgres.database import PostgresDatabase
from freehold.drivers.postgres.line import LOST
from freehold.drivers.postgres.listener import who_serves
from freehold.drivers.postgres.preparation import add_columns, create_once, watch_keys
from freehold.drivers.postgres.side import (
    BlockingConnection,
    ServerFacts,
    blocking_connection,
    is_known,
    server_facts,
)

__all__ = [
    "LOST",
    "Address",
    "BlockingConnection",
    "PostgresDatabase",
    "ServerFacts",
    "add_columns",
    "blocking_connection",
    "create_once",
    "is_address",
    "is_known",
    "server_facts",
    "watch_keys",
    "who_serves",
]
