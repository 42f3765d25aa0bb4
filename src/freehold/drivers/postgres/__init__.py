"""
The PostgreSQL driver: plain functions over a bridge, one writer over all processes, readers.
"""

from freehold.drivers.postgres.address import Address, is_address
from freehold.drivers.postgres.database import PostgresDatabase
from freehold.drivers.postgres.preparation import create_once, watch_keys
from freehold.drivers.postgres.side import BlockingConnection, blocking_connection, is_known

__all__ = [
    "Address",
    "BlockingConnection",
    "PostgresDatabase",
    "blocking_connection",
    "create_once",
    "is_address",
    "is_known",
    "watch_keys",
]
