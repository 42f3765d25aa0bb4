"""Limits: every one positive and explained; an override is checked before anything starts."""

from __future__ import annotations

import dataclasses
import inspect
import re

import pytest

from freehold.errors import StartError
from freehold.wire import limits as limits_module
from freehold.wire.limits import BadLimit, Limits


def test_every_limit_is_positive_and_has_its_reason() -> None:
    """A limit without a `#:` reason above it is a number that nobody dares to change."""
    source = inspect.getsource(limits_module)

    for field in dataclasses.fields(Limits):
        assert getattr(Limits(), field.name) > 0, field.name
        assert re.search(rf"#: .*\n    {field.name}: ", source), field.name


def test_limits_of_the_design() -> None:
    """The defaults that the documents promise."""
    limits = Limits()

    assert limits.body_bytes_max == 2**20
    assert limits.depth_max == 32
    assert limits.header_time_s == 5
    assert limits.page_rows_max == 1000
    assert limits.key_length_max == 255


def test_a_frame_has_room_for_a_whole_body_and_what_goes_with_it() -> None:
    """A call that HTTP takes must fit into a frame too."""
    limits = Limits(body_bytes_max=100, header_bytes_max=10)

    assert limits.frame_bytes_max == 110


def test_overrides_from_a_command_line_are_text() -> None:
    """`--limit body_bytes_max=2048` arrives as text and becomes the field's kind."""
    limits = Limits().with_overrides({"body_bytes_max": "2048", "header_time_s": "0.5"})

    assert limits.body_bytes_max == 2048
    assert limits.header_time_s == 0.5
    assert limits.depth_max == Limits().depth_max


def test_a_whole_number_is_fine_where_seconds_are_meant() -> None:
    """Seconds may be given as an int; they become what the field says."""
    assert Limits().with_overrides({"idle_time_s": 3}).idle_time_s == 3.0


def test_an_unknown_limit_is_refused_with_the_nearest_name() -> None:
    """A typing mistake must not leave a limit as it was, silently."""
    with pytest.raises(BadLimit, match=r"no limit 'body_byte_max'.*Did you mean 'body_bytes_max'"):
        Limits().with_overrides({"body_byte_max": 1})


def test_an_unknown_limit_that_is_near_to_none_gets_the_list() -> None:
    """The names are told where no guess is near."""
    with pytest.raises(BadLimit, match="There are: answer_bytes_max, "):
        Limits().with_overrides({"qqq": 1})


@pytest.mark.parametrize(
    "value", [0, -1, "0", "-5", "", "many", "1e3", "1.5", 1.5, True, None, 2**63, "9" * 5000]
)
def test_a_value_that_cannot_be_a_count_is_refused(value: object) -> None:
    """Counts are whole and greater than zero."""
    with pytest.raises(BadLimit, match=r"'body_bytes_max' cannot be .*whole number greater"):
        Limits().with_overrides({"body_bytes_max": value})


@pytest.mark.parametrize("value", [0, -0.1, "nan", "inf", "-inf", "soon", False])
def test_a_value_that_cannot_be_a_time_is_refused(value: object) -> None:
    """A deadline that never comes is not a deadline."""
    with pytest.raises(BadLimit, match=r"'header_time_s' cannot be .*number greater than zero"):
        Limits().with_overrides({"header_time_s": value})


def test_a_bad_limit_ends_the_start() -> None:
    """The command line catches it with the other reasons not to start."""
    assert issubclass(BadLimit, StartError)
