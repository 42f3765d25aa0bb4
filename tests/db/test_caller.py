"""Who calls, and what a key's scopes let it do."""

from __future__ import annotations

import pytest

from freehold.db import IN_PROCESS, Caller


@pytest.mark.parametrize(
    ("scopes", "method", "is_allowed"),
    [
        (["DataLayer.getIdea"], "DataLayer.getIdea", True),
        (["DataLayer.getIdea"], "DataLayer.getIdeas", False),
        (["DataLayer.get*"], "DataLayer.getIdeas", True),
        (["DataLayer.get*"], "DataLayer.deleteIdea", False),
        (["DataLayer.get*"], "OtherLayer.getIdea", False),
        (["datalayer.get*"], "DataLayer.getIdea", False),
        (["*.getIdea", "DataLayer.delete*"], "DataLayer.deleteIdea", True),
        (["*"], "DataLayer.getIdea", True),
        ([], "DataLayer.getIdea", False),
        (["getIdea"], "DataLayer.getIdea", False),
    ],
)
def test_a_scope_is_a_pattern_over_methods(
    scopes: list[str], method: str, is_allowed: bool
) -> None:
    """Case counts, and so does the entrypoint."""
    caller = Caller("k1", frozenset(scopes))

    assert [caller.allows(method, None) for _ in range(2)] == [is_allowed] * 2


@pytest.mark.parametrize(
    ("scopes", "is_allowed"),
    [(["*"], False), (["DataLayer.*"], False), (["tok*"], False), (["tokens"], True), ([], False)],
)
def test_a_word_is_not_given_by_a_pattern(scopes: list[str], is_allowed: bool) -> None:
    """A method that opens secrets asks for its word, whatever else the key may do."""
    assert Caller("k1", frozenset(scopes)).allows("DataLayer.open", "tokens") is is_allowed


def test_a_decision_about_a_pattern_is_none_about_a_word() -> None:
    """The one is remembered, and must not be taken for the other."""
    caller = Caller("k1", frozenset(["DataLayer.*"]))

    assert caller.allows("DataLayer.open", None)
    assert not caller.allows("DataLayer.open", "tokens")
    assert caller.allows("DataLayer.open", None)


def test_the_process_itself_may_do_everything() -> None:
    """A seed, a test, the Unix socket's owner."""
    assert IN_PROCESS.allows("DataLayer.open", "tokens")
    assert IN_PROCESS.allows("Any.thing", None)
    assert IN_PROCESS.user is None


def test_callers_are_told_apart_by_themselves() -> None:
    """Two calls of one key are two callers, each with its own decisions."""
    one, other = Caller("k1"), Caller("k1")

    assert one != other
    assert "k1" in repr(one)
