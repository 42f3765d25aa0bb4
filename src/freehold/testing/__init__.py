"""
The testing room: a real engine for each test, with time and ids that a test controls.

    with memory_database(SCHEMA) as database:
        with database.write() as db:
            create_user(db, CreateUserInput(id="u1", email="ada@example.com", name="Ada"))
        with database.read() as db:
            assert get_user_by_id(db, "u1").name == "Ada"
"""

from freehold.testing.databases import (
    ENGINES,
    TestDatabase,
    engine_database,
    file_database,
    memory_database,
    postgres_database,
    shared_cluster,
)
from freehold.testing.isolation import Isolation

__all__ = [
    "ENGINES",
    "Isolation",
    "TestDatabase",
    "engine_database",
    "file_database",
    "memory_database",
    "postgres_database",
    "shared_cluster",
]
