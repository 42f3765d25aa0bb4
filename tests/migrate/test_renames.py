"""A rename keeps rows and values, and is never guessed."""

from __future__ import annotations

from typing import Annotated

from freehold.clock import ManualClock
from freehold.migrate.apply import apply
from freehold.migrate.plan import plan
from freehold.migrate.steps import Plan
from freehold.schema import PrimaryKey, Record, References, Schema, Was
from tests.migrate.worlds import built, by_hand, opened, rows


def posts() -> Schema:
    """Posts and their comments."""

    class Post(Record, table="posts"):
        id: Annotated[str, PrimaryKey()]
        body: str
        is_open: bool = True

    class Comment(Record, table="comments"):
        id: Annotated[str, PrimaryKey()]
        post_id: Annotated[str, References("posts.id", on_delete="cascade")]

    return Schema([Post, Comment])


def articles() -> Schema:
    """The same as articles with a text."""

    class Article(Record, table="articles", was="posts"):
        id: Annotated[str, PrimaryKey()]
        text: Annotated[str, Was("body")]
        is_open: bool = True

    class Comment(Record, table="comments"):
        id: Annotated[str, PrimaryKey()]
        article_id: Annotated[str, References("articles.id", on_delete="cascade"), Was("post_id")]

    return Schema([Article, Comment])


def test_renamed_tables_and_columns_keep_what_they_hold() -> None:
    """Also the children's references, and with a check whose name goes along by a rebuild."""
    migrations = built(posts(), articles())
    with opened() as connection:
        apply(connection, migrations[:1], clock=ManualClock())
        connection.execute(
            "INSERT INTO posts VALUES ('p', 'text', 0); INSERT INTO comments VALUES ('c', 'p')"
        ).fetchall()

        apply(connection, migrations, clock=ManualClock(), expected=articles())

        assert rows(connection, "SELECT * FROM articles") == [("p", "text", 0)]
        assert rows(connection, "SELECT id, article_id FROM comments") == [("c", "p")]
        connection.execute("DELETE FROM articles")
        assert rows(connection, "SELECT * FROM comments") == []


def test_the_mark_may_stay_for_ever() -> None:
    """From nothing and after the rename it says nothing."""
    with opened() as connection:
        apply(connection, built(articles()), clock=ManualClock())

        assert plan(connection, articles()).is_empty


def planned(found: str, *records: type[Record]) -> Plan:
    with opened() as connection:
        apply(connection, [by_hand(1, *found.split(";"))], clock=ManualClock())
        return plan(connection, Schema(records))


KEY = "id TEXT NOT NULL PRIMARY KEY"


def test_a_mark_that_names_nothing_is_a_new_table() -> None:
    """A name that the database never had is no rename."""

    class New(Record, table="new", was="never"):
        id: Annotated[str, PrimaryKey()]

    assert [s.verb for s in planned("CREATE TABLE x (a)", New).steps] == [
        "create table",
        "drop table",
    ]


def test_both_names_there_is_refused() -> None:
    """Two tables cannot become one by a rename; the refusal says what to do."""

    class New(Record, table="new", was="old"):
        id: Annotated[str, PrimaryKey()]

    class Holder(Record, table="holder"):
        id: Annotated[str, PrimaryKey()]
        fresh: Annotated[str | None, Was("stale")] = None

    tables = planned(f"CREATE TABLE old ({KEY}); CREATE TABLE new ({KEY})", New)
    columns = planned(f"CREATE TABLE holder ({KEY}, stale TEXT, fresh TEXT)", Holder)

    (refusal,) = tables.refusals
    assert str(refusal) == (
        "New says it was 'old', but the database has both old and new. Move what is worth "
        "keeping by hand, then take the mark away; the table old is dropped after that."
    )
    assert "Holder.fresh says it was 'stale'" in columns.refusals[0].sentence


def test_an_old_name_that_is_still_used_is_refused() -> None:
    """The schema cannot take a name away from a record that still has it."""

    class Old(Record, table="old"):
        id: Annotated[str, PrimaryKey()]

    class New(Record, table="new", was="old"):
        id: Annotated[str, PrimaryKey()]

    class Holder(Record, table="holder"):
        id: Annotated[str, PrimaryKey()]
        fresh: Annotated[str | None, Was("id")] = None

    tables = planned(f"CREATE TABLE old ({KEY})", Old, New)
    columns = planned(f"CREATE TABLE holder ({KEY})", Holder)

    assert "the schema still has a table old" in tables.refusals[0].sentence
    assert "the schema still has a column id" in columns.refusals[0].sentence


def test_one_old_name_cannot_become_two() -> None:
    """Two marks for one name are refused."""

    class One(Record, table="one", was="old"):
        id: Annotated[str, PrimaryKey()]
        left: Annotated[str | None, Was("a")] = None
        right: Annotated[str | None, Was("a")] = None

    class Two(Record, table="two", was="old"):
        id: Annotated[str, PrimaryKey()]

    both = planned(f"CREATE TABLE old ({KEY}, a TEXT)", One, Two)

    assert [r.sentence for r in both.refusals] == [
        "Two says it was 'old', and another table says so too.",
        "One.right says it was 'a', and another column says so too.",
    ]


def test_what_the_engine_refuses_is_a_refusal() -> None:
    """A view that is broken stands in the way of a rename, and is named."""

    class New(Record, table="new", was="old"):
        id: Annotated[str, PrimaryKey()]

    refused = planned(f"CREATE TABLE old ({KEY}); CREATE VIEW v AS SELECT * FROM nowhere", New)

    assert refused.steps == ()
    assert "error in view v" in refused.refusals[0].sentence
