"""
Tables as a paper has them: with the names of their constraints, ready to be changed.

`Shape` is what is compared; this is what statements are done to, see `paper`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from freehold.migrate.shape import (
    ColumnShape,
    ForeignKeyShape,
    IndexShape,
    TableShape,
)

#: Longer names are cut off by the engine.
NAME_MAX: Final = 63


SERIAL: Final = "a serial"
IDENTITY: Final = "an identity"
_COUNTING: Final = re.compile(r"the counting of (.+) by (an? \w+)")


def counting(name: str, counts: str) -> str:
    """How a column's counting up is said among the clauses of its table."""
    return f"the counting of {name} by {counts}"


@dataclass
class Column:
    """A column; `counts` is how it counts up, "" when it does not."""

    type: str
    collation: str = ""
    default: str | None = None
    is_nullable: bool = True
    counts: str = ""
    is_generated: bool = False


@dataclass
class Constraint:
    """A constraint: `p`rimary key, `u`nique, `c`heck, `f`oreign key, or what is none of these."""

    kind: str
    columns: tuple[str, ...] = ()
    text: str = ""
    table: str = ""
    targets: tuple[str, ...] = ()
    on_delete: str = "NO ACTION"
    on_update: str = "NO ACTION"
    clause: str = ""

    @property
    def reference(self) -> ForeignKeyShape:
        """The reference that it is."""
        return ForeignKeyShape(
            self.columns, self.table, self.targets, self.on_delete, self.on_update
        )

    @property
    def what(self) -> str:
        """What it is, without its name."""
        if self.kind == "p":
            return "primary key"
        listed = ", ".join(self.columns)
        return (
            f"unique ({listed})" if self.kind == "u" else f"reference of {listed} to {self.table}"
        )


@dataclass
class TriggerPart:
    """A trigger: its text, and the function behind it."""

    text: str
    function: str
    body: str


@dataclass
class Table:
    """A table; columns, constraints, indexes and triggers by name."""

    columns: dict[str, Column] = field(default_factory=dict)
    constraints: dict[str, Constraint] = field(default_factory=dict)
    indexes: dict[str, IndexShape] = field(default_factory=dict)
    triggers: dict[str, TriggerPart] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of the primary key."""
        return next((c.columns for c in self.constraints.values() if c.kind == "p"), ())

    def of_kind(self, kind: str) -> dict[str, Constraint]:
        """The constraints of a kind."""
        return {name: c for name, c in self.constraints.items() if c.kind == kind}

    def shape(self) -> TableShape:
        """What is compared."""
        columns = {
            name: ColumnShape(
                type=column.type,
                is_nullable=column.is_nullable and name not in self.key,
                default=column.default,
                key=self.key.index(name) + 1 if name in self.key else 0,
                collation=column.collation,
                is_generated=column.is_generated,
            )
            for name, column in self.columns.items()
        }
        clauses = {counting(name, c.counts) for name, c in self.columns.items() if c.counts}
        clauses |= {c.text for c in self.constraints.values() if c.kind == "x"}
        clauses |= {f"{n} {c.clause}" for n, c in self.constraints.items() if c.clause}
        return TableShape(
            columns=columns,
            is_strict=True,
            has_rowid=True,
            foreign_keys=frozenset(c.reference for c in self.of_kind("f").values()),
            uniques=frozenset(c.columns for c in self.of_kind("u").values()),
            checks=frozenset((name, c.text) for name, c in self.of_kind("c").items()),
            clauses=frozenset(clauses),
            indexes=dict(self.indexes),
            names=frozenset(
                (c.what, name) for name, c in self.constraints.items() if c.kind in ("p", "u", "f")
            ),
        )

    @classmethod
    def of_shape(cls, shape: TableShape) -> Table:
        """The table of a shape that was read from a database."""
        names = dict(shape.names)
        found_counts = (_COUNTING.fullmatch(clause) for clause in shape.clauses)
        counts = {match[1]: match[2] for match in found_counts if match}
        columns = {
            name: Column(
                said.type, said.collation, said.default, said.is_nullable,
                counts.get(name, ""), said.is_generated,
            )
            for name, said in shape.columns.items()
        }  # fmt: skip
        keys = sorted((said.key, name) for name, said in shape.columns.items() if said.key)
        found = [Constraint("p", tuple(name for _, name in keys))] if keys else []
        found += [Constraint("u", columns) for columns in sorted(shape.uniques)]
        found += [
            Constraint("f", key.columns, "", key.table, key.targets, key.on_delete, key.on_update)
            for key in sorted(shape.foreign_keys, key=lambda key: key.columns)
        ]
        constraints = {names[each.what]: each for each in found}
        constraints |= {name: Constraint("c", text=text) for name, text in sorted(shape.checks)}
        return cls(columns, constraints, dict(shape.indexes))


def chosen_name(parts: tuple[str, ...], label: str, *, taken: Mapping[str, object]) -> str:
    """The name that the engine gives to a constraint which was given none."""
    first, second = parts[0], "_".join(parts[1:])
    room = NAME_MAX - len(label) - 1 - (1 if second else 0)
    while len(first) + len(second) > room:
        if len(first) > len(second):
            first = first[:-1]
        else:
            second = second[:-1]
    made = "_".join(part for part in (first, second, label) if part)
    number = 0
    while (name := f"{made}{number or ''}") in taken:
        number += 1
    return name
