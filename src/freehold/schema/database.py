"""
The schema of one database: all its records together, checked against each other.

It can say itself as SQL for either engine (the text is made in `ddl`); comparing it with a
database is done in `migrate`.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import Any, Final

import sqlalchemy as sa

from freehold.errors import SchemaError
from freehold.schema.ddl import DialectName, create_all
from freehold.schema.marks import Trigger
from freehold.schema.record import Record
from freehold.schema.table import table_of

#: Tables with this prefix are Freehold's own.
SYSTEM_PREFIX: Final = "_freehold_"
_OWN: Final[set[sa.Table]] = set()


def is_own_table(part: object) -> bool:
    """Whether it is a table of one of Freehold's own records, and not only named like one."""
    return isinstance(part, sa.Table) and part in _OWN


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
        _refuse_shared_names(self.records)
        for record in self.records:
            for constraint in references_of(record.__table__):
                _check_reference(record, constraint, self.by_table)
        #: Parents before children, for statements that build or load.
        self.tables: list[sa.Table] = _in_order(self.metadata)

    @classmethod
    def of_module(cls, module: ModuleType) -> Schema:
        """
        All records that a schema module defines.

        Raises:
            SchemaError: There is none.
        """
        found = [
            value
            for value in vars(module).values()
            if isinstance(value, type) and issubclass(value, Record)
            and value.__module__ == module.__name__
            and hasattr(value, "__table__")
        ]  # fmt: skip
        if not found:
            raise SchemaError(
                f"{module.__name__} defines no record.",
                hint='Write class X(Record, table="…") in it.',
            )
        return cls(dict.fromkeys(found))

    def _add(self, record: type[Record], *, is_system: bool) -> None:
        if not hasattr(record, "__table__"):
            raise SchemaError(f"{record!r} is no record.", hint="Give Schema([…]) Record classes.")
        name = record.__table__.name
        if name.lower().startswith(SYSTEM_PREFIX) and not is_system:
            raise SchemaError(f"{record.__name__}: tables {SYSTEM_PREFIX}… are Freehold's own.",
                              hint="Choose another name for the table.")  # fmt: skip
        if is_system:
            _OWN.add(record.__table__)
        other = self.by_table.setdefault(name.lower(), record)
        if other is not record:
            raise SchemaError(
                f"{record.__name__} and {other.__name__} both say they are the table {name!r}.",
                hint="Give one of them another table.",
            )
        if name in self.metadata.tables:
            raise SchemaError(f"{record.__name__} stands in the schema twice.",
                              hint="Name each record once.")  # fmt: skip
        # Built anew rather than copied: a copy loses the order of the constraints.
        table_of(
            record.__name__, name, fields=record.__fields__, parts=record.__parts__,
            metadata=self.metadata,
        )  # fmt: skip

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
        return create_all(self.tables, self.triggers, dialect)


def references_of(table: sa.Table) -> list[sa.ForeignKeyConstraint]:
    """The table's references, always in the same order."""
    return sorted(table.foreign_key_constraints, key=lambda each: str(each.name))


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


def _refuse_shared_names(records: tuple[type[Record], ...]) -> None:
    """
    Tables, indexes and unique constraints share one space of names, triggers another.

    Raises:
        SchemaError: Two records use one name.
    """
    relations: dict[str, str] = {}
    triggers: dict[str, str] = {}
    for record in records:
        table = record.__table__
        uniques = [c for c in table.constraints if isinstance(c, sa.UniqueConstraint)]
        parts: list[Any] = [*table.indexes, *uniques]
        names = sorted(str(part.name) for part in parts)
        for name in (table.name, *names):
            _claim(relations, name, record)
        for trigger in record.__parts__.triggers:
            _claim(triggers, trigger.name, record)


def _claim(taken: dict[str, str], name: str, record: type[Record]) -> None:
    other = taken.setdefault(name.lower(), record.__name__)
    if other != record.__name__:
        raise SchemaError(
            f"{other} and {record.__name__} both name something {name!r}, and a database has "
            "such a name once.",
            hint="Say name=… on one of them.",
        )


def _check_reference(
    record: type[Record], constraint: sa.ForeignKeyConstraint, by_table: dict[str, type[Record]]
) -> None:
    specs = [element.target_fullname for element in constraint.elements]
    table = specs[0].rsplit(".", 1)[0]
    columns = [spec.rsplit(".", 1)[1] for spec in specs]
    target = by_table.get(table.lower())
    where = f"{record.__name__}.{', '.join(constraint.column_keys)}"
    if target is None or target.__table__.name != table:
        known = sorted(each.__table__.name for each in by_table.values())
        raise SchemaError(
            f"{where} references the table {table!r}, which the schema does not have.",
            hint=f"It has {', '.join(known)}.",
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
    for column, remote in zip(constraint.columns, columns, strict=True):
        here, there = _holds(column), _holds(target.__table__.c[remote])
        if here != there:
            raise SchemaError(
                f"{where} holds {here}, and {table}.{remote} holds {there}: they are never equal.",
                hint="Give both the same type.",
            )
    for word, said in (("on_delete", constraint.ondelete), ("on_update", constraint.onupdate)):
        _check_action(where, word, said=said, constraint=constraint)


def _check_action(
    where: str, word: str, *, said: str | None, constraint: sa.ForeignKeyConstraint
) -> None:
    action = (said or "").lower()
    if action == "set null" and not all(column.nullable for column in constraint.columns):
        raise SchemaError(
            f"{where}: {word}='set null' on a field that may not be None.",
            hint="Add `| None` to its type, or choose another action.",
        )
    if action == "set default" and any(
        column.server_default is None and not column.nullable for column in constraint.columns
    ):
        raise SchemaError(
            f"{where}: {word}='set default' on a field that has no default.",
            hint="Give it a default, or choose another action.",
        )


def _holds(column: sa.Column[Any]) -> str:
    stored: Any = column.type
    return str(stored.kind.holds)


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
