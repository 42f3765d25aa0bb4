"""Order: texts by code points, nulls smaller than every value, pages without gap or repeat."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from freehold import Struct, param, select, statement
from freehold.db import Writer
from freehold.errors import InvalidArgument, StatementError
from freehold.testing import TestDatabase
from tests.contract.world import Person, Task, Team, Word, told

W: Any = Word.c
F: Any = sa.func

#: In the order in which both engines have them.
TEXTS = [
    "", " ", "!", "0", "10", "9", "A", "B", "Z", "_", "a", "a b", "ab", "b", "z", "\x7f",
    "\u00c4", "\u00e4", "\u00e9", "\u0141", "\u03b1", "\u4e2d", "\ufb01", "\uff21", "\U0001f600",
]  # fmt: skip


def _texts(db: Writer) -> None:
    db.insert_many([Word(id=n, text=text) for n, text in enumerate(reversed(TEXTS))])


ORDERS: dict[str, Any] = {
    "by the column": W.text,
    "by what is computed": F.coalesce(W.text, "x"),
    "by two texts together": W.text.concat(""),
    "by a case": sa.case((W.id >= 0, W.text), else_="x"),
    "by a fixed text and a column": sa.literal("").concat(W.text),
    "by a text made of a text": sa.cast(W.text, sa.Text),
    "by a replaced text": F.replace(W.text, "no such", ""),
    "by a part": F.substr(W.text, 1, 9),
}


@pytest.mark.parametrize("name", ORDERS)
def test_texts_are_ordered_by_code_points(db: Writer, name: str) -> None:
    """Capitals before small letters, accents behind them, as no dictionary has it."""
    _texts(db)

    up = db.all(select(Word).order_by(ORDERS[name]))
    down = db.all(select(Word).order_by(ORDERS[name].desc()))

    assert [word.text for word in up] == TEXTS
    assert [word.text for word in down] == TEXTS[::-1]


@pytest.mark.parametrize("text", TEXTS[1:-1])
def test_a_text_is_larger_and_smaller_than_its_neighbours(db: Writer, text: str) -> None:
    """The same order as when they are compared."""
    _texts(db)
    place = TEXTS.index(text)

    below = db.all(select(Word).where(W.text < param("x")).order_by(W.text), x=text)
    above = db.all(select(Word).where(W.text > param("x")).order_by(W.text), x=text)

    assert [word.text for word in below] == TEXTS[:place]
    assert [word.text for word in above] == TEXTS[place + 1 :]


def test_lower_is_ordered_by_code_points_too(db: Writer) -> None:
    """And folds ASCII letters alone."""
    db.insert_many([Word(id=n, text=text) for n, text in enumerate(["b", "A", "Ä", "ä", "C"])])

    found = db.all(select(Word).order_by(F.lower(W.text), W.text))

    assert [word.text for word in found] == ["A", "b", "C", "Ä", "ä"]


def test_numbers_as_texts_are_ordered_as_texts(db: Writer) -> None:
    """The sign is a character like others."""
    db.insert_many([Word(id=n, text="") for n in (-5, 10, 9, -1)])

    found = db.all(select(Word).order_by(sa.cast(W.id, sa.Text)))

    assert [word.id for word in found] == [-1, -5, 10, 9]


def test_texts_are_grouped_and_told_apart_as_they_are(db: Writer) -> None:
    """Case, accents and blanks at the end make a difference."""
    for number, text in enumerate(["a", "A", "a ", "\u00e9", "e\u0301", "a"]):
        db.insert(Word(id=number, text=text))

    count = db.scalar(statement(sa.select(F.count(W.text.distinct())), into=int))
    groups = db.all(statement(sa.select(W.text).group_by(W.text).order_by(W.text), into=str))

    assert count == 5
    assert groups == ["A", "a", "a ", "e\u0301", "\u00e9"]


def _ranks(db: Writer) -> None:
    ranks = [None, 1, 3, None, 2, 1]
    weights = [0.5, None, -1.5, None, 0.25, 1e300]
    db.insert_many([
        Word(id=n, text="ab"[n % 2], rank=rank, weight=weight)
        for n, (rank, weight) in enumerate(zip(ranks, weights, strict=True))
    ])  # fmt: skip


RANKED: dict[str, tuple[tuple[Any, ...], list[int]]] = {
    "nulls come first": ((W.rank, W.id), [0, 3, 1, 5, 4, 2]),
    "nulls come last, downwards": ((W.rank.desc(), W.id), [2, 4, 1, 5, 0, 3]),
    "nulls first, as it is said": ((W.rank.desc().nulls_first(), W.id), [0, 3, 2, 4, 1, 5]),
    "nulls last, as it is said": ((W.rank.nulls_last(), W.id), [1, 5, 4, 2, 0, 3]),
    "floats": ((W.weight, W.id), [1, 3, 2, 4, 0, 5]),
    "what is computed": ((W.rank + 1, W.id), [0, 3, 1, 5, 4, 2]),
    "what is computed, downwards": (((W.rank * -1).desc(), W.id), [1, 5, 4, 2, 0, 3]),
    "a condition": ((W.rank > 1, W.id), [0, 3, 1, 5, 2, 4]),
    "a condition, downwards": (((W.rank > 1).desc(), W.id), [2, 4, 1, 5, 0, 3]),
    "two columns": ((W.text.desc(), W.rank, W.id), [3, 1, 5, 0, 4, 2]),
    "a null that is replaced": ((F.coalesce(W.rank, 9), W.id), [1, 5, 4, 2, 0, 3]),
}


@pytest.mark.parametrize("name", RANKED)
def test_nulls_have_one_place(db: Writer, name: str) -> None:
    """Smaller than every value, unless it is said where they go."""
    _ranks(db)
    order, ids = RANKED[name]

    assert [word.id for word in db.all(select(Word).order_by(*order))] == ids


def test_the_order_of_a_record_is_its_key(db: Writer) -> None:
    """Numbers as numbers, a key of two columns in the order of the key."""
    for number in (10, 9, -1):
        db.insert(Word(id=number, text=""))
    for team in ("b", "B", "a"):
        db.insert(Team(id=team, name=team))
        db.insert_many([Task(team_id=team, number=number) for number in (2, 10, 1)])

    assert [word.id for word in db.all(Word)] == [-1, 9, 10]
    assert [(task.team_id, task.number) for task in db.all(Task)] == [
        (team, number) for team in ("B", "a", "b") for number in (1, 2, 10)
    ]


class Pair(Struct):
    """Of an outer join."""

    id: str
    team: str | None


_MEMBERS = statement(
    sa.select(Person.c.id, Team.c.name.label("team"))
    .select_from(Person.__table__.outerjoin(Team.__table__, Person.c.team_id == Team.c.id))
    .order_by(Team.c.name, Person.c.id),
    into=Pair,
)


def _members(db: Writer) -> None:
    db.insert(Team(id="t", name="Tea"))
    db.insert(Team(id="u", name="Air"))
    for id, team in (("a", "t"), ("b", None), ("c", "u"), ("d", "t"), ("e", None)):
        db.insert(Person(id=id, nick=id, team_id=team))


def test_what_an_outer_join_leaves_empty_is_null_in_the_order(db: Writer) -> None:
    """Though the column itself may not be null."""
    _members(db)

    found = db.all(_MEMBERS)

    assert [(pair.id, pair.team) for pair in found] == [
        ("b", None), ("e", None), ("c", "Air"), ("a", "Tea"), ("d", "Tea")
    ]  # fmt: skip


def test_orders_by_name(db: Writer) -> None:
    """A caller chooses one that the author has named."""
    _ranks(db)
    what = select(Word).orders(best=(W.rank.desc(), W.id), newest=(W.id.desc(),))

    assert [word.id for word in db.all(what)] == [2, 4, 1, 5, 0, 3]
    assert [word.id for word in db.all(what, order="newest")] == [5, 4, 3, 2, 1, 0]


PAGED: dict[str, tuple[Any, list[int]]] = {
    "by the key": (select(Word).order_by(W.id), [0, 1, 2, 3, 4, 5]),
    "by the key, downwards": (select(Word).order_by(W.id.desc()), [5, 4, 3, 2, 1, 0]),
    "by a column with nulls": (select(Word).order_by(W.rank), [0, 3, 1, 5, 4, 2]),
    "by it, downwards": (select(Word).order_by(W.rank.desc()), [2, 4, 5, 1, 3, 0]),
    "nulls last": (select(Word).order_by(W.rank.nulls_last()), [1, 5, 4, 2, 0, 3]),
    "nulls first, downwards": (
        select(Word).order_by(W.rank.desc().nulls_first()), [3, 0, 2, 4, 5, 1]),
    "by floats with nulls": (select(Word).order_by(W.weight), [1, 3, 2, 4, 0, 5]),
    "by two columns with nulls": (
        select(Word).order_by(W.rank, W.weight.desc()), [0, 3, 5, 1, 4, 2]),
    "by a text and a number": (select(Word).order_by(W.text, W.rank), [0, 4, 2, 3, 1, 5]),
    "with a filter": (select(Word).where(W.rank.is_not(None)).order_by(W.rank), [1, 5, 4, 2]),
}  # fmt: skip


@pytest.mark.parametrize("limit", [1, 2, 5])
@pytest.mark.parametrize("name", PAGED)
def test_pages_give_every_row_once(db: Writer, name: str, limit: int) -> None:
    """In the order of the whole list, however long a page is."""
    _ranks(db)
    what, ids = PAGED[name]
    found: list[int] = []
    cursor = None
    for _ in range(9):
        page = db.page(what, limit=limit, cursor=cursor)
        found += [word.id for word in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break

    assert found == ids
    assert cursor is None


def test_pages_of_texts(db: Writer) -> None:
    """By code points over the borders too."""
    _texts(db)
    found: list[str] = []
    cursor = None
    while True:
        page = db.page(select(Word).order_by(W.text), limit=4, cursor=cursor)
        found += [word.text for word in page.items]
        if (cursor := page.next_cursor) is None:
            break

    assert found == TEXTS


def test_pages_of_an_outer_join(db: Writer) -> None:
    """Rows without the other side have their place."""
    _members(db)
    found: list[str] = []
    cursor = None
    while True:
        page = db.page(_MEMBERS, limit=2, cursor=cursor)
        found += [pair.id for pair in page.items]
        if (cursor := page.next_cursor) is None:
            break

    assert "".join(found) == "becad"


def test_rows_that_come_and_go_disturb_no_page(database: TestDatabase) -> None:
    """What lies behind the cursor is given once, what lies before it is not given again."""
    what = select(Word).order_by(W.text)
    with database.write() as db:
        db.insert_many([Word(id=n, text=text) for n, text in enumerate("bdfh")])
    with database.read() as reader:
        first = reader.page(what, limit=2)
    with database.write() as db:
        db.insert_many([Word(id=10, text="a"), Word(id=11, text="e")])
        db.delete(Word, 1)
    with database.read() as reader:
        second = reader.page(what, limit=9, cursor=first.next_cursor)

    assert [word.text for word in first.items] == ["b", "d"]
    assert [word.text for word in second.items] == ["e", "f", "h"]


def test_a_cursor_belongs_to_its_question(db: Writer) -> None:
    """Another filter, another order, another text: all are refused."""
    _ranks(db)
    what = select(Word).where(W.id >= param("least")).order_by(W.id)
    cursor = db.page(what, limit=1, least=0).next_cursor

    for other, wanted in ((cursor, 1), ("AAAA", 0), ("", 0), (f"{cursor}A", 0)):
        with pytest.raises(InvalidArgument) as refusal:
            db.page(what, limit=1, cursor=other, least=wanted)
        assert told(refusal.value)[1:4] == (
            "invalid_argument", "cursor", "the cursor is not one of this list."
        )  # fmt: skip


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_page_has_a_length(db: Writer, limit: int) -> None:
    """From 1 to 1,000."""
    with pytest.raises(InvalidArgument) as refusal:
        db.page(select(Word).order_by(W.id), limit=limit)

    assert told(refusal.value)[2:4] == ("limit", f"limit {limit} is not between 1 and 1000.")


def test_a_page_needs_an_order_that_is_a_column(db: Writer) -> None:
    """So that the next one can begin behind a row."""
    for what in (select(Word), select(Word).order_by(F.lower(W.text))):
        with pytest.raises(StatementError):
            db.page(what)
