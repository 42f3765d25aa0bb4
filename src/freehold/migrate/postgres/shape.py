"""
The shape of a PostgreSQL database, read from its catalogue: the twin of `migrate.shape`.

What the schema would build is built for a moment as temporary tables, which every role may
make, and read in the same way: so both texts are the engine's own. Names of constraints
are part of the shape here: they are in every refusal of the engine. Freehold's own tables,
views, and what belongs to an extension are not part of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from freehold.errors import MigrationFailed, MigrationNeeded
from freehold.migrate.postgres import ddl
from freehold.migrate.postgres.connection import NOT_ALLOWED, SqlConnection, sqlstate
from freehold.migrate.postgres.parts import IDENTITY, SERIAL, counting
from freehold.migrate.shape import (
    ColumnShape,
    ForeignKeyShape,
    IndexShape,
    Shape,
    TableShape,
    TriggerShape,
)
from freehold.schema import SYSTEM_PREFIX, Schema

_ACTIONS: Final = {
    "a": "NO ACTION", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT",
}  # fmt: skip
_HERE: Final = "(SELECT oid FROM pg_namespace WHERE nspname = current_schema())"
_TEMPORARY: Final = "pg_my_temp_schema()"

_TABLES: Final = """
SELECT c.oid::bigint, c.relname::text FROM pg_class c
WHERE c.relnamespace = {where} AND c.relkind IN ('r', 'p')
  AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
                  AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY c.relname
"""
_COLUMNS: Final = """
SELECT a.attrelid::bigint, a.attname::text, format_type(a.atttypid, a.atttypmod)::text,
  NOT a.attnotnull, pg_get_expr(d.adbin, d.adrelid)::text, a.attidentity::text,
  a.attgenerated::text, n.collname::text
FROM pg_attribute a
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN pg_collation n ON n.oid = a.attcollation AND a.attcollation <> t.typcollation
WHERE a.attrelid = ANY ($1::bigint[]::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
"""
_CONSTRAINTS: Final = """
SELECT c.conrelid::bigint, c.contype::text, c.conname::text,
  ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY k (number, place)
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number ORDER BY k.place),
  r.relname::text,
  ARRAY(SELECT a.attname::text FROM unnest(c.confkey) WITH ORDINALITY k (number, place)
        JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.number ORDER BY k.place),
  c.confdeltype::text, c.confupdtype::text, c.condeferrable, c.convalidated,
  pg_get_expr(c.conbin, c.conrelid)::text, pg_get_constraintdef(c.oid)::text
FROM pg_constraint c LEFT JOIN pg_class r ON r.oid = c.confrelid
WHERE c.conrelid = ANY ($1::bigint[]::oid[]) AND c.contype IN ('p', 'u', 'f', 'c', 'x')
ORDER BY c.conrelid, c.conname
"""
_INDEXES: Final = """
SELECT i.indrelid::bigint, x.relname::text, i.indisunique, i.indisvalid, m.amname::text,
  ARRAY(SELECT pg_get_indexdef(i.indexrelid, k.place, true)
        FROM generate_series(1, i.indnkeyatts::int) k (place) ORDER BY k.place),
  ARRAY(SELECT i.indoption[k.place - 1]::int
        FROM generate_series(1, i.indnkeyatts::int) k (place) ORDER BY k.place),
  pg_get_expr(i.indpred, i.indrelid)::text
FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam
WHERE i.indrelid = ANY ($1::bigint[]::oid[])
  AND NOT EXISTS (SELECT 1 FROM pg_constraint c
                  WHERE c.conindid = i.indexrelid AND c.contype IN ('p', 'u', 'x'))
ORDER BY x.relname
"""
_TRIGGERS: Final = """
SELECT t.tgrelid::bigint, t.tgname::text, pg_get_triggerdef(t.oid, true)::text, t.tgenabled::text,
  p.proname::text, p.prosrc::text, l.lanname::text
FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_language l ON l.oid = p.prolang
WHERE t.tgrelid = ANY ($1::bigint[]::oid[]) AND NOT t.tgisinternal
ORDER BY t.tgname
"""
_FUNCTION: Final = re.compile(r"\A(CREATE (?:OR REPLACE )?FUNCTION )(?=\")")
_EXECUTE: Final = re.compile(r"( EXECUTE FUNCTION )(?=\"(?:[^\"]|\"\")*\"\(\)\Z)")


def table_names(connection: SqlConnection) -> list[str]:
    """The ordinary tables of the schema, without Freehold's own and those of extensions."""
    return [name for _, name in _tables(connection, _HERE)]


def shape_of(connection: SqlConnection) -> Shape:
    """The shape of the database as it is now; to be asked in a transaction."""
    return _shape(connection, _HERE)


def shape_of_schema(connection: SqlConnection, schema: Schema) -> Shape:
    """The shape that the schema builds from nothing; inside the open transaction, see `built`."""
    return built(connection, ddl.of_schema(schema))


def built(connection: SqlConnection, statements: Sequence[str]) -> Shape:
    """
    The shape that these statements build from nothing; nothing of them stays.

    They are `Schema.ddl`'s: what they make becomes temporary, in a savepoint of the open
    transaction.

    Raises:
        MigrationFailed: The role may not make temporary tables.
    """
    connection.run("SAVEPOINT freehold_built")
    try:
        connection.run("SET LOCAL search_path = pg_temp")
        if statements:
            connection.run(";\n".join(map(_temporary, statements)))
        return _shape(connection, _TEMPORARY)
    except Exception as error:
        if sqlstate(error) == NOT_ALLOWED:
            raise MigrationFailed(
                "This role may not make temporary tables, by which the schema is compared.",
                hint="GRANT TEMPORARY ON DATABASE … TO …",
            ) from error
        raise
    finally:
        connection.run("ROLLBACK TO SAVEPOINT freehold_built; RELEASE SAVEPOINT freehold_built")


def _temporary(statement: str) -> str:
    """The temporary schema is never searched for functions, so it is named."""
    return _EXECUTE.sub(r"\1pg_temp.", _FUNCTION.sub(r"\1pg_temp.", statement))


def _tables(connection: SqlConnection, where: str) -> list[tuple[int, str]]:
    found = connection.rows(_TABLES.format(where=where))
    return [(oid, name) for oid, name in found if not name.startswith(SYSTEM_PREFIX)]


def _shape(connection: SqlConnection, where: str) -> Shape:
    names = dict(_tables(connection, where))
    oids = list(names)
    parts: dict[str, dict[int, list[Any]]] = {}
    for part, sql in (
        ("columns", _COLUMNS),
        ("constraints", _CONSTRAINTS),
        ("indexes", _INDEXES),
        ("triggers", _TRIGGERS),
    ):
        parts[part] = {oid: [] for oid in oids}
        for row in connection.rows(sql, oids):
            oid, *rest = row
            parts[part][oid].append(rest)
    tables = {
        name: _table(parts["columns"][oid], parts["constraints"][oid], parts["indexes"][oid])
        for oid, name in names.items()
    }
    triggers = {row[0]: _trigger(names[oid], row) for oid in oids for row in parts["triggers"][oid]}
    return Shape(tables, triggers)


def _table(columns: list[Any], constraints: list[Any], indexes: list[Any]) -> TableShape:
    keys: list[str] = []
    checks: set[tuple[str, str]] = set()
    uniques: set[tuple[str, ...]] = set()
    references: set[ForeignKeyShape] = set()
    names: set[tuple[str, str]] = set()
    clauses = {clause for row in columns for clause in _counting(row)}
    for kind, name, local, target, remote, *rest in constraints:
        on_delete, on_update, is_deferrable, is_valid, condition, text = rest
        here = tuple(local)
        if kind == "p":
            keys = list(local)
            names.add(("primary key", name))
        elif kind == "u":
            uniques.add(here)
            names.add((f"unique ({', '.join(here)})", name))
        elif kind == "f":
            references.add(
                ForeignKeyShape(
                    here, target, tuple(remote), _ACTIONS[on_delete], _ACTIONS[on_update]
                )
            )
            names.add((f"reference of {', '.join(here)} to {target}", name))
        elif kind == "c":
            checks.add((name, condition))
        else:
            clauses.add(f"{name} {text}")
        clauses |= {f"{name} deferrable"} if is_deferrable else set()
        clauses |= set() if is_valid else {f"{name} not valid"}
    return TableShape(
        columns={row[0]: _column(row, keys) for row in columns},
        is_strict=True,
        has_rowid=True,
        foreign_keys=frozenset(references),
        uniques=frozenset(uniques),
        checks=frozenset(checks),
        clauses=frozenset(clauses),
        indexes={row[0]: _index(row) for row in indexes},
        names=frozenset(names),
    )


def _column(row: list[Any], keys: list[str]) -> ColumnShape:
    name, kind, is_nullable, default, _, generated, collation = row
    return ColumnShape(
        type=kind,
        is_nullable=is_nullable,
        default=None if _counting(row) else default,
        key=keys.index(name) + 1 if name in keys else 0,
        collation=collation or "",
        is_generated=bool(generated),
    )


def _counting(row: list[Any]) -> list[str]:
    """How the column counts up, when it does."""
    name, _, _, default, identity, _, _ = row
    if identity:
        return [counting(name, IDENTITY)]
    return [counting(name, SERIAL)] if (default or "").startswith("nextval(") else []


def _index(row: list[Any]) -> IndexShape:
    name, is_unique, is_valid, method, parts, options, where = row
    columns = tuple(
        f"{part}{index_order(is_descending=bool(option & 1), nulls_first=bool(option & 2))}"
        for part, option in zip(parts, options, strict=True)
    )
    said = columns if method == "btree" else (f"{method}: {', '.join(columns)}",)
    if not is_valid:
        raise MigrationNeeded(
            f"The index {name} was never finished.", hint=f"REINDEX INDEX {name}, or drop it."
        )
    return IndexShape(said, is_unique, where)


def index_order(*, is_descending: bool, nulls_first: bool) -> str:
    """` desc nulls last`, without what the engine takes when nothing is said."""
    nulls = "" if is_descending == nulls_first else f" nulls {'first' if nulls_first else 'last'}"
    return f"{' desc' if is_descending else ''}{nulls}"


def _trigger(table: str, row: list[Any]) -> TriggerShape:
    _, text, enabled, function, body, language = row
    # Where the function is found is said otherwise for temporary ones.
    head = re.sub(r" EXECUTE FUNCTION \S+\(", f" EXECUTE FUNCTION {function}(", text)
    state = "" if enabled == "O" else f" enabled {enabled}"
    return TriggerShape(table, f"{head}{state}", f"{language}: {body}")
