"""Names in two spellings."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.rpc.names import nearest
from freehold.schema import wire_name


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("get_user_by_id", "getUserById"),
        ("id", "id"),
        ("getUserById", "getUserById"),
        ("get_URL_x", "getUrlX"),
        ("top_10", "top10"),
        ("from_", "from"),
        ("a__b", "aB"),
        ("_private_x", "_privateX"),
    ],
)
def test_snake_case_has_one_camel_case(name: str, wire: str) -> None:
    """The table of names."""
    assert wire_name(name) == wire


@given(st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]{0,20}", fullmatch=True))
def test_a_parameter_is_called_what_msgspec_calls_a_field(name: str) -> None:
    """A parameter and a field of the same name have the same name on the wire."""
    field = msgspec.defstruct("S", [(name, int)], rename="camel").__struct_encode_fields__[0]

    assert wire_name(name) == field


def test_the_hint_names_the_one_that_was_meant() -> None:
    """A slip in either spelling finds the right name, then all names are listed."""
    assert nearest("emial", ["email", "id"]).startswith(
        "Did you mean 'email'? There are: email, id"
    )
    assert nearest("get_usr", ["getUser", "x"]).startswith("Did you mean 'getUser'?")
    assert nearest("zzz", ["id"]) == "There is: id."
    assert nearest("zzz", []) == "There are none."
    assert nearest("zzz", [f"n{n}" for n in range(30)]).endswith("n19, ….")
