"""
The role that only the data layer has: the SQL that makes it so, and a look at whether it is.

A superuser reads everything, and nothing here changes that: it is the operator.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

import asyncpg

from freehold.drivers.postgres.side import BlockingConnection
from freehold.errors import StartError

_ROLE: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_OURS: Final = "freehold"

_MAKE: Final = """DO $$
BEGIN
  IF to_regrole('{role}') IS NULL THEN
    CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION;
  END IF;
END $$"""
#: Relations and routines of the schema, with whatever they are called in it.
_TAKE_OVER: Final = """DO $$
DECLARE each record;
BEGIN
  FOR each IN
    SELECT c.oid::regclass AS name FROM pg_class c
    WHERE c.relnamespace = {schema_text}::regnamespace
      AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
      AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND c.relkind = 'S'
                      AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i'))
  LOOP
    EXECUTE format('ALTER TABLE %s OWNER TO {role}', each.name);
  END LOOP;
  FOR each IN
    SELECT p.oid::regprocedure AS name FROM pg_proc p
    WHERE p.pronamespace = {schema_text}::regnamespace AND p.prokind IN ('f', 'p')
  LOOP
    EXECUTE format('ALTER ROUTINE %s OWNER TO {role}', each.name);
  END LOOP;
END $$"""

_REACH: Final = """
SELECT r.rolname, r.rolsuper, r.rolcanlogin, r.rolcreaterole,
  pg_has_role(r.oid, current_user, 'MEMBER')
    OR coalesce(pg_has_role(r.oid, to_regrole('pg_read_all_data'), 'MEMBER'), false)
    OR coalesce(pg_has_role(r.oid, to_regrole('pg_write_all_data'), 'MEMBER'), false),
  (SELECT string_agg(DISTINCT p, ', ' ORDER BY p)
     FROM pg_class c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS p
    WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND (has_table_privilege(r.oid, c.oid, p)
        OR (p NOT IN ('DELETE', 'TRUNCATE') AND has_any_column_privilege(r.oid, c.oid, p)))),
  has_schema_privilege(r.oid, n.oid, 'CREATE')
FROM pg_roles r, pg_namespace n
WHERE n.nspname = $1 AND r.rolname <> current_user AND r.rolname !~ '^pg_'
ORDER BY r.rolname"""

_PUBLIC: Final = """
SELECT (SELECT string_agg(DISTINCT p, ', ' ORDER BY p)
          FROM pg_class c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS p
         WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
           AND (has_table_privilege('public', c.oid, p)
             OR (p NOT IN ('DELETE', 'TRUNCATE')
               AND has_any_column_privilege('public', c.oid, p)))),
       has_schema_privilege('public', n.oid, 'CREATE'),
       has_database_privilege('public', current_database(), 'CONNECT')
FROM pg_namespace n WHERE n.nspname = $1"""

_CONNECTED: Final = """
SELECT pid, usename, coalesce(application_name, ''), usename = current_user
FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend'
  AND pid <> pg_backend_pid() AND (usename <> current_user OR application_name <> $1)
ORDER BY pid"""

_SELF: Final = "SELECT current_user, rolsuper FROM pg_roles WHERE rolname = current_user"


@dataclass(frozen=True)
class Reaching:
    """
    A role that reaches the tables, or a connection of one.

    Args:
        how: What it may: `SELECT, UPDATE`, `is a member of it`.
    """

    role: str
    how: str


@dataclass
class Reach:
    """
    Who reaches the tables of one schema beside the data layer.

    Args:
        role: The data layer's own.
        is_superuser: It is one itself, and so not a role of its own.
        roles: Others that may read or write.
        connected: Other connections to the database that may.
        superusers: They always may.
        public_may_connect: Every role of the server may connect, if only that.
    """

    role: str
    is_superuser: bool
    roles: list[Reaching] = field(default_factory=list)
    connected: list[Reaching] = field(default_factory=list)
    superusers: list[str] = field(default_factory=list)
    public_may_connect: bool = False

    @property
    def is_alone(self) -> bool:
        """Nobody else reaches the tables but the operator."""
        return not (self.is_superuser or self.roles or self.connected)


def owner_statements(role: str, *, database: str, schema: str) -> list[str]:
    """
    SQL after which `role` owns the schema and PUBLIC has nothing; it may be run again.

    Raises:
        StartError: The role's name needs more than small letters, digits and _.
    """
    if not _ROLE.fullmatch(role) or role.startswith("pg_"):
        raise StartError(
            f"{role!r} is no name for a role.",
            hint="Small letters, digits and _, 63 at most, not beginning with pg_.",
        )
    in_database, in_schema = _quoted(database), _quoted(schema)
    return [
        _MAKE.format(role=role),
        f"REVOKE ALL ON DATABASE {in_database} FROM PUBLIC",
        f"GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {in_database} TO {role}",
        f"CREATE SCHEMA IF NOT EXISTS {in_schema}",
        f"ALTER SCHEMA {in_schema} OWNER TO {role}",
        f"REVOKE ALL ON SCHEMA {in_schema} FROM PUBLIC",
        _TAKE_OVER.format(schema_text=_literal(in_schema), role=role),
        f"REVOKE ALL ON ALL TABLES IN SCHEMA {in_schema} FROM PUBLIC",
        f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA {in_schema} FROM PUBLIC",
        f"REVOKE ALL ON ALL ROUTINES IN SCHEMA {in_schema} FROM PUBLIC",
        f"ALTER DEFAULT PRIVILEGES FOR ROLE {role} REVOKE EXECUTE ON ROUTINES FROM PUBLIC",
    ]


def make_owner(connection: BlockingConnection, statements: list[str], *, database: str) -> None:
    """
    Run them all, in one transaction.

    Raises:
        StartError: The connection leads to another database, or the server refuses.
    """
    ((name,),) = connection.rows("SELECT current_database()")
    if name != database:
        raise StartError(
            f"the administrator's address leads to {name!r}, the tables are in {database!r}.",
            hint="Give both the same database.",
        )
    try:
        connection.run(";\n".join(["BEGIN", *statements, "COMMIT"]))
    except asyncpg.PostgresError as error:
        raise StartError(f"the server refused, and nothing was changed: {error}.") from None


def reach_of(connection: BlockingConnection, schema: str) -> Reach:
    """Who reaches the tables of a schema beside the role that this connection has."""
    ((role, is_superuser),) = connection.rows(_SELF)
    reach = Reach(str(role), bool(is_superuser))
    for name, is_super, _, creates_roles, is_member, may, creates in connection.rows(
        _REACH, schema
    ):
        if is_super:
            reach.superusers.append(name)
        elif how := _how(is_member, may, creates):
            reach.roles.append(Reaching(name, how))
        elif creates_roles and not _is_newer(connection):
            reach.roles.append(Reaching(name, "may make itself a member (CREATEROLE)"))
    for may, creates, connects in connection.rows(_PUBLIC, schema):
        reach.public_may_connect = bool(connects)
        if how := _how(False, may, creates):
            reach.roles.insert(0, Reaching("PUBLIC", how))
    reaching = {each.role for each in reach.roles} | set(reach.superusers)
    for pid, name, application, is_own in connection.rows(_CONNECTED, _OURS):
        said = f"process {pid}" + (f", {application}" if application else "")
        if is_own or name in reaching:
            reach.connected.append(Reaching(name, said))
    return reach


def _is_newer(connection: BlockingConnection) -> bool:
    """From 16 on CREATEROLE gives only what its own role has."""
    ((number,),) = connection.rows("SELECT current_setting('server_version_num')::int")
    return int(number) >= 160000


def _how(is_member: bool, may: str | None, creates: bool) -> str:
    said = [may] if may else []
    said += ["CREATE in the schema"] if creates else []
    said += ["is a member of it, or of a role that reads all"] if is_member and not may else []
    return ", ".join(said)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
