"""
How two shapes differ, in sentences: `found` is what is there, `wanted` what should be.
"""

from __future__ import annotations

from collections.abc import Mapping

from freehold.migrate.shape import (
    ColumnShape,
    ForeignKeyShape,
    IndexShape,
    Shape,
    TableShape,
)


def differences(found: Shape, wanted: Shape) -> list[str]:
    """Every difference as a sentence; nothing when the two are equal."""
    said = []
    for name in sorted({*found.tables, *wanted.tables}):
        if name not in found.tables:
            said.append(f"The table {name} is missing.")
        elif name not in wanted.tables:
            said.append(f"The table {name} is not in the schema.")
        else:
            here, there = found.tables[name], wanted.tables[name]
            said += [f"{name}: {text}." for text in table_differences(here, there)]
            said += [f"{name}: {text}." for text in _index_differences(here, there)]
    for name in sorted({*found.triggers, *wanted.triggers}):
        if name not in found.triggers:
            said.append(f"The trigger {name} is missing.")
        elif name not in wanted.triggers:
            said.append(f"The trigger {name} is not in the schema.")
        elif found.triggers[name] != wanted.triggers[name]:
            said.append(f"The trigger {name} says something else.")
    return said


def table_differences(found: TableShape, wanted: TableShape) -> list[str]:
    """What differs in the table itself, as clauses of a sentence; its indexes are left out."""
    return [
        *_column_differences(found.columns, wanted.columns),
        *_constraint_differences(found, wanted),
        *_name_differences(found, wanted),
        *_kind_differences(found, wanted),
    ]


def same_body(found: TableShape, wanted: TableShape) -> bool:
    """The tables are equal but for their indexes."""
    return not table_differences(found, wanted)


def _column_differences(
    found: Mapping[str, ColumnShape], wanted: Mapping[str, ColumnShape]
) -> list[str]:
    said = []
    for name in (*wanted, *(name for name in found if name not in wanted)):
        if name not in found:
            said.append(f"the column {name} is missing")
        elif name not in wanted:
            said.append(f"the column {name} is not in the schema")
        else:
            said += [f"the column {name} {text}" for text in _changes(found[name], wanted[name])]
    return said


def _changes(found: ColumnShape, wanted: ColumnShape) -> list[str]:
    said = []
    if found.type != wanted.type:
        said.append(f"is {found.type or 'without a type'} and should be {wanted.type}")
    if found.is_nullable != wanted.is_nullable:
        said.append("should allow NULL" if wanted.is_nullable else "should refuse NULL")
    if found.default != wanted.default:
        said.append(f"has the default {found.default} and should have {wanted.default}")
    if found.key != wanted.key:
        said.append(
            "should not be in the primary key"
            if not wanted.key
            else f"should be number {wanted.key} of the primary key"
        )
    if found.collation != wanted.collation:
        said.append(f"is collated {found.collation} and should be {wanted.collation}")
    if found.is_generated != wanted.is_generated:
        said.append("should be an ordinary column")
    return said


def _constraint_differences(found: TableShape, wanted: TableShape) -> list[str]:
    missing = [
        *(_check(check) for check in sorted(wanted.checks - found.checks)),
        *(_unique(columns) for columns in sorted(wanted.uniques - found.uniques)),
        *sorted(map(_reference, wanted.foreign_keys - found.foreign_keys)),
    ]
    spare = [
        *(_check(check) for check in sorted(found.checks - wanted.checks)),
        *(_unique(columns) for columns in sorted(found.uniques - wanted.uniques)),
        *sorted(map(_reference, found.foreign_keys - wanted.foreign_keys)),
    ]
    return [
        *(f"the {text} is missing" for text in missing),
        *(f"the {text} is not in the schema" for text in spare),
    ]


def _name_differences(found: TableShape, wanted: TableShape) -> list[str]:
    """What is there under another name; what is not there was said already."""
    there = dict(found.names)
    return [
        f"the {what} is called {there[what]} and should be called {name}"
        for what, name in sorted(wanted.names)
        if what in there and there[what] != name
    ]


def _kind_differences(found: TableShape, wanted: TableShape) -> list[str]:
    said = []
    if found.is_strict != wanted.is_strict:
        said.append(f"the table should {'' if wanted.is_strict else 'not '}be STRICT")
    if found.has_rowid != wanted.has_rowid:
        said.append(f"the table should {'have rowids' if wanted.has_rowid else 'be WITHOUT ROWID'}")
    missing, spare = wanted.clauses - found.clauses, found.clauses - wanted.clauses
    return [
        *said,
        *(f"{_clause(clause)} is missing" for clause in sorted(missing)),
        *(f"{_clause(clause)} is not in the schema" for clause in sorted(spare)),
    ]


def _clause(said: str) -> str:
    """Keywords as SQL has them; PostgreSQL's clauses are sentences with names in them."""
    is_sql = said.startswith(("autoincrement", "deferrable", "on conflict"))
    return said.upper() if is_sql else said


def _index_differences(found: TableShape, wanted: TableShape) -> list[str]:
    said = []
    for name in sorted({*found.indexes, *wanted.indexes}):
        here, there = found.indexes.get(name), wanted.indexes.get(name)
        if here is None:
            said.append(f"the index {name} is missing")
        elif there is None:
            said.append(f"the index {name} is not in the schema")
        elif here != there:
            said.append(f"the index {name} is {index_text(here)}, not {index_text(there)}")
    return said


def index_text(index: IndexShape) -> str:
    """`unique (a, b desc) where c > 0`"""
    where = f" where {index.where}" if index.where else ""
    return f"{'unique ' if index.is_unique else ''}({', '.join(index.columns)}){where}"


def _check(check: tuple[str, str]) -> str:
    name, condition = check
    return f"check {name or 'without a name'} ({condition})"


def _unique(columns: tuple[str, ...]) -> str:
    return f"unique ({', '.join(columns)})"


def _reference(key: ForeignKeyShape) -> str:
    columns, targets = ", ".join(key.columns), ", ".join(key.targets)
    actions = "".join(
        f" on {event} {action.lower()}"
        for event, action in (("delete", key.on_delete), ("update", key.on_update))
        if action != "NO ACTION"
    )
    return f"reference {columns} → {key.table}({targets}){actions}"
