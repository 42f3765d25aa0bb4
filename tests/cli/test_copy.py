"""`freehold copy`: what a person sees, and what clients meet on the other side."""

from __future__ import annotations

import re
import resource
import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import apsw
import httpx
import pytest
from hotmetal.clients.hotmetal import CreateUserInput, DataLayerSync

from freehold.drivers.postgres import Address, is_known
from freehold.drivers.sqlite import shim
from freehold.testing import shared_cluster
from tests.app.copy_worlds import dump, rows_on_server
from tests.cli.commands import freehold, write_notes
from tests.e2e.processes import HOTMETAL, serving

NOTES = 40_000


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The folder of a HotMetal with its sample data and a key."""
    folder = tmp_path / "data"
    said = freehold("seed", "--app", HOTMETAL, "--data-dir", folder, cwd=tmp_path)
    assert said.code == 0
    return folder


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """The folder of an application whose copy takes a moment."""
    app = write_notes(tmp_path)
    assert freehold("seed", "--app", app, "--data-dir", "data", cwd=tmp_path).code == 0
    rows = ((f"n{number}", "x" * 200) for number in range(NOTES))
    with closing(apsw.Connection(str(tmp_path / "data" / "main.db"), vfs=shim())) as connection:
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO notes VALUES (?, ?, 1)", rows)
        connection.execute("COMMIT")
    return tmp_path


def test_it_prints_every_table_with_its_rows_and_hash(data: Path, tmp_path: Path) -> None:
    """A table for people, lines of progress where there is no terminal, JSON for programs."""
    url = shared_cluster().new_schema()

    said = freehold("copy", data / "main.db", url, "--app", HOTMETAL, cwd=tmp_path)
    back = freehold("copy", url, "back.db", "--app", HOTMETAL, "--json", cwd=tmp_path)

    assert said.code == 0
    assert re.search(r"main +ideas +9 +[0-9a-f]{16} +yes", said.out)
    assert re.search(r"main +_freehold_meta +1 +[0-9a-f]{16} +yes", said.out)
    assert "copying main ideas, 9 rows\n" in said.err
    assert "comparing main ideas, 9 rows\n" in said.err
    assert f"with the same secrets: {data / 'secrets.json'}" in said.err
    [found] = back.json()
    ideas = next(table for table in found["tables"] if table["table"] == "ideas")
    assert (ideas["rows"], ideas["same"]) == (9, True)
    assert ideas["hash"][:16] in said.out
    assert found["seq"] == 1
    assert dump(data / "main.db") == dump(tmp_path / "back.db")


def test_clients_go_on_on_the_other_engine(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old key, the same ids, the sealed token, and commit numbers that go on."""
    made = freehold(
        "keys", "create", "writer", "--scope", "*", "--scope", "connection_tokens",
        "--app", HOTMETAL, "--data-dir", data, cwd=tmp_path,
    )  # fmt: skip
    key = made.out.split()[0]
    asked = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    once = {**asked, "Idempotency-Key": "u8"}
    user = {"data": {"id": "u8", "email": "u8@x.example", "name": "U"}}
    with serving(data) as server:
        rpc = f"{_http(server.said)}/rpc/DataLayer"
        made_user = httpx.post(f"{rpc}/createUser", headers=once, json=user)
        before = httpx.post(f"{rpc}/listSessions", headers=asked, json={})
    url = shared_cluster().new_schema()

    assert freehold("copy", data / "main.db", url, "--app", HOTMETAL, cwd=tmp_path).code == 0
    monkeypatch.setenv("FREEHOLD_DATABASE", url)
    with (
        serving(data) as server,
        httpx.Client(base_url=f"{_http(server.said)}/rpc/DataLayer", headers=asked) as http,
    ):
        after = http.post("/listSessions", json={})
        reached = http.post("/listSessions", json={}, headers={"Freehold-Min-Seq": "3"})
        repeated = http.post("/createUser", json=user, headers=once)
        opened = http.post(
            "/getSocialConnectionWithDecryptedTokens", json={"id": _connection(data)}
        )
        written = http.post(
            "/createUser", json={"data": {"id": "u9", "email": "u9@x.example", "name": "U"}}
        )
        refused = http.post("/listSessions", json={}, headers={"Authorization": f"Bearer {key}x"})

    assert before.status_code == after.status_code == reached.status_code == 200
    assert before.content == after.content
    assert before.headers["freehold-seq"] == after.headers["freehold-seq"] == "3"
    assert (repeated.status_code, repeated.content) == (200, made_user.content)
    assert opened.json()["accessToken"] == "sample-access-token"
    assert written.headers["freehold-seq"] == "4"
    assert refused.status_code == 401


def test_a_served_file_is_refused_unless_it_is_said(data: Path, tmp_path: Path) -> None:
    """What is written after the copy would be missing; to rehearse, that is no matter."""
    with serving(data), closing(DataLayerSync.connect(f"unix:{data}/freehold.sock")) as dal:
        refused = freehold("copy", data / "main.db", "2.db", "--app", HOTMETAL, cwd=tmp_path)
        rehearsed = freehold(
            "copy", data / "main.db", "2.db", "--while-served", "--app", HOTMETAL, cwd=tmp_path
        )
        dal.create_user(data=CreateUserInput(id="late", email="late@x.example", name="Late"))

    assert refused.code == 1
    assert re.search(r"process \d+ serves .*main.db", refused.err)
    assert "--while-served" in refused.err
    assert rehearsed.code == 0
    assert "late" not in str(dump(tmp_path / "2.db")["users"])


def test_a_served_server_is_refused(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever process serves it: as the source, and as the target."""
    url, empty = shared_cluster().new_schema(), shared_cluster().new_schema()
    assert freehold("copy", data / "main.db", url, "--app", HOTMETAL, cwd=tmp_path).code == 0
    monkeypatch.setenv("FREEHOLD_DATABASE", url)
    with serving(data):
        source = freehold("copy", url, "2.db", "--app", HOTMETAL, cwd=tmp_path)
        forced = freehold("copy", url, "2.db", "--while-served", "--app", HOTMETAL, cwd=tmp_path)
    monkeypatch.setenv("FREEHOLD_DATABASE", empty)
    with serving(tmp_path / "other"):
        target = freehold("copy", data / "main.db", empty, "--app", HOTMETAL, cwd=tmp_path)

    assert (source.code, forced.code, target.code) == (1, 0, 1)
    assert "1 processes serve" in source.err
    assert "1 processes serve" in target.err


def test_copying_beside_a_busy_owner_harms_nobody(data: Path, tmp_path: Path) -> None:
    """Each copy is one commit's state, to the row; the owner loses nothing that it answered."""
    answered: dict[str, int] = {}
    done = threading.Event()
    key = freehold(
        "keys", "create", "writer", "--scope", "*", "--app", HOTMETAL, "--data-dir", data,
        cwd=tmp_path,
    ).out.split()[0]  # fmt: skip

    def write(base: str) -> None:
        with httpx.Client(base_url=base, headers={"Authorization": f"Bearer {key}"}) as http:
            while not done.is_set():
                id = f"u{len(answered)}"
                data = {"id": id, "email": f"{id}@x.example", "name": "U"}
                answer = http.post("/rpc/DataLayer/createUser", json={"data": data})
                assert answer.status_code == 200
                answered[id] = int(answer.headers["freehold-seq"])

    copies = []
    with serving(data) as server:
        writer = threading.Thread(target=write, args=(_http(server.said),))
        writer.start()
        try:
            for number in range(4):
                to = f"{number}.db" if number % 2 else shared_cluster().new_schema()
                said = freehold(
                    "copy", data / "main.db", to, "--while-served", "--json", "--app", HOTMETAL,
                    cwd=tmp_path,
                )  # fmt: skip
                assert said.code == 0, said.err
                copies.append((tmp_path / to, said.json()[0]))
        finally:
            done.set()
            writer.join()
        assert server.stop(signal.SIGINT) == 0

    assert len(answered) > 100
    for path, copied in copies:
        if path.suffix == ".db":
            there = set(re.findall(r"'(u\d+)'", str(dump(path)["users"])))
            assert there == {id for id, seq in answered.items() if seq <= copied["seq"]}
    with closing(apsw.Connection(str(data / "main.db"))) as connection:
        kept = {id for (id,) in connection.execute("SELECT id FROM users").fetchall()}
        assert connection.execute("PRAGMA integrity_check").get == "ok"
    assert set(answered) <= kept


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("engine", ["server", "file"])
def test_a_copy_that_is_ended_leaves_nothing(number: int, engine: str, many: Path) -> None:
    """By Ctrl-C or by kill -9, in the middle of the rows: the target has none; again it works."""
    to = shared_cluster().new_schema() if engine == "server" else "2.db"
    arguments = [sys.executable, "-m", "freehold", "copy", "data/main.db", to, "--app", "notes.py"]
    process = subprocess.Popen(arguments, cwd=many, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    with process.stderr as said:
        for line in said:
            if line.startswith("copying main notes"):
                break
        process.send_signal(number)
        said.read()
    code = process.wait(30)

    assert code == (130 if number == signal.SIGINT else -number)
    if engine == "server":
        assert rows_on_server(to) == 0
    else:
        assert dump(many / "2.db")["notes"] == []
    assert freehold("copy", "data/main.db", to, "--app", "notes.py", cwd=many).code == 0


def test_a_full_disk_is_a_sentence(many: Path) -> None:
    """Exit code 74, and the target has no row."""
    limit = 2 * 1024 * 1024

    def full() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        [sys.executable, "-m", "freehold", "copy", "data/main.db", "2.db", "--app", "notes.py"],
        cwd=many, preexec_fn=full, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 74, done.stderr
    assert "2.db" in done.stderr
    assert "Nothing was copied." in done.stderr
    assert "Traceback" not in done.stderr
    assert dump(many / "2.db")["notes"] == []


def test_a_server_that_is_not_there_is_a_sentence(data: Path, tmp_path: Path) -> None:
    """As the target and as the source; without the password."""
    url = "postgresql://notes:geheim@127.0.0.1:9/notes"
    for pair in ((data / "main.db", url), (url, "2.db")):
        said = freehold("copy", *pair, "--app", HOTMETAL, cwd=tmp_path)

        assert said.code == 70
        assert "does not answer" in said.err
        assert "geheim" not in said.err + said.out
    assert not (tmp_path / "2.db").exists()


def test_a_refused_target_says_which_table(data: Path, tmp_path: Path) -> None:
    """Exit code 1; and as the second try of a copy that had succeeded."""
    url = shared_cluster().new_schema()
    assert freehold("copy", data / "main.db", url, "--app", HOTMETAL, cwd=tmp_path).code == 0

    again = freehold("copy", data / "main.db", url, "--app", HOTMETAL, cwd=tmp_path)

    assert again.code == 1
    assert "has rows in audit_logs" in again.err
    assert is_known(Address.parse(url))


def _http(said: list[str]) -> str:
    found = re.search(r"http://\S+:\d+", "".join(said))
    assert found is not None
    return found.group()


def _connection(data: Path) -> str:
    with closing(apsw.Connection(str(data / "main.db"))) as connection:
        return str(connection.execute("SELECT id FROM social_connections").get)
