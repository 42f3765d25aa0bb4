"""
A full disk under a real server: refused with its type, queries go on, and back by itself.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.cli.commands import write_notes
from tests.e2e.processes import serving

pytestmark = [
    pytest.mark.promise("P15"),
    pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root"),
]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system, mounted for the test."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m,mode=0700", "tmpfs", str(place)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this system mounts nothing")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_server_on_a_full_disk_comes_back_by_itself(tmp_path: Path, disk: Path) -> None:
    """Without a restart, five seconds after there is room at the latest."""
    app = write_notes(tmp_path)
    with serving(disk, app=app, command="dev"):
        transport = httpx.HTTPTransport(uds=str(disk / "freehold.sock"))
        with httpx.Client(base_url="http://localhost", transport=transport) as client:
            before = _add(client, "before")
            assert before.status_code == 200, before.text
            hog = disk / "hog"
            with hog.open("wb", buffering=0) as file:
                try:
                    while True:
                        file.write(b"x" * 4096)
                except OSError:
                    pass
            time.sleep(1.2)

            refused = _add(client, "refused")

            assert refused.status_code == 503
            assert refused.json()["error"] == "StorageFull"
            assert refused.json()["outcome"] == "failed"
            listed = client.post("/rpc/Notes/listNotes", json={})
            assert listed.status_code == 200
            assert "before" in listed.text
            assert "refused" not in listed.text
            assert client.get("/health").json()["storage"] == "full"
            hog.unlink()
            began = time.monotonic()
            while _add(client, "after").status_code != 200:
                assert time.monotonic() - began < 5
                time.sleep(0.1)
            assert client.get("/health").json()["storage"] == "ok"


def _add(client: httpx.Client, text: str) -> httpx.Response:
    return client.post("/rpc/Notes/addNote", json={"text": text})
