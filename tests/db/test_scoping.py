"""
How a statement is narrowed to one owner: on every level, and else refused.

The oracle is a world with one owner only: what a narrowed statement answers in a world of
many must be what the plain statement answers where nobody else has anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import pytest
import sqlalchemy as sa

from freehold.db import Statement, any_of, delete, param, select, statement, update
from freehold.db.scoping import OWNER, scoped
from freehold.errors import StatementError
from freehold.schema import Owner, PrimaryKey, Record, References, Schema, Struct
from freehold.testing import ENGINES, TestDatabase, engine_database, memory_database


class Person(Record, table="people"):
    """Is owned by nobody."""

    id: Annotated[str, PrimaryKey()]
    boss_id: str | None = None


class Task(Record, table="tasks"):
    """Is owned, and the parent of steps."""

    id: Annotated[str, PrimaryKey()]
    person_id: Annotated[str, Owner(), References("people.id")]
    title: str
    rank: int = 0


class Step(Record, table="steps"):
    """Is owned; points at a task, wrongly also at another's."""

    id: Annotated[str, PrimaryKey()]
    person_id: Annotated[str, Owner(), References("people.id")]
    task_id: Annotated[str, References("tasks.id")]


class Pair(Struct):
    """Two columns."""

    a: str
    b: str | None


SCHEMA = Schema([Person, Task, Step])

_PEOPLE = [Person(id="ada"), Person(id="bo", boss_id="ada")]
_TASKS = [
    Task(id="t1", person_id="ada", title="one"),
    Task(id="t2", person_id="ada", title="two", rank=2),
    Task(id="t3", person_id="bo", title="one", rank=3),
    Task(id="t4", person_id="bo", title="two", rank=4),
]
_STEPS = [
    Step(id="s1", person_id="ada", task_id="t1"),
    Step(id="s3", person_id="bo", task_id="t3"),
    # Points across: bo's step of ada's task, which only bo's rows can be blamed for.
    Step(id="s4", person_id="bo", task_id="t2"),
]


def filled(database: TestDatabase, *, owners: tuple[str, ...]) -> TestDatabase:
    with database.write() as db:
        db.insert_many(_PEOPLE)
        for rows in (_TASKS, _STEPS):
            db.insert_many([row for row in rows if row.person_id in owners])
    return database


@pytest.fixture(params=ENGINES)
def many(request: pytest.FixtureRequest) -> Iterator[TestDatabase]:
    with engine_database(request.param, SCHEMA) as database:
        yield filled(database, owners=("ada", "bo"))


@pytest.fixture
def alone() -> Iterator[TestDatabase]:
    with memory_database(SCHEMA) as database:
        yield filled(database, owners=("ada",))


_t, _s, _p = Task.__table__, Step.__table__, Person.__table__
_other = _t.alias("other")

_below = sa.select(Task.c.id).where(Task.c.rank > 0).subquery()
_deeper = sa.select(_below.c.id).where(_below.c.id != "").subquery()
_named = sa.select(Task.c.id).cte("named")

READS: dict[str, Statement[Any]] = {
    "a record": select(Task).order_by(Task.c.id),
    "a count": statement(sa.select(sa.func.count()).select_from(_t), into=int),
    "an or": select(Task).where(sa.or_(Task.c.title == "one", Task.c.rank > 0)).order_by(Task.c.id),
    "a group": statement(
        sa.select(Task.c.title.label("a"), sa.cast(sa.func.count(), sa.Text).label("b"))
        .group_by(Task.c.title)
        .order_by(Task.c.title),
        into=Pair,
    ),
    "two tables by WHERE": statement(
        sa.select(Task.c.id.label("a"), Step.c.id.label("b")).where(Step.c.task_id == Task.c.id),
        into=Pair,
    ),
    "a join": select(Task).join(Step, Step.c.task_id == Task.c.id).order_by(Task.c.id),
    "an outer join": statement(
        sa.select(Task.c.id.label("a"), Step.c.id.label("b"))
        .join(_s, Step.c.task_id == Task.c.id, isouter=True)
        .order_by(Task.c.id, Step.c.id),
        into=Pair,
    ),
    "an outer join in FROM": statement(
        sa.select(Task.c.id.label("a"), Step.c.id.label("b"))
        .select_from(_t.outerjoin(_s, Step.c.task_id == Task.c.id))
        .order_by(Task.c.id, Step.c.id),
        into=Pair,
    ),
    "an outer join from what nobody owns": statement(
        sa.select(Person.c.id.label("a"), Task.c.id.label("b"))
        .select_from(_p.outerjoin(_t, sa.true()))
        .order_by(Person.c.id, Task.c.id),
        into=Pair,
    ),
    "an outer join to a join": statement(
        sa.select(Person.c.id.label("a"), Step.c.id.label("b"))
        .select_from(_p.outerjoin(_t.join(_s, Step.c.task_id == Task.c.id), sa.true()))
        .order_by(Person.c.id, Step.c.id),
        into=Pair,
    ),
    "an alias": statement(
        sa.select(Task.c.id.label("a"), _other.c.id.label("b"))
        .where(_other.c.rank >= Task.c.rank)
        .order_by(Task.c.id, _other.c.id),
        into=Pair,
    ),
    "IN": select(Task).where(Task.c.id.in_(sa.select(Step.c.task_id))).order_by(Task.c.id),
    "NOT IN": select(Task).where(Task.c.id.not_in(sa.select(Step.c.task_id))).order_by(Task.c.id),
    "IN of what nobody owns": select(Task).where(
        Task.c.person_id.in_(sa.select(Person.c.id))
    ).order_by(Task.c.id),
    "EXISTS": select(Task)
    .where(sa.exists().where(Step.c.task_id == Task.c.id))
    .order_by(Task.c.id),
    "NOT EXISTS within what nobody owns": statement(
        sa.select(Person.c.id)
        .where(~sa.exists().where(Task.c.rank > 2))
        .order_by(Person.c.id),
        into=str,
    ),
    "a scalar select": statement(
        sa.select(
            Task.c.id.label("a"),
            sa.select(sa.func.max(Step.c.id)).where(Step.c.task_id == Task.c.id)
            .scalar_subquery().label("b"),
        ).order_by(Task.c.id),
        into=Pair,
    ),
    "a select in a select": select(Task).where(
        Task.c.id.in_(
            sa.select(Step.c.task_id).where(
                Step.c.task_id.in_(sa.select(_other.c.id).where(_other.c.rank < 9))
            )
        )
    ).order_by(Task.c.id),
    "a derived table": statement(sa.select(_below.c.id).order_by(_below.c.id), into=str),
    "a named select": statement(sa.select(_named.c.id).order_by(_named.c.id), into=str),
    "a derived table beside an owned one": statement(
        sa.select(Step.c.id).join(_below, _below.c.id == Step.c.task_id), into=str
    ),
    "a select that looks at a derived table": statement(
        sa.select(_below.c.id).where(sa.exists().where(Step.c.task_id == _below.c.id)), into=str
    ),
    "a union": statement(
        sa.union(sa.select(Task.c.id), sa.select(Step.c.id)).order_by("id"), into=str
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", READS)
def test_what_others_have_is_not_in_any_answer(
    many: TestDatabase, alone: TestDatabase, name: str
) -> None:
    """The narrowed statement among many answers as the plain one in a world of one."""
    what = READS[name]
    with alone.read() as db:
        expected = db.all(what)
    with many.read() as db:
        answers = db.owned_by("ada").all(what)
        plain = db.all(what)

    assert answers == expected
    # Or the test would say nothing.
    assert plain != expected


def test_an_optional_clause_is_narrowed_too(many: TestDatabase) -> None:
    """It may bring a select of its own."""
    what = (
        select(Task)
        .where_given(Task.c.rank >= param("least"))
        .where_given(Task.c.id.in_(sa.select(Step.c.task_id).where(Step.c.id == param("step"))))
        .orders(title=(Task.c.title,), rank=(Task.c.rank.desc(),))
    )
    with many.read() as db:
        mine = db.owned_by("ada")
        assert [task.id for task in mine.all(what)] == ["t1", "t2"]
        assert [task.id for task in mine.all(what, order="rank")] == ["t2", "t1"]
        assert [task.id for task in mine.all(what, least=1)] == ["t2"]
        assert [task.id for task in mine.all(what, step="s1")] == ["t1"]
        # s4 is bo's, though it is a step of t2.
        assert mine.all(what, step="s4") == []


def test_a_list_parameter_goes_along(many: TestDatabase) -> None:
    """any_of is a select over a list, which nobody owns."""
    what = select(Task).where(any_of(Task.c.id, param("ids"))).order_by(Task.c.id)
    with many.read() as db:
        found = db.owned_by("ada").all(what, ids=["t1", "t3", "t4"])

    assert [task.id for task in found] == ["t1"]


CHANGES: dict[str, tuple[Statement[Any], list[str]]] = {
    "an update": (update(Task).values(title="x"), ["t1", "t2"]),
    "an update by IN": (
        update(Task).where(Task.c.id.in_(sa.select(Step.c.task_id))).values(title="x"), ["t1"]
    ),
    "an update by EXISTS": (
        update(Task).where(sa.exists().where(Step.c.task_id == Task.c.id)).values(title="x"),
        ["t1"],
    ),
    "an update that names another table": (
        update(Task).where(Step.c.task_id == Task.c.id).values(title="x"), ["t1"]
    ),
    "an update to a scalar select": (
        update(Task).values(
            title=sa.func.coalesce(
                sa.select(sa.literal("x")).where(Step.c.task_id == Task.c.id)
                .correlate(_t).limit(1).scalar_subquery(),
                Task.c.title,
            )
        ),
        ["t1"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_of_own_rows_by_own_rows(many: TestDatabase, name: str) -> None:
    """Neither are others' rows changed, nor do they decide which are."""
    what, changed = CHANGES[name]
    with many.write() as db:
        db.owned_by("ada").execute(what)

    with many.read() as db:
        assert [task.id for task in db.all(Task) if task.title == "x"] == changed


def test_a_removal_is_of_own_rows_by_own_rows(many: TestDatabase) -> None:
    """A select in it is narrowed as well."""
    what = delete(Step).where(Step.c.task_id.in_(sa.select(Task.c.id)))
    with many.write() as db:
        assert db.owned_by("bo").execute(what) == 1
        # s4 stays: the task that it points at is ada's.
        assert [step.id for step in db.all(Step)] == ["s1", "s4"]


REFUSED: dict[str, tuple[Statement[Any], str]] = {
    "no owned record": (select(Person), "touches no record that is owned"),
    "a change of no owned record": (update(Person).values(boss_id=None), "touches no record"),
    "text": (select(Task).where(sa.text("1 = 1")), "text, or a table that is no record"),
    "text in a select": (
        select(Task).where(Task.c.id.in_(sa.text("SELECT task_id FROM steps"))), "text, or a table",
    ),
    "a select as a literal column": (
        select(Task).where(Task.c.id == sa.literal_column("(SELECT max(task_id) FROM steps)")),
        "text, or a table",
    ),
    "a table that is no record": (
        statement(sa.select(sa.table("tasks", sa.column("id")).c.id), into=str), "text, or a table",
    ),
    "a full join": (
        statement(
            sa.select(Task.c.id).select_from(_t.join(_s, Step.c.task_id == Task.c.id, full=True)),
            into=str,
        ),
        "FULL JOIN",
    ),
    "an outer join without its condition": (
        statement(sa.select(Task.c.id).join(_s, isouter=True), into=str), "needs its condition",
    ),
    "an insert": (
        statement(sa.insert(_t).values(id="x", person_id="ada", title="").returning(Task.c.id),
                  into=str),
        "INSERT cannot be narrowed",
    ),
    "giving a row away": (update(Task).values(person_id="bo"), "says whose row it is"),
    "a select that looks at a derived table of a derived table": (
        statement(
            sa.select(_deeper.c.id).where(sa.exists().where(Step.c.task_id == _deeper.c.id)),
            into=str,
        ),
        "tasks cannot be narrowed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_narrowed_does_not_run(many: TestDatabase, name: str) -> None:
    """It is told to the author; nothing is read or changed."""
    what, said = REFUSED[name]
    with many.write() as db, pytest.raises(StatementError, match=said):
        db.owned_by("ada").all(what)


def test_a_narrowed_statement_is_made_once(many: TestDatabase) -> None:
    """It is kept with the statement, and its text with it."""
    what = select(Task).where(Task.c.title == param("title"))
    with many.read() as db:
        db.owned_by("ada").all(what, title="one")
        first = scoped(what).compiled("sqlite", {"title": "one", OWNER: "ada"})
        db.owned_by("bo").all(what, title="one")

        assert scoped(what).compiled("sqlite", {"title": "one", OWNER: "bo"}) is first
    assert first.sql.count("person_id") == 2


def test_the_plain_statement_stays_as_it_was(many: TestDatabase) -> None:
    """Who means all rows still gets all."""
    what = select(Task)
    with many.read() as db:
        assert len(db.owned_by("ada").all(what)) == 2
        assert len(db.all(what)) == 4


def test_the_owner_comes_from_the_handle_alone(many: TestDatabase) -> None:
    """No parameter says otherwise."""
    with many.read() as db, pytest.raises(StatementError, match="given by the handle"):
        db.owned_by("ada").all(select(Task), owner_of_rows="bo")


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_the_text_is_made_for_either_engine(dialect: str) -> None:
    """The owner is a parameter like any other."""
    what = select(Task).where(Task.c.title == param("title"))

    compiled = scoped(what).compiled(dialect, {"title": "x", OWNER: "ada"})

    assert compiled.names == {"title", OWNER}
    assert compiled.values({"title": "x", OWNER: "ada"}) == ["x", "ada"]
