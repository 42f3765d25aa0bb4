"""
P17: the coverage-guided fuzzer, in processes of its own, and the inputs that it has kept.

    python -m tests.hostile.fuzz http --seconds 600      one target for as long as it pleases
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import time

import pytest

from tests.e2e.processes import ROOT
from tests.faults.figures import record
from tests.faults.share import FULL, SEED, share
from tests.hostile.fuzz.__main__ import FOUND
from tests.hostile.fuzz.targets import TARGETS

pytestmark = [pytest.mark.promise("P17"), pytest.mark.attack("A28")]

needs_atheris = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris has wheels for Linux only"
)
_EXECS = re.compile(r"stat::number_of_executed_units:\s+(\d+)")
_REPLAY = re.compile(r"--replay (\S*)")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m tests.hostile.fuzz`, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "tests.hostile.fuzz", *arguments],
        capture_output=True, text=True, cwd=ROOT, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
    )  # fmt: skip


def fuzzed(target: str, seconds: int) -> subprocess.CompletedProcess[str]:
    """One run of the fuzzer."""
    return run(target, "--seconds", str(seconds), "--seed", str(SEED % 2**31))


def test_every_kept_input_is_survived() -> None:
    """Also those that once broke something; on every machine."""
    ended = run("every", "--kept")

    assert ended.returncode == 0, ended.stderr[-4_000:]
    kept = dict(line.split() for line in ended.stdout.splitlines())
    assert {*kept} == {*TARGETS}
    assert min(int(count) for count in kept.values()) > 2


@needs_atheris
@pytest.mark.fault
@pytest.mark.timeout(share(120, 3_600))
@pytest.mark.parametrize("name", TARGETS if FULL else ["every"])
def test_the_fuzzer_finds_nothing(name: str) -> None:
    """Seconds of all targets together in every run, minutes of each in a long one."""
    seconds = share(3, 300)
    began = time.monotonic()

    ended = fuzzed(name, seconds)

    assert ended.returncode == 0, ended.stderr[-4_000:]
    execs = _EXECS.search(ended.stderr)
    assert execs is not None
    record(
        "P17", f"fuzzing {name}", seconds=time.monotonic() - began, bad=0, execs=int(execs[1])
    )  # fmt: skip
    assert int(execs[1]) > 1_000 * seconds


@needs_atheris
@pytest.mark.fault
def test_a_planted_defect_is_found_in_the_same_time() -> None:
    """Behind four bytes in a row that chance would not hit in an hour; and it can be replayed."""
    began = time.monotonic()

    ended = fuzzed("planted", share(3, 3))

    assert ended.returncode == FOUND, ended.stderr[-4_000:]
    replay = _REPLAY.search(ended.stderr)
    assert replay is not None
    assert "the planted one" in run("planted", "--replay", replay[1]).stderr
    record(
        "P17", "control: a planted defect, fuzzed", seconds=time.monotonic() - began, bad=1, found=1
    )  # fmt: skip
