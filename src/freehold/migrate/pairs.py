"""
The files of both engines side by side: the same numbers, the same names, the same schema.

Each engine's files lead to the schema on their own; what is planned for one is planned for
the other under the same number, also where nothing changes there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from freehold.errors import MigrationNeeded, SchemaError
from freehold.migrate import apply as sqlite
from freehold.migrate import plan as sqlite_plan
from freehold.migrate.differences import differences
from freehold.migrate.files import Migration, load, slug_of, write
from freehold.migrate.postgres import plan as postgres_plan
from freehold.migrate.postgres.paper import Paper
from freehold.migrate.sealed import unlike_files
from freehold.migrate.steps import Plan, Refusal
from freehold.schema import DialectName, Schema

ENGINES: Final[tuple[DialectName, ...]] = ("sqlite", "postgresql")


@dataclass(frozen=True)
class PlannedPair:
    """
    What is planned for both engines.

    Args:
        plans: The way to the schema, by engine.
        migrations: What there is, by engine.
    """

    plans: Mapping[DialectName, Plan]
    migrations: Mapping[DialectName, Sequence[Migration]]

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """What stands in the way on any engine, each said once."""
        return tuple(dict.fromkeys(r for plan in self.plans.values() for r in plan.refusals))

    @property
    def is_new(self) -> bool:
        """The schema has changed, and the next number is needed."""
        return any(
            not self.plans[engine].is_empty and len(self.migrations[engine]) == len(self._longest)
            for engine in ENGINES
        )

    @property
    def number(self) -> int:
        """The last number that both engines should have."""
        return len(self._longest) + self.is_new

    @property
    def is_empty(self) -> bool:
        """Every file is there."""
        return all(len(had) == self.number for had in self.migrations.values())

    @property
    def sentences(self) -> list[str]:
        """What changes; an engine that catches up is named, with what it gets."""
        if self.is_new:
            return next(p.sentences for p in self.plans.values() if p.sentences)
        found = []
        for engine in ENGINES:
            lacks = self.number - len(self.migrations[engine])
            if lacks:
                files = f"the {lacks} files it lacks" if lacks > 1 else "the file it lacks"
                steps = len(self.plans[engine].steps)
                plural = "s lead" if steps != 1 else " leads"
                found.append(f"{engine} gets {files}; {steps} step{plural} it to the schema")
        return found

    @property
    def _longest(self) -> Sequence[Migration]:
        return max(self.migrations.values(), key=len)

    def write(self, folder: Path, name: str) -> list[Path]:
        """
        Write what is missing and say which files it is.

        Everything that an engine lacks is in its last file: nobody can have had the others
        there, so they say that nothing changes.

        Raises:
            SchemaError: A plan is refused, or the name has no letter or digit.
        """
        if self.refusals:
            raise SchemaError(" ".join(str(refusal) for refusal in self.refusals))
        slugs = [migration.slug for migration in self._longest]
        slugs += [slug_of(name)] if self.is_new else []
        return [
            write(
                folder,
                self.plans[engine] if number == self.number else Plan(dialect=engine),
                slugs[number - 1],
                number=number,
            )
            for engine in ENGINES
            for number in range(len(self.migrations[engine]) + 1, self.number + 1)
        ]


def plan_pair(schema: Schema, folder: Path) -> PlannedPair:
    """
    Plan the way from the folder's files to the schema for both engines.

    Raises:
        MigrationFailed: The folder is not in order, or a file does not run or cannot be followed.
        MigrationNeeded: The engines' files have different names.
    """
    migrations = {engine: load(folder, engine) for engine in ENGINES}
    other = _other_names(migrations)
    if other:
        raise MigrationNeeded(other[0], hint="Give both files of a number the same name.")
    plans = {
        "sqlite": sqlite_plan.plan_next(schema, migrations["sqlite"]),
        "postgresql": postgres_plan.plan_next(schema, migrations["postgresql"]),
    }
    return PlannedPair(plans, migrations)  # type: ignore[arg-type]


def check_pair(schema: Schema, folder: Path) -> list[str]:
    """
    What is wrong with the folder: files that are missing, and where the files do not lead.

    SQLite's are run in memory, PostgreSQL's are followed on paper.

    Raises:
        MigrationFailed: The folder is not in order, or a file does not run or cannot be followed.
    """
    migrations = {engine: load(folder, engine) for engine in ENGINES}
    missing = [sentence for engine in ENGINES for sentence in _missing(migrations, engine)]
    left = sqlite.check(schema, migrations["sqlite"])
    found = [*_other_names(migrations), *missing, *left]
    if migrations["postgresql"]:
        paper = Paper.of_migrations(migrations["postgresql"]).shape()
        there = differences(paper, Paper.of_schema(schema).shape())
        there += unlike_files(schema, migrations["postgresql"])
        found += [f"postgresql: {sentence}" for sentence in there if sentence not in left]
    return found


def load_all(folder: Path, engine: DialectName) -> list[Migration]:
    """
    The folder's migrations for an engine, which must have every one that the other has.

    Raises:
        MigrationFailed: The folder is not in order.
        MigrationNeeded: The engine has no file of a number, or one of another name.
    """
    migrations = {each: load(folder, each) for each in ENGINES}
    wrong = [*_other_names(migrations), *_missing(migrations, engine)]
    if wrong:
        raise MigrationNeeded(wrong[0], hint="Run `freehold migrate plan`, and read what it wrote.")
    return migrations[engine]


def _other_names(migrations: Mapping[DialectName, Sequence[Migration]]) -> list[str]:
    pairs = zip(*(migrations[engine] for engine in ENGINES), strict=False)
    return [
        f"{one.name} is called {two.name} for {ENGINES[1]}."
        for one, two in pairs
        if one.slug != two.slug
    ]


def _missing(
    migrations: Mapping[DialectName, Sequence[Migration]], engine: DialectName
) -> list[str]:
    longest = max(migrations.values(), key=len)
    return [
        f"{migration.name} has no file for {engine}."
        for migration in longest[len(migrations[engine]) :]
    ]
