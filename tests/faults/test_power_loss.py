"""
The power goes: at every change of the disk, in every manner, and whatever was told is so.

The whole data layer but its sockets runs on a disk that writes down what is done to it. Then
the disk is put together as a cut at each change may have left it, opened by the real opener,
and held to the last row against a model of what callers were told. A red run names its states;
one of them is looked at again with

    FREEHOLD_FAULTS_SEED=… FREEHOLD_FAULTS_STATE=17.432 pytest tests/faults/test_power_loss.py
"""

from __future__ import annotations

import os
import time

import pytest

from tests.faults.figures import record
from tests.faults.power.campaign import Tally, cut_many, cut_workload
from tests.faults.share import FULL, SEED, note, share

#: `workload.state` of a red run, to look at that one alone.
STATE = os.environ.get("FREEHOLD_FAULTS_STATE", "")
PER_CHANGE = 3


def judge(tally: Tally) -> None:
    """Red with the states and how each is had again."""
    said = "\n".join(tally.said)
    assert not tally.bad, (
        f"{tally.bad} of {tally.states:,} states are wrong; look at one with "
        f"FREEHOLD_FAULTS_SEED={SEED} FREEHOLD_FAULTS_STATE={tally.said[0].split()[0]}\n{said}"
    )


@pytest.mark.fault
@pytest.mark.promise("P1")
@pytest.mark.promise("P2")
@pytest.mark.timeout(share(600, 4 * 3_600))
@pytest.mark.skipif(bool(STATE), reason="one state alone is looked at")
def test_no_power_cut_loses_what_was_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Durable with its idempotency row, or not there; nothing half done, nothing out of order."""
    began = time.monotonic()

    def progress(line: str) -> None:
        with capsys.disabled():
            note(line)

    tally = cut_many(
        share(50_000, 1_000_000), seed=SEED, per_change=PER_CHANGE,
        processes=(os.cpu_count() or 1) if FULL else 1, on_progress=progress,
    )  # fmt: skip

    record(
        "P1", "simulated power cuts (SQLite)", seconds=time.monotonic() - began, bad=tally.bad,
        states=tally.states, workloads=tally.workloads, changes=tally.changes,
        cut_again_while_recovering=tally.cut_again, asked_everything_again=tally.asked_again,
    )  # fmt: skip
    judge(tally)
    assert tally.cut_again > tally.states // 100
    assert tally.asked_again >= tally.workloads


if STATE:

    def test_one_state_again() -> None:
        """The state of a red run, alone."""
        number = int(STATE.split(".", 1)[0])
        tally = cut_workload(number, seed=SEED, per_change=PER_CHANGE, only=STATE)
        assert tally.states == 1, f"workload {number} has no state {STATE}"
        judge(tally)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("relaxed", "is lost"),
        ("early", "is lost"),
        ("careless", "is lost"),
        ("harsh", "one after the other says"),
    ],
)
def test_a_data_layer_that_breaks_its_word_is_found_out(kind: str, what: str) -> None:
    """Negative controls: NORMAL; told before COMMIT; neighbours told ok, or failed, wrongly."""
    began = time.monotonic()
    total = Tally()
    for number in range(1, share(3, 20)):
        total.add(cut_workload(number, seed=SEED, per_change=PER_CHANGE, kind=kind))

    record(
        "P1", f"negative control: simulated power cuts, {kind}",
        seconds=time.monotonic() - began, bad=total.bad, states=total.states,
    )  # fmt: skip
    assert total.bad > total.states // 100
    assert any(what in said for said in total.said), total.said


@pytest.mark.promise("P21")
def test_the_same_seed_gives_the_same_run() -> None:
    """Every byte that is written, every disk that a cut leaves, and what is found in it."""
    runs = [cut_workload(4, seed=SEED, per_change=2) for _ in range(2)]
    assert runs[0] == runs[1]
    assert runs[0].trace != cut_workload(4, seed=SEED + 1, per_change=2).trace


@pytest.mark.promise("P21")
def test_a_state_is_found_again_by_its_number() -> None:
    """Of a first cut, and of a second one while the first was recovered."""
    whole = cut_workload(1, seed=SEED, per_change=2, kind="early")
    for said in (
        whole.said[0],
        next(each for each in whole.said if each.split()[0].count(".") > 1),
    ):
        state = said.split()[0]
        alone = cut_workload(1, seed=SEED, per_change=2, kind="early", only=state)
        assert (alone.states, alone.said) == (1, [said])
