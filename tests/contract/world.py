"""What the contract is tried on: records with a column, a rule and a reference of every sort."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from freehold.errors import CallError
from freehold.scalars import Hashed, Int64, Sealed
from freehold.schema import (
    AUTO,
    Check,
    CreatedAt,
    CreatedAtMs,
    EpochMillis,
    EpochSeconds,
    ForeignKey,
    Index,
    Owner,
    PrimaryKey,
    Record,
    References,
    Schema,
    Struct,
    Trigger,
    Unique,
    UpdatedAt,
    UpdatedAtMs,
)


class Team(Record, table="teams"):
    """What others point at."""

    id: Annotated[str, PrimaryKey()]
    name: Annotated[str, Unique()]


class Person(
    Record,
    table="people",
    uniques=[Unique("team_id", "nick", name="one_nick_a_team")],
    checks=[
        Check("age >= 0", name="age_is_counted"),
        Check("age <= 150 or nick = 'methuselah'", name="age_is_human"),
    ],
    indexes=[Index("badge", unique=True, where="status = 'in'", name="one_badge_in_use")],
    triggers=[
        Trigger(name="the_boss_stays", when="before", event="delete",
                condition="OLD.nick = 'boss'", refuse="the boss is never removed"),
        Trigger(name="names_are_kept", when="before", event="update", of=("nick",),
                condition="OLD.nick = 'boss'", refuse="the boss keeps the name."),
        Trigger(name="who_came", when="after", event="insert",
                run="INSERT INTO arrivals (id, nick, seat) VALUES (NEW.id, NEW.nick, NEW.badge)"),
    ],
):  # fmt: skip
    """Somebody with rules."""

    id: Annotated[str, PrimaryKey()]
    team_id: Annotated[str | None, References("teams.id", on_delete="restrict")] = None
    mentor_id: Annotated[str | None, References("people.id", on_delete="set null")] = None
    nick: str
    age: int = 30
    badge: int | None = None
    status: Literal["in", "out"] = "in"
    is_new: bool = True
    created_at: CreatedAt = AUTO
    updated_at: UpdatedAt = AUTO


class Arrival(
    Record, table="arrivals", checks=[Check("nick <> 'ghost'", name="ghosts_never_come")]
):
    """Written by a trigger."""

    id: Annotated[str, PrimaryKey()]
    nick: str
    seat: Annotated[int | None, Unique()] = None


class Task(Record, table="tasks", primary_key=("team_id", "number")):
    """A key of two columns, in another order than the columns'."""

    number: int
    team_id: Annotated[str, References("teams.id", on_delete="cascade", on_update="cascade")]
    text: str = ""


class Step(
    Record,
    table="steps",
    foreign_keys=[
        ForeignKey(("team_id", "number"), "tasks(team_id, number)", on_delete="cascade",
                   on_update="cascade"),
    ],
):  # fmt: skip
    """Points at a key of two columns."""

    id: Annotated[str, PrimaryKey()]
    team_id: str
    number: int


class Egg(Record, table="eggs"):
    """One half of a ring."""

    id: Annotated[str, PrimaryKey()]
    hen_id: Annotated[str | None, References("hens.id")] = None


class Hen(Record, table="hens"):
    """The other half."""

    id: Annotated[str, PrimaryKey()]
    egg_id: Annotated[str | None, References("eggs.id")] = None


class Visit(Record, table="visits"):
    """A key that is counted up."""

    id: Annotated[int, PrimaryKey(autoincrement=True)] = AUTO
    note: Annotated[str | None, Unique()] = None
    at_ms: CreatedAtMs = AUTO


class Mark(Record, table="marks"):
    """A counted key past 2^53, and nothing else."""

    id: Annotated[Int64, PrimaryKey(autoincrement=True)] = AUTO


class Review(Struct):
    """A value inside a column."""

    by: str
    stars: int
    text: str | None = None


class Thing(Record, table="things"):
    """A column of every type, each of which may be missing."""

    id: Annotated[str, PrimaryKey()]
    text: str | None = None
    whole: int | None = None
    long: Int64 | None = None
    real: float | None = None
    flag: bool | None = None
    blob: bytes | None = None
    word: Literal["a", "b'c"] | None = None
    digit: Literal[1, 2] | None = None
    seconds: EpochSeconds | None = None
    millis: EpochMillis | None = None
    tags: list[str] | None = None
    table: dict[str, int] | None = None
    review: Review | None = None
    token: Hashed | None = None
    secret: Sealed[str] | None = None


class Preset(Record, table="presets"):
    """A default of every sort."""

    id: Annotated[str, PrimaryKey()]
    text: str = "it's 100%"
    whole: int = -7
    real: float = 0.5
    flag: bool = False
    blob: bytes = b"\x00\xff"
    tags: list[str] = []
    made_at: CreatedAt = AUTO
    made_ms: CreatedAtMs = AUTO
    changed_at: UpdatedAt = AUTO
    changed_ms: UpdatedAtMs = AUTO


class Word(Record, table="words", indexes=[Index("text"), Index("rank desc", "text")]):
    """Texts to be ordered."""

    id: Annotated[int, PrimaryKey()]
    text: str
    rank: int | None = None
    weight: float | None = None


class Wish(Record, table="wishes", primary_key=("order", "select")):
    """Names that are SQL's."""

    order: str
    select: int
    group: str = ""


class Diary(Record, table="diaries"):
    """Somebody's own."""

    id: Annotated[str, PrimaryKey()]
    owner_id: Annotated[str, Owner(), Index()]
    text: str
    rank: int | None = None


SCHEMA = Schema([
    Team, Person, Arrival, Task, Step, Egg, Hen, Visit, Mark, Thing, Preset, Word, Wish, Diary
])  # fmt: skip

#: At which the tests' clock stands still.
NOW = 1_800_000_000


def told(error: BaseException) -> tuple[Any, ...]:
    """What a caller hears of an error: class, code, path, sentence, data."""
    if not isinstance(error, CallError):
        return (type(error).__name__, str(error))
    return (type(error).__name__, error.code, error.path, error.detail, error.data)
