"""
What the long runs found, written down: `docs/explanation/promises.md` shows it.

Only a run that was asked for with FREEHOLD_FAULTS writes; the share in `make test` leaves the
figures of the last long run as they are.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.faults.share import FULL, SEED, note

FIGURES: Final = Path(__file__).with_name("figures.json")


def record(
    promise: str, what: str, *, seconds: float, bad: int, seed: int = SEED, **counts: int
) -> None:
    """
    Say what a run did, and write it down when it was a long one.

    Args:
        promise: `P1` to `P21`.
        what: The run in a few words; a later one of the same words replaces it.
        seconds: How long it took.
        bad: What contradicted the promise; of a negative control, what it was found out by.
        seed: Every choice came from it.
        counts: What was done, by name: `states=50_000, kills=12`.
    """
    said = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items())
    note(f"{promise} {what}: {said}; {bad} bad; {seconds:.0f} s; seed {seed}")
    if not FULL:
        return
    with FIGURES.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
        found[f"{promise} {what}"] = {
            "promise": promise,
            "what": what,
            "counts": counts,
            "bad": bad,
            "seconds": round(seconds),
            "seed": seed,
            "share": os.environ["FREEHOLD_FAULTS"],
            "day": datetime.now(UTC).date().isoformat(),
            "machine": f"{os.cpu_count()} cores, {platform.system()}, Python "
            f"{platform.python_version()}",
        }
        ordered = dict(sorted(found.items(), key=_by_number))
        FIGURES.write_text(json.dumps(ordered, indent=2) + "\n")


def _by_number(entry: tuple[str, object]) -> tuple[int, str]:
    promise = entry[0].split(" ", 1)[0]
    return int(promise[1:]), entry[0]
