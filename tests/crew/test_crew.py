"""
`freehold dev` of an application with services: real processes, signals and files.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from freehold.testing.cluster import cluster
from tests.crew.tiny import Dev, dev, free_ports, order, write_application

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/cwd").exists(), reason="who still runs is read from Linux's /proc"
)


#: How long what happens a moment later may take on a busy machine.
_SOON_S = 20.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With the application in it."""
    write_application(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    """All of it, for tests that leave it running."""
    folder = tmp_path_factory.mktemp("started")
    write_application(folder)
    (folder / ".env").write_text("# mine\nCOLOUR='dark blue'\nMOOD=overridden\n")
    with dev(folder, "--port", "0", FREEHOLD_DATABASE="main.db", WORD="given") as running:
        running.wait_for("a first call")
        yield running


def status(running: Dev, method: str, key: str) -> int:
    """What the data layer answers to a call with the key."""
    found = re.search(r"listens on (http://\S+)", running.said)
    assert found is not None
    request = urllib.request.Request(
        f"{found.group(1)}/rpc/Notes/{method}",
        data=b'{"text": "x"}' if method == "addNote" else b"{}",
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def key_of(running: Dev, name: str) -> str:
    """The key in the file that the service was handed."""
    environ = running.ask(name, "/environ")
    [file] = [environ[each] for each in environ if each.endswith("_KEY_FILE")]
    return Path(file).read_text().strip()


def test_all_start_in_order_and_are_named(started: Dev) -> None:
    """The data layer, who plays the CMS, and each service after those it needs; one welcome."""
    # What a process says is read a moment after it is asked for its health.
    parts = ["│ listens on http", "│ cms starts", "│ writer starts", "│ scout starts", "ready in"]
    until = time.monotonic() + _SOON_S
    while not all(part in started.said for part in parts):
        assert time.monotonic() < until, started.said
        time.sleep(0.02)
    said = started.said

    assert order(said, parts[1:4]) == sorted(order(said, parts[1:4]))
    assert said.index(parts[0]) < said.index(parts[2])
    assert re.search(r"^  writer +http://127.0.0.1:\d+/page$", said, re.MULTILINE)
    assert re.search(r"^writer     │ writer starts: $", said, re.MULTILINE)
    assert "\x1b" not in said, "this is no terminal"


def test_each_is_told_what_it_needs_and_no_more(started: Dev) -> None:
    """Its port, folder, binding, addresses, and its own secrets; never the database's place."""
    cms, writer, scout = (started.ask(name, "/environ") for name in ("cms", "writer", "scout"))

    assert writer["CMS_URL"] == started.address("cms")
    assert scout["WRITER_URL"] == started.address("writer").removesuffix("/page")
    assert writer["FREEHOLD_DAL"] == scout["FREEHOLD_NOTES"]
    assert writer["PORT"] in started.address("writer")
    assert Path(writer["DATA_DIR"]).is_dir()
    assert writer["CMS_KEY"] == cms["CMS_KEY"] != ""
    assert "CMS_KEY" not in scout, "it did not ask for it"
    assert "WORD" not in cms
    assert writer["WORD"] == scout["WORD"] == "given", "the developer's own goes first"
    assert writer["MOOD"] == "good"
    assert (writer["COLOUR"], scout["MOOD"]) == ("dark blue", "overridden")
    for environ in (cms, writer, scout):
        assert "FREEHOLD_DATABASE" not in environ
        assert not any(name.endswith("_KEY") for name in environ if name.startswith("FREEHOLD_"))


def test_a_services_key_may_do_what_was_declared(started: Dev) -> None:
    """And nothing else; its file is its owner's alone."""
    writer, scout = key_of(started, "writer"), key_of(started, "scout")

    assert [status(started, method, writer) for method in ("listNotes", "addNote")] == [200, 403]
    assert status(started, "addNote", scout) == 200
    for path in (started.folder / ".freehold" / "services").rglob("*"):
        assert path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO) == 0, path


def test_what_crashes_is_started_again_with_a_living_key(started: Dev) -> None:
    """The data layer does not notice; a key that was revoked meanwhile is made anew."""
    before, pid = key_of(started, "writer"), started.ask("writer", "/health")["pid"]
    listed = freehold(started.folder, "keys", "list", "--json")
    [known] = [key for key in json.loads(listed) if key["name"] == "writer (dev)"]
    freehold(started.folder, "keys", "revoke", known["id"])

    started.die("writer")
    started.wait_for("writer starts", times=2)
    started.until(lambda: answers(started, "writer"), "the writer answers again")

    assert "writer: it ended with exit code 9" in started.said
    assert started.ask("writer", "/health")["pid"] != pid
    after = key_of(started, "writer")
    assert after != before
    assert (status(started, "listNotes", after), status(started, "listNotes", before)) == (200, 401)


def test_the_data_layer_is_started_again_too(started: Dev) -> None:
    """At the same address; the services go on and find it there."""
    key, pid = key_of(started, "scout"), started.ask("scout", "/health")["pid"]
    owner = json.loads((started.folder / "main.db.lock").read_text())["pid"]
    times = started.said.count("│ listens on http")

    os.kill(owner, signal.SIGKILL)
    started.wait_for("│ listens on http", times=times + 1)
    started.wait_for("data-layer: it was ended by SIGKILL")

    assert status(started, "addNote", key) == 200
    assert started.ask("scout", "/health")["pid"] == pid


def test_one_ctrl_c_ends_all_in_reverse_order(started: Dev) -> None:
    """Services first, the data layer last; cleanly, and nothing is left."""
    until = time.monotonic() + _SOON_S
    while len(started.processes()) != 6:
        assert time.monotonic() < until, "dev, its warden, the data layer and three services"
        time.sleep(0.05)

    assert started.end(signal.SIGINT) == 0

    parts = ["│ scout ends", "│ writer ends", "│ cms ends", "│ stopped", "\nstopped; the data"]
    assert order(started.said, parts) == sorted(order(started.said, parts))
    assert started.processes() == set()
    assert "Traceback" not in started.said


def test_what_crashes_too_often_is_left_alone(folder: Path) -> None:
    """The others go on, a flood of one does not forge another's line; a change tries again."""
    (folder / "writer.wish").write_text("crash")
    (folder / "cms.wish").write_text("flood")
    with dev(folder, "--port", "0") as running:
        running.wait_for("is left alone")
        running.wait_for("a first call")

        assert running.said.count("│ writer starts: crash") == 5
        assert running.ask("cms", "/health")["pid"] > 0
        assert "  writer     http" in running.said
        assert "(not there yet, see above)" in running.said
        flood = [line for line in running.said.splitlines() if "flood" in line]
        assert len(flood) == 20_001
        assert all(line.startswith("cms        │ ") for line in flood)

        (folder / "writer.wish").unlink()
        (folder / "writer.py").touch()
        running.wait_for("│ writer starts: \n")
        running.until(lambda: answers(running, "writer"), "the writer answers")


def test_kill_9_leaves_nothing(folder: Path) -> None:
    """Not even who hears no SIGTERM, nor what he has started himself."""
    (folder / "writer.wish").write_text("deaf")
    with dev(folder, "--port", "0") as running:
        running.wait_for("a first call")
        assert len(running.processes()) == 7

        running.process.kill()
        running.process.wait()
        ends = time.monotonic() + 10
        while running.processes() and time.monotonic() < ends:
            time.sleep(0.1)

        assert running.processes() == set()


def test_a_second_ctrl_c_does_not_wait(folder: Path) -> None:
    """The first waits for who is deaf, ten seconds; the second kills him."""
    (folder / "writer.wish").write_text("deaf")
    with dev(folder, "--port", "0") as running:
        running.wait_for("a first call")
        os.killpg(running.process.pid, signal.SIGINT)
        running.wait_for("scout ends")
        began = time.monotonic()

        assert running.end(signal.SIGINT) == 130
        assert time.monotonic() - began < 5
        assert running.processes() == set()


def test_what_is_changed_is_started_again(folder: Path) -> None:
    """A service by itself; the application with all of it; a mistake stops nothing."""
    (folder / "clients").mkdir()
    with dev(folder, "--port", "0") as running:
        running.wait_for("a first call")
        pids = {name: running.ask(name, "/health")["pid"] for name in ("cms", "writer", "scout")}
        old = key_of(running, "writer")

        service = folder / "writer.py"
        source = service.read_text()
        service.write_text("def (\n")
        running.wait_for("writer.py:1: ")
        assert running.ask("writer", "/health")["pid"] == pids["writer"]
        service.write_text(source)
        running.wait_for("writer starts", times=2)
        running.until(lambda: answers(running, "writer"), "the writer answers")
        assert running.ask("scout", "/health")["pid"] == pids["scout"]

        app = folder / "notes.py"
        source = app.read_text()
        app.write_text(f"{source}\nbroken = 1 / 0\n")
        running.wait_for("ZeroDivisionError")
        running.wait_for("what runs goes on")
        assert status(running, "listNotes", old) == 200

        app.write_text(source.replace('["Notes.listNotes"]', '["Notes.addNote"]'))
        running.wait_for("all of it runs again")

        assert running.ask("cms", "/health")["pid"] != pids["cms"]
        new = key_of(running, "writer")
        assert [status(running, "addNote", new), status(running, "listNotes", new)] == [200, 403]
        assert status(running, "listNotes", old) == 401, "the key of the old scopes is revoked"
        assert "add_note" in (folder / "clients" / "notes.py").read_text()
        assert running.end() == 0


def test_only_one_waits_for_its_data_layer(folder: Path) -> None:
    """It says for whom and how he is started; and goes on when he is."""
    port = free_ports()
    with dev(folder, "--only", "writer", "--port", str(port)) as alone:
        alone.wait_for("waiting for its first key")
        assert f"no data layer at http://127.0.0.1:{port} (binding DAL)" in alone.said
        assert "freehold dev --only data-layer" in alone.said
        with dev(folder, "--only", "data-layer", "--port", str(port)) as below:
            below.wait_for("a first call")
            alone.wait_for("writer listens on")

            assert "writer starts" not in below.said
            assert alone.said.count("starts") == 1, "it alone"
            assert alone.end() == 0
            assert below.end() == 0


def test_an_unknown_name_is_refused_with_the_list(folder: Path) -> None:
    """Before anything is started."""
    with dev(folder, "--only", "publisher") as refused:
        assert refused.process.wait(30) == 70

    assert "notes has no service 'publisher'" in refused.said
    assert "data-layer, cms, writer, scout" in refused.said


def test_a_taken_port_is_named_with_who_wants_it(folder: Path) -> None:
    """And what can be done; nothing was started."""
    first = free_ports()
    # Who moves 8791 there, moves the scout's 8793 to the one that is taken.
    port = first + 2
    with (
        socket.create_server(("127.0.0.1", port)),
        dev(folder, "--port", str(first)) as refused,
    ):
        assert refused.process.wait(30) == 75

    assert f"port {port} of scout is taken" in refused.said
    assert "starts" not in refused.said


def test_who_is_really_there_is_not_played(folder: Path) -> None:
    """The developer's address goes to those who need it, and no word is made up for it."""
    more = {"CMS_URL": "http://cms.example", "NO_COLOR": "1"}
    with dev(folder, "--port", "0", "--no-reload", **more) as running:
        running.wait_for("a first call")

        assert "cms: not started: CMS_URL is set" in running.said
        assert "cms starts" not in running.said
        environ = running.ask("writer", "/environ")
        assert environ["CMS_URL"] == "http://cms.example"
        assert "CMS_KEY" not in environ
        (folder / "writer.py").touch()
        time.sleep(0.6)
        assert running.said.count("writer starts") == 1, "--no-reload"
        assert running.end(signal.SIGTERM) == 0


def answers(running: Dev, name: str) -> bool:
    """Whether the service answers now."""
    try:
        return bool(running.ask(name, "/health"))
    except OSError:
        return False


def freehold(folder: Path, *arguments: str) -> str:
    """What a command about the application says."""
    done = subprocess.run(
        [sys.executable, "-m", "freehold", *arguments, "--app", "notes.py"],
        cwd=folder,
        env={**os.environ, "FREEHOLD_DATABASE": "main.db"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def test_a_servers_database_is_the_data_layers_alone(folder: Path) -> None:
    """The same on PostgreSQL, whose address no service is told."""
    with cluster() as server:
        url = server.url(server.new_database())
        with dev(folder, "--port", "0", "--database", url) as running:
            running.wait_for("a first call")

            assert status(running, "addNote", key_of(running, "scout")) == 200
            assert status(running, "addNote", key_of(running, "writer")) == 403
            environ = running.ask("writer", "/environ")
            assert not any("postgresql" in value for value in environ.values())
            assert running.end() == 0
            assert running.processes() == set()
