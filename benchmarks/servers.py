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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import users
from benchmarks.load import Call
from benchmarks.machine import DATA_DIR, SERVER_CORE

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "benchmarks" / "peers"
HONO_DIR = PEERS / "hono"
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
    folder: Path
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
        wait_for(server)
        yield server
    finally:
        if server is not None:
            stop(server.process)
            if server.socket_path:
                shutil.rmtree(Path(server.socket_path).parent, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


def install(peer: str) -> str:
    """
    Fetch a peer's npm packages, as its lock file says, when they are not there.

    Returns:
        Why that cannot be, or nothing when they are there.
    """
    folder = PEERS / peer
    if (folder / "node_modules" / ".package-lock.json").is_file():
        return ""
    if shutil.which("npm") is None:
        return "npm is not installed"
    done = subprocess.run(
        ["npm", "ci", "--no-fund", "--no-audit"], cwd=folder, capture_output=True, text=True
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
        cwd=ROOT, env=environment(), capture_output=True, text=True,
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
    key = mint_key(folder, str(database))
    port = free_port()
    # A folder of its own: the path of a socket is short, and only we may enter.
    socket_path = str(Path(tempfile.mkdtemp(prefix="fh-bench-")) / "s.sock")
    command = _freehold_command(database, port, socket_path)
    return Server(
        FREEHOLD, spawn(command, folder, environment()), port,
        lambda: users.rpc_reads(key), lambda: users.rpc_inserts(key), folder, socket_path, key,
    )  # fmt: skip


def _freehold_command(database: Path, port: int, socket_path: str) -> list[str]:
    """The only place that says how the data layer is started."""
    return [
        sys.executable, "-m", "freehold", "serve", "--app", FREEHOLD_APP,
        "--data-dir", str(database.parent), "--database", str(database),
        "--port", str(port), "--socket", socket_path,
    ]  # fmt: skip


def mint_key(folder: Path, database: str) -> str:
    """The users in a new database of Freehold's, and a service key that may use them."""
    from benchmarks.freehold_app import app
    from benchmarks.in_process import load_users
    from freehold.access.keys import create_key
    from freehold.access.schema import NewKey
    from freehold.app.opening import Options, open_app

    opened = open_app(app, Options(folder=folder, database=database))
    try:
        wanted = NewKey(name="bench", scopes=["Users.*"])
        opened.first.write(load_users)
        minted = opened.first.write(lambda db: create_key(db, wanted, pepper=opened.secrets.pepper))
    finally:
        opened.close()
    return str(minted.key)


def _start_fastapi(folder: Path) -> Server:
    require("fastapi", "sqlalchemy", "aiosqlite", "greenlet", "uvicorn")
    database = folder / "users.db"
    users.make_file(database)
    port = free_port()
    command = uvicorn("benchmarks.peers.fastapi_sqlalchemy.main:app", port)
    process = spawn(command, folder, environment(BENCH_DATABASE=str(database)))
    return Server(FASTAPI, process, port, users.rest_reads, users.rest_inserts, folder)


def _start_hono(folder: Path) -> Server:
    if shutil.which("node") is None:
        raise CannotStart("Node is not installed")
    if not (HONO_DIR / "node_modules" / "better-sqlite3").is_dir():
        raise CannotStart("its packages are not installed (npm ci in benchmarks/peers/hono)")
    database = folder / "users.db"
    users.make_file(database)
    port = free_port()
    variables = environment(
        BENCH_DATABASE=str(database), BENCH_PORT=str(port), NODE_ENV="production"
    )
    process = spawn(["node", str(HONO_DIR / "main.js")], folder, variables)
    return Server(HONO, process, port, users.rest_reads, users.rest_inserts, folder)


def require(*packages: str) -> None:
    """
    Python packages that a peer needs.

    Raises:
        CannotStart: One is missing.
    """
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise CannotStart(f"the package {package} is not installed")


def uvicorn(target: str, port: int, *more: str) -> list[str]:
    """One process of uvicorn with its fast parts and without its log of every request."""
    return [
        sys.executable, "-m", "uvicorn", target,
        "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning",
        *more,
    ]  # fmt: skip


def environment(**more: str) -> dict[str, str]:
    """This process's, so that `benchmarks` can be imported there too."""
    return {**os.environ, "PYTHONPATH": _python_path(), **more}


def _python_path() -> str:
    before = os.environ.get("PYTHONPATH", "")
    return f"{ROOT}{os.pathsep}{before}" if before else str(ROOT)


def spawn(
    command: list[str],
    folder: Path,
    variables: dict[str, str],
    on_cores: Sequence[int] = (SERVER_CORE,),
    root: Path = ROOT,
) -> subprocess.Popen[bytes]:
    """Start a server on its core; what it says goes to a file in its folder."""
    with open(folder / "log.txt", "ab") as log:
        return subprocess.Popen(
            command, cwd=root, env=variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            preexec_fn=lambda: os.sched_setaffinity(0, set(on_cores)),
        )  # fmt: skip


def wait_for(server: Server) -> None:
    """
    Until it listens.

    Raises:
        CannotStart: It stopped, or it took too long.
    """
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise CannotStart(f"it stopped at once: {_last_words(server.folder)}")
        try:
            socket.create_connection(server.address, timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise CannotStart(f"it did not listen within {_START_S:.0f} s: {_last_words(server.folder)}")


def _last_words(folder: Path) -> str:
    lines = (folder / "log.txt").read_text(errors="replace").strip().splitlines()
    return " / ".join(lines[-3:]) or "it said nothing"


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server."""
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """A TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
