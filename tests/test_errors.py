"""The error tree: every class of it drawn, coded, and safe to send."""

from __future__ import annotations

import json
import re

import pytest

import freehold.errors
from freehold.errors import (
    AlreadyExists,
    CallError,
    Conflict,
    FreeholdError,
    InvalidArgument,
    NotFound,
    Overloaded,
    SchemaError,
    StartError,
    StorageDamaged,
    StoredValueBroken,
    call_errors,
    invariant,
    problem,
)

#: What a caller in any language may act on, with its HTTP status. A closed set.
CODES = {
    "invalid_argument": 400, "unauthenticated": 401, "permission_denied": 403, "not_found": 404,
    "unknown_method": 404, "conflict": 409, "contract_mismatch": 409, "too_large": 413,
    "overloaded": 503, "unavailable": 503, "deadline_exceeded": 504, "outcome_unknown": 500,
    "internal": 500, "idempotency_mismatch": 422, "answer_gone": 410, "secret_gone": 410,
    "rate_limited": 429,
}  # fmt: skip


def all_errors() -> list[type[FreeholdError]]:
    """Every class of the file, parents first."""
    found = [FreeholdError]
    for kind in found:
        found += [k for k in kind.__subclasses__() if k.__module__ == "freehold.errors"]
    return found


def test_the_tree_in_the_file_s_words_is_the_tree_in_its_code() -> None:
    """Each class stands in the drawing, below its parent."""
    drawing = (freehold.errors.__doc__ or "").split("`code` is")[0]
    places = [
        (re.search(r"\w", line).start(), re.findall(r"\w+", line)[0])  # type: ignore[union-attr]
        for line in drawing.splitlines()
        if re.match(r"\s+(FreeholdError|[│├└ ]*[├└]── \w+)", line)
    ]
    parents: dict[str, str | None] = {}
    above: list[tuple[int, str]] = []
    for indent, name in places:
        above = [each for each in above if each[0] < indent]
        parents[name] = above[-1][1] if above else None
        above.append((indent, name))

    assert parents == {
        kind.__name__: None if kind is FreeholdError else kind.__bases__[0].__name__
        for kind in all_errors()
    }


@pytest.mark.parametrize("kind", call_errors().values(), ids=lambda kind: kind.__name__)
def test_every_call_error_has_a_code_of_the_closed_set(kind: type[CallError]) -> None:
    """And the HTTP status that belongs to it; few have another outcome than failed."""
    assert CODES[kind.code] == kind.status
    others = {"outcome_unknown": "unknown", "answer_gone": "ok", "secret_gone": "ok"}
    assert kind.outcome == others.get(kind.code, "failed")
    # A damaged page does not heal by itself.
    passes = kind.code in ("overloaded", "rate_limited", "unavailable")
    assert kind.retryable == (passes and kind is not StorageDamaged)
    assert kind.title


def test_every_code_is_used() -> None:
    """The set has no dead members."""
    assert {kind.code for kind in call_errors().values()} == set(CODES)


def test_an_application_s_errors_are_not_the_library_s() -> None:
    """A client knows the library's by heart; the others come with the contract."""

    class IdeaAlreadyPromoted(Conflict):
        """An application's."""

    assert "IdeaAlreadyPromoted" not in call_errors()
    assert call_errors()["AlreadyExists"] is AlreadyExists
    assert IdeaAlreadyPromoted("x").code == "conflict"


def test_an_error_reads_as_what_happened_and_what_to_do() -> None:
    """Two sentences; without a hint, one."""
    assert str(NotFound("there is no idea 'i1'.", hint="List them.")) == (
        "there is no idea 'i1'. List them."
    )
    assert str(NotFound("there is no idea 'i1'.")) == "there is no idea 'i1'."


def test_a_problem_holds_what_rfc_9457_names_and_what_a_program_wants() -> None:
    """Path and data only where there are some; the class travels by its name."""
    error = AlreadyExists("taken.", hint="Another.", path="data.email", data={"table": "users"})

    told = problem(error)

    assert told == {
        "type": "about:blank", "title": "The data does not allow this now", "status": 409,
        "code": "conflict", "error": "AlreadyExists", "detail": "taken.", "hint": "Another.",
        "retryable": False, "outcome": "failed", "path": "data.email", "data": {"table": "users"},
    }  # fmt: skip
    assert json.loads(json.dumps(told)) == told
    assert {"path", "data"} & set(problem(InvalidArgument("no."))) == set()


def test_an_overloaded_answer_says_when_to_come_again() -> None:
    """One second, unless the one who refuses knows better."""
    assert Overloaded("busy.").retry_after_s == 1
    assert Overloaded("busy.", retry_after_s=30).retry_after_s == 30


def test_each_error_that_ends_the_process_has_an_exit_code() -> None:
    """None is 0 or 1, so a script can tell them from success and from a crash."""
    kinds = [kind for kind in all_errors() if issubclass(kind, StartError)]

    assert len(kinds) > 5
    assert all(64 <= kind.exit_code <= 78 for kind in kinds)


def test_a_broken_stored_value_does_not_travel() -> None:
    """A caller can do nothing about it; the log gets table and column."""
    error = StoredValueBroken("ideas.sources holds …", table="ideas", column="sources")

    assert not isinstance(error, CallError)
    assert (error.table, error.column) == ("ideas", "sources")
    assert "migration" in str(error)


def test_an_authoring_error_is_no_call_error() -> None:
    """A mistake in the application's code never reaches a caller by its text."""
    assert not issubclass(SchemaError, CallError)


def test_an_invariant_stops_at_once_also_without_assertions() -> None:
    """`python -O` takes assert away, and must not take this."""
    invariant(1, "one is one")

    with pytest.raises(AssertionError, match="the moon"):
        invariant(None, "the moon is no cheese")
