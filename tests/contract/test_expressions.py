"""Expressions, aggregates and functions: the same values, of the same Python types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from freehold import Struct, any_of, param, select, statement
from freehold.errors import InvalidArgument, StatementError
from freehold.scalars import Int64
from freehold.testing import ENGINES, TestDatabase, engine_database
from tests.contract.world import SCHEMA, Thing, Word

T: Any = Thing.c
W: Any = Word.c
F: Any = sa.func


@pytest.fixture(scope="module", params=ENGINES)
def figures(request: pytest.FixtureRequest) -> Iterator[TestDatabase]:
    """A few rows, with everything missing in one; only read."""
    with engine_database(request.param, SCHEMA) as database:
        with database.write() as db:
            db.insert(Thing(id="a", text="Ärger 1", whole=7, long=Int64(2**62), real=0.1,
                            flag=True, blob=b"\x00\xff", word="a", digit=1))  # fmt: skip
            db.insert(Thing(id="b", text="apple_%", whole=-7, long=Int64(-1), real=0.2,
                            flag=False, blob=b"", word="b'c", digit=2))  # fmt: skip
            db.insert(Thing(id="c", text="Apple", whole=2, long=Int64(3), real=0.3, flag=True))
            db.insert(Thing(id="d"))
        yield database


def _into(value: Any) -> Any:
    return Any if value is None else type(value)


#: The value of an expression on the row "a", with its type.
OF_A = {
    "a number of int64": (T.long, 2**62),
    "a sum of columns": (T.whole + T.digit, 8),
    "a difference": (T.whole - 10, -3),
    "a product past 32 bits": (T.whole * 1_000_000_000_000, 7_000_000_000_000),
    "a quotient is a float": (T.whole / 2, 3.5),
    "a quotient of columns": (T.whole / T.digit, 7.0),
    "a quotient by a fraction": (T.whole / 0.5, 14.0),
    "a whole quotient": (T.whole // 2, 3),
    "a whole quotient towards zero": ((T.whole - 14) // 2, -3),
    "a remainder": (T.whole % 4, 3),
    "a remainder with its sign": ((T.whole - 14) % 4, -3),
    "a quotient by zero": (T.whole / 0, None),
    "a whole quotient by zero": (T.whole // 0, None),
    "a remainder by zero": (T.whole % 0, None),
    "a negative": (-T.whole, -7),
    "a float and a whole number": (T.real + T.whole, 7.1),
    "bits": (T.whole.bitwise_and(6), 6),
    "a text and a text": (T.text + "!", "Ärger 1!"),
    "a text and a number": (T.text.concat(T.whole), "Ärger 17"),
    "characters, not bytes": (F.length(T.text), 7),
    "bytes": (F.length(T.blob), 2),
    "digits": (F.length(T.whole), 1),
    "lower of ASCII letters": (F.lower(T.text), "Ärger 1"),
    "upper of ASCII letters": (F.upper(T.text), "ÄRGER 1"),
    "a part of a text": (F.substr(T.text, 1, 3), "Ärg"),
    "the rest of a text": (F.substr(T.text, 4), "er 1"),
    "a part from the end": (F.substr(T.text, -2), " 1"),
    "a part from before the beginning": (F.substr(T.text, -9, 4), "Är"),
    "a replaced part": (F.replace(T.text, "r", ""), "Äge 1"),
    "where a text is": (F.instr(T.text, "g"), 3),
    "where a text is not": (F.instr(T.text, "x"), 0),
    "without blanks around": (F.trim("  x "), "x"),
    "without letters around": (F.rtrim(F.ltrim(T.text, "Ä"), "1"), "rger "),
    "the first that is there": (F.coalesce(T.seconds, T.whole, 1), 7),
    "the first of a text": (F.coalesce(T.word, "z"), "a"),
    "ifnull": (F.ifnull(T.seconds, 5), 5),
    "null for a value": (F.nullif(T.whole, 7), None),
    "without the sign": (F.abs(T.whole - 9), 2),
    "the larger of two": (F.max(T.whole, 9), 9),
    "the smaller of two": (F.min(T.whole, T.digit), 1),
    "the larger of one and nothing": (F.max(T.whole, T.seconds), None),
    "rounded to a whole float": (F.round(T.real + 2.4), 3.0),
    "rounded half away from zero": (F.round(T.whole / 2), 4.0),
    "rounded at a place": (F.round(T.real + 0.0449, 2), 0.14),
    "rounded as it is stored": (F.round(T.real + 8.75, 1), 8.8),
    "rounded as it is stored, upwards": (F.round(T.real + 3.35, 1), 3.5),
    "rounded as it is stored, at two places": (F.round(T.real + 2.575, 2), 2.68),
    "a rounded whole number": (F.round(T.whole), 7.0),
    "a case": (sa.case((T.whole > 5, "much"), else_="little"), "much"),
    "a case of a value": (sa.case({1: "one", 2: "two"}, value=T.digit), "one"),
    "a case without an else": (sa.case((T.whole > 9, 1)), None),
    "a case by a bool": (sa.case((T.flag, 1), else_=0), 1),
    "iif": (F.iif(T.whole > 5, 1, 2), 1),
    "a number as text": (sa.cast(T.whole, sa.Text), "7"),
    "a text as a number": (sa.cast(sa.literal("12"), sa.Integer), 12),
    "a float as a whole number": (sa.cast(T.real + 0.85, sa.Integer), 0),
    "a negative float as a whole number": (sa.cast(-T.real - 1.85, sa.Integer), -1),
    "a whole number as a float": (sa.cast(T.whole, sa.Float), 7.0),
    "a scalar subquery": (sa.select(F.count()).select_from(Thing.__table__).scalar_subquery(), 4),
    "a fixed text": (sa.literal("x"), "x"),
    "a fixed number": (sa.literal(2**40), 2**40),
    "a condition as a number": (T.whole > 5, 1),
    "a condition as a bool": (T.whole > 5, True),
    "a condition of nothing": (T.seconds > 5, None),
    "a row is there": (sa.exists().where(T.id == "b"), 1),
    "true": (sa.literal(True), 1),
    "null": (sa.null(), None),
}  # fmt: skip


@pytest.mark.parametrize("name", OF_A)
def test_an_expression_has_one_value(figures: TestDatabase, name: str) -> None:
    """And one type, which is that of the value as it is written here."""
    expression, value = OF_A[name]
    what = statement(sa.select(expression).where(T.id == "a"), into=_into(value))

    with figures.read() as db:
        found = db.scalar(what)

    assert found == (pytest.approx(value, rel=1e-15) if isinstance(value, float) else value)
    assert type(found) is type(value)


#: The value of an aggregate over the four rows.
OVER_ALL = {
    "count of rows": (F.count(), 4),
    "count of values": (F.count(T.whole), 3),
    "count of different ones": (F.count(T.flag.distinct()), 2),
    "sum of whole numbers": (F.sum(T.whole), 2),
    "sum of floats": (F.sum(T.real), 0.6),
    "sum of different ones": (F.sum(T.flag.distinct()), 1),
    "sum of bools": (F.sum(T.flag), 2),
    "sum of conditions": (F.sum(T.whole > 0), 2),
    "sum of nothing": (F.sum(T.seconds), None),
    "sum of products": (F.sum(T.whole * 3), 6),
    "sum past 32 bits": (F.sum(T.whole * 2**40), 2**41),
    "total of nothing": (F.total(T.seconds), 0.0),
    "total of whole numbers": (F.total(T.whole), 2.0),
    "average of whole numbers": (F.avg(T.whole), 2 / 3),
    "average of floats": (F.avg(T.real), 0.2),
    "average of nothing": (F.avg(T.seconds), None),
    "largest number": (F.max(T.whole), 7),
    "largest text": (F.max(T.text), "Ärger 1"),
    "smallest text": (F.min(T.text), "Apple"),
    "smallest int64": (F.min(T.long), -1),
    "any bool": (F.max(T.flag), 1),
    "all of a condition": (F.min(T.whole > -9), 1),
    "sum with a filter": (F.sum(T.whole).filter(T.flag.is_(True)), 9),
    "count with a filter": (F.count().filter(T.whole < 0), 1),
    "average with a filter": (F.avg(T.whole).filter(T.flag.is_(True)), 4.5),
    "sum of absolute numbers": (F.sum(F.abs(T.whole)), 16),
    "largest of a length": (F.max(F.length(T.text)), 7),
    "sum of a case": (F.sum(sa.case((T.flag, 10), else_=1)), 22),
    "sum of quotients": (F.sum(T.digit / 2), 1.5),
    "sum of quotients of what is computed": (F.sum(F.nullif(T.whole, 7) / T.digit), -3.5),
    "sum of rounded numbers": (F.sum(F.round(T.real, 1)), 0.6),
    "sum of floats that are chosen": (F.sum(F.coalesce(T.real, 0.5)), 1.1),
    "a quotient of sums": (F.sum(T.whole) / F.count(T.whole), 2 / 3),
}  # fmt: skip


@pytest.mark.parametrize("name", OVER_ALL)
def test_an_aggregate_has_one_value(figures: TestDatabase, name: str) -> None:
    """Sums of whole numbers are whole; averages are floats; bools count as 1 and 0."""
    expression, value = OVER_ALL[name]
    what = statement(sa.select(expression).select_from(Thing.__table__), into=_into(value))

    with figures.read() as db:
        found = db.scalar(what)

    assert found == (pytest.approx(value, rel=1e-15) if isinstance(value, float) else value)
    assert type(found) is type(value)


#: Which rows a condition finds.
FOUND = {
    "a bool is true": (T.flag.is_(True), "ac"),
    "a bool is not true": (T.flag.is_not(True), "bd"),
    "a bool is false": (T.flag.is_(False), "b"),
    "a bool equals": (T.flag == True, "ac"),  # noqa: E712
    "a bool by itself": (T.flag, "ac"),
    "not a bool": (sa.not_(T.flag), "b"),
    "a bool and another condition": (sa.and_(T.flag, T.whole > 5), "a"),
    "a bool or another condition": (sa.or_(T.flag, T.id == "d"), "acd"),
    "a number by itself": (T.whole, "abc"),
    "true": (sa.true(), "abcd"),
    "false": (sa.false(), ""),
    "a bool equals a condition": (T.flag == (T.whole > 5), "ab"),
    "a value is missing": (T.text.is_(None), "d"),
    "a value is there": (T.text.is_not(None), "abc"),
    "is, of a number": (T.whole.is_(7), "a"),
    "is not, of a number": (T.whole.is_not(7), "bcd"),
    "is distinct": (T.whole.is_distinct_from(7), "bcd"),
    "is not distinct": (T.whole.is_not_distinct_from(None), "d"),
    "unequal leaves out nulls": (T.whole != 7, "bc"),
    "between": (T.whole.between(2, 7), "ac"),
    "in a list": (T.whole.in_([7, 2]), "ac"),
    "in an empty list": (T.whole.in_([]), ""),
    "not in a list": (T.whole.not_in([7]), "bc"),
    "not in a list with nothing": (T.whole.not_in([7, None]), ""),
    "in a statement": (T.id.in_(sa.select(T.id).where(T.digit == 2)), "b"),
    "like ignores case of ASCII": (T.text.like("APP%"), "bc"),
    "like does not ignore other case": (T.text.like("ä%"), ""),
    "like has no escape of its own": (T.text.like(r"apple\_%"), ""),
    "like with an escape": (T.text.like("apple/_/%", escape="/"), "b"),
    "like one character": (T.text.like("_rger 1"), "a"),
    "not like": (T.text.not_like("a%"), "a"),
    "ilike is the same": (T.text.ilike("aPPle"), "c"),
    "like of a number as text": (sa.cast(T.whole, sa.Text).like("%7"), "ab"),
    "contains": (T.text.contains("PPL"), "bc"),
    "contains, escaped": (T.text.contains("_%", autoescape=True), "b"),
    "starts with": (T.text.startswith("ap"), "bc"),
    "ends with": (T.text.endswith("E"), "c"),
    "case folded by hand": (F.lower(T.text) == "apple", "c"),
    "texts compare by code points": (T.text > "B", "ab"),
    "texts compare with what is computed": (F.lower(T.text) < F.upper(T.text), ""),
    "bytes equal": (T.blob == b"\x00\xff", "a"),
    "bytes compare": (T.blob < b"\x00\xff", "b"),
    "a float compares with a whole number": (T.real < 1, "abc"),
    "a whole number compares with a float": (T.whole > 2.5, "a"),
    "a whole number is below a float": (T.whole < 2.5, "bc"),
    "exists": (sa.exists().where(Word.__table__.c.id == 1), ""),
    "rows": (sa.tuple_(T.id, T.whole).in_([("a", 7), ("b", 7)]), "a"),
}  # fmt: skip


@pytest.mark.parametrize("name", FOUND)
def test_a_condition_finds_the_same_rows(figures: TestDatabase, name: str) -> None:
    """Bools and numbers are conditions, LIKE ignores the case of ASCII, null is never equal."""
    condition, ids = FOUND[name]

    with figures.read() as db:
        found = db.all(select(Thing).where(condition).order_by(T.id))

    assert "".join(thing.id for thing in found) == ids


#: Which rows a condition with the parameter x finds.
WITH_X: dict[str, tuple[Any, Any, str]] = {
    "a number": (T.whole == param("x"), 7, "a"),
    "a number that is a whole float": (T.whole == param("x"), 7.0, "a"),
    "a number and a fraction": (T.whole > param("x"), 2.5, "a"),
    "a number and a fraction below": (T.whole >= param("x"), 1.5, "ac"),
    "a number below a fraction": (T.whole < param("x"), 2.5, "bc"),
    "a number and a text": (T.whole == param("x"), "7", "a"),
    "a float and a whole number": (T.real < param("x"), 1, "abc"),
    "a text and a number": (T.id == param("x"), 7, ""),
    "a bool": (T.flag == param("x"), True, "ac"),
    "a bool, by is": (T.flag.is_(param("x")), False, "b"),
    "a bool and None, by is": (T.flag.is_(param("x")), None, "d"),
    "None": (T.whole == param("x"), None, ""),
    "None, alone": (param("x").is_(None), None, "abcd"),
    "alone": (param("x").is_(None), 1, ""),
    "in coalesce": (F.coalesce(T.whole, param("x")) == 9, 9, "d"),
    "in coalesce, None": (F.coalesce(param("x"), T.whole) == 7, None, "a"),
    "in coalesce, a text": (F.coalesce(T.text, param("x")) == "z", "z", "d"),
    "twice": (sa.or_(T.whole == param("x"), T.digit == param("x")), 2, "bc"),
    "first": (param("x") < T.whole, 2, "a"),
    "in a sum": (T.whole + param("x") == 9, 2, "a"),
    "in a length": (F.length(T.text) > param("x"), 6, "ab"),
    "in like": (T.text.like(param("x")), "a%", "bc"),
    "in contains": (T.text.contains(param("x"), autoescape=False), "pp", "bc"),
    "folded on both sides": (F.lower(T.text) == F.lower(param("x")), "ÄRGER 1", "a"),
    "compared with itself": (F.upper(param("x")) == "Ä", "ä", ""),
    "past 32 bits": (T.whole < param("x"), 2**40, "abc"),
    "a list": (any_of(T.id, param("x")), ["a", "d", "z"], "ad"),
    "a list of one": (any_of(T.id, param("x")), ("a",), "a"),
    "an empty list": (any_of(T.id, param("x")), [], ""),
    "a list with None": (any_of(T.whole, param("x")), [7, None], "a"),
    "none of a list": (~any_of(T.whole, param("x")), [7], "bc"),
    "none of a list with None": (~any_of(T.whole, param("x")), [7, None], ""),
    "none of an empty list": (~any_of(T.id, param("x")), [], "abcd"),
    "a list of floats for whole numbers": (any_of(T.whole, param("x")), [7.0, 2.5], "a"),
    "a list of floats": (any_of(T.real, param("x")), [0.1, 3], "a"),
    "a list of bools": (any_of(T.flag, param("x")), [True], "ac"),
    "a list of int64": (any_of(T.long, param("x")), [2**62, 10**30], "a"),
    "a list of words": (any_of(T.word, param("x")), ["b'c", "no such"], "b"),
    "a list for an expression": (any_of(F.length(T.text), param("x")), [7], "ab"),
    "a list for a text expression": (any_of(F.lower(T.text), param("x")), ["apple"], "c"),
    "a limit's neighbour": (sa.and_(T.id > param("x"), T.id < "d"), "a", "bc"),
}  # fmt: skip


@pytest.mark.parametrize("name", WITH_X)
def test_a_parameter_fits_wherever_it_stands(figures: TestDatabase, name: str) -> None:
    """Whatever its place in the statement says of its type, or does not say."""
    condition, x, ids = WITH_X[name]
    what = select(Thing).where(condition).order_by(T.id)

    with figures.read() as db:
        found = db.all(what, x=x)

    assert "".join(thing.id for thing in found) == ids


def test_a_pattern_has_a_length(figures: TestDatabase) -> None:
    """What every engine takes; a longer one is the caller's mistake."""
    what = select(Thing).where(T.text.contains(param("part")))
    with figures.read() as db:
        assert db.all(what, part="x" * 49_998) == []
        with pytest.raises(InvalidArgument, match="part: a pattern of 60000 bytes"):
            db.all(what, part="ä" * 30_000)


@pytest.mark.parametrize("x", [1, 2**40, -1.5, "text", None, True, b"\x00"])
def test_a_parameter_can_be_the_answer(figures: TestDatabase, x: Any) -> None:
    """With the type that it was given with; a bool is a number in a database."""
    with figures.read() as db:
        found = db.scalar(statement(sa.select(param("x")), into=Any), x=x)

    assert found == x
    assert type(found) is (int if x is True else type(x))


class Group(Struct):
    """What comes of a group."""

    key: str | None
    rows: int
    most: int | None
    mean: float | None


def test_groups(figures: TestDatabase) -> None:
    """By an expression, with a condition on the group, in the order of a count."""
    key = sa.case((T.whole > 0, "more"), (T.whole < 0, param("word"))).label("key")
    what = statement(
        sa.select(key, F.count().label("rows"), F.max(T.whole).label("most"),
                  F.avg(T.whole).label("mean"))
        .group_by(key).having(F.count() >= param("least")).order_by(F.count().desc(), key),
        into=Group,
    )  # fmt: skip

    with figures.read() as db:
        found = db.all(what, word="less", least=1)
        none = db.all(what, word="less", least=3)

    assert found == [
        Group(key="more", rows=2, most=7, mean=4.5),
        Group(key=None, rows=1, most=None, mean=None),
        Group(key="less", rows=1, most=-7, mean=-7.0),
    ]
    assert none == []


class Numbered(Struct):
    """A row among the others."""

    id: str
    place: int
    before: str | None
    sum: int | None
    share: float | None


def test_windows(figures: TestDatabase) -> None:
    """Numbers, neighbours and running sums, with nulls where the order has them."""
    order = (T.whole.desc(), T.id)
    what = statement(
        sa.select(
            T.id,
            F.row_number().over(order_by=order).label("place"),
            F.lag(T.id, 1).over(order_by=order).label("before"),
            F.sum(T.whole).over(order_by=order).label("sum"),
            F.avg(T.whole).over(partition_by=T.flag).label("share"),
        ).order_by(T.id),
        into=Numbered,
    )

    with figures.read() as db:
        found = db.all(what)

    assert found == [
        Numbered(id="a", place=1, before=None, sum=7, share=4.5),
        Numbered(id="b", place=3, before="c", sum=2, share=-7.0),
        Numbered(id="c", place=2, before="a", sum=9, share=4.5),
        Numbered(id="d", place=4, before="b", sum=2, share=None),
    ]


def test_unions_and_tables_of_one_statement(figures: TestDatabase) -> None:
    """Rows of two selects, once each, and of a select over a select."""
    low = sa.select(T.id).where(T.whole < 5)
    both = sa.union(low, sa.select(T.id).where(T.id > "c")).subquery()
    counted = sa.select(T.flag, F.count().label("n")).group_by(T.flag).cte("counted")

    with figures.read() as db:
        ids = db.all(statement(sa.select(both.c.id).order_by(both.c.id), into=str))
        most = db.scalar(statement(sa.select(F.max(counted.c.n)), into=int))

    assert ids == ["b", "c", "d"]
    assert most == 2


@pytest.mark.parametrize(
    ("floats", "total", "mean"),
    [
        ([0.1] * 10, 1.0, 0.1),
        ([1e300, 1.0, -1e300], 1.0, 1 / 3),
        ([0.1, 0.2, 0.3], 0.6, 0.19999999999999998),
        ([0.1, 1 / 3], 0.43333333333333335, 0.21666666666666667),
        ([1e-20, 2e-20, 3e-20], 6e-20, 2.0000000000000002e-20),
        ([123456789.1, 0.7, -3.3], 123456786.5, 41152262.166666664),
        ([5e-324, 0.30000000000000004], 0.30000000000000004, 0.15000000000000002),
    ],
)
def test_a_sum_of_floats_takes_no_order(
    figures: TestDatabase, floats: list[float], total: float, mean: float
) -> None:
    """Whichever comes first, nothing of it is lost on the way."""
    rows = sa.union_all(*(sa.select(sa.literal(each).label("x")) for each in floats)).subquery()
    back = sa.union_all(
        *(sa.select(sa.literal(each).label("x")) for each in reversed(floats))
    ).subquery()

    with figures.read() as db:
        for table in (rows, back):
            assert db.scalar(statement(sa.select(F.sum(table.c.x)), into=float)) == total
            assert db.scalar(statement(sa.select(F.avg(table.c.x)), into=float)) == mean


def test_distinct(figures: TestDatabase) -> None:
    """Each value once, null too."""
    with figures.read() as db:
        found: Any = db.all(statement(sa.select(T.flag).distinct().order_by(T.flag), into=int))

    assert found == [None, 0, 1]


def test_a_limit_and_an_offset_are_parameters(figures: TestDatabase) -> None:
    """Of any size."""
    what = statement(
        sa.select(T.id).order_by(T.id).limit(param("n")).offset(param("skip")), into=str
    )

    with figures.read() as db:
        assert db.all(what, n=2, skip=1) == ["b", "c"]
        assert db.all(what, n=2**40, skip=0) == ["a", "b", "c", "d"]


def test_names_of_a_group_are_put_together(figures: TestDatabase) -> None:
    """With what stands between them, or a comma; as JSON."""
    one = sa.select(T.id).where(T.id < "c").order_by(T.id).subquery()

    with figures.read() as db:
        said = db.scalar(statement(sa.select(F.group_concat(one.c.id, " & ")), into=str))
        comma = db.scalar(statement(sa.select(F.group_concat(one.c.id)), into=str))
        listed = db.scalar(statement(sa.select(F.json_group_array(one.c.id)), into=list[str]))

    assert said == "a & b"
    assert comma == "a,b"
    assert listed == ["a", "b"]


REFUSED = {
    "a sum past 64 bits": sa.select(F.sum(T.long * 1) + 0).where(T.id != "b").correlate(None),
    "a table that is not there": sa.select(sa.literal_column("x")).select_from(sa.text("nowhere")),
    "a column that is not there": sa.select(sa.literal_column("nothing")),
    "words that are no SQL": sa.text("SELEKT 1").columns(sa.column("x")),
}


@pytest.mark.parametrize("name", [name for name in REFUSED if name != "a sum past 64 bits"])
def test_what_no_engine_takes_is_a_statement_error(figures: TestDatabase, name: str) -> None:
    """A mistake in the code, which no caller can cause."""
    with figures.read() as db, pytest.raises(StatementError):
        db.all(statement(REFUSED[name], into=int))


def test_a_sum_past_64_bits_is_refused(figures: TestDatabase) -> None:
    """It is not made into a float in silence."""
    twice = sa.union_all(sa.select(T.long), sa.select(T.long)).subquery()
    what = statement(sa.select(F.sum(twice.c.long)), into=int)

    with figures.read() as db, pytest.raises(StatementError):
        db.scalar(what)
