"""
From problems to typed errors.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.client.problems import ErrorTypes, with_retry_after
from freehold.errors import (
    AlreadyExists,
    CallError,
    Conflict,
    NotFound,
    Overloaded,
    call_errors,
    problem,
)
from freehold.scalars import Int64
from tests.client.toy_client import Taken

ERRORS = ErrorTypes({Taken: {"taken_by": "takenBy", "try_again_in": "tryAgainIn"}})


@pytest.mark.parametrize("name", sorted(call_errors()))
def test_every_library_error_comes_back_as_itself(name: str) -> None:
    """With its sentence, hint, path and data."""
    sent = call_errors()[name]("it happened.", hint="Do this.", path="data.x", data={"n": 1})

    error = ERRORS.from_problem(problem(sent))

    assert type(error) is type(sent)
    assert (error.detail, error.hint, error.path, error.data) == (
        "it happened.",
        "Do this.",
        "data.x",
        {"n": 1},
    )


def test_an_applications_error_has_its_parts_as_attributes() -> None:
    """camelCase in data becomes snake_case on the error, in the declared type."""
    said = {"error": "Taken", "code": "conflict", "detail": "it is taken."}

    error = ERRORS.from_problem({**said, "data": {"takenBy": "ses_1", "tryAgainIn": "9"}})

    assert isinstance(error, Taken)
    assert isinstance(error, Conflict)
    assert (error.taken_by, error.try_again_in) == ("ses_1", Int64(9))


def test_a_part_that_is_missing_or_of_another_type_hides_no_error() -> None:
    """It is None, or what was sent."""
    error = ERRORS.from_problem({"error": "Taken", "code": "conflict", "data": {"takenBy": 5}})

    assert isinstance(error, Taken)
    assert error.data["takenBy"] == vars(error)["taken_by"] == 5
    assert error.try_again_in is None


def test_an_unknown_name_becomes_the_class_of_its_code() -> None:
    """A newer server's error still means what its code says."""
    error = ERRORS.from_problem({"error": "SlugTaken", "code": "conflict", "detail": "x"})

    assert type(error) is Conflict


def test_an_unknown_code_keeps_what_it_says_of_itself() -> None:
    """A plain CallError with the code, the outcome and retryable as they were sent."""
    said = {"error": "New", "code": "brand_new", "retryable": True, "outcome": "unknown"}

    error = ERRORS.from_problem({**said, "title": "Something new"})

    assert type(error) is CallError
    assert (error.code, error.retryable, error.outcome) == ("brand_new", True, "unknown")
    assert error.detail == "Something new"


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(),
        lambda x: st.dictionaries(
            st.sampled_from(["error", "code", "detail", "hint", "path", "data", "title"]), x
        ),
    )
)
def test_nothing_that_a_server_says_breaks_the_reading(said: Any) -> None:
    """Whatever comes, there is an error to raise."""
    assert isinstance(ERRORS.from_problem(said), CallError)


def test_retry_after_is_kept_for_overloaded() -> None:
    """The header's seconds; other errors have no such part."""
    assert with_retry_after(Overloaded("x"), "7").retry_after_s == 7  # type: ignore[attr-defined]
    assert with_retry_after(Overloaded("x"), "soon").retry_after_s == 1  # type: ignore[attr-defined]
    assert isinstance(with_retry_after(NotFound("x"), "7"), NotFound)


def test_the_subclass_is_found_before_its_parent() -> None:
    """AlreadyExists travels with the code of Conflict, and its own name."""
    error = ERRORS.from_problem({"error": "AlreadyExists", "code": "conflict", "detail": "x"})

    assert type(error) is AlreadyExists


@pytest.mark.promise("P16")
def test_when_to_try_again_stands_in_the_problem_too() -> None:
    """Over frames there is no header; what is no number of seconds is left as it was."""
    busy = problem(Overloaded("busy.", retry_after_s=9))
    said: list[object] = []
    for after in (9, -1, "9", None, 2**40):
        found = ErrorTypes().from_problem({**busy, "retryAfterS": after})
        assert isinstance(found, Overloaded)
        said.append(found.retry_after_s)

    assert busy["retryAfterS"] == 9
    assert said == [9, 1, 1, 1, 1]
