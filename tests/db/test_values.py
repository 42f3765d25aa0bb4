"""Values on their way to the driver: secrets above all, and what no driver takes."""

from __future__ import annotations

import copy
import subprocess
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.crypto import KeyRing, SealBroken, SealedFormatInvalid, sealed_key_id
from freehold.db.link import Context
from freehold.db.values import opened, unbindable
from freehold.errors import (
    InvalidArgument,
    KeysMissing,
    SchemaError,
    StatementError,
    StoredValueBroken,
)
from freehold.scalars import Hashed, Sealed
from freehold.schema import PrimaryKey, Record, Schema
from freehold.testing import TestDatabase, file_database, memory_database
from tests.db.library import SCHEMA, Drawer, Pass, Vault

SECRET = "a secret that nobody may read"


def stored(library: TestDatabase, sql: str) -> list[Any]:
    """What is in the table, without a handle."""
    return list(library.database.commits.connection.execute(sql).fetchall())


# -- sealed -------------------------------------------------------------------------------


def test_a_sealed_text_is_ciphertext_in_the_table(library: TestDatabase) -> None:
    """And opens with the handle that reads it, to the text that it was."""
    with library.write() as db:
        made = db.insert(Vault(id="v1", secret=Sealed.of(SECRET)))
        assert made.secret is not None
        assert made.secret.ciphertext == db.get(Vault, "v1").secret.ciphertext  # type: ignore[union-attr]
        assert db.open(made.secret) == SECRET
    with library.read() as db:
        row = db.get(Vault, "v1")
        assert row.secret is not None
        assert db.open(row.secret) == SECRET
        assert row.spare is None

    assert SECRET not in repr(stored(library, "SELECT * FROM vaults"))
    assert sealed_key_id(str(row.secret.ciphertext)) == "k1"


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_can_be_sealed(text: str) -> None:
    """Empty, long, in any script, with a NUL in it."""
    with memory_database(SCHEMA) as library, library.write() as db:
        row = db.insert(Vault(id="v", secret=Sealed.of(text)))
        assert row.secret is not None

        assert db.open(row.secret) == text


def test_the_same_text_is_never_sealed_twice_the_same(library: TestDatabase) -> None:
    """So nobody sees that two rows hold the same."""
    with library.write() as db:
        one = db.insert(Vault(id="v1", secret=Sealed.of(SECRET), spare=Sealed.of(SECRET)))
        assert one.secret is not None
        assert one.spare is not None
        again = db.update(Vault, "v1", {"secret": Sealed.of(SECRET)})

        assert again is not None
        assert len({one.secret.ciphertext, one.spare.ciphertext,
                    again.secret and again.secret.ciphertext}) == 3  # fmt: skip


MOVES = {
    "to another row": "UPDATE vaults SET secret = (SELECT secret FROM vaults WHERE id = 'v1') "
    "WHERE id = 'v2'",
    "to another column": "UPDATE vaults SET spare = secret WHERE id = 'v1'",
    "under another key": "UPDATE vaults SET id = 'v3' WHERE id = 'v1'",
}


@pytest.mark.parametrize("name", MOVES)
def test_a_ciphertext_that_was_moved_does_not_open(library: TestDatabase, name: str) -> None:
    """It is bound to its table, column and row."""
    with library.write() as db:
        for id in ("v1", "v2"):
            db.insert(Vault(id=id, secret=Sealed.of(SECRET)))
    library.database.commits.connection.execute(MOVES[name])

    with library.read() as db:
        broken = [
            value
            for row in db.all(Vault)
            for value in (row.secret, row.spare)
            if value is not None and not opens(db, value)
        ]

    assert len(broken) == 1


def opens(db: Any, value: Sealed[str]) -> bool:
    try:
        return bool(db.open(value) == SECRET)
    except SealBroken:
        return False


def test_a_secret_under_a_key_of_two_columns(library: TestDatabase) -> None:
    """Both parts are in its place, each with its type."""
    with library.write() as db:
        one = db.insert(Drawer(cabinet="1", number=2, secret=Sealed.of(SECRET)))
        db.insert(Drawer(cabinet="2", number=1, secret=one.secret))

        assert opens(db, one.secret)
        assert opens(db, db.get(Drawer, ("1", 2)).secret)
        assert opens(db, db.get(Drawer, ("2", 1)).secret)
    moved = "UPDATE drawers SET cabinet = '3' WHERE cabinet = '1'"
    library.database.commits.connection.execute(moved)
    with library.read() as db:
        assert not opens(db, db.get(Drawer, ("3", 2)).secret)


def test_an_update_seals_anew(library: TestDatabase) -> None:
    """A new text, none, and what is left out."""
    with library.write() as db:
        before = db.insert(Vault(id="v1", secret=Sealed.of("old"), spare=Sealed.of("kept")))
        after = db.update(Vault, "v1", {"secret": Sealed.of("new")})
        assert after is not None
        assert after.secret is not None
        assert after.spare is not None
        assert (db.open(after.secret), db.open(after.spare)) == ("new", "kept")
        assert before.spare is not None
        assert after.spare.ciphertext == before.spare.ciphertext

        none = db.update(Vault, "v1", {"secret": None})
        assert none is not None
        assert none.secret is None


def test_a_value_that_was_read_may_be_written_again(library: TestDatabase) -> None:
    """In its own place as it is; in another place it is opened and sealed for that one."""
    with library.write() as db:
        row = db.insert(Vault(id="v1", secret=Sealed.of(SECRET)))
        same = db.update(Vault, "v1", {"secret": row.secret, "note": "x"})
        other = db.insert(Vault(id="v2", spare=row.secret))

        assert same is not None
        assert row.secret is not None
        assert other.spare is not None
        assert same.secret == row.secret
        assert other.spare.ciphertext != row.secret.ciphertext
        assert db.open(other.spare) == SECRET


def test_sealed_rows_are_inserted_by_the_hundred(library: TestDatabase) -> None:
    """Each for its own place."""
    rows = [Vault(id=f"v{n}", secret=Sealed.of(f"{SECRET} {n}")) for n in range(120)]
    with library.write() as db:
        db.insert_many(rows)
        read = db.get(Vault, "v119")

        assert read.secret is not None
        assert db.open(read.secret) == f"{SECRET} 119"


def test_no_plain_text_is_in_the_database_s_files(tmp_path: Path) -> None:
    """Neither of a secret nor of a token, also after both were changed and removed."""
    path = tmp_path / "library.db"
    with file_database(path, SCHEMA) as library:
        for number in range(20):
            with library.write() as db:
                db.insert(Vault(id=f"v{number}", secret=Sealed.of(SECRET), note="n" * 500))
                db.insert(Pass(token=Hashed.of(f"{SECRET} {number}"), owner="Ada"))
                db.update(Vault, f"v{number}", {"spare": Sealed.of(SECRET)})
                if number % 2:
                    db.delete(Vault, f"v{number}")
        while_open = read_elsewhere(tmp_path)
    closed = read_elsewhere(tmp_path)

    assert len(while_open) > 10_000
    assert SECRET.encode() not in while_open
    assert SECRET.encode() not in closed


def read_elsewhere(folder: Path) -> bytes:
    """All files of a folder, read by another process: this one must not open them twice."""
    names = sorted(str(path) for path in folder.iterdir() if path.is_file())
    return subprocess.run(["cat", *names], capture_output=True, check=True).stdout


def test_without_a_key_nothing_is_sealed_or_opened(library: TestDatabase) -> None:
    """The error says where the key is looked for."""
    with library.write() as db:
        db.insert(Vault(id="v1", secret=Sealed.of(SECRET)))
        db._context = Context(**{**vars(db._context), "ring": None})
        row = db.get(Vault, "v1")

        for call in (
            lambda: db.insert(Vault(id="v2", secret=Sealed.of(SECRET))),
            lambda: db.open(row.secret),  # type: ignore[arg-type]
        ):
            with pytest.raises(KeysMissing, match="FREEHOLD_SECRETS_FILE"):
                call()
        assert db.insert(Vault(id="v3")).secret is None


def test_another_key_does_not_open(tmp_path: Path) -> None:
    """A ring that holds the same id and another secret."""
    path = tmp_path / "library.db"
    with file_database(path, SCHEMA) as library, library.write() as db:
        db.insert(Vault(id="v1", secret=Sealed.of(SECRET)))
    other = KeyRing.from_hex("ab" * 32)
    with file_database(path, SCHEMA, ring=other) as library, library.read() as db:
        value = db.get(Vault, "v1").secret
        assert value is not None
        with pytest.raises(SealBroken):
            db.open(value)


def test_plain_text_of_another_hand_is_told(library: TestDatabase) -> None:
    """A row from before the column was sealed."""
    with library.write() as db:
        db.insert(Vault(id="v1"))
    library.database.commits.connection.execute("UPDATE vaults SET secret = 'plain'")

    with library.read() as db, pytest.raises(SealedFormatInvalid):
        db.open(db.get(Vault, "v1").secret)  # type: ignore[arg-type]


def test_a_fresh_value_opens_to_its_text(library: TestDatabase) -> None:
    """A function may look at an argument that is to be sealed."""
    with library.read() as db:
        assert db.open(Sealed.of("x")) == opened(db._context, Sealed.of("x")) == "x"


def test_a_row_with_a_secret_is_copied_and_shown_without_it() -> None:
    """A shallow copy shares it; repr hides it."""
    row = Vault(id="v1", secret=Sealed.of(SECRET))

    assert copy.copy(row) == row
    assert SECRET not in repr(row)


@pytest.mark.parametrize(
    ("value", "error", "said"),
    [
        (
            Sealed.of("\ud800"),
            InvalidArgument,
            "secret: a text to be sealed holds a lone surrogate",
        ),
        (5, StatementError, "secret: int is no sealed"),
        (Hashed.of("x"), StatementError, "secret: Hashed is no sealed"),
    ],
)
@pytest.mark.parametrize("how", ["insert", "update"])
def test_what_cannot_be_sealed_is_told_by_its_field(
    library: TestDatabase, how: str, value: Any, error: type[Exception], said: str
) -> None:
    """And its text is in no message."""
    with library.write() as db:
        db.insert(Vault(id="v0"))
        calls: dict[str, Any] = {
            "insert": lambda: db.insert(Vault(id="v1", secret=value)),
            "update": lambda: db.update(Vault, "v0", {"secret": value}),
        }
        with pytest.raises(error) as refusal:
            calls[how]()

    assert str(refusal.value).startswith(said)


def test_a_text_where_a_secret_belongs_is_sealed(library: TestDatabase) -> None:
    """A careless author's secret is still not in the clear."""
    value: Any = SECRET
    with library.write() as db:
        row = db.insert(Vault(id="v1", secret=value))

        assert row.secret is not None
        assert db.open(row.secret) == SECRET
    assert SECRET not in repr(stored(library, "SELECT * FROM vaults"))


def test_put_of_a_record_with_secrets_names_its_key(library: TestDatabase) -> None:
    """Which row it would be is not known before it is written, else."""
    with library.write() as db:
        with pytest.raises(StatementError, match="vaults has sealed columns"):
            db.put(Vault(id="v1"), at=("note",))
        row = db.put(Vault(id="v1", secret=Sealed.of(SECRET)), at=("id",))

        assert row.secret is not None
        assert db.open(row.secret) == SECRET


def test_a_secret_beside_a_counted_key_is_refused() -> None:
    """At class creation: its place would not be known in time."""
    with pytest.raises(SchemaError, match="a sealed column needs the row's key"):

        class Counted(Record, table="counted"):
            id: Annotated[int, PrimaryKey(autoincrement=True)]
            secret: Sealed[str]


# -- what no driver takes -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "kind", "said"),
    [
        ({"a": "ok", "b_c": "\ud800"}, InvalidArgument, "b_c: the text holds a lone surrogate"),
        ({"a": "ok", "b_c": "x\0"}, InvalidArgument, "b_c: a text with a NUL character"),
        ({"a": 2**63}, InvalidArgument, "a: the number is past 64 bits"),
        ({"a": -(2**63), "b": -(2**63) - 1}, InvalidArgument, "b: the number is past 64 bits"),
        ({"a": None, "b": 1.5, "c": b"", "d": [1]}, StatementError, "d: a database takes no list"),
    ],
)
def test_the_value_that_no_driver_takes_is_found(
    values: dict[str, Any], kind: type[Exception], said: str
) -> None:
    """The first one, by its name."""
    found = unbindable(TypeError("?"), values.items(), table="t")

    assert type(found) is kind
    assert str(found).startswith(said)


def test_an_error_that_no_value_explains_stays_itself() -> None:
    """It is somebody else's."""
    error = TypeError("a defect")

    assert unbindable(error, [("a", "fine")], table="t") is error


def test_a_text_that_cannot_be_read_is_the_table_s(library: TestDatabase) -> None:
    """Whatever was asked."""
    error = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid")

    found = unbindable(error, [("a", "\ud800")], table="ideas")

    assert isinstance(found, StoredValueBroken)
    assert found.table == "ideas"
    assert Schema([Vault]).records == (Vault,)
