"""
The service as a process: it starts, says where it is, and stops when it is told.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from linkie_claw.clients.linkie_claw import DataLayerSync
from starlette.datastructures import Secret
from tests.web.worlds import Browser, World, web_served

from freehold.cli.operator import AnyBinding
from freehold.errors import PermissionDenied

_APP = Path(__file__).resolve().parents[2]
_START_S = 20.0


@contextmanager
def a_process(**environ: str) -> Iterator[subprocess.Popen[str]]:
    """`python -m linkie_claw.services.web` with these settings; killed if it still runs."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("FREEHOLD_", "LINKIE_"))
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "linkie_claw.services.web"],
        cwd=_APP,
        env=inherited | environ,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def a_free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return str(listener.getsockname()[1])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_stop(
    world: World, tmp_path: Path, number: signal.Signals
) -> None:
    """Ctrl-C and SIGTERM end it with 0 and a word, not with a trace."""
    port = a_free_port()
    address = f"http://127.0.0.1:{port}"
    settings = {
        "FREEHOLD_DAL": world.layer.address,
        "LINKIE_PORT": port,
        "LINKIE_FOLDER": str(tmp_path),
        "LINKIE_OFFLINE_SIGN_IN": "1",
    }
    with a_process(**settings) as process:
        until = time.monotonic() + _START_S
        while True:
            try:
                response = httpx.post(
                    f"{address}/api/auth/signin/offline", json={"email": "run@people.example"}
                )
                break
            except httpx.ConnectError:
                assert process.poll() is None
                assert time.monotonic() < until
                time.sleep(0.05)
        process.send_signal(number)
        _, said = process.communicate(timeout=20)

    assert response.status_code == 200, response.text
    assert process.returncode == 0
    assert '"event":"starting"' in said
    assert said.rstrip().endswith('{"event":"stopped"}')
    assert "Traceback" not in said
    world.dal.delete_user(id=response.json()["user"]["id"])


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, "the binding DAL has no address: FREEHOLD_DAL is not set"),
        ({"FREEHOLD_DAL": "nowhere"}, "'nowhere' is not the address of a data layer"),
        ({"FREEHOLD_DAL": "unix:/x", "CRON_SECRET": "short"}, "CRON_SECRET has 5 characters"),
    ],
)
def test_it_does_not_start_with_what_cannot_be_used(environ: dict[str, str], words: str) -> None:
    """One clear line and exit code 78."""
    with a_process(**environ) as process:
        _, said = process.communicate(timeout=20)

    assert process.returncode == 78
    assert words in said
    assert "Traceback" not in said


def test_a_data_layer_that_comes_back_is_found_again(world: World) -> None:
    """503 while it is away, and no restart of the service afterwards."""
    ada = world.person()
    post = ada.a_post()

    with world.without_layer():
        away = ada.get("/api/posts")
    back = ada.get("/api/posts")

    assert away.status_code == 503
    assert world.layer.address in away.json()["details"]
    assert (back.status_code, [each["id"] for each in back.json()]) == (200, [post["id"]])


def test_a_key_for_what_it_does_is_enough(world: World) -> None:
    """Over the port, with the words that the README names; no token can be read with it."""
    data = {"name": "web", "scopes": ["DataLayer.*", "sign_in", "scheduler"]}
    with AnyBinding.connect(world.layer.address) as owner:
        key = owner.ask("Freehold.createKey", {"data": data})["key"]
    address = world.layer.port_address
    settings = dataclasses.replace(world.settings, data_layer=address, data_layer_key=Secret(key))
    with web_served(settings, world.layer) as other:
        browser = Browser(other.public_url)
        with browser.http:
            signed = browser.post("/api/auth/signin/offline", {"email": "key@people.example"})
            made = browser.post("/api/generate", {"idea": "An idea of ten letters", "count": 1})
            post = browser.a_post()
            run = browser.post(
                "/api/cron/publish-scheduled",
                headers={"Authorization": f"Bearer {world.settings.cron_secret}"},
            )
            begun = browser.post("/api/settings/linkedin/connect")
            seen = browser.get("/api/dashboard")
    user_id = signed.json()["user"]["id"]

    assert [each.status_code for each in (made, run, begun, seen)] == [201, 200, 200, 200]
    assert seen.json()["recentPosts"][0]["id"] == post["id"]
    with DataLayerSync.connect(address, key=key) as dal, pytest.raises(PermissionDenied):
        dal.get_linkedin_access_token(user_id=user_id)
    world.dal.delete_user(id=user_id)


def test_it_loads_no_database() -> None:
    """The service knows the client alone."""
    code = (
        "import sys, linkie_claw.services.web.running\n"
        "print([name for name in sys.modules if name.startswith(("
        "'apsw', 'sqlite3', 'asyncpg', 'sqlalchemy', 'freehold.db', 'freehold.drivers', "
        "'freehold.schema', 'freehold.server', 'linkie_claw.schema', 'linkie_claw.domains'))])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=_APP, capture_output=True, text=True, check=True
    )

    assert found.stdout.strip() == "[]"
