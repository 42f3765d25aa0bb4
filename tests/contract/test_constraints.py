"""Every constraint: the same class, code, path, sentence and data, whichever engine refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from freehold import delete, param, statement, update
from freehold.db import Writer
from freehold.errors import AlreadyExists, Conflict, ReferenceBroken, RuleBroken
from freehold.scalars import Int64
from freehold.testing import TestDatabase
from tests.contract.world import (
    Egg,
    Hen,
    Mark,
    Person,
    Preset,
    Step,
    Task,
    Team,
    Thing,
    Visit,
    told,
)

P: Any = Person.c


def _people(db: Writer) -> None:
    db.insert(Team(id="t", name="Tea"))
    db.insert(Team(id="u", name="Use"))
    db.insert(Person(id="a", team_id="t", nick="ada", badge=1))
    db.insert(Person(id="b", team_id="t", nick="bo", badge=2, mentor_id="a"))
    db.insert(Person(id="z", nick="boss", badge=3, status="out"))
    db.insert(Task(team_id="t", number=1))
    db.insert(Step(id="s", team_id="t", number=1))
    db.insert(Hen(id="h"))
    db.insert(Egg(id="e", hen_id="h"))
    db.update(Hen, "h", {"egg_id": "e"})
    db.insert(Visit(note="first"))


Refused = tuple[Callable[[Writer], Any], type[Conflict], str | None, str, dict[str, Any]]
REFUSED: dict[str, Refused] = {
    "a key that is taken": (
        lambda db: db.insert(Team(id="t", name="x")),
        AlreadyExists, "id", "teams already has a row with id 't'.",
        {"table": "teams", "columns": ["id"]},
    ),
    "a unique value that is taken": (
        lambda db: db.insert(Team(id="x", name="Tea")),
        AlreadyExists, "name", "teams already has a row with name 'Tea'.",
        {"table": "teams", "columns": ["name"]},
    ),
    "a unique pair that is taken": (
        lambda db: db.insert(Person(id="x", team_id="t", nick="bo")),
        AlreadyExists, "teamId", "people already has a row with team_id 't' and nick 'bo'.",
        {"table": "people", "columns": ["team_id", "nick"]},
    ),
    "a unique index with a condition": (
        lambda db: db.insert(Person(id="x", nick="x", badge=2)),
        AlreadyExists, "badge", "people already has a row with badge 2.",
        {"table": "people", "columns": ["badge"]},
    ),
    "a key of two columns": (
        lambda db: db.insert(Task(team_id="t", number=1)),
        AlreadyExists, "teamId", "tasks already has a row with team_id 't' and number 1.",
        {"table": "tasks", "columns": ["team_id", "number"]},
    ),
    "a counted key that is given twice": (
        lambda db: db.insert(Visit(id=1, note="x")),
        AlreadyExists, "id", "visits already has a row with id 1.",
        {"table": "visits", "columns": ["id"]},
    ),
    "a unique value by update": (
        lambda db: db.update(Team, "u", {"name": "Tea"}),
        AlreadyExists, "name", "teams already has a row with name 'Tea'.",
        {"table": "teams", "columns": ["name"]},
    ),
    "a unique pair by update": (
        lambda db: db.update(Person, "b", {"nick": "ada"}),
        AlreadyExists, "teamId", "people already has a row with that team_id and nick 'ada'.",
        {"table": "people", "columns": ["team_id", "nick"]},
    ),
    "a unique value by statement": (
        lambda db: db.execute(update(Team).values(name="same")),
        AlreadyExists, "name", "teams already has a row with that name.",
        {"table": "teams", "columns": ["name"]},
    ),
    "a unique value among many rows": (
        lambda db: db.insert_many([Team(id="x", name="X"), Team(id="y", name="Use")]),
        AlreadyExists, "name", "teams already has a row with name 'Use'.",
        {"table": "teams", "columns": ["name"]},
    ),
    "a unique value twice among many rows": (
        lambda db: db.insert_many([Team(id="x", name="X"), Team(id="y", name="X")]),
        AlreadyExists, "name", "teams already has a row with name 'X'.",
        {"table": "teams", "columns": ["name"]},
    ),
    "another unique value by put": (
        lambda db: db.put(Team(id="u", name="Tea"), at=("id",)),
        AlreadyExists, "name", "teams already has a row with name 'Tea'.",
        {"table": "teams", "columns": ["name"]},
    ),
    "a reference to no row": (
        lambda db: db.insert(Person(id="x", team_id="no", nick="x")),
        ReferenceBroken, "teamId", "team_id 'no' points at no row of teams.",
        {"table": "people", "columns": ["team_id"]},
    ),
    "a reference to no row, among many": (
        lambda db: db.insert_many(
            [Person(id="x", nick="x"), Person(id="y", nick="y", team_id="no")]
        ),
        ReferenceBroken, "teamId", "team_id 'no' points at no row of teams.",
        {"table": "people", "columns": ["team_id"]},
    ),
    "a reference to no row, others being ignored": (
        lambda db: db.insert_many(
            [Person(id="y", nick="y", team_id="no")], on_conflict="ignore"
        ),
        ReferenceBroken, "teamId", "team_id 'no' points at no row of teams.",
        {"table": "people", "columns": ["team_id"]},
    ),
    "a reference of two columns": (
        lambda db: db.insert(Step(id="x", team_id="t", number=9)),
        ReferenceBroken, "teamId", "team_id 't' and number 9 points at no row of tasks.",
        {"table": "steps", "columns": ["team_id", "number"]},
    ),
    "a reference by update": (
        lambda db: db.update(Person, "a", {"team_id": "no"}),
        ReferenceBroken, "teamId", "team_id 'no' points at no row of teams.",
        {"table": "people", "columns": ["team_id"]},
    ),
    "a reference by put": (
        lambda db: db.put(Person(id="a", team_id="no", nick="ada"), at=("id",)),
        ReferenceBroken, "teamId", "team_id 'no' points at no row of teams.",
        {"table": "people", "columns": ["team_id"]},
    ),
    "a reference by statement": (
        lambda db: db.execute(update(Person).where(P.id == "a").values(team_id="no")),
        ReferenceBroken, None, "a reference points at no row, or a row is still pointed at.",
        {"table": "people"},
    ),
    "a row that is restricted": (
        lambda db: db.delete(Team, "t"),
        ReferenceBroken, None, "the row of teams is still referenced by people.team_id.",
        {"table": "teams", "referencedBy": "people.team_id"},
    ),
    "a row that is pointed at": (
        lambda db: db.delete(Hen, "h"),
        ReferenceBroken, None, "the row of hens is still referenced by eggs.hen_id.",
        {"table": "hens", "referencedBy": "eggs.hen_id"},
    ),
    "rows that are pointed at": (
        lambda db: db.execute(delete(Egg)),
        ReferenceBroken, None, "a reference points at no row, or a row is still pointed at.",
        {"table": "eggs"},
    ),
    "a check": (
        lambda db: db.insert(Person(id="x", nick="x", age=-1)),
        RuleBroken, None, "people refused the row: the rule age_is_counted does not hold.",
        {"table": "people", "columns": []},
    ),
    "a check by update": (
        lambda db: db.update(Person, "a", {"age": 151}),
        RuleBroken, None, "people refused the row: the rule age_is_human does not hold.",
        {"table": "people", "columns": []},
    ),
    "a check by statement": (
        lambda db: db.execute(update(Person).values(age=P.age - param("by")), by=31),
        RuleBroken, None, "people refused the row: the rule age_is_counted does not hold.",
        {"table": "people", "columns": []},
    ),
    "a word that is none of the Literal": (
        lambda db: db.insert(Person(id="x", nick="x", status="up")),  # type: ignore[arg-type]
        RuleBroken, "status", "people.status must be one of 'in', 'out'.",
        {"table": "people", "columns": ["status"]},
    ),
    "a number that is none of the Literal": (
        lambda db: db.insert(Thing(id="x", digit=3)),  # type: ignore[arg-type]
        RuleBroken, "digit", "things.digit must be one of 1, 2.",
        {"table": "things", "columns": ["digit"]},
    ),
    "a number for a bool": (
        lambda db: db.insert(Person(id="x", nick="x", is_new=2)),  # type: ignore[arg-type]
        RuleBroken, "isNew", "people.is_new must be one of True, False.",
        {"table": "people", "columns": ["is_new"]},
    ),
    "a null": (
        lambda db: db.insert(Team(id="x", name=None)),  # type: ignore[arg-type]
        RuleBroken, "name", "teams.name may not be null.",
        {"table": "teams", "columns": ["name"]},
    ),
    "a null in the key": (
        lambda db: db.insert(Team(id=None, name="x")),  # type: ignore[arg-type]
        RuleBroken, "id", "teams.id may not be null.",
        {"table": "teams", "columns": ["id"]},
    ),
    "a null by update": (
        lambda db: db.update(Team, "t", {"name": None}),
        RuleBroken, "name", "teams.name may not be null.",
        {"table": "teams", "columns": ["name"]},
    ),
    "a null among many": (
        lambda db: db.insert_many([Team(id="x", name=None)]),  # type: ignore[arg-type]
        RuleBroken, "name", "teams.name may not be null.",
        {"table": "teams", "columns": ["name"]},
    ),
    "a trigger before a removal": (
        lambda db: db.delete(Person, "z"),
        RuleBroken, None, "the boss is never removed.", {"table": "people"},
    ),
    "a trigger before an update": (
        lambda db: db.update(Person, "z", {"nick": "x"}),
        RuleBroken, None, "the boss keeps the name.", {"table": "people"},
    ),
    "a trigger by statement": (
        lambda db: db.execute(delete(Person).where(P.id == "z")),
        RuleBroken, None, "the boss is never removed.", {"table": "people"},
    ),
    "a check of what a trigger writes": (
        lambda db: db.insert(Person(id="x", nick="ghost")),
        RuleBroken, None, "arrivals refused the row: the rule ghosts_never_come does not hold.",
        {"table": "arrivals", "columns": []},
    ),
    "a unique value of what a trigger writes": (
        lambda db: db.insert(Person(id="x", nick="x", badge=1, status="out")),
        AlreadyExists, "seat", "arrivals already has a row with that seat.",
        {"table": "arrivals", "columns": ["seat"]},
    ),
    "a text for a bool": (
        lambda db: db.insert(Thing(id="x", flag="yes")),  # type: ignore[arg-type]
        RuleBroken, "flag", "cannot store TEXT value in INTEGER column things.flag.",
        {"table": "things", "columns": ["flag"]},
    ),
    "a fraction for a whole number": (
        lambda db: db.insert(Thing(id="x", whole=1.5)),  # type: ignore[arg-type]
        RuleBroken, "whole", "cannot store REAL value in INTEGER column things.whole.",
        {"table": "things", "columns": ["whole"]},
    ),
    "a fraction for a whole number, by update": (
        lambda db: db.update(Preset, "p", {"whole": 2.5}) or db.insert(
            Preset(id="p", whole=2.5)  # type: ignore[arg-type]
        ),
        RuleBroken, "whole", "cannot store REAL value in INTEGER column presets.whole.",
        {"table": "presets", "columns": ["whole"]},
    ),
    "a text for bytes": (
        lambda db: db.insert(Thing(id="x", blob="text")),  # type: ignore[arg-type]
        RuleBroken, "blob", "cannot store TEXT value in BLOB column things.blob.",
        {"table": "things", "columns": ["blob"]},
    ),
    "a fraction by statement": (
        lambda db: db.execute(update(Person).values(age=param("x")), x=1.5),
        RuleBroken, "age", "cannot store REAL value in INTEGER column people.age.",
        {"table": "people", "columns": ["age"]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_is_told_alike(db: Writer, name: str) -> None:
    """And the mutation can go on."""
    _people(db)
    act, kind, path, sentence, data = REFUSED[name]

    with pytest.raises(Conflict) as refusal:
        act(db)

    assert told(refusal.value) == (kind.__name__, "conflict", path, sentence, data)
    assert db.get(Team, "t").name == "Tea"


def test_the_first_of_two_broken_checks_is_told(db: Writer) -> None:
    """In the order in which a reader of the code has them."""
    with pytest.raises(RuleBroken, match="age_is_counted"):
        db.insert(Person(id="x", nick="x", age=-1, status="up"))  # type: ignore[arg-type]


def test_a_null_is_told_before_a_check_and_a_key(db: Writer) -> None:
    """The row is looked at by itself first."""
    _people(db)

    with pytest.raises(RuleBroken, match="nick may not be null"):
        db.insert(Person(id="a", nick=None, age=-1))  # type: ignore[arg-type]


def test_a_check_is_told_before_a_key(db: Writer) -> None:
    """Then whether there is another like it."""
    _people(db)

    with pytest.raises(RuleBroken, match="age_is_counted"):
        db.insert(Person(id="a", nick="x", age=-1))


def test_a_key_is_told_before_a_reference(db: Writer) -> None:
    """Then what it points at."""
    _people(db)

    with pytest.raises(AlreadyExists) as refusal:
        db.insert(Person(id="a", nick="x", team_id="no"))

    assert refusal.value.path == "id"


def test_of_two_taken_values_the_key_is_told(db: Writer) -> None:
    """Key, then unique constraints, then unique indexes."""
    _people(db)

    with pytest.raises(AlreadyExists) as key:
        db.insert(Team(id="t", name="Tea"))
    with pytest.raises(AlreadyExists) as pair:
        db.insert(Person(id="x", team_id="t", nick="ada", badge=2))

    assert key.value.data["columns"] == ["id"]
    assert pair.value.data["columns"] == ["team_id", "nick"]


def test_nulls_are_never_equal_to_each_other(db: Writer) -> None:
    """In a unique constraint, and in the index with a condition."""
    db.insert(Person(id="a", nick="ada"))
    db.insert(Person(id="b", nick="ada"))
    db.insert(Visit())
    db.insert(Visit())

    assert len(db.all(Visit)) == 2


def test_an_index_with_a_condition_counts_its_rows_only(db: Writer) -> None:
    """One who is out may have the badge of one who is in."""
    db.insert(Person(id="a", nick="ada", badge=1))
    for id in "bc":
        db.insert(Person(id=id, nick=id, status="out"))
        db.update(Person, id, {"badge": 1})

    with pytest.raises(AlreadyExists):
        db.update(Person, "c", {"status": "in"})


def test_removing_a_row_takes_its_own_along(db: Writer) -> None:
    """A cascade over two tables, a reference set to null."""
    _people(db)
    db.execute(update(Person).values(team_id=None))

    assert db.delete(Team, "t") is True
    assert db.delete(Person, "a") is True
    assert db.all(Task) == []
    assert db.all(Step) == []
    assert db.get(Person, "b").mentor_id is None


def test_a_changed_key_is_followed(db: Writer) -> None:
    """A cascade of an update, over two tables."""
    _people(db)
    db.execute(update(Person).values(team_id=None))

    db.execute(statement(
        sa.update(Team.__table__).where(Team.c.id == "t").values({"id": param("new_id")}),
        into=int,
    ), new_id="n")  # fmt: skip

    assert db.get(Task, ("n", 1)).text == ""
    assert db.get(Step, "s").team_id == "n"


def test_a_row_may_point_at_itself(db: Writer) -> None:
    """And at one that comes beside it."""
    db.insert(Person(id="a", nick="ada", mentor_id="a"))
    db.insert_many([
        Person(id="b", nick="bo", mentor_id="c"), Person(id="c", nick="cy", mentor_id="b")
    ])  # fmt: skip

    assert db.delete(Person, "a") is True


def test_a_trigger_writes_in_the_same_mutation(database: TestDatabase) -> None:
    """And what it wrote is gone with it."""
    with pytest.raises(AlreadyExists), database.write() as db:  # noqa: PT012
        db.insert(Person(id="a", nick="ada"))
        db.insert(Person(id="a", nick="ada"))
    with database.write() as db:
        db.insert(Person(id="b", nick="bo"))
    with database.read() as reader:
        found = reader.all(statement(sa.text("SELECT nick FROM arrivals").columns(
            sa.column("nick", sa.Text)), into=str))  # fmt: skip

    assert found == ["bo"]


def test_a_key_that_counts_up_goes_on(db: Writer) -> None:
    """After a given one above it, and never with the number of a row that is gone."""
    first = db.insert(Visit()).id
    db.insert(Visit(id=40))
    after_given = db.insert(Visit()).id
    db.insert(Visit(id=7))
    after_lower = db.insert(Visit()).id
    db.delete(Visit, after_lower)
    after_removal = db.insert(Visit()).id
    db.insert_many([Visit(note="a"), Visit(note="b")])
    db.insert_many([Visit(id=100), Visit(id=90)])
    last = db.insert(Visit()).id

    assert (first, after_given, after_lower, after_removal, last) == (1, 41, 42, 43, 101)
    assert [visit.id for visit in db.all(Visit)] == [1, 7, 40, 41, 43, 44, 45, 90, 100, 101]


def test_a_counted_key_past_2_to_the_53(db: Writer) -> None:
    """Of a record with nothing else in it."""
    first = db.insert(Mark())
    db.insert(Mark(id=Int64(2**60)))
    next_one = db.insert(Mark())

    assert (first.id, next_one.id) == (Int64(1), Int64(2**60 + 1))
    assert type(next_one.id) is Int64
