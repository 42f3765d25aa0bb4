"""
The machine under a benchmark: what it is, which core does what, and who else was using it.

Holds no question of its own. Everything a number has to be quoted with comes from here.
"""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

T = TypeVar("T")

#: Kernel clock ticks a second, the unit of /proc/PID/stat.
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
#: A round in which others used more of a core than this is left out while quieter ones exist.
FOREIGN_CORES_MAX = 0.15
#: Data files stand in the repository, because /tmp may be memory, where fsync costs nothing.
DATA_DIR = Path(__file__).resolve().parent.parent / ".freehold" / "bench"


def cores() -> list[int]:
    """The cores that this process may use."""
    return sorted(os.sched_getaffinity(0))


_ALL_CORES = cores()
#: One core for the server, another for the load, the same one where there is no other.
SERVER_CORE = _ALL_CORES[0]
LOAD_CORE = _ALL_CORES[1] if len(_ALL_CORES) > 1 else _ALL_CORES[0]


def pin(core: int) -> None:
    """Keep this process on one core."""
    os.sched_setaffinity(0, {core})


def children_of(pid: int) -> list[int]:
    """The process and everything it started that still runs."""
    found = [pid]
    for task in _listdir(f"/proc/{pid}/task"):
        text = _read(f"/proc/{pid}/task/{task}/children")
        for child in text.split():
            found += children_of(int(child))
    return found


def cpu_s(pid: int) -> float:
    """CPU time of a process, its threads and its children, in seconds; 10 ms steps."""
    total = 0
    for each in children_of(pid):
        # The name in brackets may hold spaces: count the fields behind it.
        fields = _read(f"/proc/{each}/stat").rpartition(")")[2].split()
        if fields:
            total += int(fields[11]) + int(fields[12]) + (
                int(fields[13]) + int(fields[14]) if each == pid else 0
            )  # fmt: skip
    return total / TICKS_PER_S


def busy_s() -> float:
    """CPU time that all processes on our cores used since boot, steal included, in seconds."""
    total = 0
    for line in _read("/proc/stat").splitlines():
        name, *numbers = line.split()
        if name.startswith("cpu") and name != "cpu" and int(name[3:]) in _ALL_CORES:
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, numbers[:8])
            total += user + nice + system + irq + softirq + steal
    return total / TICKS_PER_S


@dataclass(frozen=True)
class Machine:
    """What a number must be quoted with."""

    cpu: str
    cores: int
    memory_gb: int
    kernel: str
    disk: str
    python: str
    apsw_sqlite: str
    stdlib_sqlite: str
    node: str
    at: str

    def line(self) -> str:
        """One sentence for a heading."""
        return (
            f"{self.cores} cores of {self.cpu}, {self.memory_gb} GB, "
            f"Linux {self.kernel}, {self.disk}; Python {self.python}, "
            f"SQLite {self.apsw_sqlite} (apsw), "
            f"{self.stdlib_sqlite} (standard library), {self.node}; {self.at}"
        )


def machine() -> Machine:
    """This machine, now."""
    import apsw

    return Machine(
        cpu=_cpu_name(),
        cores=len(_ALL_CORES),
        memory_gb=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        kernel=platform.release(),
        disk=_disk(),
        python=platform.python_version(),
        apsw_sqlite=apsw.sqlite_lib_version(),
        stdlib_sqlite=sqlite3.sqlite_version,
        node=_node(),
        at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def quiet(samples: Sequence[T], foreign: Callable[[T], float]) -> list[T]:
    """The rounds in which little else ran; the quieter half when there are too few."""
    calm = [sample for sample in samples if foreign(sample) <= FOREIGN_CORES_MAX]
    if len(calm) * 2 >= len(samples):
        return calm
    return sorted(samples, key=foreign)[: (len(samples) + 1) // 2]


def noise(foreign_cores: Iterable[float]) -> str:
    """A sentence on how quiet the machine was, from the rounds that were kept."""
    worst = max(foreign_cores)
    verdict = "" if worst <= FOREIGN_CORES_MAX else ", so the machine was **not quiet**"
    return f"In the median round, other work used at most {worst:.2f} of a core{verdict}."


def middle(values: Iterable[float]) -> float:
    """The median."""
    return median(values)


def filesystem_of(folder: Path) -> str:
    """The file system under a folder: a benchmark of fsync on tmpfs measures nothing."""
    best, kind = "", "unknown file system"
    for line in _read("/proc/mounts").splitlines():
        _device, point, filesystem, *_ = line.split()
        inside = f"{folder}/".startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, filesystem
    return kind


def _cpu_name() -> str:
    for line in _read("/proc/cpuinfo").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _disk() -> str:
    DATA_DIR.mkdir(parents=True, exist_ok=True)
    return filesystem_of(DATA_DIR)


def _node() -> str:
    try:
        done = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "no Node"
    return f"Node {done.stdout.strip().lstrip('v')}"


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _listdir(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []
