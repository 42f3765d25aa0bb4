"""
The tests' own PostgreSQL: private, quick, and gone afterwards.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from freehold.drivers.postgres import blocking_connection
from freehold.errors import StartError
from freehold.testing.cluster import BIN_ENV, cluster


def test_a_server_lives_for_the_block_and_leaves_nothing() -> None:
    """Its folder, its socket and its process are gone at the end."""
    with cluster() as server:
        folder = server.folder
        with blocking_connection(server.url()) as connection:
            assert connection.rows("SELECT 1, 2") == [(1, 2)]
        pid = int((folder / "data" / "postmaster.pid").read_text().split()[0])

    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_it_listens_on_no_port_unless_asked() -> None:
    """The socket lies in a folder that nobody else can enter."""
    with cluster() as server:
        assert server.sql("SHOW listen_addresses") == ""
        assert server.folder.stat().st_mode & 0o077 == 0


def test_on_a_port_it_wants_a_password() -> None:
    """Other users of the machine reach the port too."""
    with cluster(tcp=True) as server:
        assert server.port is not None
        with socket.create_connection(("127.0.0.1", server.port)):
            pass
        with blocking_connection(server.tcp_url()) as connection:
            assert connection.rows("SELECT 1, 1") == [(1, 1)]
        wrong = server.tcp_url().replace("only-for-tests", "wrong")
        with pytest.raises(StartError, match="lets this user not in"), blocking_connection(wrong):
            pass


def test_a_crash_is_recovered_from() -> None:
    """`immediate` stops without a checkpoint; the next start finds what was committed."""
    with cluster(durable=True) as server:
        server.sql("CREATE TABLE t (a int); INSERT INTO t VALUES (7)")
        server.restart(immediate=True)
        assert server.sql("SELECT a FROM t") == "7"


def test_it_ends_with_the_process_that_started_it() -> None:
    """Also when that one is killed."""
    script = (
        "from freehold.testing.cluster import cluster\n"
        "with cluster() as server:\n"
        "    print(server.folder, flush=True)\n"
        "    input()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    folder = Path(parent.stdout.readline().strip())
    pid = int((folder / "data" / "postmaster.pid").read_text().split()[0])
    parent.kill()
    parent.communicate()

    until = time.monotonic() + 20
    while _lives(pid) and time.monotonic() < until:
        time.sleep(0.02)
    assert not _lives(pid)


def test_programs_that_are_not_there_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence says which folder was looked into."""
    monkeypatch.setenv(BIN_ENV, "/nowhere/bin")
    with pytest.raises(StartError, match="names /nowhere/bin"), cluster():
        pass


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
