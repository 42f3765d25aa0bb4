"""What a caller hears of an exception; making an error of one never fails itself."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from freehold.errors import Conflict, Internal, NotFound, StartError, problem
from freehold.ids import SeededIds
from freehold.rpc.failures import Failures, error_fields
from freehold.wire.codec import JSON, MSGPACK


class Located(Conflict):
    """Has a place."""

    lines_max: ClassVar[int] = 5
    at_line: int

    def __init__(self, at_line: int) -> None:
        super().__init__("it is somewhere", data={"said": True})
        self.at_line = at_line


class Deeper(Located):
    """And a depth."""

    depth: int | None = None


class Forgetful(Conflict):
    """Never calls its parent."""

    def __init__(self) -> None:
        pass


class Unprintable(Exception):
    """Cannot even be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no")


def told(error: BaseException) -> Any:
    """What travels of an exception."""
    found = Failures(SeededIds()).told(error, "Desk.method")
    for codec in (JSON, MSGPACK):
        assert codec.decode(codec.encode(problem(found)))["code"] == found.code
    return found


def test_annotated_parts_travel() -> None:
    """Read from the instance, inherited ones too, beside what was said as data."""
    assert told(Located(7)).data == {"atLine": 7, "said": True}
    assert told(Deeper(7)).data == {"atLine": 7, "said": True, "depth": None}
    assert [each.wire for each in error_fields(Deeper)] == ["atLine", "depth"]
    assert error_fields(NotFound) == ()


def test_parts_that_cannot_be_encoded_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """The caller still learns that there is no such thing."""
    found = told(NotFound("nothing", data={"good": 1, "bad": object(), "worse": {1: {}}}))

    assert type(found) is NotFound
    assert found.data["good"] == 1
    assert "bad" not in found.data
    assert "parts of NotFound were left out" in caplog.text


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("text"),
        Forgetful(),
        StartError("keys are missing"),
        KeyboardInterrupt(),
        Unprintable(),
        NotFound("a lone \ud800 surrogate"),
        RuntimeError("a lone \ud800 surrogate, \u2028, \x85 and \r\n{}%s"),
        RuntimeError("9" * 1_000_000),
        ExceptionGroup("many", [ValueError("a"), Unprintable()]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_everything_else_is_internal(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """One answer and one line in the log, whatever the exception is made of."""
    found = told(error)

    assert type(found) is Internal
    assert str(error.args[0] if error.args else "-")[:8] not in found.detail
    (record,) = [each for each in caplog.records if "incident" in each.getMessage()]
    line = record.getMessage()
    assert len(line) < 30_000
    assert line.isprintable() or not set("\r\n\x1b\x85\u2028") & set(line)
    line.encode()


def test_each_incident_has_its_own_number() -> None:
    """Drawn like any id."""
    failures = Failures(SeededIds())

    numbers = {failures.told(ValueError(), "m").data["incident"] for _ in range(100)}

    assert len(numbers) == 100
