"""Every column type: what goes in comes out, at both ends of its range, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from freehold import param, select, statement, update
from freehold.db import Writer
from freehold.errors import FreeholdError, InvalidArgument, RuleBroken, StatementError
from freehold.scalars import Hashed, Int64, Sealed
from freehold.testing import TestDatabase
from tests.contract.world import NOW, Preset, Review, Thing, Wish, told

T: Any = Thing.c
MOST = 2**53 - 1

#: (field, value) that is stored and read as it is.
KEPT: dict[str, tuple[str, Any]] = {
    "an empty text": ("text", ""),
    "a text of blanks": ("text", " \t\n\r "),
    "a text with accents": ("text", "Ärger, naïve, Łódź"),
    "a text with a combining accent": ("text", "e\u0301"),
    "a text of emoji": ("text", "👩‍👩‍👧‍👦🏳️‍🌈"),
    "a text with the last character": ("text", "\U0010ffff"),
    "a text with quotes": ("text", 'it\'s "so" `x` \\ $1 ? :a %s {}'),
    "a text with control characters": ("text", "\x01\x1f\x7f\u0085\u2028"),
    "a text of a mark of byte order": ("text", "\ufeffx"),
    "a text of a million characters": ("text", "ä" * 1_000_000),
    "a text like a number": ("text", "007"),
    "a text like null": ("text", "NULL"),
    "zero": ("whole", 0),
    "the largest whole number": ("whole", MOST),
    "the smallest whole number": ("whole", -MOST),
    "the largest int64": ("long", Int64(2**63 - 1)),
    "the smallest int64": ("long", Int64(-(2**63))),
    "a float": ("real", 0.1),
    "a float of 17 digits": ("real", 0.30000000000000004),
    "the largest float": ("real", 1.7976931348623157e308),
    "the smallest float": ("real", 5e-324),
    "a whole float": ("real", 3.0),
    "a float past 2 to the 53": ("real", 1e300),
    "true": ("flag", True),
    "false": ("flag", False),
    "no bytes": ("blob", b""),
    "all bytes": ("blob", bytes(range(256))),
    "a megabyte": ("blob", b"\x00\xff" * 500_000),
    "a word": ("word", "a"),
    "a word with a quote": ("word", "b'c"),
    "a digit": ("digit", 2),
    "the first second": ("seconds", 0),
    "the last second": ("seconds", 10**11 - 1),
    "the millisecond never": ("millis", 0),
    "the first millisecond": ("millis", 10**11),
    "the last millisecond": ("millis", 10**14 - 1),
    "an empty list": ("tags", []),
    "a list": ("tags", ["a", "", "ü", "'"]),
    "an object": ("table", {"b": 1, "a": -2, "": 0}),
    "an object in the order of its keys": ("table", {"z": 1, "m": 2, "a": 3}),
    "a struct": ("review", Review(by="Bo", stars=5)),
    "a struct with null": ("review", Review(by="", stars=-1, text="x")),
    "a token": ("token", Hashed.of("raw")),
}


@pytest.mark.parametrize("name", KEPT)
def test_a_value_is_kept(db: Writer, name: str) -> None:
    """By insert, by update, by a statement; and found by it."""
    field, value = KEPT[name]
    inserted = db.insert(Thing(id="i", **{field: value}))
    db.insert(Thing(id="u"))
    updated = db.update(Thing, "u", {field: value})
    db.insert(Thing(id="s"))
    db.execute(update(Thing).where(T.id == "s").values(**{field: param("x")}), x=value)

    for row in (inserted, updated, *(db.get(Thing, id) for id in "ius")):
        found = getattr(row, field)
        assert found == value
        assert type(found) is type(value)
    if len(str(value)) < 1000:
        same = db.all(select(Thing).where(getattr(T, field) == param("x")).order_by(T.id), x=value)
        assert [row.id for row in same] == ["i", "s", "u"]


@pytest.mark.parametrize("field", [name for name in Thing.__struct_fields__ if name != "id"])
def test_every_column_can_be_missing(db: Writer, field: str) -> None:
    """Left out, or set to None."""
    db.insert(Thing(id="a"))
    db.insert(Thing(id="b", **{field: None}))
    db.update(Thing, "a", {field: None})

    assert getattr(db.get(Thing, "a"), field) is None
    assert getattr(db.get(Thing, "b"), field) is None


def test_a_secret_is_kept_and_opened(db: Writer) -> None:
    """Read back it is a ciphertext of its place."""
    db.insert(Thing(id="a", secret=Sealed.of("plain")))
    row = db.get(Thing, "a")

    assert row.secret is not None
    assert row.secret.ciphertext is not None
    assert db.open(row.secret) == "plain"


def test_minus_zero_is_zero(db: Writer) -> None:
    """Whatever its sign was."""
    db.insert(Thing(id="a", real=-0.0))

    assert db.get(Thing, "a").real == 0
    assert len(db.all(select(Thing).where(T.real == param("x")), x=0.0)) == 1


def test_defaults_come_from_the_record(db: Writer) -> None:
    """Times too, each in its unit."""
    row = db.insert(Preset(id="p"))

    assert row == db.get(Preset, "p")
    assert row == Preset(
        id="p", text="it's 100%", whole=-7, real=0.5, flag=False, blob=b"\x00\xff", tags=[],
        made_at=NOW, made_ms=NOW * 1000, changed_at=NOW, changed_ms=NOW * 1000,
    )  # fmt: skip


def test_the_database_has_the_same_defaults(db: Writer) -> None:
    """For a row of another hand, or an older one."""
    other = sa.insert(Preset.__table__).values(
        id="p", made_at=1, made_ms=10**12, changed_at=1, changed_ms=10**12
    )
    assert db.execute(statement(other, into=int)) == 1

    row = db.get(Preset, "p")
    assert (row.text, row.whole, row.real, row.flag, row.blob, row.tags) == (
        "it's 100%", -7, 0.5, False, b"\x00\xff", []
    )  # fmt: skip


def test_times_of_a_change(database: TestDatabase) -> None:
    """An update and a statement set them, and nothing else does."""
    with database.write() as db:
        db.insert(Preset(id="p"))
    database.clock.advance(seconds=1.5)
    with database.write() as db:
        row = db.update(Preset, "p", {"text": "x"})
    database.clock.advance(seconds=1.5)
    with database.write() as db:
        db.execute(update(Preset).where(Preset.c.id == "p").values(text="y"))
        later = db.get(Preset, "p")

    assert row is not None
    assert (row.made_at, row.changed_at, row.changed_ms) == (NOW, NOW + 1, NOW * 1000 + 1500)
    assert (later.made_ms, later.changed_at, later.changed_ms) == (
        NOW * 1000, NOW + 3, NOW * 1000 + 3000
    )  # fmt: skip


#: (field, value, the refusal).
REFUSED: dict[str, tuple[str, Any, type[FreeholdError], str]] = {
    "a NUL": ("text", "a\0b", InvalidArgument, "text: a text with a NUL character"),
    "a lone surrogate": ("text", "a\ud800", InvalidArgument, "text: the text holds a lone"),
    "a number past 2 to the 53": ("whole", 2**53, InvalidArgument, "whole: 9007199254740992 is"),
    "a number past 64 bits": ("long", 2**63, InvalidArgument, "long: 9223372036854775808"),
    "infinity": ("real", float("inf"), InvalidArgument, "real: inf is no number"),
    "no number": ("real", float("nan"), InvalidArgument, "real: nan is no number"),
    "milliseconds for seconds": ("seconds", 10**12, InvalidArgument, "seconds: 1000000000000"),
    "seconds for milliseconds": ("millis", 10**9, InvalidArgument, "millis: 1000000000"),
    "a number for a text": ("text", 5, StatementError, "text: int is no str"),
    "a text for a number": ("whole", "5", StatementError, "whole: str is no int"),
    "an object for a number": ("digit", object(), StatementError, "digit: a database takes no"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_value_is_refused(db: Writer, name: str) -> None:
    """By insert and by update, with its name; and nothing is written."""
    field, value, kind, said = REFUSED[name]
    db.insert(Thing(id="a"))

    with pytest.raises(kind, match=said):
        db.insert(Thing(id="x", **{field: value}))
    with pytest.raises(kind, match=said):
        db.update(Thing, "a", {field: value})
    assert len(db.all(Thing)) == 1


def test_what_looks_like_the_type_is_stored_as_the_type(db: Writer) -> None:
    """A whole float in a column of whole numbers, a whole number in a column of floats."""
    db.insert(Thing(id="a", whole=3.0, real=3, flag=1))  # type: ignore[arg-type]
    row = db.get(Thing, "a")

    assert (row.whole, row.real, row.flag) == (3, 3.0, True)
    assert (type(row.whole), type(row.real)) == (int, float)


#: A key or a value that is only looked for.
SOUGHT: dict[str, tuple[Any, Any]] = {
    "a text key that is a number": ("text", 5),
    "a whole number that is a float": ("whole", 5.0),
    "a whole number that is a text": ("whole", "5"),
}


@pytest.mark.parametrize("name", SOUGHT)
def test_what_looks_like_the_type_is_found(db: Writer, name: str) -> None:
    """As it would have been stored."""
    field, value = SOUGHT[name]
    db.insert(Thing(id="5", text="5", whole=5))

    assert db.find(Thing, **{field: value}) is not None
    assert db.first(select(Thing).where(getattr(T, field) == param("x")), x=value) is not None
    assert db.find(Thing, 5) is not None


def test_what_cannot_be_equal_finds_nothing(db: Writer) -> None:
    """And is no error."""
    db.insert(Thing(id="5", whole=5, text="5"))

    assert db.find(Thing, whole=5.5) is None
    assert db.find(Thing, whole="x") is None
    assert db.find(Thing, text=b"5") is None
    assert db.find(Wish, ("a", 1.5)) is None
    assert db.delete(Wish, ("a", 1.5)) is False


def test_a_number_past_64_bits_is_refused_where_it_is_looked_for(db: Writer) -> None:
    """With the name of the field or the parameter."""
    looks: list[Callable[[], Any]] = [
        lambda: db.find(Thing, whole=2**63),
        lambda: db.first(select(Thing).where(T.whole == param("whole")), whole=2**64),
    ]
    for look in looks:
        with pytest.raises(InvalidArgument) as refusal:
            look()
        assert told(refusal.value)[2:4] == (
            "whole", "whole: the number is past 64 bits, what a column can hold."
        )  # fmt: skip


def test_a_number_that_grows_past_64_bits_is_refused(db: Writer) -> None:
    """A column keeps its value; it is not made into a float."""
    db.insert(Thing(id="a", long=Int64(2**63 - 1)))

    with pytest.raises(RuleBroken) as refusal:
        db.execute(update(Thing).values(long=T.long + param("by")), by=1)

    assert refusal.value.code == "conflict"
    assert db.get(Thing, "a").long == Int64(2**63 - 1)


def test_names_that_are_words_of_sql(db: Writer) -> None:
    """As columns and as parts of a key."""
    db.insert(Wish(order="a", select=1, group="x"))
    db.update(Wish, ("a", 1), {"group": "y"})
    db.put(Wish(order="a", select=1, group="z"), at=("order", "select"))
    found = db.all(select(Wish).where(Wish.c.group == param("where")), where="z")

    assert [wish.select for wish in found] == [1]
