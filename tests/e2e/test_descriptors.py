"""
Few descriptors: who comes too late is turned away, and everybody else is served as before.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.cli.commands import write_notes

pytestmark = pytest.mark.promise("P15")
DESCRIPTORS = 128


def test_idle_connections_never_take_the_database_s_descriptors(tmp_path: Path) -> None:
    """`ulimit -n 128`, 300 idle ones: an old connection is served, and new ones after they go."""
    write_notes(tmp_path)
    command = (
        f"ulimit -n {DESCRIPTORS}; exec {sys.executable} -m freehold dev notes.py "
        "--data-dir data --port 0"
    )
    with subprocess.Popen(
        ["sh", "-c", command], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            said = []
            assert process.stderr is not None
            for line in process.stderr:
                said.append(line)
                if "http://127.0.0.1:" in line:
                    break
            port = int("".join(said).rsplit("http://127.0.0.1:", 1)[1].split()[0].strip("/"))
            _flooded(port, tmp_path / "data" / "freehold.sock")
            assert process.poll() is None
        finally:
            process.kill()


def _flooded(port: int, unix: Path) -> None:
    transport = httpx.HTTPTransport(uds=str(unix))
    with httpx.Client(base_url="http://localhost", transport=transport, timeout=5) as good:
        assert good.get("/health").json()["status"] == "ok"
        idle = []
        for _ in range(300):
            each = socket.socket()
            each.settimeout(2)
            each.connect(("127.0.0.1", port))
            idle.append(each)
        time.sleep(0.5)
        for _ in range(20):
            # Each opens the database anew, and closes it.
            asked = {"text": "SELECT 1", "limit": 1}
            answer = good.post("/rpc/Freehold/sql", json=asked)
            assert answer.status_code == 200, answer.text
        for each in idle:
            each.close()
    began = time.monotonic()
    while True:
        try:
            assert httpx.get(f"http://127.0.0.1:{port}/health", timeout=2).status_code == 200
            return
        except (httpx.HTTPError, AssertionError):
            assert time.monotonic() - began < 5
            time.sleep(0.1)
