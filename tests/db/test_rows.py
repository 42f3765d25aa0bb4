"""The small functions between a driver's tuple and an object."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.db.rows import row_reader, row_writer, value_reader
from freehold.errors import InvalidArgument, StoredValueBroken
from freehold.scalars import INT_MAX, Hashed, Int64, Sealed
from freehold.schema import Struct, read_hint
from tests.db.library import Author, Book, Vault


def kind(hint: Any) -> Any:
    return read_hint("Row.field", hint).kind


class Row(Struct):
    """Two fields, in another order than the columns."""

    first: Any = None
    second: Any = None


def test_each_column_goes_to_its_field() -> None:
    """By name; what is null stays None, whatever its kind."""
    columns = [("second", kind(bool), "b"), ("first", kind(Int64), "a")]
    read = row_reader(Row, columns)

    assert read((1, 5)) == Row(first=Int64(5), second=True)
    assert read((0, None)) == Row(first=None, second=False)
    assert read((None, None)) == Row()
    assert type(read((1, 5)).first) is Int64


def test_a_column_without_a_kind_is_taken_as_it_is() -> None:
    """An expression has none."""
    assert row_reader(Row, [("first", None, "n")])((7,)) == Row(first=7)


@pytest.mark.parametrize("row", [(), (1,), (1, 2, 3)])
def test_a_row_of_another_width_is_a_defect(row: tuple[Any, ...]) -> None:
    """Never taken for one that fits."""
    with pytest.raises(ValueError, match="unpack"):
        row_reader(Row, [("first", None, "a"), ("second", None, "b")])(row)


def test_a_sealed_column_knows_its_place() -> None:
    """Table, column, and the key as it is stored, in the key's order."""
    columns = [("first", kind(Sealed[str]), "secret"), ("second", None, "id")]
    read = row_reader(Row, columns, table="vaults", key=[1, 0])

    value = read(("fh1.k1.x", "v1")).first

    assert value.place == ("vaults", "secret", ("v1", "fh1.k1.x"))
    assert value.ciphertext == "fh1.k1.x"
    assert read((None, "v1")).first is None


def test_only_names_of_fields_become_source() -> None:
    """Anything else stops at once, before there is a function."""
    with pytest.raises(AssertionError, match="no identifier"):
        row_reader(Row, [("first=1); print(", None, "a")])


def test_one_value_is_read_by_its_kind() -> None:
    """Null is None, a document names its column."""
    assert value_reader(kind(bool), "a")((1,)) is True
    assert value_reader(kind(bool), "a")((None,)) is None
    assert value_reader(kind(Hashed), "a")(("ab",)).digest == "ab"
    assert value_reader(None, "a")((5,)) == 5
    with pytest.raises(StoredValueBroken, match=r"^tags holds text that does not fit"):
        value_reader(kind(list[str]), "tags")(("{",))


def no_seal(field: Any, value: Any) -> str:
    return f"sealed {field.name} {value}"


names = st.text(st.characters(exclude_categories=["Cs"]))


@given(names, st.none() | st.integers(-INT_MAX - 5, INT_MAX + 5))
def test_what_is_good_is_written_and_what_is_not_is_refused(name: str, born_at: Any) -> None:
    """The same as the kinds themselves say, though most values never reach them."""
    fields = Author.__fields__
    row = Author(id="a", email="e", name=name, born_at=born_at, created_at=1, updated_at=2)
    good = "\0" not in name and (born_at is None or 0 <= born_at < 10**11)
    write = row_writer(fields)

    if good:
        assert write(row, no_seal) == ["a", "e", name, None, born_at, 1, 2]
    else:
        with pytest.raises(InvalidArgument):
            write(row, no_seal)


@pytest.mark.parametrize("pages", [INT_MAX, -INT_MAX, 0])
def test_the_last_good_numbers_are_good(pages: int) -> None:
    """One past them is not; the look at most values is as sharp as the check itself."""
    write = row_writer([field for field in Book.__fields__ if field.name == "pages"])

    assert write(Book(id="b", author_id="a", title="t", pages=pages), no_seal) == [pages]
    past = pages + (1 if pages > 0 else -1) if pages else INT_MAX + 1
    with pytest.raises(InvalidArgument):
        write(Book(id="b", author_id="a", title="t", pages=past), no_seal)


def test_secrets_go_through_their_own_hands() -> None:
    """With their field, and never when they are null."""
    write = row_writer(Vault.__fields__)

    assert write(Vault(id="v", secret=Sealed.of("x"), note="n"), no_seal) == [
        "v", "sealed secret Sealed(…)", None, "n"
    ]  # fmt: skip
