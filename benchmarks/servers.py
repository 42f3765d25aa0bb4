"""
Starting and stopping the servers that are compared, each on a fresh file and on one core.

How each is started stands here and nowhere else. A peer that this machine cannot run is
reported with the reason, and left out.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import users
from benchmarks.load import Call
from benchmarks.machine import DATA_DIR, SERVER_CORE

ROOT = Path(__file__).resolve().parent.parent
HONO_DIR = ROOT / "benchmarks" / "peers" / "hono"
_START_S = 30.0

FREEHOLD_APP = "benchmarks.freehold_app:app"

FREEHOLD = "Freehold"
FASTAPI = "FastAPI + SQLAlchemy"
HONO = "Hono + better-sqlite3"


class CannotStart(Exception):
    """A server is not to be had here; the text says why."""


@dataclass
class Server:
    """A running server and how it is called."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    reads: Callable[[], Iterator[Call]]
    inserts: Callable[[], Iterator[Call]]
    database: Path
    socket_path: str = ""
    key: str = ""

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return ("127.0.0.1", self.port)

    @property
    def pid(self) -> int:
        """Whose CPU time counts."""
        return self.process.pid


@contextmanager
def start(name: str) -> Iterator[Server]:
    """
    The server of that name on a fresh file, until the block ends.

    Raises:
        CannotStart: A program or package is missing, or it did not come up.
    """
    starts = {FREEHOLD: _start_freehold, FASTAPI: _start_fastapi, HONO: _start_hono}
    folder = DATA_DIR / name.split()[0].lower()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    server = None
    try:
        server = starts[name](folder)
        _wait(server, folder)
        yield server
    finally:
        if server is not None:
            _stop(server.process)
            if server.socket_path:
                shutil.rmtree(Path(server.socket_path).parent, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


def install_hono() -> str:
    """
    Fetch Hono's packages when they are not there.

    Returns:
        Why that cannot be, or nothing when they are there.
    """
    if shutil.which("node") is None:
        return "Node is not installed"
    if (HONO_DIR / "node_modules" / "better-sqlite3" / "build").is_dir():
        return ""
    if shutil.which("npm") is None:
        return "npm is not installed"
    done = subprocess.run(
        ["npm", "ci", "--no-fund", "--no-audit"], cwd=HONO_DIR, capture_output=True, text=True
    )
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        return f"npm ci failed: {lines[-1] if lines else done.returncode}"
    return ""


def generated_client(folder: Path) -> Any:
    """
    The class `Users` that `freehold generate` writes, from a folder of its own.

    Raises:
        CannotStart: It could not be generated.
    """
    command = [sys.executable, "-m", "freehold", "generate", "--app", FREEHOLD_APP]
    done = subprocess.run(
        [*command, "--out", str(folder)],
        cwd=ROOT, env=_environment(), capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise CannotStart(f"freehold generate failed: {done.stderr.strip()}")
    spec = importlib.util.spec_from_file_location("bench_client_generated", folder / "bench.py")
    if spec is None or spec.loader is None:
        raise CannotStart("freehold generate wrote no bench.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.Users


def _start_freehold(folder: Path) -> Server:
    database = folder / "main.db"
    key = _prepare_freehold(folder, database)
    port = _free_port()
    # A folder of its own: the path of a socket is short, and only we may enter.
    socket_path = str(Path(tempfile.mkdtemp(prefix="fh-bench-")) / "s.sock")
    command = _freehold_command(database, port, socket_path)
    return Server(
        FREEHOLD, _spawn(command, folder, _environment()), port,
        lambda: users.rpc_reads(key), lambda: users.rpc_inserts(key), database, socket_path, key,
    )  # fmt: skip


def _freehold_command(database: Path, port: int, socket_path: str) -> list[str]:
    """The only place that says how the data layer is started."""
    return [
        sys.executable, "-m", "freehold", "serve", "--app", FREEHOLD_APP,
        "--data-dir", str(database.parent), "--database", str(database),
        "--port", str(port), "--socket", socket_path,
    ]  # fmt: skip


def _prepare_freehold(folder: Path, database: Path) -> str:
    """The users in a new file, and a service key that may read and write them."""
    from benchmarks.freehold_app import app
    from benchmarks.in_process import load_users
    from freehold.access.keys import create_key
    from freehold.access.schema import NewKey
    from freehold.app.opening import Options, open_app

    opened = open_app(app, Options(folder=folder, database=str(database)))
    try:
        wanted = NewKey(name="bench", scopes=["Users.*"])
        opened.first.write(load_users)
        minted = opened.first.write(lambda db: create_key(db, wanted, pepper=opened.secrets.pepper))
    finally:
        opened.close()
    return str(minted.key)


def _start_fastapi(folder: Path) -> Server:
    for package in ("fastapi", "sqlalchemy", "aiosqlite", "greenlet", "uvicorn"):
        if importlib.util.find_spec(package) is None:
            raise CannotStart(f"the package {package} is not installed")
    database = folder / "users.db"
    users.make_file(database)
    port = _free_port()
    command = [
        sys.executable, "-m", "uvicorn", "benchmarks.peers.fastapi_sqlalchemy.main:app",
        "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning",
    ]  # fmt: skip
    process = _spawn(command, folder, _environment(BENCH_DATABASE=str(database)))
    return Server(FASTAPI, process, port, users.rest_reads, users.rest_inserts, database)


def _start_hono(folder: Path) -> Server:
    if shutil.which("node") is None:
        raise CannotStart("Node is not installed")
    if not (HONO_DIR / "node_modules" / "better-sqlite3").is_dir():
        raise CannotStart("its packages are not installed (npm ci in benchmarks/peers/hono)")
    database = folder / "users.db"
    users.make_file(database)
    port = _free_port()
    environment = _environment(
        BENCH_DATABASE=str(database), BENCH_PORT=str(port), NODE_ENV="production"
    )
    process = _spawn(["node", str(HONO_DIR / "main.js")], folder, environment)
    return Server(HONO, process, port, users.rest_reads, users.rest_inserts, database)


def _environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": _python_path(), **more}


def _python_path() -> str:
    before = os.environ.get("PYTHONPATH", "")
    return f"{ROOT}{os.pathsep}{before}" if before else str(ROOT)


def _spawn(
    command: list[str], folder: Path, environment: dict[str, str]
) -> subprocess.Popen[bytes]:
    """Start a server on its core; what it says goes to a file beside its database."""
    with open(folder / "log.txt", "ab") as log:
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CORE}),
        )  # fmt: skip


def _wait(server: Server, folder: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise CannotStart(f"it stopped at once: {_last_words(folder)}")
        try:
            socket.create_connection(server.address, timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise CannotStart(f"it did not listen within {_START_S:.0f} s: {_last_words(folder)}")


def _last_words(folder: Path) -> str:
    lines = (folder / "log.txt").read_text(errors="replace").strip().splitlines()
    return " / ".join(lines[-3:]) or "it said nothing"


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
