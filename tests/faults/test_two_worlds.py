"""
Two worlds that differ in one user's rows: another user of Linkie Claw cannot tell them apart.

What is changed, and how, is `freehold.testing.Isolation`'s; a run that is red names the seed. The
controls are methods that forget their owner, each in another way.
"""

from __future__ import annotations

import time
from typing import Any, Final

import pytest
from linkie_claw.app import app
from linkie_claw.entrypoints import DataLayer
from linkie_claw.schema import PostRow
from linkie_claw.testing import SAMPLES, one_of_everything

from freehold import App, Reader, Writer
from freehold.errors import NotFound
from freehold.schema import wire_name
from freehold.testing import Isolation
from tests.faults.figures import record
from tests.faults.share import SEED, share


@pytest.mark.fault
@pytest.mark.timeout(1_200)
@pytest.mark.promise("P6")
@pytest.mark.attack("A19")
def test_what_happens_to_another_changes_no_answer() -> None:
    """Two worlds that differ in another's rows: the answers are the same, byte for byte."""
    cases = share(1_000, 50_000)
    start = time.monotonic()

    isolation = Isolation(app, one_of_everything, samples=SAMPLES)
    found = isolation.two_worlds(cases, seed=SEED)

    record(
        "P6", "worlds that differ in another's rows", seconds=time.monotonic() - start,
        bad=len(found), cases=cases, worlds_that_differed=isolation.worlds_that_differed,
    )  # fmt: skip
    assert found == []
    assert isolation.worlds_that_differed > cases / 2


def forgetful(db: Reader, user_id: str, id: str) -> PostRow | None:
    """A method that forgets its owner."""
    return db.find(PostRow, id)


def counts_all(db: Reader, user_id: str) -> int:
    """A count of everybody's."""
    return len(db.all(PostRow))


def tells_by_its_error(db: Writer, user_id: str, title: str) -> None:
    """An error that says whether somebody has it."""
    if any(post.title == title for post in db.all(PostRow)):
        raise NotFound("somebody has that title.")


def takes_away(db: Writer, user_id: str, id: str) -> bool:
    """Answers alike, and does harm."""
    db.delete(PostRow, id)
    return db.owned_by(user_id).find(PostRow, id) is not None


SAID: Final = {
    "forgetful": "forgets its owner", "counts_all": "counts everybody's rows",
    "tells_by_its_error": "tells by its error", "takes_away": "removes another's row",
}  # fmt: skip
PLANTED: Final[dict[str, Any]] = {
    "forgetful": forgetful, "counts_all": counts_all, "tells_by_its_error": tells_by_its_error,
    "takes_away": takes_away,
}  # fmt: skip


@pytest.mark.fault
@pytest.mark.promise("P6")
@pytest.mark.parametrize("name", PLANTED)
def test_a_method_that_forgets_its_owner_is_found(name: str) -> None:
    """By the matrix or by the two worlds; those that read another's row by both."""
    face = type("Planted", (DataLayer,), {name: PLANTED[name]})
    planted = App("planted", databases=[*app.databases.values()], entrypoints=[face])
    isolation = Isolation(planted, one_of_everything, samples=SAMPLES | {"title": "bo"})

    start = time.monotonic()
    found = {"matrix": isolation.matrix(), "worlds": isolation.two_worlds(300, seed=SEED)}
    by = {word for word, told in found.items() if told}

    record(
        "P6", f"control: a method that {SAID[name]}", bad=len(by),
        seconds=time.monotonic() - start,
    )  # fmt: skip
    assert all(wire_name(name) in each for told in found.values() for each in told)
    assert by == {
        "forgetful": {"matrix", "worlds"}, "counts_all": {"worlds"},
        "tells_by_its_error": {"worlds"}, "takes_away": {"matrix"},
    }[name]  # fmt: skip
