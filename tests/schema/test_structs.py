"""Values, inputs and patches: what travels and is no table."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, NewType

import msgspec
import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st
from msgspec import UNSET, Meta

from freehold.errors import SchemaError
from freehold.scalars import INT_MAX
from freehold.schema import EpochSeconds, Input, Maybe, Patch, Struct, given, wire_name
from freehold.schema.structs import with_safe_ints

Count = NewType("Count", int)
UserId = NewType("UserId", str)


class NewIdea(Input):
    """What it takes to make an idea."""

    title: str
    max_count: int = 0
    publication_id: str | None = None


class IdeaChange(Patch):
    """What may change in one."""

    title: Maybe[str] = UNSET
    topic_id: Maybe[str | None] = UNSET
    star_count: Maybe[int] = UNSET


def from_json(text: str, kind: Any) -> Any:
    return msgspec.json.decode(text, type=kind)


def test_names_travel_in_camel_case_and_unknown_ones_are_refused() -> None:
    """A misspelt name must not be taken for one that was left out."""
    idea = from_json('{"title": "A", "maxCount": 3}', NewIdea)

    assert idea == NewIdea(title="A", max_count=3)
    assert msgspec.json.encode(idea) == b'{"title":"A","maxCount":3,"publicationId":null}'
    with pytest.raises(msgspec.ValidationError, match="max_count"):
        from_json('{"title": "A", "max_count": 3}', NewIdea)


def test_fields_are_keywords_in_any_order_of_defaults() -> None:
    """A required field may stand behind one with a default."""

    class Later(Struct):
        first: int = 1
        second: str

    assert Later(second="b") == Later(first=1, second="b")
    with pytest.raises(TypeError, match="positional"):
        Later("b")  # type: ignore[call-arg, arg-type]


@drawn(st.from_regex(r"_?[a-z]+(_[a-z0-9]+){0,3}", fullmatch=True))
def test_the_wire_s_name_is_msgspec_s(name: str) -> None:
    """Letter for letter, so that an error's path names the field that the caller wrote."""
    struct = msgspec.defstruct("S", [(name, int)], rename="camel")

    assert struct.__struct_encode_fields__ == (wire_name(name),)


# -- whole numbers ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (int, "N"),
        (Count, "N"),
        (int | None, "N"),
        (list[int], "[N]"),
        (dict[str, int], '{"a": N}'),
        (tuple[int, ...], "[N]"),
        (list[dict[str, list[int | None]]], '[{"a": [null, N]}]'),
        (EpochSeconds, "N"),
        (Annotated[int, Meta(ge=0)], "N"),
        (Annotated[int, Meta(gt=-5, description="a number")], "N"),
        (list[Annotated[int, Meta(title="n")]], "[N]"),
    ],
)
def test_every_whole_number_is_held_to_what_all_clients_can_say(hint: Any, text: str) -> None:
    """Wherever it is inside the type, also where the author has set one bound alone."""
    safe = with_safe_ints(hint)

    from_json(text.replace("N", str(INT_MAX)), safe)
    with pytest.raises(msgspec.ValidationError):
        from_json(text.replace("N", str(INT_MAX + 1)), safe)


def test_an_author_s_own_bounds_stay() -> None:
    """The house adds what is missing and takes nothing away."""
    safe = with_safe_ints(Annotated[int, Meta(ge=1, le=5)])

    assert from_json("5", safe) == 5
    for text in ("0", "6"):
        with pytest.raises(msgspec.ValidationError):
            from_json(text, safe)


def test_a_type_without_numbers_stays_as_it_is() -> None:
    """Also one with a name of its own."""
    for hint in (str, UserId, list[str], dict[str, Any], None, str | None):
        assert with_safe_ints(hint) == hint


# -- patches ------------------------------------------------------------------------------


def test_left_out_is_not_null() -> None:
    """UNSET stays as it is, None becomes NULL."""
    assert given(from_json("{}", IdeaChange)) == {}
    assert given(from_json('{"topicId": null}', IdeaChange)) == {"topic_id": None}
    assert given(IdeaChange(title="B", topic_id=None)) == {"title": "B", "topic_id": None}


def test_a_dict_is_a_patch_too() -> None:
    """With UNSET meaning the same in it; the dict itself stays as it was."""
    changes = {"title": UNSET, "topic_id": None}

    assert given(changes) == {"topic_id": None}
    assert changes == {"title": UNSET, "topic_id": None}


def test_null_is_refused_where_none_is_not_allowed() -> None:
    """`Maybe[str]` may be left out, and is a text when it is not."""
    with pytest.raises(msgspec.ValidationError, match=r"\$\.title"):
        from_json('{"title": null}', IdeaChange)


def test_a_patch_may_have_fields_that_must_be_given() -> None:
    """The version that the caller has seen, say; only a default would overwrite."""

    class Change(Patch):
        LIMIT: ClassVar[int] = 5
        version: int
        title: Maybe[str] = UNSET
        count: Annotated[Maybe[int], "a number"] = UNSET

    assert given(Change(version=3)) == {"version": 3}
    with pytest.raises(SchemaError, match=r"Wrong\.title"):

        class Wrong(Change):
            title: str = ""


def test_a_patch_of_a_patch_is_held_to_the_same() -> None:
    """Its own fields and the inherited ones."""

    class More(IdeaChange):
        angle: Maybe[str] = UNSET

    assert given(More(angle="x")) == {"angle": "x"}
    with pytest.raises(SchemaError, match="Maybe"):

        class Wrong(IdeaChange):
            angle: str | None = None
