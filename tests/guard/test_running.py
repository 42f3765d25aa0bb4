"""At run time: who has the file open, and who reaches the tables on a server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from freehold.drivers.postgres import blocking_connection
from freehold.drivers.postgres.roles import Reach, reach_of
from freehold.drivers.sqlite.holders import holders_of
from freehold.drivers.sqlite.owner import OwnerLock
from freehold.errors import StartError
from freehold.testing import shared_cluster
from tests.cli.commands import freehold, write_notes
from tests.e2e.processes import HOTMETAL, serving

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who has a file open")

#: Opens a file, by another name when one is given, and says so.
INTRUDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("SELECT name FROM sqlite_master").fetchall()
print("open", flush=True)
sys.stdin.read()
"""


@contextmanager
def intruder(path: Path) -> Iterator[int]:
    """Another process that has the file open; its pid."""
    process = subprocess.Popen(
        [sys.executable, "-c", INTRUDER, str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process.pid
    finally:
        process.communicate("", timeout=20)


@linux
def test_a_served_file_is_its_owners_alone_until_somebody_opens_it(tmp_path: Path) -> None:
    """The owner by the lock; the other by what the kernel says, with its pid; then nobody again."""
    asked = ("guard", "--running", "--app", HOTMETAL, "--data-dir", tmp_path / "data")
    with serving(tmp_path / "data") as server:
        assert server.process is not None
        alone = freehold(*asked, cwd=tmp_path)
        with intruder(tmp_path / "data" / "main.db") as pid:
            found = freehold(*asked, cwd=tmp_path)

        assert alone.code == (0 if os.getuid() == 0 else alone.code)
        assert f"process {server.process.pid} owns it, and nobody else" in alone.out
        assert found.code == 1
        assert f"process {pid} (python" in found.out
        assert "has main.db" in found.out


@linux
def test_another_name_of_the_file_hides_nobody(tmp_path: Path) -> None:
    """A hard link is the same file; and without an owner any holder is one too many."""
    path = tmp_path / "main.db"
    path.touch(mode=0o600)
    os.link(path, tmp_path / "innocent.txt")

    assert holders_of(path).holders == []
    with intruder(tmp_path / "innocent.txt") as pid:
        held = holders_of(path)

    assert held.owner is None
    assert [(each.pid, each.files) for each in held.others] == [(pid, ("main.db",))]
    assert holders_of(path).holders == []


@linux
def test_the_log_counts_as_the_file(tmp_path: Path) -> None:
    """Who has only the write-ahead log open reads the newest commits."""
    path = tmp_path / "main.db"
    path.touch()
    log = tmp_path / "main.db-wal"
    log.touch()
    lock = OwnerLock(path).acquire()
    process = subprocess.Popen(["tail", "-f", str(log)], stdout=subprocess.DEVNULL)
    try:
        while not (held := holders_of(path)).others:
            assert process.poll() is None
    finally:
        process.kill()
        process.wait()
        lock.release()

    assert held.owner is not None
    assert held.owner.pid == os.getpid()
    assert held.others[0].files == ("main.db-wal",)


def test_where_nothing_is_told_nothing_is_claimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On another system than Linux."""
    path = tmp_path / "main.db"
    path.touch()
    monkeypatch.setattr(sys, "platform", "darwin")

    assert not holders_of(path).can_tell


# -- PostgreSQL -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Server:
    """A database on the tests' server with the tables of an application."""

    folder: Path
    app: Path
    name: str

    def url(self, role: str | None = None) -> str:
        """Its address, as a role or as the administrator."""
        url = shared_cluster().url(self.name)
        return url if role is None else url.replace("//freehold@", f"//{role}@")

    def running(self, role: str | None = None) -> tuple[int, str]:
        """What the look at run time says."""
        said = freehold(
            "guard", "--running", "--app", self.app, "--database", self.url(role), cwd=self.folder
        )
        return said.code, said.out

    def reach(self, role: str) -> Reach:
        """The same look, without a process for it."""
        with blocking_connection(self.url(role)) as connection:
            return reach_of(connection, "public")

    def sql(self, text: str) -> str:
        """Run as the administrator."""
        return shared_cluster().sql(text, database=self.name)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Server:
    """The tables are there, made by the administrator; and the role has been made."""
    folder = tmp_path_factory.mktemp("roles")
    made = Server(folder, write_notes(folder), shared_cluster().new_database())
    said = freehold("seed", "--app", made.app, "--database", made.url(), cwd=folder)
    assert said.code == 0, said.err
    first = made.running()
    assert first[0] == 1
    assert "freehold is a superuser" in first[1]
    done = freehold(
        "guard", "--postgres-role", f"dal_{made.name}", "--apply", "--app", made.app,
        "--database", made.url(), cwd=folder, FREEHOLD_ADMIN_URL=made.url(),
    )  # fmt: skip
    assert done.code == 0, done.err
    made.sql(f"CREATE ROLE other_{made.name} LOGIN")
    return made


def test_only_the_data_layers_role_reaches_the_tables(server: Server) -> None:
    """It is told so, the application works under it, and the SQL may be run again."""
    role = f"dal_{server.name}"

    code, said = server.running(role)

    assert (code, f"only {role} reaches the tables" in said) == (0, True), said
    again = freehold(
        "guard", "--postgres-role", role, "--app", server.app, "--database", server.url(),
        cwd=server.folder,
    )  # fmt: skip
    server.sql(f"BEGIN; {again.out} COMMIT")
    server.sql("DELETE FROM notes")
    worked = freehold(
        "seed", "--app", server.app, "--database", server.url(role), cwd=server.folder
    )
    assert worked.code == 0, worked.err
    assert server.sql("SELECT text FROM notes") == "hello"


def test_another_role_is_refused(server: Server) -> None:
    """It cannot connect; and where somebody lets it, it still reads nothing."""
    other = f"other_{server.name}"

    with pytest.raises(StartError), blocking_connection(server.url(other)):
        pass
    server.sql(f"GRANT CONNECT ON DATABASE {server.name} TO {other}")
    try:
        with blocking_connection(server.url(other)) as connection:
            with pytest.raises(Exception, match="permission denied"):
                connection.rows("SELECT * FROM public.notes")
            assert server.reach(f"dal_{server.name}").is_alone
    finally:
        server.sql(f"REVOKE CONNECT ON DATABASE {server.name} FROM {other}")


@pytest.mark.parametrize(
    ("grant", "who", "how"),
    [
        ("GRANT SELECT ON public.notes TO {other}", "{other}", "SELECT"),
        ("GRANT UPDATE (text) ON public.notes TO {other}", "{other}", "UPDATE"),
        ("GRANT DELETE ON public.notes TO PUBLIC", "PUBLIC", "DELETE"),
        ("GRANT CREATE ON SCHEMA public TO {other}", "{other}", "CREATE in the schema"),
        ("GRANT {role} TO {other}", "{other}", ""),
        ("GRANT pg_read_all_data TO {other}", "{other}", "SELECT"),
    ],
)
def test_a_grant_turns_it_red(grant: str, who: str, how: str, server: Server) -> None:
    """Whoever it is given to is named, and how; taken back, it is green again."""
    names = {"role": f"dal_{server.name}", "other": f"other_{server.name}"}
    given = grant.format(**names)
    server.sql(given)
    try:
        reach = server.reach(names["role"])
    finally:
        server.sql(given.replace("GRANT", "REVOKE").replace(" TO ", " FROM "))

    found = {each.role: each.how for each in reach.roles}
    assert how in found[who.format(**names)]
    assert not reach.is_alone
    assert server.reach(names["role"]).is_alone


def test_a_connection_that_is_not_the_data_layers_is_named(server: Server) -> None:
    """Under its own role too: somebody else has the password."""
    role = f"dal_{server.name}"
    psql = shared_cluster().bin_folder / "psql"
    with subprocess.Popen(
        [str(psql), "-X", "-q", "-d", server.url(role)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\\echo open\n")
        process.stdin.flush()
        assert process.stdout.readline() == "open\n"

        code, said = server.running(role)

    assert code == 1
    assert f"{role} is connected: process " in said
    assert "psql" in said
    assert server.reach(role).is_alone


def test_a_name_that_is_none_and_a_server_that_is_none_are_refused(tmp_path: Path) -> None:
    """Exit code 2, with the next step; nothing is run."""
    app = write_notes(tmp_path)

    injected = freehold(
        "guard", "--postgres-role", 'x"; DROP', "--app", app, "--database",
        "postgresql://notes@db.internal/notes", cwd=tmp_path,
    )  # fmt: skip
    no_server = freehold("guard", "--postgres-role", "x", "--app", app, cwd=tmp_path)

    assert (injected.code, no_server.code) == (2, 2)
    assert "no name for a role" in injected.err
    assert "no server is named" in no_server.err
