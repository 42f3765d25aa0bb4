"""
What a plan is made of: steps, each with its SQL and a sentence, and refusals with advice.

Which steps are needed is decided in `plan`; nothing is run here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from freehold.schema import DialectName


@dataclass(frozen=True, kw_only=True)
class Step:
    """
    One step of a plan.

    Args:
        table: The table it is about, by the name it has after the plan.
        sentence: What it does, for the person who reviews it.
        sql: Its statements, in order.
        loses: What is gone afterwards, "" when nothing is.
    """

    verb: ClassVar[str]

    table: str
    sentence: str
    sql: tuple[str, ...]
    loses: str = ""

    @property
    def rewritten(self) -> str | None:
        """The table whose rows are all written anew, None when none is."""
        return None

    @property
    def is_destructive(self) -> bool:
        """Data is gone afterwards."""
        return bool(self.loses)


@dataclass(frozen=True, kw_only=True)
class CreateTable(Step):
    """A new table, with its indexes."""

    verb = "create table"


@dataclass(frozen=True, kw_only=True)
class DropTable(Step):
    """A table that no record says any more."""

    verb = "drop table"


@dataclass(frozen=True, kw_only=True)
class RenameTable(Step):
    """A table gets another name and keeps its rows."""

    verb = "rename table"
    old: str


@dataclass(frozen=True, kw_only=True)
class AddColumn(Step):
    """A new column, added in place."""

    verb = "add column"
    column: str


@dataclass(frozen=True, kw_only=True)
class RenameColumn(Step):
    """A column gets another name and keeps its values."""

    verb = "rename column"
    column: str
    old: str


@dataclass(frozen=True, kw_only=True)
class DropColumn(Step):
    """A column that no field says any more, dropped in place."""

    verb = "drop column"
    column: str


@dataclass(frozen=True, kw_only=True)
class CreateIndex(Step):
    """An index on a table that was there before."""

    verb = "create index"
    index: str


@dataclass(frozen=True, kw_only=True)
class DropIndex(Step):
    """An index that is not said any more, or is about to be made anew."""

    verb = "drop index"
    index: str


@dataclass(frozen=True, kw_only=True)
class CreateTrigger(Step):
    """A trigger."""

    verb = "create trigger"
    trigger: str


@dataclass(frozen=True, kw_only=True)
class DropTrigger(Step):
    """A trigger that is not said any more, or is about to be made anew."""

    verb = "drop trigger"
    trigger: str


@dataclass(frozen=True, kw_only=True)
class RebuildTable(Step):
    """
    A table is made anew and its rows are copied, because it cannot be changed in place.

    Args:
        reasons: What differs, as clauses.
        dropped: The columns that are not copied.
    """

    verb = "rebuild table"
    reasons: tuple[str, ...]
    dropped: tuple[str, ...] = ()

    @property
    def rewritten(self) -> str | None:
        """The table itself."""
        return self.table


@dataclass(frozen=True, kw_only=True)
class AlterTable(Step):
    """
    A table's columns and constraints are changed in place, on an engine that can.

    Args:
        reasons: What differs, as clauses.
        is_rewritten: The engine writes every row anew.
    """

    verb = "alter table"
    reasons: tuple[str, ...]
    is_rewritten: bool = False

    @property
    def rewritten(self) -> str | None:
        """The table itself, where its rows are."""
        return self.table if self.is_rewritten else None


@dataclass(frozen=True)
class Seal:
    """
    A column whose values are sealed where they stand.

    Args:
        was: `table.column` for which its sealed values were sealed, when it was renamed.
    """

    table: str
    column: str
    was: str = ""

    def __str__(self) -> str:
        """As a file says it: `users.token`, `members.secret was users.token`."""
        return f"{self.name} was {self.was}" if self.was else self.name

    @property
    def name(self) -> str:
        """`users.token`"""
        return f"{self.table}.{self.column}"

    @classmethod
    def read(cls, text: str) -> Seal | None:
        """What a file says, None when it says nothing of the kind."""
        name, _, was = text.partition(" was ")
        table, _, column = name.strip().partition(".")
        return cls(table, column, was.strip()) if table and column else None


@dataclass(frozen=True, kw_only=True)
class SealColumn(Step):
    """The values of a column are sealed, in every row."""

    verb = "seal column"
    seal: Seal


@dataclass(frozen=True)
class Refusal:
    """A change that cannot be planned, and what to write instead."""

    sentence: str
    advice: str

    def __str__(self) -> str:
        return f"{self.sentence} {self.advice}"


@dataclass(frozen=True)
class Plan:
    """
    The way from one shape to another; empty when they are equal.

    Args:
        sealed: Which new columns are sealed (True) or no longer are what the files said
            of that name before (False): `("users.token", True)`.
    """

    steps: tuple[Step, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    dialect: DialectName = "sqlite"
    sealed: tuple[tuple[str, bool], ...] = ()

    @property
    def is_empty(self) -> bool:
        """There is nothing to do, and nothing stands in the way."""
        return not self.steps and not self.refusals

    @property
    def destructive_steps(self) -> tuple[Step, ...]:
        """The steps after which data is gone."""
        return tuple(step for step in self.steps if step.is_destructive)

    @property
    def sentences(self) -> list[str]:
        """What it does, step by step."""
        return [
            f"{step.sentence} LOST: {step.loses}." if step.loses else step.sentence
            for step in self.steps
        ]
