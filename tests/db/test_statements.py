"""Statements: said once, compiled once, run with parameters."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from msgspec import UNSET
from sqlalchemy.sql.compiler import SQLCompiler

from freehold.db import (
    Writer,
    any_of,
    delete,
    param,
    select,
    statement,
    update,
)
from freehold.errors import InvalidArgument, StatementError
from freehold.scalars import Hashed, Int64
from freehold.schema import Struct
from freehold.testing import TestDatabase
from tests.db.library import Author, Book, Pass, Setting, Vault, Visit, a_book, an_author

T = Book.c


@pytest.fixture
def db(library: TestDatabase) -> Any:
    """A mutation over four books of two authors."""
    with library.write() as handle:
        an_author(handle, "a1", "Ada")
        an_author(handle, "a2", "Bo")
        a_book(handle, "b1", pages=10, status="draft", tags=["x"], price=1.0)
        a_book(handle, "b2", pages=20, status="printed", is_new=False, author_id="a2")
        a_book(handle, "b3", pages=30, status="draft", token=Hashed.of("raw"), shelf=2)
        a_book(handle, "b4", pages=40, status="sold", copies=Int64(2**60), isbn="4")
        yield handle


def ids(db: Writer, what: Any, **params: Any) -> list[str]:
    return [book.id for book in db.all(what, **params)]


def where(*clauses: Any) -> Any:
    return select(Book).where(*clauses).order_by(T.id)


# -- values and parameters ----------------------------------------------------------------

CLAUSES: dict[str, tuple[Any, Any, Any, list[str]]] = {
    "a text": (lambda v: T.status == v, "draft", "draft", ["b1", "b3"]),
    "a number": (lambda v: T.pages > v, 25, 25, ["b3", "b4"]),
    "an int64": (lambda v: T.copies == v, Int64(2**60), Int64(2**60), ["b4"]),
    "a float": (lambda v: T.price < v, 2, 2, ["b1"]),
    "a bool": (lambda v: T.is_new == v, False, False, ["b2"]),
    "a bool by is": (lambda v: T.is_new.is_(v), True, None, ["b1", "b3", "b4"]),
    "a list": (lambda v: T.tags == v, ["x"], ["x"], ["b1"]),
    "another list": (lambda v: T.tags != v, ["x"], ["x"], ["b2", "b3", "b4"]),
    "a hash": (lambda v: T.token == v, Hashed.of("raw"), Hashed.of("raw"), ["b3"]),
    "a raw token": (lambda v: T.token == v, "raw", "raw", ["b3"]),
    "the value first": (lambda v: v == T.token, None, "raw", ["b3"]),
    "a Literal number": (lambda v: T.shelf == v, 2, 2, ["b3"]),
    "a column of another name": (lambda v: T.isbn == v, "4", "4", ["b4"]),
    "a pattern": (lambda v: T.title.like(v), "%b4", "%b4", ["b4"]),
    "a pattern over JSON": (lambda v: T.tags.like(v), '%"x"%', '%"x"%', ["b1"]),
    "a sum": (lambda v: T.pages + v > 45, 10, 10, ["b4"]),
    "a list of texts": (lambda v: T.status.in_(v), ["sold", "printed"], None, ["b2", "b4"]),
    "a list of tokens": (lambda v: T.token.in_(v), [Hashed.of("raw"), "x"], None, ["b3"]),
    "an empty list": (lambda v: T.status.in_(v), [], None, []),
    "not in a list": (lambda v: T.pages.not_in(v), [10, 20, 30], None, ["b4"]),
    "a null": (lambda v: T.isbn.is_(v), None, None, ["b1", "b2", "b3"]),
    "a null of an author's": (lambda v: T.isbn == v, None, None, ["b1", "b2", "b3"]),
}  # fmt: skip


@pytest.mark.parametrize("name", CLAUSES)
def test_a_value_means_the_same_fixed_and_as_a_parameter(db: Writer, name: str) -> None:
    """It is written as the column beside it stores its values."""
    clause, fixed, given, found = CLAUSES[name]

    if name != "the value first":
        assert ids(db, where(clause(fixed))) == found
    if given is not None:
        assert ids(db, where(clause(param("value"))), value=given) == found


def test_both_ends_of_between(db: Writer) -> None:
    """One fixed, one given."""
    assert ids(db, where(T.pages.between(15, param("most"))), most=30) == ["b2", "b3"]


def test_one_parameter_may_stand_in_several_places(db: Writer) -> None:
    """And is given once."""
    either = where(sa.or_(T.title == param("text"), T.status == param("text")))

    assert ids(db, either, text="sold") == ["b4"]


def test_a_filter_in_another_unit_is_told_by_the_parameter_s_name(db: Writer) -> None:
    """As the caller knows it."""
    since = where(T.printed_at >= param("since_ms"))

    with pytest.raises(InvalidArgument, match="since_ms: ") as refusal:
        db.all(since, since_ms=1_700_000_000)
    assert refusal.value.path == "sinceMs"
    assert ids(db, since, since_ms=0) == []


def test_a_fixed_value_that_cannot_be_is_the_author_s_mistake(db: Writer) -> None:
    """There is no caller to blame."""
    with pytest.raises(StatementError, match="a fixed value of the statement: 1700000000 is not"):
        db.all(where(T.printed_at > 1_700_000_000))


@pytest.mark.parametrize("name", ["", "two words", "1st", "_hidden", "a-b", "a.b"])
def test_a_parameter_s_name_is_a_keyword(name: str) -> None:
    """Freehold's own begin with an underscore."""
    with pytest.raises(StatementError, match="cannot be the name of a parameter"):
        param(name)


@pytest.mark.attack("A7")
@pytest.mark.parametrize(
    "what",
    [
        lambda: select(Vault).where(Vault.c.secret == param("s")),
        lambda: select(Vault).where(Vault.c.secret == "s"),
        lambda: update(Vault).values(secret=param("s")),
    ],
)
def test_a_sealed_column_is_neither_compared_nor_set(db: Writer, what: Any) -> None:
    """Each ciphertext is of one row, and never twice the same."""
    run: Any = db.all if "SELECT" in str(what().core) else db.execute

    with pytest.raises(StatementError, match="a sealed column cannot be set or compared"):
        run(what(), s="x")


def test_a_sealed_column_may_be_asked_for_null(db: Writer) -> None:
    """Whether there is a secret is none."""
    db.insert(Vault(id="v1"))

    assert [vault.id for vault in db.all(select(Vault).where(Vault.c.secret.is_(None)))] == ["v1"]


def test_sealed_is_not_set_to_a_text_in_a_statement() -> None:
    """At the place where it is written."""
    with pytest.raises(StatementError, match="secret is sealed"):
        update(Vault).values(secret="plain")


# -- any_of -------------------------------------------------------------------------------


def test_any_of_takes_a_list_of_any_length(db: Writer) -> None:
    """None, one, and more than the engine has parameters; the SQL stays the same."""
    these = where(any_of(T.id, param("ids")))

    assert ids(db, these, ids=[]) == []
    assert ids(db, these, ids=["b3", "b1", "b9", "b1"]) == ["b1", "b3"]
    assert ids(db, these, ids=[f"x{n}" for n in range(50_000)] + ["b2"]) == ["b2"]
    assert ids(db, these, ids=("b2",)) == ids(db, these, ids={"b2"}) == ["b2"]


@pytest.mark.parametrize(
    ("column", "values", "found"),
    [
        ("pages", [10, 40], ["b1", "b4"]),
        ("copies", [Int64(2**60), Int64(5)], ["b4"]),
        ("is_new", [False], ["b2"]),
        ("price", [1, 0.5], ["b1"]),
        ("token", ["raw", Hashed.of("other")], ["b3"]),
        ("isbn", ["4", None], ["b4"]),
        ("title", ["Title of b1", "ü'\"\\", ""], ["b1"]),
    ],
)
def test_any_of_compares_as_the_column_does(
    db: Writer, column: str, values: Any, found: list[str]
) -> None:
    """Also with a list that is fixed."""
    assert ids(db, where(any_of(T[column], param("values"))), values=values) == found
    assert ids(db, where(any_of(T[column], values))) == found


def test_any_of_is_found_by_an_index(db: Writer) -> None:
    """A search, not a look at every row."""
    sql = where(any_of(T.id, param("ids"))).compiled("sqlite", {}).sql

    plan = db._link.rows(f"EXPLAIN QUERY PLAN {sql}", ("[]",))

    assert any("SEARCH books USING PRIMARY KEY" in row[3] or "SEARCH books USING" in row[3]
               for row in plan)  # fmt: skip


@pytest.mark.parametrize("column", [T.cover, T.tags, Vault.c.secret])
def test_any_of_refuses_what_no_json_list_can_hold(column: Any) -> None:
    """When the statement is made."""
    with pytest.raises(StatementError, match="any_of cannot compare"):
        any_of(column, param("values"))


def test_any_of_refuses_a_text_for_a_list(db: Writer) -> None:
    """Its letters would be taken one by one; and a broken text is the caller's mistake."""
    these = where(any_of(T.id, param("ids")))

    with pytest.raises(StatementError, match="takes a list"):
        db.all(these, ids="b1")
    with pytest.raises(InvalidArgument, match="ids: "):
        db.all(these, ids=["\ud800"])


def test_a_list_parameter_of_in_is_told(db: Writer) -> None:
    """SQLAlchemy's own way needs another SQL text for each length."""
    with pytest.raises(StatementError, match=r"any_of\(column, param"):
        db.all(where(T.id.in_(param("ids"))), ids=["b1"])


# -- what is left out ---------------------------------------------------------------------

FILTERED = (
    select(Book)
    .where(T.pages < param("most"))
    .where_given(T.status == param("status"))
    .where_given(T.is_new == param("is_new"), any_of(T.id, param("ids")))
    .order_by(T.id)
)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, ["b1", "b2", "b3"]),
        ({"status": None, "is_new": UNSET}, ["b1", "b2", "b3"]),
        ({"status": "draft"}, ["b1", "b3"]),
        ({"is_new": False}, ["b2"]),
        ({"status": "draft", "is_new": False}, []),
        ({"ids": ["b3", "b4"]}, ["b3"]),
        ({"ids": []}, []),
        ({"status": "draft", "is_new": True, "ids": ["b1"]}, ["b1"]),
    ],
)
def test_a_clause_takes_part_when_its_value_is_given(
    db: Writer, given: dict[str, Any], found: list[str]
) -> None:
    """None and UNSET are not given; False and an empty list are."""
    assert ids(db, FILTERED, most=35, **given) == found
    assert [row.id for row in db.page(FILTERED, most=35, **given).items] == found
    first = db.first(FILTERED, most=35, **given)
    assert (first.id if first else None) == (found[0] if found else None)


def test_a_parameter_that_must_be_given_still_must() -> None:
    """Only clauses of where_given are left out; an unknown one is told."""
    with pytest.raises(StatementError, match="needs the parameter 'most'"):
        FILTERED.compiled("sqlite", {}).values({})


@pytest.mark.parametrize(
    "clause",
    [
        lambda: T.status == "draft",
        lambda: T.pages.between(param("least"), param("most")),
        lambda: T.isbn.is_(None),
    ],
)
def test_a_clause_that_may_be_left_out_has_one_parameter(clause: Any) -> None:
    """What would it hang on otherwise?"""
    with pytest.raises(StatementError, match="where_given"):
        select(Book).where_given(clause())


def test_a_clause_that_may_be_left_out_has_a_parameter_of_its_own() -> None:
    """Left out for one clause, it would be missing for the other."""
    status = T.status == param("status")

    with pytest.raises(StatementError, match="'status' already stands"):
        select(Book).where_given(status, T.title == param("status"))
    with pytest.raises(StatementError, match="'status' already stands"):
        select(Book).where(status).where_given(T.title == param("status"))


# -- orders, limits, joins ----------------------------------------------------------------


def test_an_order_is_chosen_by_name(db: Writer) -> None:
    """The first one when none is named; an unknown one is told with those that there are."""
    ordered = select(Book).orders(longest=(T.pages.desc(),), shortest=(T.pages, T.id))

    assert ids(db, ordered) == ids(db, ordered, order="longest") == ["b4", "b3", "b2", "b1"]
    assert ids(db, ordered, order="shortest") == ["b1", "b2", "b3", "b4"]
    with pytest.raises(StatementError, match=r"no order 'random'\. It has longest, shortest"):
        ids(db, ordered, order="random")


def test_an_order_s_name_is_never_sql(db: Writer) -> None:
    """Whatever a caller sends, it is looked up."""
    ordered = select(Book).orders(longest=(T.pages.desc(),))

    with pytest.raises(StatementError):
        db.all(ordered, order="pages; DROP TABLE books")


def test_orders_and_a_parameter_called_order_are_told(db: Writer) -> None:
    """Which of the two would `order=` be?"""
    with pytest.raises(StatementError, match="a parameter 'order'"):
        ids(db, where(T.title == param("order")).orders(a=(T.id,)), order="a")
    with pytest.raises(StatementError, match="no tuple of columns"):
        select(Book).orders(newest=T.id)


def test_a_limit_is_fixed_or_given(db: Writer) -> None:
    """SQLite would take a negative one for none at all."""
    some = select(Book).order_by(T.id).limit(param("most"))

    assert ids(db, select(Book).order_by(T.id).limit(2)) == ids(db, some, most=2) == ["b1", "b2"]
    assert ids(db, some, most=0) == []
    with pytest.raises(InvalidArgument, match="most: -1 rows") as refusal:
        ids(db, some, most=-1)
    assert refusal.value.path == "most"
    with pytest.raises(StatementError, match=r"limit\(-1\)"):
        select(Book).limit(-1)


class BookCount(Struct):
    """How many books an author has."""

    name: str
    books: int


def test_a_join_becomes_a_struct(db: Writer) -> None:
    """One field for each column, by its label."""
    counts = statement(
        sa.select(Author.c.name, sa.func.count(T.id).label("books"))
        .select_from(Author.__table__.outerjoin(Book.__table__, T.author_id == Author.c.id))
        .group_by(Author.c.name)
        .order_by(Author.c.name),
        into=BookCount,
    )
    an_author(db, "a3", "Cy")

    assert db.all(counts) == [BookCount(name="Ada", books=3), BookCount(name="Bo", books=1),
                              BookCount(name="Cy", books=0)]  # fmt: skip


def test_a_record_may_be_chosen_by_another_s_columns(db: Writer) -> None:
    """The rows stay the record's."""
    of = select(Book).join(Author, T.author_id == Author.c.id).where(Author.c.name == param("name"))

    assert ids(db, of, name="Bo") == ["b2"]
    with_or_without = select(Author).join(Book, T.author_id == Author.c.id, outer=True)
    an_author(db, "a3", "Cy")
    assert len(db.all(with_or_without)) == 5


def test_groups(db: Writer) -> None:
    """One row for each value."""
    pages = statement(sa.select(sa.func.sum(T.pages)), into=int)

    assert db.all(pages.group_by(T.status).order_by(T.status)) == [40, 20, 40]


# -- changes ------------------------------------------------------------------------------


def test_an_update_sets_the_time_of_change(library: TestDatabase) -> None:
    """Unless the statement sets it; a creation's time is never touched."""
    with library.write() as db:
        an_author(db)
    library.clock.advance(seconds=10)
    with library.write() as db:
        one = update(Author).where(Author.c.id == "a1")

        db.execute(one.values(name="Bo"))
        changed = db.get(Author, "a1")
        db.execute(one.values(name="Cy", updated_at=5))

        assert changed.updated_at == db.now == changed.created_at + 10
        assert db.get(Author, "a1").updated_at == 5


def test_an_update_sets_values_parameters_and_expressions(db: Writer) -> None:
    """Each is written as its column stores it, and null is null."""
    change = (
        update(Book)
        .where(T.id == param("id"), T.status == param("status"))
        .values(status="printed", pages=T.pages + 1, tags=["new", "er"], price=None,
                title=param("title"), is_new=False, token=param("token"), isbn=param("isbn"))
    )  # fmt: skip

    changed = db.execute(change, id="b1", status="draft", title="T", token="t", isbn=None)

    book = db.get(Book, "b1")
    assert changed == 1
    assert (book.status, book.pages, book.tags, book.price) == ("printed", 11, ["new", "er"], None)
    assert (book.title, book.is_new, book.token, book.isbn) == ("T", False, Hashed.of("t"), None)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"title": "a\0b"}, "title: a text with a NUL"),
        ({"pages": 2**53}, "pages: 9007199254740992 is past"),
        ({"printed_at": -5}, "printed_at: -5 is not a time"),
        ({"price": float("nan")}, "price: nan is no number"),
        ({"title": "\udc00"}, "title: the text holds a lone surrogate"),
    ],
)
def test_what_is_set_goes_through_every_check(
    db: Writer, values: dict[str, Any], said: str
) -> None:
    """As it does in an insert."""
    (name,) = values
    change = update(Book).values(**{name: param(name)})

    with pytest.raises(InvalidArgument) as refusal:
        db.execute(change, **values)

    assert refusal.value.detail.startswith(said)


def test_a_change_of_the_author_s_own_is_checked_too(db: Writer) -> None:
    """Whatever SQLAlchemy can say runs: an insert that looks first, say."""
    once = statement(
        sa.insert(Setting.__table__).from_select(
            ["key", "value", "created_at", "updated_at"],
            sa.select(sa.bindparam("key", type_=sa.Text), sa.literal("v"), sa.literal(1),
                      sa.literal(1))
            .where(~sa.exists().where(Setting.c.key == param("key"))),
        ),
        into=int,
    )  # fmt: skip
    plain = statement(
        sa.insert(Author.__table__).values(
            id=param("id"), email=param("id"), name="x", created_at=param("at"), updated_at=1
        ),
        into=int,
    )

    assert [db.execute(once, key="k") for _ in range(2)] == [1, 0]
    assert db.execute(plain, id="z", at=5) == 1
    with pytest.raises(InvalidArgument, match="at: -1 is not a time"):
        db.execute(plain, id="y", at=-1)


def test_changed_rows_are_answered_with(db: Writer) -> None:
    """As records, as structs, or as values."""
    promote = update(Book).where(T.status == "draft").values(status="printed")
    gone = delete(Book).where(T.id == param("id")).returning(T.title, into=str)

    rows = db.all(promote.returning_record())

    assert sorted((row.id, row.status) for row in rows) == [("b1", "printed"), ("b3", "printed")]
    assert db.first(gone, id="b1") == "Title of b1"
    assert db.first(gone, id="b1") is None


def test_a_one_time_token_is_consumed_in_one_statement(db: Writer) -> None:
    """Deleted and answered with at once, so that nobody can consume it twice."""
    consume = (
        delete(Pass)
        .where(Pass.c.token == param("token"), Pass.c.expires_at > param("now"))
        .returning_record()
    )
    db.insert(Pass(token=Hashed.of("raw"), owner="Ada", expires_at=db.now + 60))

    first, second = (db.first(consume, token="raw", now=db.now) for _ in range(2))

    assert first is not None
    assert (first.owner, second) == ("Ada", None)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: update(Book).values(titel="x"), "Book has no field 'titel'. Its fields are id"),
        (lambda: delete(Book).values(title="x"), "only update(…) sets values"),
    ],
)
def test_a_change_that_cannot_be_is_told_where_it_is_written(make: Any, said: str) -> None:
    """At import."""
    with pytest.raises(StatementError) as refusal:
        make()

    assert str(refusal.value).startswith(said)


def test_a_name_that_sqlalchemy_needs_for_itself_is_told(db: Writer) -> None:
    """It happens only in statements of the author's own."""
    table = Author.__table__
    core = sa.update(table).where(table.c.name == sa.bindparam("name")).values(name="x")

    with pytest.raises(StatementError, match="may not be called as a column"):
        db.execute(statement(core, into=int), name="y")


# -- once ---------------------------------------------------------------------------------


def test_statements_are_compiled_once(library: TestDatabase, monkeypatch: Any) -> None:
    """Once for each form that they take, however often they run and in whichever call."""
    compiled = []
    construct = SQLCompiler.__init__

    def counting(self: Any, *args: Any, **kwargs: Any) -> None:
        compiled.append(args[1])
        construct(self, *args, **kwargs)

    monkeypatch.setattr(SQLCompiler, "__init__", counting)
    base = select(Author).where_given(Author.c.name == param("name")).order_by(Author.c.id)
    rename = update(Author).values(name=param("name"))
    for number in range(5):
        with library.write() as db:
            an_author(db, f"a{number}")
            db.all(base)
            db.all(base, name="Ada")
            db.first(base)
            first = db.page(base, limit=1)
            db.page(base, limit=3, cursor=first.next_cursor)
            db.execute(rename, name="Ada")
            db.find(Author, name="nobody")

    # Two filters, `first`, a page's beginning and its continuation, the change; and once
    # SQLAlchemy is asked which tables the page's rows come from.
    assert len(compiled) == 7


def test_a_statement_never_changes(db: Writer) -> None:
    """Each method gives another one, so a module's statements can be built on."""
    base = select(Book).order_by(T.id)

    drafts = base.where(T.status == "draft")
    few = base.limit(1)
    given = base.where_given(T.status == param("status"))

    assert ids(db, base) == ["b1", "b2", "b3", "b4"]
    assert ids(db, drafts) == ["b1", "b3"]
    assert ids(db, few) == ["b1"]
    assert (base.is_dynamic, given.is_dynamic) == (False, True)
    assert base.into is Book


def test_both_dialects_can_be_written(db: Writer) -> None:
    """The same statement for the engine that is not here."""
    sql = FILTERED.compiled("postgresql", {"most": 5, "status": "draft"}).sql

    assert "$1" in sql
    assert "?" not in sql
    assert db.all(select(Visit)) == []
