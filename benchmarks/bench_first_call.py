"""
Question: on a machine that is set up, how long is it from `make run` to the first answered call,
and until everything that it starts is healthy?

HotMetal whole: the data layer, the three services and the two stand-ins. From nothing, with the
migrations and the sample data, and once more on the data that is there. Beside them the data layer
alone. A call is asked for all the time, over a connection of its own, until one is answered.

Not answered: setting the machine up, which is done once.
"""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import middle
from benchmarks.report import Aim, Report, figure, main, progress, question_of, table
from benchmarks.servers import ROOT, free_port

APP = ROOT / "apps" / "hotmetal" / "hotmetal" / "app.py"
NEW, AGAIN, ALONE = "from nothing", "on the data that is there", "the data layer alone, new"
WAYS = (NEW, AGAIN, ALONE)
_PATIENCE_S = 120.0
_PAUSE_S = 0.005
_READY = re.compile(rb"ready in|a first call")
_OUTSIDE = ("HOTMETAL_", "BRAVE_", "LINKEDIN_", "CMS_URL", "NEWS_URL")


@dataclass(frozen=True)
class Sample:
    """One start."""

    first_call_s: float
    healthy_s: float


def run(quick: bool) -> Report:
    """Start it in each way in turn."""
    report = Report("From `make run` to the first answered call", question_of(__doc__))
    rounds = 1 if quick else 5
    samples: dict[str, list[Sample]] = {way: [] for way in WAYS}
    for number in range(rounds):
        progress(f"start {number + 1} of {rounds}")
        folder = Path(tempfile.mkdtemp(prefix="first-call-"))
        try:
            samples[NEW].append(_started(folder / "all"))
            samples[AGAIN].append(_started(folder / "all"))
            samples[ALONE].append(_started(folder / "alone", "--only", "data-layer"))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    rows = [
        [
            way,
            figure(middle(each.first_call_s for each in samples[way])),
            figure(middle(each.healthy_s for each in samples[way])),
        ]
        for way in WAYS
    ]
    report.lines = table(["start", "first answered call, s", "all healthy, s"], rows)
    first = middle(each.first_call_s for each in samples[NEW])
    healthy = middle(each.healthy_s for each in samples[NEW])
    report.aims = [
        Aim("from nothing to the first answered call", first, 2.0, at_most=True, unit="s"),
        Aim("from nothing to all six healthy", healthy, 10.0, at_most=True, unit="s"),
    ]
    report.data = {
        way: [[each.first_call_s, each.healthy_s] for each in samples[way]] for way in WAYS
    }
    return report


def _started(folder: Path, *more: str) -> Sample:
    """Start it, call until it answers, wait until it says it is ready, and end it."""
    port = free_port()
    log = folder.with_suffix(".log")
    command = [
        sys.executable, "-m", "freehold", "dev", str(APP), "--data-dir", str(folder),
        "--port", str(port), "--no-reload", *more,
    ]  # fmt: skip
    plain = {name: value for name, value in os.environ.items() if not name.startswith(_OUTSIDE)}
    with log.open("wb") as said:
        began = time.monotonic()
        process = subprocess.Popen(command, cwd=ROOT, env=plain, stdout=said, stderr=said)
    try:
        first = _until(lambda: _answers(folder, port), process) - began
        healthy = _until(lambda: bool(_READY.search(log.read_bytes())), process) - began
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
    return Sample(first, healthy)


def _until(is_so: Callable[[], bool], process: subprocess.Popen[bytes]) -> float:
    """When it was so, on the monotonic clock."""
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        if is_so():
            return time.monotonic()
        if process.poll() is not None:
            raise RuntimeError(f"it ended with {process.returncode}")
        time.sleep(_PAUSE_S)
    raise RuntimeError("it did not come to that")


def _answers(folder: Path, port: int) -> bool:
    """A call with the developer's key is answered with the sample data's user."""
    key = folder / "dev.key"
    if not key.is_file():
        return False
    headers = {
        "Authorization": f"Bearer {key.read_text().strip()}",
        "Content-Type": "application/json",
    }
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("POST", "/rpc/DataLayer/listUsers", b"{}", headers)
        answer = connection.getresponse()
        return answer.status == 200 and b"writer@hotmetal.example" in answer.read()
    except OSError:
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    main(run, __doc__)
