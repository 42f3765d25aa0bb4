"""
The schema of one database: all its records together, checked against each other.

It can say itself as SQL for either engine; comparing it with a database is done in
`migrate`.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import Final, Literal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from freehold.errors import SchemaError
from freehold.schema.marks import Trigger
from freehold.schema.record import Record
from freehold.schema.table import table_of

DialectName = Literal["sqlite", "postgresql"]

DIALECTS: Final[dict[str, sa.Dialect]] = {
    "sqlite": sqlite.dialect(),
    "postgresql": postgresql.dialect(),  # type: ignore[no-untyped-call]
}
#: Tables with this prefix are Freehold's own.
SYSTEM_PREFIX: Final = "_freehold_"


class Schema:
    """
    The records of one database.

    Args:
        records: Every record, in any order.
        is_system: The tables are Freehold's own and may bear its prefix.

    Raises:
        SchemaError: Two records share a table, or a reference points at nothing fit for it.
    """

    def __init__(self, records: Iterable[type[Record]], *, is_system: bool = False) -> None:
        self.records: tuple[type[Record], ...] = tuple(records)
        self.by_table: dict[str, type[Record]] = {}
        self.metadata = sa.MetaData()
        for record in self.records:
            self._add(record, is_system=is_system)
        for record in self.records:
            _check_references(record, self.by_table)
        #: Parents before children, for statements that build or load.
        self.tables: list[sa.Table] = _in_order(self.metadata)

    @classmethod
    def of_module(cls, module: ModuleType) -> Schema:
        """All records that a schema module defines."""
        found = [
            value
            for value in vars(module).values()
            if isinstance(value, type) and issubclass(value, Record)
            and value.__module__ == module.__name__
            and hasattr(value, "__table__")
        ]  # fmt: skip
        if not found:
            raise SchemaError(f"{module.__name__} defines no record.")
        return cls(found)

    def _add(self, record: type[Record], *, is_system: bool) -> None:
        name = record.__table__.name
        if name.startswith(SYSTEM_PREFIX) and not is_system:
            raise SchemaError(f"{record.__name__}: tables {SYSTEM_PREFIX}… are Freehold's own.")
        other = self.by_table.setdefault(name.lower(), record)
        if other is not record:
            raise SchemaError(
                f"{record.__name__} and {other.__name__} both say they are the table {name!r}."
            )
        # Built anew rather than copied: a copy loses the order of the constraints.
        table_of(record.__name__, name, record.__fields__, record.__parts__, self.metadata)

    @property
    def triggers(self) -> list[tuple[str, Trigger]]:
        """Each trigger with its table, in a stable order."""
        return [
            (record.__table__.name, trigger)
            for record in self.records
            for trigger in record.__parts__.triggers
        ]

    def table(self, name: str) -> sa.Table:
        """The table of that name."""
        return self.metadata.tables[name]

    def ddl(self, dialect: DialectName = "sqlite") -> list[str]:
        """Every statement that builds the schema from nothing, in order."""
        statements = [create_table(table, dialect) for table in self.tables]
        for table in self.tables:
            statements += create_indexes(table, dialect)
        for table_name, trigger in self.triggers:
            statements += create_trigger(table_name, trigger, dialect)
        return statements


def create_table(table: sa.Table, dialect: DialectName) -> str:
    """CREATE TABLE as one statement."""
    return _tidy(str(CreateTable(table).compile(dialect=DIALECTS[dialect])))


def create_indexes(table: sa.Table, dialect: DialectName) -> list[str]:
    """CREATE INDEX for each index of the table, by name."""
    return [
        _tidy(str(CreateIndex(index).compile(dialect=DIALECTS[dialect])))
        for index in sorted(table.indexes, key=lambda index: str(index.name))
    ]


def create_trigger(table: str, trigger: Trigger, dialect: DialectName) -> list[str]:
    """CREATE TRIGGER, with the function that PostgreSQL wants beside it."""
    of = f" OF {', '.join(_quoted(name) for name in trigger.of)}" if trigger.of else ""
    head = f"{trigger.when.upper()} {trigger.event.upper()}{of} ON {_quoted(table)} FOR EACH ROW"
    condition = f" WHEN ({trigger.condition})" if trigger.condition else ""
    name = _quoted(trigger.name)
    sentence = (trigger.refuse or "").replace("'", "''")
    if dialect == "sqlite":
        body = f"SELECT RAISE(ABORT, '{sentence}')" if trigger.refuse else trigger.run
        return [f"CREATE TRIGGER {name} {head}{condition} BEGIN {body}; END"]
    body = f"RAISE EXCEPTION '{sentence}'" if trigger.refuse else f"{trigger.run}; RETURN NEW"
    return [
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; END $$",
        f"CREATE TRIGGER {name} {head}{condition} EXECUTE FUNCTION {name}()",
    ]


def _in_order(metadata: sa.MetaData) -> list[sa.Table]:
    """Parents first; tables that reference each other in a ring keep the order of their names."""
    by_name = dict(sorted(metadata.tables.items()))
    done: dict[str, sa.Table] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in done or name in path:
            return
        parents = {key.column.table.name for key in by_name[name].foreign_keys}
        for parent in sorted(parents):
            visit(parent, (*path, name))
        done[name] = by_name[name]

    for name in by_name:
        visit(name, ())
    return list(done.values())


def _check_references(record: type[Record], by_table: dict[str, type[Record]]) -> None:
    for constraint in record.__table__.foreign_key_constraints:
        specs = [element.target_fullname for element in constraint.elements]
        table = specs[0].rsplit(".", 1)[0]
        columns = [spec.rsplit(".", 1)[1] for spec in specs]
        target = by_table.get(table.lower())
        where = f"{record.__name__}.{', '.join(constraint.column_keys)}"
        if target is None:
            raise SchemaError(
                f"{where} references the table {table!r}, which the schema does not have.",
                hint=f"It has {', '.join(sorted(by_table))}.",
            )
        missing = [column for column in columns if column not in target.__table__.c]
        if missing:
            raise SchemaError(
                f"{where} references {table}.{missing[0]}, which is no column of it.",
                hint=f"Its columns are {', '.join(target.__table__.c.keys())}.",
            )
        if not _is_unique(target.__table__, columns):
            raise SchemaError(
                f"{where} references {table}({', '.join(columns)}), which is not unique there.",
                hint="Reference the primary key, or mark the target Unique().",
            )
        action = (constraint.ondelete or "").lower()
        if action == "set null" and not all(column.nullable for column in constraint.columns):
            raise SchemaError(
                f"{where}: on_delete='set null' on a field that may not be None.",
                hint="Add `| None` to its type, or choose another action.",
            )


def _is_unique(table: sa.Table, columns: list[str]) -> bool:
    wanted = set(columns)
    if {column.name for column in table.primary_key.columns} == wanted:
        return True
    uniques = [c for c in table.constraints if isinstance(c, sa.UniqueConstraint)]
    if any({column.name for column in unique.columns} == wanted for unique in uniques):
        return True
    return any(
        index.unique
        and {column.name for column in index.columns} == wanted
        and index.dialect_options["sqlite"]["where"] is None
        for index in table.indexes
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _tidy(sql: str) -> str:
    lines = (line.rstrip().replace("\t", "  ") for line in sql.strip().splitlines())
    return "\n".join(line for line in lines if line)
