"""
The names by which databases are reached: drivers, ORMs, addresses, variables, programs.

SQL databases only: a cache or a queue is nobody's data layer.
"""

from __future__ import annotations

import re
from typing import Final

PYTHON_DRIVERS: Final = frozenset({
    "MySQLdb", "aiomysql", "aioodbc", "aiopg", "aiosqlite", "apsw", "asyncmy", "asyncpg",
    "cx_Oracle", "dbm.sqlite3", "duckdb", "libsql", "libsql_client", "libsql_experimental",
    "mariadb", "mysql.connector", "oracledb", "pg8000", "pgdb", "pglite", "psycopg", "psycopg2",
    "psycopg2cffi", "psycopg_pool", "pymssql", "pymysql", "pyodbc", "pysqlcipher3", "pysqlite2",
    "pysqlite3", "sqlcipher3", "sqlite3", "sqlite_utils", "turso",
})  # fmt: skip
PYTHON_ORMS: Final = frozenset({
    "advanced_alchemy", "aiosql", "alembic", "databases", "dataset", "django.contrib.gis.db",
    "django.db", "edgy", "flask_migrate", "flask_sqlalchemy", "gino", "ormar", "peewee",
    "peewee_async", "piccolo", "playhouse", "pony", "prisma", "pugsql", "records", "sqlalchemy",
    "sqlmodel", "tortoise", "yoyo",
})  # fmt: skip
#: Words that a repository may well have a module of its own for.
AMBIGUOUS: Final = frozenset({"databases", "dataset", "edgy", "prisma", "records", "turso"})
#: Freehold's own rooms behind the client: whoever loads them is a data layer.
OWN_ROOMS: Final = frozenset({
    "freehold.access", "freehold.app", "freehold.backup", "freehold.db", "freehold.drivers",
    "freehold.migrate", "freehold.rpc", "freehold.schema", "freehold.server", "freehold.testing",
})  # fmt: skip

JS_DRIVERS: Final = frozenset({
    "@electric-sql/pglite", "@libsql/client", "@neondatabase/serverless", "@planetscale/database",
    "@sqlite.org/sqlite-wasm", "@tursodatabase/database", "@tursodatabase/serverless",
    "@vercel/postgres", "@xata.io/client", "better-sqlite3", "bun:sqlite", "duckdb", "libsql",
    "mariadb", "mssql", "mysql", "mysql2", "node:sqlite", "oracledb", "pg", "pg-native",
    "pg-promise", "pg-query-stream", "pg-cursor", "pg-pool", "postgres", "slonik", "sql.js",
    "sqlite", "sqlite3", "tedious", "wa-sqlite",
})  # fmt: skip
JS_ORMS: Final = frozenset({
    "@mikro-orm/core", "@prisma/client", "bookshelf", "drizzle-kit", "drizzle-orm", "knex",
    "kysely", "kysely-d1", "kysely-postgres-js", "objection", "prisma", "sequelize",
    "sequelize-typescript", "typeorm", "waterline",
})  # fmt: skip
#: A whole family of packages each.
JS_ORM_SCOPES: Final = ("@mikro-orm/", "@prisma/", "@databases/", "@sequelize/")
JS_DATABASE_TYPES: Final = frozenset({
    "D1Database", "D1DatabaseSession", "D1PreparedStatement", "D1Result", "Hyperdrive",
    "SqlStorage",
})  # fmt: skip

_SCHEMES: Final = (
    r"(?:postgres(?:ql)?|mysql|mysqlx|mariadb|sqlite3?|libsql|sqlserver|mssql|oracle|cockroachdb|"
    r"jdbc:[a-z0-9]+|duckdb|pysqlite|asyncpg|prisma\+postgres)(?:\+[a-z0-9_]+)?"
)
#: An address: a scheme, and at least the beginning of what is behind it.
ADDRESS: Final = re.compile(rf"(?<![\w+:])(?:{_SCHEMES}):(?://|(?=thin:))[^\s\"'`,;<>|\\]+", re.I)
#: libpq's other form: `host=db dbname=main`.
KEYWORD_ADDRESS: Final = re.compile(r"\bdbname\s*=\s*\S+", re.I)
DATABASE_FILE: Final = re.compile(
    r"(?:file:)?[^\s\"'`:=]+\.(?:sqlite3?|sqlitedb|db3?|duckdb)(?:[?#]\S*)?$", re.IGNORECASE
)

DATABASE_VARIABLE: Final = re.compile(
    r"(?:(?:\w+_)?(?:DATABASE|POSTGRES|POSTGRESQL|PG|MYSQL|MARIADB|SQLITE|DB|D1|TURSO|LIBSQL|"
    r"NEON|SUPABASE_DB)_(?:URL|URI|DSN|CONNECTION|CONNECTION_STRING|PATH|FILE|HOST|PASSWORD|PASS|"
    r"AUTH_TOKEN|URL_NON_POOLING|PRISMA_URL)|PG(?:HOST|USER|PASSWORD|DATABASE|PASSFILE|SERVICE)|"
    r"POSTGRES_(?:DB|USER|PASSWORD|HOST)|MYSQL_(?:DATABASE|USER|PASSWORD|HOST)|"
    r"SQLALCHEMY_DATABASE_URI|FREEHOLD_DATABASE)"
)
#: A name that a worker's database is bound to, where it is said on an `env`.
BINDING_NAME: Final = re.compile(r"(?:[A-Z0-9_]*_)?(?:DB|D1|DATABASE|HYPERDRIVE)")

PROGRAMS: Final = frozenset({
    "sqlite3", "psql", "pg_dump", "pg_dumpall", "pg_restore", "mysql", "mysqldump", "mariadb",
    "duckdb", "sqlcipher", "pgcli", "litecli", "usql", "litestream", "libsql", "turso",
    "createdb", "dropdb",
})  # fmt: skip
#: One of them as the word of a command; `wrangler d1` is one too.
COMMAND: Final = re.compile(
    r"(?:^|[;&|(`]|\$\(|\b(?:exec|sudo|time|xargs|env|then|do|run|RUN|npx|bunx|CMD)\s)\s*"
    r"(?:[\w./-]*/)?(?P<program>"
    + "|".join(sorted(PROGRAMS, key=len, reverse=True))
    + r"|wrangler\s+d1\s+(?:execute|export|migrations))(?=\s|$|[;&|)`])"
)
#: The beginning of a statement; a sentence that begins with "select" is none.
SQL: Final = re.compile(
    r"\s*(?:--[^\n]*\n\s*)*(?:SELECT\s.*\bFROM\b|SELECT\s+(?:[\d(*'?:$]|\w+\s*\()|"
    r"INSERT\s+(?:OR\s+\w+\s+)?INTO\b|REPLACE\s+INTO\b|UPDATE\s+\S+\s+SET\b|"
    r"DELETE\s+FROM\b|(?:CREATE|ALTER|DROP)\s+(?:UNIQUE\s+|TEMP(?:ORARY)?\s+|VIRTUAL\s+|"
    r"MATERIALIZED\s+)*(?:TABLE|INDEX|VIEW|TRIGGER|SCHEMA|DATABASE|SEQUENCE|ROLE)\b|"
    r"PRAGMA\s+\w+|WITH\s+(?:RECURSIVE\s+)?\w+\s*(?:\([^)]*\)\s*)?AS\b|"
    r"BEGIN\s*(?:;|$|TRANSACTION|IMMEDIATE|EXCLUSIVE)|COMMIT\s*(?:;|$)|ROLLBACK\s*(?:;|$)|"
    r"VACUUM\b|ATTACH\s+DATABASE\b|TRUNCATE\s+(?:TABLE\s+)?\w+|MERGE\s+INTO\b|"
    r"COPY\s+\w+\s+(?:FROM|TO)\b|LISTEN\s+\w+\s*;?$|EXPLAIN\s)",
    re.IGNORECASE | re.DOTALL,
)


def python_kind(module: str) -> str | None:
    """The rule of an imported module, None when it is no way to a database."""
    parts = module.split(".")
    for length in (1, 2, 3, 4):
        name = ".".join(parts[:length])
        if name in PYTHON_DRIVERS:
            return "python-driver"
        if name in PYTHON_ORMS:
            return "python-orm"
        if name in OWN_ROOMS:
            return "python-data-layer"
    return None


def js_kind(package: str) -> str | None:
    """The rule of an imported package, None when it is no way to a database."""
    if package.startswith("npm:"):
        package = package.removeprefix("npm:")
    parts = package.split("/")
    name = "/".join(parts[: 2 if package.startswith("@") else 1])
    at = name.find("@", 1)
    name = name[:at] if at > 0 else name
    if name in JS_DRIVERS:
        return "js-driver"
    if name in JS_ORMS or name.startswith(JS_ORM_SCOPES):
        return "js-orm"
    return None
