"""
Question: what do the promises cost: calls per second and CPU over HTTP of the data layer with one
promise more or less, side by side in one run, and of an earlier state of this repository?

    BENCH_AGAINST=v0.3 python -m benchmarks.bench_promises      an earlier commit takes part

Each variant is a server of its own on a fresh file, pinned to one core, the load on another; all
of them check a service key. "Not safe" ones are there to show what safety costs, and are in no
product.

Not answered: PostgreSQL, whose promises its server keeps; answers longer than a row.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import servers
from benchmarks.machine import DATA_DIR, LOAD_CORE, noise, pin
from benchmarks.report import Report, figure, main, progress, question_of, table, times
from benchmarks.rounds import Found, OverHttp, Plan, measure

if TYPE_CHECKING:
    from benchmarks.load import Call

CONNECTIONS = (1, 32, 128)
FULL = Plan(rounds=3, seconds=1.0, warm_up_s=0.15)
QUICK = Plan(rounds=2, seconds=0.35, warm_up_s=0.1)
TODAY = "as it is served"
_IMPORTS = "from benchmarks.servers import mint_key; from pathlib import Path"


@dataclass(frozen=True)
class Variant:
    """
    One server.

    Args:
        name: As in the table.
        module: What is run instead of `freehold`.
        is_keyed: Each mutation carries an idempotency key, as those of generated clients do.
        root: The repository that it is run from; None for this one.
        audit: What its audit log takes.
    """

    name: str
    module: str = "freehold"
    is_keyed: bool = False
    root: Path | None = None
    audit: str = "operator"


VARIANTS = (
    Variant(TODAY),
    Variant("+ an idempotency key each", is_keyed=True),
    Variant("+ an audit row each", audit="mutations"),
    Variant("+ both", is_keyed=True, audit="mutations"),
    Variant("not safe: synchronous=NORMAL", module="tests.faults.wrong careless"),
)


def run(quick: bool) -> Report:
    """Start every variant, measure, compare."""
    pin(LOAD_CORE)
    report = Report("What the promises cost", question_of(__doc__))
    with ExitStack() as stack:
        variants = [*VARIANTS, *stack.enter_context(_earlier())]
        contestants = []
        for number, variant in enumerate(variants):
            progress(f"starting: {variant.name}")
            contestants.append(stack.enter_context(_started(variant, number)))
        cases = (("read", CONNECTIONS), ("insert", CONNECTIONS))
        found = measure(contestants, cases, QUICK if quick else FULL)
    report.lines = [*_lines(found, [variant.name for variant in variants]), *found.failures()]
    report.data["results"] = found.results()
    return report


def _lines(found: Found, names: list[str]) -> list[str]:
    rows = []
    for operation, connections in found.counts():
        for name in names:
            if operation == "read" and name.startswith(("+", "not safe")):
                # What only mutations carry changes nothing for a read.
                continue
            result = found.medians.get((operation, connections, name))
            if result is None:
                continue
            ratio = found.ratio(operation, connections, name, TODAY)
            rows.append([
                f"{operation}, {connections}" if name == names[0] else "", name,
                figure(result.calls_per_s), f"{result.p99_us / 1e3:.2f}",
                figure(result.server_cpu_us), times(ratio) if ratio else "",
            ])  # fmt: skip
    head = ["call, connections", "data layer", "calls/s", "p99 ms", "CPU µs/call", "calls/s"]
    quiet = noise(each.foreign_cores for each in found.medians.values())
    return [*table(head, rows, left=2), "", quiet]


@contextmanager
def _started(variant: Variant, number: int) -> Iterator[OverHttp]:
    folder = DATA_DIR / f"promises{number}"
    with tempfile.TemporaryDirectory(prefix="fh-bench-") as socket_folder:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        variables = _environment(variant)
        database = folder / "main.db"
        minting = f"print(mint_key(Path({str(folder)!r}), {str(database)!r}))"
        key = _printed(["-c", f"{_IMPORTS}; {minting}"], variables)
        port = servers.free_port()
        command = [
            sys.executable, "-m", *variant.module.split(), "serve", "--app", servers.FREEHOLD_APP,
            "--data-dir", str(folder), "--database", str(database), "--port", str(port),
            "--socket", str(Path(socket_folder) / "s.sock"),
        ]  # fmt: skip
        process = servers.spawn(command, folder, variables, root=variant.root or servers.ROOT)
        server = servers.Server(
            variant.name, process, port, lambda: servers.users.rpc_reads(key),
            lambda: _inserts(key, is_keyed=variant.is_keyed), folder, key=key,
        )  # fmt: skip
        try:
            servers.wait_for(server)
            yield OverHttp(variant.name, [server])
        finally:
            servers.stop(process)


def _inserts(key: str, *, is_keyed: bool) -> Iterator[Call]:
    plain = servers.users.rpc_inserts(key)
    if not is_keyed:
        return plain
    return (
        (sent.replace(b"\r\n", f"\r\nIdempotency-Key: {uuid.uuid4()}\r\n".encode(), 1), marker)
        for sent, marker in plain
    )


def _environment(variant: Variant) -> dict[str, str]:
    root = variant.root or servers.ROOT
    path = f"{root / 'src'}{os.pathsep}{root}"
    # Without the folder that it is started in: each state has its own `benchmarks`.
    return {
        **os.environ, "PYTHONPATH": path, "PYTHONSAFEPATH": "1", "BENCH_AUDIT": variant.audit,
    }  # fmt: skip


def _printed(arguments: list[str], variables: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], env=variables, capture_output=True, text=True, check=True
    )
    return done.stdout.strip().splitlines()[-1]


@contextmanager
def _earlier() -> Iterator[list[Variant]]:
    """The state that BENCH_AGAINST names, laid out beside this one."""
    commit = os.environ.get("BENCH_AGAINST")
    if not commit:
        yield []
        return
    with tempfile.TemporaryDirectory(prefix="fh-earlier-") as made:
        root = Path(made) / "tree"
        git = ["git", "-C", str(servers.ROOT), "worktree"]
        subprocess.run([*git, "add", "-q", "--detach", str(root), commit], check=True)
        try:
            yield [
                Variant(f"at {commit}", root=root),
                Variant(f"+ a key each, at {commit}", is_keyed=True, root=root),
            ]
        finally:
            subprocess.run([*git, "remove", "--force", str(root)], check=True)


if __name__ == "__main__":
    main(run, __doc__)
