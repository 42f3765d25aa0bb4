"""
Run every benchmark and write what they found to benchmarks/RESULTS.md, so that it can be quoted.

    python -m benchmarks.run            about five minutes; what `make bench` does
    python -m benchmarks.run --quick    under a minute: does it all still work
"""

from __future__ import annotations

import argparse
import importlib
import os
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.machine import machine
from benchmarks.report import Report, progress
from benchmarks.servers import install_hono

if TYPE_CHECKING:
    from collections.abc import Sequence

RESULTS = Path(__file__).resolve().parent / "RESULTS.md"
QUESTIONS = ("bench_get", "bench_http", "bench_client", "bench_group_commit")


def main() -> int:
    """Run what was asked for; the exit code says whether every benchmark came to its end."""
    parser = argparse.ArgumentParser(description="Run every benchmark and keep the results.")
    parser.add_argument("--quick", action="store_true", help="fewer, shorter rounds; under 60 s")
    parser.add_argument("--only", nargs="*", choices=QUESTIONS, default=QUESTIONS)
    parser.add_argument("--no-install", action="store_true", help="do not fetch Hono's packages")
    options = parser.parse_args()
    began = time.monotonic()
    if not options.no_install and not options.quick:
        progress("looking for Node and Hono's packages (fetched once, into benchmarks/peers/hono)")
        if reason := install_hono():
            progress(f"without Hono: {reason}")
    load_before = os.getloadavg()[0]
    reports, broken = _run_all(options.only, options.quick)
    text = _results(reports, broken, options.quick, time.monotonic() - began, load_before)
    print(text)
    if tuple(options.only) == QUESTIONS and not options.quick:
        RESULTS.write_text(text)
        progress(f"written to {RESULTS}")
    return 1 if broken else 0


def _run_all(names: Sequence[str], quick: bool) -> tuple[list[Report], dict[str, str]]:
    """One benchmark that breaks does not take the others along."""
    cores = os.sched_getaffinity(0)
    reports: list[Report] = []
    broken: dict[str, str] = {}
    for number, name in enumerate(names, 1):
        began = time.monotonic()
        progress(f"[{number}/{len(names)}] {name}")
        try:
            reports.append(importlib.import_module(f"benchmarks.{name}").run(quick))
        except Exception as error:
            traceback.print_exc()
            broken[name] = f"{type(error).__name__}: {error}"
        finally:
            os.sched_setaffinity(0, cores)
        progress(f"[{number}/{len(names)}] {name}: {time.monotonic() - began:.0f} s")
    return reports, broken


def _results(
    reports: list[Report],
    broken: dict[str, str],
    quick: bool,
    took_s: float,
    load_before: float,
) -> str:
    command = "make bench" + (" (quick: too short to be quoted)" if quick else "")
    parts = [
        "# What the benchmarks found",
        "",
        f"`{command}`, {took_s / 60:.1f} minutes, load average before it {load_before:.2f}.",
        "",
        machine().line() + ".",
        "",
        "Compare within a table only: all its rows were measured in turn in the same run. A round",
        "in which something else used more than 0.15 of a core is left out while enough others",
        "remain. What each question leaves open stands at the head of its file.",
        "",
    ]
    parts += [report.markdown() for report in reports]
    parts += [f"## {name}\n\nDid not come to its end: {why}\n" for name, why in broken.items()]
    return "\n".join(parts)


if __name__ == "__main__":
    raise SystemExit(main())
