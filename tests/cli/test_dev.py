"""`freehold dev`, `serve`, `keys`, `call`, `sql` and `seed` on a small application."""

from __future__ import annotations

import re
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.cli.commands import freehold, write_notes
from tests.e2e.processes import ServerProcess, serving


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return write_notes(tmp_path)


@pytest.fixture
def dev(app: Path, tmp_path: Path) -> Iterator[ServerProcess]:
    with serving(tmp_path / "data", app=app, command="dev") as server:
        server.wait_for("a first call")
        server.wait_for("-d ")
        yield server


def address_and_key(server: ServerProcess) -> tuple[str, str]:
    said = "".join(server.said)
    address = re.search(r"http://\S+:\d+", said)
    key = re.search(r"fh_test_\w+", said)
    assert address is not None
    assert key is not None
    return address.group(), key.group()


def test_dev_prints_a_first_call_that_works(dev: ServerProcess) -> None:
    """What it prints is enough to make the call, word for word."""
    address, key = address_and_key(dev)

    answer = httpx.post(
        f"{address}/rpc/Notes/listNotes",
        content=b"{}",
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )

    assert answer.status_code == 200
    assert [note["text"] for note in answer.json()] == ["hello"]
    assert int(answer.headers["freehold-seq"]) > 0


def test_the_dev_key_has_the_words_that_single_methods_ask_for(dev: ServerProcess) -> None:
    """A developer can call everything with it."""
    address, key = address_and_key(dev)

    answer = httpx.post(
        f"{address}/rpc/Notes/emptyBin",
        content=b"{}",
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )

    assert answer.json() == 1


def test_its_files_are_the_owners_alone(dev: ServerProcess) -> None:
    """The folder and what is secret in it can be opened by nobody else."""
    for path in (dev.folder, *dev.folder.iterdir()):
        assert path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO) == 0


def test_started_again_it_keeps_its_data_and_its_key(dev: ServerProcess, tmp_path: Path) -> None:
    """Ctrl-C is clean; the second start finds notes and key as they were."""
    freehold("call", "Notes.addNote", "text=more", "--app", "notes.py", "--data-dir", "data",
             cwd=tmp_path)  # fmt: skip
    _, key = address_and_key(dev)

    assert dev.stop(signal.SIGINT) == 0
    assert "Traceback" not in "".join(dev.said)
    dev.said.clear()
    dev.start()
    dev.wait_for("-d ")

    assert address_and_key(dev)[1] == key
    listed = freehold("call", "Notes.listNotes", "--app", "notes.py", "--data-dir", "data",
                      cwd=tmp_path)  # fmt: skip
    assert sorted(note["text"] for note in listed.json()) == ["hello", "more"]


def test_a_second_owner_gets_one_clear_sentence(dev: ServerProcess, tmp_path: Path) -> None:
    """It names the process and the socket of the first, and exits with 73."""
    said = freehold("dev", "notes.py", "--data-dir", "data", "--port", "0", cwd=tmp_path)

    assert said.code == 73
    assert dev.process is not None
    assert str(dev.process.pid) in said.err
    assert "freehold.sock" in said.err
    assert "Traceback" not in said.err


def test_a_busy_port_gets_one_clear_sentence(app: Path, tmp_path: Path) -> None:
    """It names the port and the next step, and exits with 75."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        said = freehold("dev", app, "--data-dir", "other", "--port", str(port), cwd=tmp_path)

    assert said.code == 75
    assert str(port) in said.err
    assert "--port" in said.err


def test_keys_are_made_and_revoked_beside_the_running_server(
    dev: ServerProcess, tmp_path: Path
) -> None:
    """A revoked key is refused at the next call."""
    where = ("--app", "notes.py", "--data-dir", "data")
    address, _ = address_and_key(dev)
    made = freehold(
        "keys", "create", "scout", "--scope", "Notes.list*", "--json", *where, cwd=tmp_path
    ).json()
    ask = {"Authorization": f"Bearer {made['key']}", "Content-Type": "application/json"}

    def status(method: str) -> int:
        url = f"{address}/rpc/Notes/{method}"
        return httpx.post(url, content=b"{}", headers=ask).status_code

    assert status("listNotes") == 200
    assert status("addNote") == 403
    revoked = freehold("keys", "revoke", made["info"]["id"], *where, cwd=tmp_path)
    assert revoked.code == 0
    assert status("listNotes") == 401
    listed = freehold("keys", "list", "--json", *where, cwd=tmp_path).json()
    states = {key["name"]: key["revokedAt"] is None for key in listed}
    assert states == {"dev": True, "scout": False}


def test_keys_and_sql_work_without_a_server(app: Path, tmp_path: Path) -> None:
    """The command then owns the database for the moment."""
    where = ("--app", "notes.py", "--data-dir", "data")
    assert freehold("seed", *where, cwd=tmp_path).code == 0
    assert freehold("keys", "create", "ci", "--scope", "*", *where, cwd=tmp_path).out.startswith(
        "fh_live_"
    )

    shown = freehold("sql", "select text from notes", "--json", *where, cwd=tmp_path)
    refused = freehold("sql", "delete from notes", *where, cwd=tmp_path)

    assert shown.json()["rows"] == [["hello"]]
    assert refused.code == 1
    assert "SELECT" in refused.err


def test_sql_only_reads_beside_the_server(dev: ServerProcess, tmp_path: Path) -> None:
    """Through the owner, too, nothing but a SELECT is run."""
    where = ("--app", "notes.py", "--data-dir", "data")

    shown = freehold("sql", "select count(*) as n from notes", "--json", *where, cwd=tmp_path)
    refused = freehold("sql", "update notes set text = 'x'", *where, cwd=tmp_path)

    assert shown.json() == {"columns": ["n"], "rows": [[1]], "isCut": False}
    assert refused.code == 1


def test_call_names_what_was_wrong(dev: ServerProcess, tmp_path: Path) -> None:
    """The code, the argument and the next step, on standard error, with exit code 1."""
    where = ("--app", "notes.py", "--data-dir", "data")

    wrong = freehold("call", "Notes.addNote", "text=5", *where, cwd=tmp_path)
    unknown = freehold("call", "Notes.addNotes", "{}", *where, cwd=tmp_path)

    assert wrong.code == 1
    assert "invalid_argument (text)" in wrong.err
    assert unknown.code == 1
    assert "Notes.addNote" in unknown.err


def test_call_without_a_server_says_how_to_start_it(app: Path, tmp_path: Path) -> None:
    """Nobody is there: the sentence names the command and the variable."""
    said = freehold("call", "Notes.listNotes", "--app", "notes.py", cwd=tmp_path)

    assert said.code == 1
    assert "freehold dev" in said.err
    assert "FREEHOLD_DAL" in said.err


def test_serve_stops_on_a_signal_with_exit_code_0(app: Path, tmp_path: Path) -> None:
    """SIGTERM is how a service is stopped; it is no error."""
    with serving(tmp_path / "data", app=app) as server:
        assert server.stop(signal.SIGTERM) == 0
        assert not server.socket.exists()


def test_serve_refuses_a_host_that_others_reach(app: Path, tmp_path: Path) -> None:
    """Without --allow-remote, only this machine is let in."""
    said = freehold("serve", app, "--data-dir", "data", "--host", "0.0.0.0", "--port", "0",
                    cwd=tmp_path)  # fmt: skip

    assert said.code != 0
    assert "allow" in said.err


def test_a_database_without_its_secrets_is_refused(app: Path, tmp_path: Path) -> None:
    """Made anew they would open nothing; the sentence says to put the file back."""
    where = ("--app", "notes.py", "--data-dir", "data")
    freehold("seed", *where, cwd=tmp_path)
    (tmp_path / "data" / "secrets.json").unlink()

    said = freehold("keys", "list", *where, cwd=tmp_path)

    assert said.code == 78
    assert "secrets.json" in said.err


def test_a_made_up_limit_is_refused_by_name(app: Path, tmp_path: Path) -> None:
    """A misspelt limit would silently not be there."""
    said = freehold("serve", app, "--data-dir", "data", "--limit", "body_byte_max=5", cwd=tmp_path)

    assert said.code != 0
    assert "body_byte_max" in said.err
