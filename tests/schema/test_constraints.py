"""Checks, references, unique constraints and indexes: the engine holds them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import apsw
import pytest

from freehold.schema import (
    Check,
    Column,
    ForeignKey,
    Index,
    PrimaryKey,
    Record,
    References,
    Schema,
    Unique,
)
from freehold.schema.constraints import values_check_name
from tests.schema.declared import built, record, rows, sql_of


class Price(Record, table="prices", checks=[
    Check("amount >= 0", name="amount_is_positive"),
    Check("currency <> 'a:b' AND currency NOT LIKE '%x'", name="currency_is_good"),
]):  # fmt: skip
    """Rules of the engine and of the types."""

    id: Annotated[str, PrimaryKey()]
    amount: int = 0
    currency: str = "EUR"
    status: Literal["new", "it's"] = "new"
    level: Literal[1, 2] | None = None
    is_open: bool | None = True


@pytest.mark.parametrize(
    ("column", "bad", "name"),
    [
        ("amount", -1, "amount_is_positive"),
        ("currency", "a:b", "currency_is_good"),
        ("currency", "abx", "currency_is_good"),
        ("status", "old", "ck_prices_status"),
        ("level", 3, "ck_prices_level"),
        ("is_open", 2, "ck_prices_is_open"),
    ],
)
def test_a_check_refuses_by_its_name(column: str, bad: Any, name: str) -> None:
    """The author's own, the values of a Literal, and a bool's 0 and 1."""
    with built(Price) as connection:
        connection.execute("INSERT INTO prices (id, level, is_open) VALUES ('p1', NULL, NULL)")
        with pytest.raises(apsw.ConstraintError, match=name):
            connection.execute(f"UPDATE prices SET {column} = ?", (bad,))


def test_the_name_of_a_long_check_is_cut_as_postgresql_would() -> None:
    """So that both engines tell a refusal by the same name."""
    assert values_check_name("ideas", "status") == "ck_ideas_status"
    assert len(values_check_name("t" * 40, "c" * 40)) == 63


class Owner(Record, table="owners", uniques=[Unique("first", "last")]):
    """What the others reference."""

    id: Annotated[str, PrimaryKey()]
    email: Annotated[str | None, Unique()] = None
    first: str = ""
    last: str = ""


def owned(action: Any, word: str) -> type[Record]:
    """A record whose reference does that."""
    reference: Any = References("owners.id", **{word: action})
    return record(
        "Owned",
        "owned",
        {"id": Annotated[str, PrimaryKey()], "owner_id": Annotated[str | None, reference]},
        defaults={"owner_id": "o0"},
    )


@pytest.mark.parametrize(
    ("action", "after_delete"),
    [
        ("no action", "refused"),
        ("restrict", "refused"),
        ("cascade", []),
        ("set null", [("x", None)]),
        ("set default", [("x", "o0")]),
    ],
)
def test_every_action_on_delete(action: str, after_delete: Any) -> None:
    """What becomes of the rows that point at one that goes."""
    with built(Owner, owned(action, "on_delete")) as connection:
        connection.execute("INSERT INTO owners (id, first) VALUES ('o0', 'a'), ('o1', 'b')")
        connection.execute("INSERT INTO owned VALUES ('x', 'o1')")
        if after_delete == "refused":
            with pytest.raises(apsw.ConstraintError, match="FOREIGN KEY"):
                connection.execute("DELETE FROM owners WHERE id = 'o1'")
        else:
            connection.execute("DELETE FROM owners WHERE id = 'o1'")
            assert rows(connection, "SELECT * FROM owned") == after_delete


@pytest.mark.parametrize(
    ("action", "after_update"),
    [
        ("no action", "refused"),
        ("restrict", "refused"),
        ("cascade", [("x", "o2")]),
        ("set null", [("x", None)]),
        ("set default", [("x", "o0")]),
    ],
)
def test_every_action_on_update(action: str, after_update: Any) -> None:
    """What becomes of the rows that point at one that is called otherwise now."""
    with built(Owner, owned(action, "on_update")) as connection:
        connection.execute("INSERT INTO owners (id, first) VALUES ('o0', 'a'), ('o1', 'b')")
        connection.execute("INSERT INTO owned VALUES ('x', 'o1')")
        if after_update == "refused":
            with pytest.raises(apsw.ConstraintError, match="FOREIGN KEY"):
                connection.execute("UPDATE owners SET id = 'o2' WHERE id = 'o1'")
        else:
            connection.execute("UPDATE owners SET id = 'o2' WHERE id = 'o1'")
            assert rows(connection, "SELECT * FROM owned") == after_update


class Task(Record, table="tasks", primary_key=("user_id", "id")):
    """A key of two columns."""

    id: str
    user_id: Annotated[str, Column("userId")]


class Step(
    Record,
    table="steps",
    foreign_keys=[
        ForeignKey(("user_id", "task_id"), "tasks(userId, id)", on_delete="cascade",
                   on_update="cascade"),
        ForeignKey(("first", "last"), "owners(first, last)", on_delete="set null"),
    ],
):  # fmt: skip
    """References over two columns, one to a key and one to a unique pair."""

    id: Annotated[str, PrimaryKey()]
    task_id: str
    user_id: Annotated[str, Column("userId")]
    first: str | None = None
    last: str | None = None


def test_references_over_several_columns() -> None:
    """Both columns together must be there; half a match is none."""
    with built(Owner, Task, Step) as connection:
        connection.execute("INSERT INTO owners (id, first, last) VALUES ('o1', 'A', 'B')")
        connection.execute("INSERT INTO tasks (id, userId) VALUES ('t1', 'u1'), ('t1', 'u2')")
        connection.execute("INSERT INTO steps VALUES ('s1', 't1', 'u1', 'A', 'B')")
        with pytest.raises(apsw.ConstraintError, match="FOREIGN KEY"):
            connection.execute("INSERT INTO steps VALUES ('s2', 't2', 'u1', NULL, NULL)")

        connection.execute("DELETE FROM owners")
        connection.execute("UPDATE tasks SET id = 't9' WHERE userId = 'u1'")
        assert rows(connection, "SELECT * FROM steps") == [("s1", "t9", "u1", None, None)]

        connection.execute("DELETE FROM tasks WHERE userId = 'u1'")
        assert rows(connection, "SELECT * FROM steps") == []


class Indexed(
    Record,
    table="entries",
    indexes=[
        Index("status", "last_at desc", where="status = 'archived:1'", name="latest"),
        Index("owner_id", "Title ASC"),
        Index("slug", unique=True, where="slug IS NOT NULL"),
        Index("owner_id", "last_at DESC", "id"),
    ],
):
    """Every sort of index."""

    id: Annotated[str, PrimaryKey()]
    status: str = ""
    last_at: int = 0
    owner_id: Annotated[str, Index(), Column("ownerId")] = ""
    headline: Annotated[str, Column("Title")] = ""
    slug: str | None = None
    code: Annotated[str | None, Index(unique=True, name="by_code")] = None


def test_every_sort_of_index() -> None:
    """Plain, composite, descending, partial, unique; fields named as fields or as columns."""
    with built(Indexed) as connection:
        made = {
            name: sql_of(connection, name)
            for (name,) in rows(
                connection, "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql <> ''"
            )
        }

    assert made == {
        "latest": "CREATE INDEX latest ON entries (status, last_at DESC) "
        "WHERE status = 'archived:1'",
        "idx_entries_ownerId_Title": 'CREATE INDEX "idx_entries_ownerId_Title" '
        'ON entries ("ownerId", "Title")',
        "idx_entries_slug": "CREATE UNIQUE INDEX idx_entries_slug ON entries (slug) "
        "WHERE slug IS NOT NULL",
        "idx_entries_ownerId_last_at_id": 'CREATE INDEX "idx_entries_ownerId_last_at_id" '
        'ON entries ("ownerId", last_at DESC, id)',
        "idx_entries_ownerId": 'CREATE INDEX "idx_entries_ownerId" ON entries ("ownerId")',
        "by_code": "CREATE UNIQUE INDEX by_code ON entries (code)",
    }


def test_a_partial_unique_index_binds_only_its_rows() -> None:
    """Two rows without a slug are no clash, two with the same are."""
    with built(Indexed) as connection:
        connection.execute("INSERT INTO entries (id, slug) VALUES ('a', NULL), ('b', NULL)")
        connection.execute("INSERT INTO entries (id, slug) VALUES ('c', 'x')")
        with pytest.raises(apsw.ConstraintError, match=r"entries\.slug"):
            connection.execute("INSERT INTO entries (id, slug) VALUES ('d', 'x')")


def test_unique_over_one_and_over_several() -> None:
    """A value alone, and a pair whose halves may repeat."""
    with built(Owner) as connection:
        connection.execute("INSERT INTO owners VALUES ('1', 'e', 'A', 'B'), ('2', NULL, 'A', 'C')")
        for clash in ("('3', 'e', 'X', 'X')", "('3', 'f', 'A', 'C')"):
            with pytest.raises(apsw.ConstraintError, match="UNIQUE"):
                connection.execute(f"INSERT INTO owners VALUES {clash}")


def test_a_reference_is_named_by_table_and_columns() -> None:
    """No message shows the name; it is cut where PostgreSQL would cut it."""

    class Long(Record, table="a_table_with_a_name_that_is_rather_long_already"):
        id: Annotated[str, PrimaryKey()]
        the_owner_of_this_very_row: Annotated[str, References("owners.id")]

    names = [str(c.name) for c in Schema([Owner, Long]).tables[1].foreign_key_constraints]
    names += [str(c.name) for c in Schema([Owner, Long]).tables[0].foreign_key_constraints]

    assert [len(name) for name in names] == [63]
