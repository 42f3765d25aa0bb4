"""A schema: records checked against each other, in an order that can be built."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Annotated, Any

import pytest

from freehold.errors import SchemaError
from freehold.schema import (
    AUTO,
    ForeignKey,
    Index,
    PrimaryKey,
    Record,
    References,
    Schema,
    Trigger,
    Unique,
    references_of,
)
from tests.schema.declared import built, record, rows

KEY = Annotated[str, PrimaryKey()]


def refers(target: str, **options: Any) -> Any:
    return Annotated[str, References(target, **options)]


USER = record("User", "users", {"id": KEY, "email": Annotated[str, Unique()], "name": str})
PAIR = record("Pair", "pairs", {"a": str, "b": int}, primary_key=("a", "b"))


def of(fields: dict[str, Any], **options: Any) -> type[Record]:
    """An idea with these fields beside its id."""
    return record("Idea", "ideas", {"id": KEY, **fields}, **options)


WRONG: dict[str, tuple[Callable[[], list[Any]], str]] = {
    "no such table": (
        lambda: [USER, of({"user_id": refers("user.id")})],
        ("Idea.user_id references the table 'user', which the schema does not have. "
        "It has ideas, users."),
    ),
    "another case of a table": (
        lambda: [USER, of({"user_id": refers("Users.id")})],
        ("Idea.user_id references the table 'Users', which the schema does not have. "
        "It has ideas, users."),
    ),
    "no such column": (
        lambda: [USER, of({"user_id": refers("users.uid")})],
        ("Idea.user_id references users.uid, which is no column of it. "
        "Its columns are id, email, name."),
    ),
    "not unique": (
        lambda: [USER, of({"user_name": refers("users.name")})],
        ("Idea.user_name references users(name), which is not unique there. "
        "Reference the primary key, or mark the target Unique()."),
    ),
    "half a key": (
        lambda: [PAIR, of({"a": refers("pairs.a")})],
        ("Idea.a references pairs(a), which is not unique there. "
        "Reference the primary key, or mark the target Unique()."),
    ),
    "unique only for some rows": (
        lambda: [
            record("User", "users", {"id": KEY, "name": str},
                   indexes=[Index("name", unique=True, where="name <> ''")]),
            of({"user_name": refers("users.name")}),
        ],
        ("Idea.user_name references users(name), which is not unique there. "
        "Reference the primary key, or mark the target Unique()."),
    ),
    "a text that points at numbers": (
        lambda: [
            record("User", "users", {"id": Annotated[int, PrimaryKey()]}),
            of({"user_id": refers("users.id")}),
        ],
        ("Idea.user_id holds text, and users.id holds integer: they are never equal. "
        "Give both the same type."),
    ),
    "null where there is none": (
        lambda: [USER, of({"user_id": refers("users.id", on_delete="set null")})],
        ("Idea.user_id: on_delete='set null' on a field that may not be None. "
        "Add `| None` to its type, or choose another action."),
    ),
    "null on update": (
        lambda: [USER, of({"user_id": refers("users.id", on_update="set null")})],
        ("Idea.user_id: on_update='set null' on a field that may not be None. "
        "Add `| None` to its type, or choose another action."),
    ),
    "half of a pair may be null": (
        lambda: [
            PAIR,
            of({"a": str, "b": int | None}, defaults={"b": None},
               foreign_keys=[ForeignKey(("a", "b"), "pairs(a, b)", on_delete="set null")]),
        ],
        ("Idea.a, b: on_delete='set null' on a field that may not be None. "
        "Add `| None` to its type, or choose another action."),
    ),
    "a default where there is none": (
        lambda: [USER, of({"user_id": refers("users.id", on_delete="set default")})],
        ("Idea.user_id: on_delete='set default' on a field that has no default. "
        "Give it a default, or choose another action."),
    ),
    "one table twice": (
        lambda: [USER, record("Person", "Users", {"id": KEY})],
        "Person and User both say they are the table 'Users'. Give one of them another table.",
    ),
    "one record twice": (
        lambda: [USER, USER],
        "User stands in the schema twice. Name each record once.",
    ),
    "one index name twice": (
        lambda: [
            record("A", "a", {"id": KEY}, indexes=[Index("id", name="by_id")]),
            record("B", "b", {"id": KEY}, indexes=[Index("id", name="BY_ID")]),
        ],
        ("A and B both name something 'BY_ID', and a database has such a name once. "
        "Say name=… on one of them."),
    ),
    "an index called as a table": (
        lambda: [USER, of({}, indexes=[Index("id", name="users")])],
        ("User and Idea both name something 'users', and a database has such a name once. "
        "Say name=… on one of them."),
    ),
    "one trigger name twice": (
        lambda: [
            record(name, name.lower(), {"id": KEY}, triggers=[
                Trigger(name="stop", when="before", event="delete", refuse="no")])
            for name in ("A", "B")
        ],
        ("A and B both name something 'stop', and a database has such a name once. "
        "Say name=… on one of them."),
    ),
    "Freehold's own": (
        lambda: [record("Idea", "_freehold_ideas", {"id": KEY})],
        "Idea: tables _freehold_… are Freehold's own. Choose another name for the table.",
    ),
    "no record": (
        lambda: [USER, Record],
        "<class 'freehold.schema.record.Record'> is no record. Give Schema([…]) Record classes.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_takes_two_records_to_be_wrong_is_told_when_they_meet(name: str) -> None:
    """At import of the module that makes the schema, with the record, the field, the next step."""
    records, message = WRONG[name]

    with pytest.raises(SchemaError) as refusal:
        Schema(records())

    assert str(refusal.value) == message


def test_parents_come_before_children() -> None:
    """Whatever order they are named in; what is equal stands by name."""
    child = of({"user_id": refers("users.id")})
    grandchild = record("Note", "a_notes", {"id": KEY, "idea_id": refers("ideas.id")})

    for records in ([grandchild, child, USER], [USER, child, grandchild]):
        assert [table.name for table in Schema(records).tables] == ["users", "ideas", "a_notes"]


def test_a_ring_of_references_can_be_built_and_filled() -> None:
    """Writing sessions and ideas point at each other; a tree points at itself."""
    session = record(
        "Session",
        "sessions",
        {"id": KEY, "idea_id": Annotated[str | None, References("ideas.id")]},
        defaults={"idea_id": None},
    )
    idea = of(
        {
            "session_id": Annotated[str | None, References("sessions.id")],
            "parent_id": Annotated[str | None, References("ideas.id", on_delete="cascade")],
        },
        defaults={"session_id": None, "parent_id": None},
    )

    with built(session, idea) as connection:
        connection.execute("INSERT INTO ideas VALUES ('i1', NULL, NULL), ('i2', NULL, 'i1')")
        connection.execute("INSERT INTO sessions VALUES ('s1', 'i1')")
        connection.execute("UPDATE ideas SET session_id = 's1' WHERE id = 'i2'")

        assert rows(connection, "SELECT * FROM ideas ORDER BY id") == [
            ("i1", None, None), ("i2", "s1", "i1")
        ]  # fmt: skip


def test_a_schema_may_be_a_module_s_records() -> None:
    """Those that it defines, not those that it imports, and each once."""
    module: Any = types.ModuleType("shop_schema")
    thing = record("Thing", "things", {"id": KEY})
    thing.__module__ = "shop_schema"
    module.Thing, module.Alias, module.User, module.Record = thing, thing, USER, Record

    assert Schema.of_module(module).records == (thing,)
    with pytest.raises(SchemaError, match="defines no record"):
        Schema.of_module(types.ModuleType("empty"))


def test_freehold_s_own_tables_bear_its_prefix() -> None:
    """A system schema may."""
    own = record("Key", "_freehold_things", {"id": KEY})

    assert Schema([own], is_system=True).table("_freehold_things").name == "_freehold_things"


def test_references_always_come_in_the_same_order() -> None:
    """SQLAlchemy keeps them in a set."""
    idea = of({name: refers("users.id") for name in ("zoe", "bob", "ada", "eve")})

    names = [c.column_keys[0] for c in references_of(Schema([USER, idea]).table("ideas"))]

    assert names == ["ada", "bob", "eve", "zoe"]


def test_a_reference_may_point_at_a_unique_index() -> None:
    """At a unique column, at a unique pair, and at a unique index over all rows."""
    user = record(
        "User", "users", {"id": KEY, "a": str, "b": str, "d": str},
        uniques=[Unique("a", "b")], indexes=[Index("d", unique=True)],
    )  # fmt: skip
    idea = of({"a": str, "b": str, "d": refers("users.d")},
              foreign_keys=[ForeignKey(("b", "a"), "users(b, a)")])  # fmt: skip

    with built(user, idea) as connection:
        connection.execute("INSERT INTO users VALUES ('u1', 'A', 'B', 'C')")
        connection.execute("INSERT INTO ideas VALUES ('i1', 'A', 'B', 'C')")


def test_triggers_are_listed_with_their_tables() -> None:
    """In the order of the records and of each class line."""
    stop = Trigger(name="stop", when="before", event="delete", refuse="no")
    keep = Trigger(name="keep", when="before", event="update", refuse="no")
    idea = of({}, triggers=[stop, keep])

    assert Schema([idea]).triggers == [("ideas", stop), ("ideas", keep)]


def test_a_counted_key_can_be_referenced() -> None:
    """By a whole number of either width."""
    visit = record("Visit", "visits", {"id": Annotated[int, PrimaryKey(autoincrement=True)]},
                   defaults={"id": AUTO})  # fmt: skip
    idea = of({"visit_id": Annotated[int, References("visits.id")]})

    assert [table.name for table in Schema([idea, visit]).tables] == ["visits", "ideas"]
