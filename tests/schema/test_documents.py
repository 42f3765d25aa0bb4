"""JSON columns: what goes in comes out, what would not is refused."""

from __future__ import annotations

import math
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.errors import InvalidArgument, SchemaError, StatementError
from freehold.scalars import INT_MAX, Hashed, Int64, Sealed
from freehold.schema import EpochSeconds, Maybe, Struct
from freehold.schema.documents import Document


class Source(Struct):
    """A struct as applications keep them in a column."""

    url: str
    title: str | None = None
    score: float = 0.0
    seen_at: EpochSeconds | None = None
    size: Int64 = Int64(0)
    kind: Literal["web", "print"] = "web"
    tags: list[str] = []
    note: Maybe[str] = msgspec.UNSET


class Schedule(Struct, tag="schedule"):
    """One member of a union."""

    hours: list[int]


class Never(Struct, tag="never"):
    """The other one."""


well_formed = st.text(st.characters(exclude_categories=["Cs"]))
safe_ints = st.integers(-INT_MAX, INT_MAX)
finite = st.floats(allow_nan=False, allow_infinity=False)
plain = st.recursive(
    st.none() | st.booleans() | safe_ints | finite | well_formed,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(well_formed, inner, max_size=4),
    max_leaves=20,
)
sources = st.builds(
    Source,
    url=well_formed,
    title=st.none() | well_formed,
    score=finite,
    seen_at=st.none() | safe_ints,
    size=st.integers(-(2**63), 2**63 - 1).map(Int64),
    kind=st.sampled_from(["web", "print"]),
    tags=st.lists(well_formed, max_size=3),
    note=st.just(msgspec.UNSET) | well_formed,
)


@given(plain)
def test_plain_json_comes_back_equal(value: Any) -> None:
    """Lists, dicts, texts with NUL and all, numbers, booleans and null."""
    document = Document("Idea.any", Any)

    assert document.read(document.write(value)) == value


@given(st.lists(sources, max_size=3))
def test_structs_come_back_equal_and_of_their_type(value: list[Source]) -> None:
    """With what was left out still left out."""
    document = Document("Idea.sources", list[Source])

    back = document.read(document.write(value))

    assert back == value
    assert all(type(source) is Source and type(source.size) is Int64 for source in back)


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (dict[str, list[int]], {"a": [1], "": []}),
        (dict[int, str], {1: "one"}),
        (tuple[int, str], (1, "a")),
        (Schedule | Never, Never()),
        (list[Schedule | Never], [Schedule(hours=[8]), Never()]),
        (list[int] | dict[str, int], {"a": 1}),
        (list[Any], [None, {"a": [1.5]}]),
    ],
)
def test_every_shape_of_json_can_be_kept(hint: Any, value: Any) -> None:
    """Typed dicts, tuples, unions with tags, and what has no type inside."""
    document = Document("Idea.field", hint)

    assert document.read(document.write(value)) == value


@pytest.mark.parametrize(
    ("hint", "value", "said"),
    [
        (Any, math.nan, "nan"),
        (Any, {"a": [1, math.inf]}, "inf"),
        (list[float | None], [math.nan], "nan"),
        (list[Source], [Source(url="u", score=-math.inf)], "-inf"),
        (Any, [2**53], "2^53-1"),
        (Any, {"n": -(2**53)}, "2^53-1"),
        (Any, 2**70, "2^53-1"),
        (list[int], [2**53], "2^53-1"),
        (dict[str, list[int]], {"a": [2**60]}, "2^53-1"),
        (Any, "\ud800", "lone surrogate"),
        (Any, {"\udfff": 1}, "lone surrogate"),
        (list[Source], ["not a source"], r"$[0]"),
        (list[int], ["5"], r"$[0]"),
        (list[Source], [Source(url=5)], r"$[0].url"),  # type: ignore[arg-type]
        (list[Source], [Source(url="u", kind="tv")], r"$[0].kind"),  # type: ignore[arg-type]
    ],
)
def test_what_would_not_come_back_is_refused(hint: Any, value: Any, said: str) -> None:
    """msgspec alone would write NaN as null, and a row that cannot be read any more."""
    with pytest.raises(InvalidArgument) as refusal:
        Document("Idea.field", hint).write(value)

    assert said in refusal.value.detail


def test_a_long_number_of_its_own_type_is_kept() -> None:
    """An Int64 is written as text, and so is not what every client must represent."""
    document = Document("Idea.field", list[Int64])

    assert document.write([Int64(2**62)]) == '["4611686018427387904"]'
    assert document.read('["4611686018427387904"]') == [2**62]


def test_digits_and_the_word_null_in_a_text_are_only_text() -> None:
    """They make the value be looked at once more, and change nothing."""
    document = Document("Idea.field", Any)
    value = {"null": "90071992547409931", "n": None, "t": True, "f": 0.5, "s": [1, 2]}

    assert document.read(document.write(value)) == value


def test_an_endless_nesting_is_refused() -> None:
    """A limit of the codec, told as the caller's mistake."""
    value: Any = None
    for _ in range(3_000):
        value = [value]

    with pytest.raises(InvalidArgument, match="too deep"):
        Document("Idea.field", Any).write(value)


def test_an_object_that_is_no_json_is_the_author_s_mistake() -> None:
    """No caller can send one."""
    with pytest.raises(StatementError, match="object"):
        Document("Idea.field", Any).write([object()])
    with pytest.raises(StatementError):
        Document("Idea.field", Any).write({(1, 2): 3})


@pytest.mark.parametrize(
    "hint", [list[Sealed[str]], dict[str, Hashed], list[list[object]], list[complex]]
)
def test_a_part_that_cannot_be_read_back_is_refused_at_once(hint: Any) -> None:
    """At class creation, not with the first row."""
    with pytest.raises(SchemaError, match=r"^Idea\.field: "):
        Document("Idea.field", hint)


def test_a_struct_that_holds_a_secret_deep_inside_is_refused() -> None:
    """Wherever it is hidden, inside JSON it would be in the clear."""

    class Login(Struct):
        token: Sealed[str]

    class Account(Struct):
        logins: dict[str, list[Login | None]]

    with pytest.raises(SchemaError, match="column of its own"):
        Document("Idea.field", list[Account])


@pytest.mark.parametrize("text", ["", "{", "nope", '{"url": 5}', '[{"uri": "u"}]', "[1e999]"])
def test_text_of_another_hand_is_msgspec_s_error(text: str) -> None:
    """Which the row's reader makes into one that names table and column."""
    with pytest.raises(msgspec.DecodeError):
        Document("Idea.sources", list[Source]).read(text)
