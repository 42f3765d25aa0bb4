"""
Each write, truncation and sync fails in turn, once or for good; then the power goes.

Every single one, of twenty workloads: nobody is told `failed` of what is there, or `ok` of what
is not; `unknown` may be either. Where many data layers say `failed` of a COMMIT that came back
from the log after a crash (reliability 4.2: 22 of 127), this one says what it knows.
"""

from __future__ import annotations

import time

import pytest

from tests.faults.figures import record
from tests.faults.power.recording import Fault
from tests.faults.power.sweep import Swept, fail_once, sweep
from tests.faults.share import SEED, note, share

pytestmark = [pytest.mark.fault, pytest.mark.timeout(share(600, 7_200))]


@pytest.mark.promise("P3")
def test_what_was_told_is_so_whichever_operation_fails(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """0 contradictions, for every n: EIO, a full disk, half a write; once and sticky."""
    began = time.monotonic()
    total = Swept()
    workloads = share(1, 20)
    for number in range(workloads):
        total.add(sweep(number, seed=SEED))
        if workloads > 1:
            with capsys.disabled():
                note(f"{number + 1} of {workloads} workloads, {total.runs} runs, {total.bad} bad")

    record(
        "P3", "every n-th operation fails (SQLite)", seconds=time.monotonic() - began,
        bad=total.bad, workloads=workloads, runs=total.runs, states=total.states,
        told_ok=total.told["ok"], told_failed=total.told["failed"],
        told_unknown=total.told["unknown"],
    )  # fmt: skip
    assert not total.bad, f"FREEHOLD_FAULTS_SEED={SEED}\n" + "\n".join(total.said[:20])
    # The sweep went where it hurts.
    assert total.told["unknown"]
    assert total.never_opened


def test_failed_said_of_every_failed_commit_is_found_out() -> None:
    """Negative control: nothing is fenced off, the writer goes on, and commits come back."""
    began = time.monotonic()
    total = sweep(1, seed=SEED, kind="naive", only="sync")

    record(
        "P3", "negative control: every n-th operation fails, naive",
        seconds=time.monotonic() - began, bad=total.bad, states=total.states,
    )  # fmt: skip
    assert any("was told to have failed" in said and "is there" in said for said in total.said)


@pytest.mark.promise("P21")
def test_the_same_fault_gives_the_same_run() -> None:
    """What is red is red again."""
    fault = Fault(7, "ENOSPC")
    assert fail_once(1, fault, seed=SEED) == fail_once(1, fault, seed=SEED)
