"""
The two judges of histories themselves: silent on honest ones, and nothing planted escapes them.
"""

from __future__ import annotations

import random
import time

import pytest

from tests.faults.appends import anomalies
from tests.faults.figures import record
from tests.faults.operations import Operation, Step
from tests.faults.oracle import contradictions
from tests.faults.share import SEED, share
from tests.faults.synthetic import FAULTS, honest

pytestmark = pytest.mark.promise("P5")


@pytest.mark.parametrize("seed", range(SEED, SEED + 3))
def test_an_honest_history_has_nothing_against_it(seed: int) -> None:
    """Overlapping calls, refusals and unheard answers, which may have happened or not."""
    operations = honest(4_000, seed)
    assert contradictions(operations) == []
    assert anomalies(operations) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str) -> None:
    """Negative control: one fault among thousands of calls, at many places."""
    began = time.monotonic()
    runs = share(8, 200)
    found_by_oracle = found_by_appends = 0
    for run in range(runs):
        seed = SEED + run
        operations = honest(1_500, seed)
        FAULTS[fault](operations, random.Random(seed))
        by_oracle, by_appends = contradictions(operations), anomalies(operations)
        found_by_oracle += bool(by_oracle)
        found_by_appends += bool(by_appends)
        assert by_oracle, f"{fault}, seed {seed}: the oracle finds nothing"
        assert by_appends or fault == "reordered seq", f"{fault}, seed {seed}: no anomaly"
    record(
        "P5", f"negative control: {fault}, planted",
        seconds=time.monotonic() - began, bad=found_by_oracle + found_by_appends, planted=runs,
    )  # fmt: skip
    assert found_by_oracle == runs
    assert found_by_appends == (0 if fault == "reordered seq" else runs)


def read(key: str, *seen: int) -> Step:
    return Step(key, None, list(seen))


def call(*steps: Step, began: float = 0, ended: float = 100) -> Operation:
    kind = "query" if all(step.item is None for step in steps) else "mutation"
    return Operation(kind, list(steps), began, ended, "ok")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "operations"),
    [
        (
            "G0",
            [
                call(Step("x", 1), Step("y", 2)),
                call(Step("x", 3), Step("y", 4)),
                call(read("x", 1, 3)),
                call(read("y", 4, 2)),
            ],
        ),
        (
            "G1a",
            [
                Operation("mutation", [Step("x", 1)], 0, 100, "failed"),
                call(read("x", 1)),
            ],
        ),
        (
            "G1b",
            [
                call(Step("x", 1), Step("x", 2)),
                call(read("x", 1)),
                call(read("x", 1, 2)),
            ],
        ),
        (
            "G1c",
            [
                call(Step("x", 1), read("y", 2)),
                call(Step("y", 2), read("x", 1)),
            ],
        ),
        (
            "G-single",
            [
                call(Step("x", 1), Step("y", 2)),
                call(read("x", 1), read("y")),
                call(read("y", 2)),
            ],
        ),
        (
            "G2",
            [
                call(read("x"), Step("y", 1)),
                call(read("y"), Step("x", 2)),
                call(read("x", 2), read("y", 1)),
            ],
        ),
        (
            "G-single-rt",
            [
                call(Step("x", 1), ended=1),
                call(read("x"), began=2, ended=3),
                call(read("x", 1), began=4),
            ],
        ),
        (
            "G0-rt",
            [
                call(Step("x", 1), ended=1),
                call(Step("x", 2), began=2, ended=3),
                call(read("x", 2, 1), began=4),
            ],
        ),
        ("lost", [call(Step("x", 1)), call(read("x"))]),
        ("duplicate", [call(Step("x", 1)), call(read("x", 1, 1))]),
        ("invented", [call(read("x", 1))]),
        (
            "incompatible",
            [
                call(Step("x", 1)),
                call(Step("x", 2)),
                call(read("x", 2, 1)),
                call(read("x", 1)),
            ],
        ),
        ("internal", [call(Step("x", 1, [])), call(read("x", 1))]),
    ],
)
def test_each_anomaly_is_named(name: str, operations: list[Operation]) -> None:
    """Histories of a few calls, each with one thing that cannot be."""
    found = anomalies(operations)
    assert any(each.startswith(f"{name}:") for each in found), found


def test_what_several_orders_explain_is_no_anomaly() -> None:
    """Calls at the same time may have happened in either order, and unheard ones or not."""
    operations = [
        call(Step("x", 1, [1])),
        Operation("mutation", [Step("x", 2), Step("y", 3)], 0),
        Operation("mutation", [Step("x", 4)], 0),
        call(read("x", 1)),
        call(read("x", 1, 2), read("y", 3)),
    ]
    assert anomalies(operations) == []


@pytest.mark.fault
def test_the_judges_are_quick_enough_for_long_histories() -> None:
    """As many steps as calls: 200,000 calls by the oracle, 100,000 by the other one."""
    # A tenth of it in every run; what is linear shows in the figures.
    operations = honest(share(20_000, 200_000), SEED)
    began = time.monotonic()
    assert contradictions(operations) == []
    oracle_s = time.monotonic() - began
    some = honest(share(10_000, 100_000), SEED)
    began = time.monotonic()
    assert anomalies(some) == []
    appends_s = time.monotonic() - began
    record("P5", "oracle on a made-up history", seconds=oracle_s, bad=0, operations=len(operations))
    record("P5", "list-append judge on a made-up history", seconds=appends_s, bad=0,
           operations=len(some))  # fmt: skip
    assert oracle_s < share(2, 20)
    assert appends_s < share(2, 20)
