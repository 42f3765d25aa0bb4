"""
The same tests against data layers that break a promise: they must be found out.
"""

from __future__ import annotations

import asyncio

import pytest

from freehold.errors import Outcome
from tests.faults.history import History, Stored, Told, contradictions
from tests.faults.proxy import in_turn
from tests.faults.test_cut_commit import behind_a_proxy
from tests.faults.world import World, world


def test_an_answer_before_the_commit_is_found_out() -> None:
    """Negative control: killed between answer and COMMIT, it has acknowledged what is lost."""

    async def trouble(here: World) -> None:
        await asyncio.to_thread(here.processes[0].kill)

    with world(1, wrong="early") as here:
        asyncio.run(here.load(lambda: trouble(here), clients=8))
        found = here.contradictions()

    assert any("acknowledged" in each and "is lost" in each for each in found), found


@pytest.mark.parametrize(
    ("wrong", "said"),
    [("blind", "was told to have failed"), ("hopeful", "is there 2 times")],
)
def test_a_guess_about_a_lost_answer_is_found_out(wrong: str, said: str) -> None:
    """Negative control: whoever guesses what became of a COMMIT is wrong once it had arrived."""

    async def run() -> list[str]:
        async with behind_a_proxy(in_turn(["answered"]), count=1, wrong=wrong) as (here, _):
            await here.call_once("guessed")
            return await asyncio.to_thread(here.contradictions)

    found = asyncio.run(run())
    assert any(said in each for each in found), found


def test_writing_without_the_lock_and_without_isolation_is_found_out() -> None:
    """Negative control: two processes that count side by side give one `seq` to two."""

    async def trouble(here: World) -> None:
        await here.acknowledged(200)

    with world(2, wrong="unlocked") as here:
        asyncio.run(here.load(lambda: trouble(here), clients=8))
        found = here.contradictions()

    assert any("was told 2 times" in each for each in found), found


def test_isolation_alone_keeps_what_was_told_true() -> None:
    """Without the lock the engine itself notices who comes in between: slower, and still honest."""

    async def trouble(here: World) -> None:
        await here.acknowledged(100)

    with world(2, wrong="impatient") as here:
        asyncio.run(here.load(lambda: trouble(here), clients=8))
        here.judge()


def told(name: str, outcome: Outcome, began: float, ended: float, seq: int = 0) -> Told:
    return Told(name, outcome, began, ended, seq)


@pytest.mark.parametrize(
    ("said", "history", "stored"),
    [
        ("is lost", [told("a", "ok", 0, 1, 2)], Stored([], 0, 1)),
        ("2 times", [told("a", "unknown", 0, 1)], Stored([(0, "a"), (1, "a")], 2, 3)),
        ("and is there", [told("a", "failed", 0, 1)], Stored([(0, "a")], 1, 2)),
        ("nobody asked", [], Stored([(0, "a")], 1, 2)),
        ("gaps", [told("a", "unknown", 0, 1)], Stored([(1, "a")], 1, 2)),
        ("the total", [told("a", "unknown", 0, 1)], Stored([(0, "a")], 2, 2)),
        ("seq is", [told("a", "unknown", 0, 1)], Stored([(0, "a")], 1, 3)),
        ("seq is", [told("a", "unknown", 0, 1)], Stored([(0, "a")], 1, 1)),
        ("was told 3", [told("a", "ok", 0, 1, 3)], Stored([(0, "a")], 1, 2)),
        (
            "before it began",
            [told("a", "ok", 0, 1, 3), told("b", "ok", 2, 3, 2)],
            Stored([(0, "b"), (1, "a")], 2, 3),
        ),
    ],
)
def test_each_contradiction_is_named(said: str, history: list[Told], stored: Stored) -> None:
    """The judgement itself, on histories made by hand."""
    found = contradictions(History(first_seq=1, told=history), stored)
    assert any(said in each for each in found), found


def test_commits_of_the_data_layer_s_own_leave_gaps_and_no_disorder() -> None:
    """Housekeeping takes a seq now and then; the others keep their order around it."""
    history = History(first_seq=1, own_max=1)
    history.told = [told("a", "ok", 0, 1, 2), told("b", "unknown", 0, 1), told("c", "ok", 2, 3, 5)]
    stored = Stored([(0, "a"), (1, "b"), (2, "c")], 3, 5)
    assert contradictions(history, stored) == []
    history.told[0] = told("a", "ok", 0, 1, 3)
    history.told[2] = told("c", "ok", 2, 3, 4)
    assert contradictions(history, stored) != []


def test_an_honest_history_has_no_contradiction() -> None:
    """`ok` is there, `failed` is not, `unknown` may be either."""
    history = History(
        first_seq=1,
        told=[
            told("a", "ok", 0, 1, 2),
            told("b", "unknown", 0, 1),
            told("c", "failed", 0, 1),
            told("d", "unknown", 0, 1),
            told("e", "ok", 2, 3, 4),
        ],
    )
    stored = Stored([(0, "a"), (1, "b"), (2, "e")], 3, 4)
    assert contradictions(history, stored) == []
