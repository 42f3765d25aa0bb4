"""
What a durable step costs, and what is left of it after kill -9: DBOS on SQLite, and by hand.

    python benchmarks/durable_steps.py

For each: milliseconds a step and bytes that a run leaves behind. For DBOS: which steps were done
when the process was killed in its third step and started again, also as another version, and
also beside a process that still ran. `table` is a hand-kept table of finished steps, the least
there can be: no queue, no retries, no recovery. HotMetal's scout stands on DBOS;
apps/hotmetal/SCOUT.md has the reasons. Leaves open what a slow disk costs.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

STEPS = 12
RUNS = 25


def note(folder: Path, what: str) -> None:
    """What was done, kept by the kernel whoever is killed."""
    with (folder / "done").open("a") as file:
        file.write(f"{what}\n")


async def work(folder: Path, number: int, hang: bool) -> dict[str, int]:
    """A step: it says that it was there, and may never come to its end."""
    note(folder, str(number))
    if hang and number == 2 and not (folder / "hung").exists():
        (folder / "hung").touch()
        if os.environ.get("BENCH_SLEEP"):
            await asyncio.sleep(8)
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    return {"number": number}


def wal(path: Path) -> None:
    """As the scout opens it."""
    file = sqlite3.connect(path)
    file.execute("PRAGMA journal_mode = WAL")
    file.close()


async def dbos(folder: Path, run: str, *, hang: bool, runs: int, version: str = "1") -> None:
    """Runs of STEPS steps, or what was under way."""
    from dbos import DBOS, DBOSPortableJSONSerializer, SetWorkflowID

    @DBOS.workflow(name="run")
    async def flow(hang: bool) -> int:
        for number in range(STEPS):
            await DBOS.run_step_async({"name": f"step-{number}"}, work, folder, number, hang)
        return STEPS

    DBOS(
        config={
            "name": "bench",
            "system_database_url": f"sqlite:///{folder}/store",
            "application_version": version,
            "serializer": DBOSPortableJSONSerializer(),
            "log_level": "ERROR",
        }
    )
    DBOS.launch()
    if run == "recover":
        found = await DBOS.list_workflows_async(name="run")
        until = time.monotonic() + 5
        while found[0].status in ("PENDING", "ENQUEUED") and time.monotonic() < until:
            await asyncio.sleep(0.1)
            found = await DBOS.list_workflows_async(name="run")
        note(folder, found[0].status)
    else:
        for number in range(runs):
            with SetWorkflowID(f"{run}-{number}"):
                handle = await DBOS.start_workflow_async(flow, hang)
            await handle.get_result()
    await asyncio.to_thread(DBOS.destroy)


async def table(folder: Path, run: str, *, hang: bool, runs: int, version: str = "1") -> None:
    """The same on a table of ours; nothing but the steps: no queue, no retries, no recovery."""
    file = sqlite3.connect(folder / "store", isolation_level=None)
    file.execute("PRAGMA synchronous = FULL")
    file.execute("CREATE TABLE IF NOT EXISTS steps (run, step, answer, PRIMARY KEY (run, step))")
    run = "only" if run == "recover" or hang else run
    for number in range(runs):
        for step in range(STEPS):
            key = (f"{run}-{number}", step)
            known = file.execute("SELECT 1 FROM steps WHERE run = ? AND step = ?", key).fetchone()
            if known is None:
                done = json.dumps(await work(folder, step, hang and run != "recover"))
                file.execute("INSERT INTO steps VALUES (?, ?, ?)", (*key, done))
    if runs == 1:
        note(folder, "SUCCESS")


def timed(kind: Callable[..., object], *, is_wal: bool) -> tuple[float, int]:
    """Milliseconds a step, and bytes a run."""
    with tempfile.TemporaryDirectory(prefix="durable-") as name:
        folder = Path(name)
        if is_wal:
            wal(folder / "store")
        asyncio.run(kind(folder, "warm", hang=False, runs=1))  # type: ignore[arg-type]
        before = _size(folder)
        began = time.perf_counter()
        asyncio.run(kind(folder, "timed", hang=False, runs=RUNS))  # type: ignore[arg-type]
        passed = time.perf_counter() - began
        after = _size(folder)
    return passed / RUNS / STEPS * 1e3, (after - before) // RUNS


def _size(folder: Path) -> int:
    """Of the file, with what its log held."""
    file = sqlite3.connect(folder / "store")
    file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    file.close()
    return (folder / "store").stat().st_size


def killed(kind: str, version: str = "1") -> list[str]:
    """What was done by a run that was killed in its third step, and by the start after it."""
    with tempfile.TemporaryDirectory(prefix="durable-") as name:
        for run, with_version in (("only", "1"), ("recover", version)):
            _other(kind, name, run, with_version).wait()
        return (Path(name) / "done").read_text().split()


def beside_each_other() -> list[str]:
    """What was done when a second process was started on the store of one that still ran."""
    with tempfile.TemporaryDirectory(prefix="durable-") as name:
        os.environ["BENCH_SLEEP"] = "1"
        first = _other("dbos", name, "only", "1")
        while not (Path(name) / "hung").exists():
            time.sleep(0.1)
        second = _other("dbos", name, "recover", "1")
        second.wait()
        first.wait()
        return (Path(name) / "done").read_text().split()


def _other(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, __file__, *arguments], stderr=subprocess.DEVNULL)


def main() -> None:
    """All of it."""
    if len(sys.argv) > 1:
        kind, name, run, version = sys.argv[1:]
        asyncio.run(
            {"dbos": dbos, "table": table}[kind](
                Path(name), run, hang=run == "only", runs=1, version=version
            )
        )
        return
    for name, kind, is_wal in (
        ("DBOS, as it comes", dbos, False),
        ("DBOS on a file in WAL", dbos, True),
        ("table", table, False),
        ("table in WAL", table, True),
    ):
        ms, size = timed(kind, is_wal=is_wal)
        print(f"{name:24} {ms:6.2f} ms a step  {size:8,} bytes a run of {STEPS} steps")
    print("kill -9 in step 2, DBOS: ", " ".join(killed("dbos")))
    print("the same, other version: ", " ".join(killed("dbos", "2")))
    print("a second process beside:  ", " ".join(beside_each_other()))


if __name__ == "__main__":
    main()
