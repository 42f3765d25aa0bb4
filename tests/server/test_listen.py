"""Opening the sockets: loopback only, busy ports, and what can stand at a Unix socket's path."""

from __future__ import annotations

import os
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from freehold.errors import AddressInUse, StartError
from freehold.server.door import trusts
from freehold.server.listen import (
    RemoteRefused,
    SocketRefused,
    peer_uid,
    remove_unix_socket,
    tcp_socket,
    unix_socket,
)
from tests.server.toy import post, served


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a Unix socket may be made."""
    return tmp_path / "private" / "freehold.sock"


@pytest.fixture
def listening(path: Path) -> Iterator[socket.socket]:
    """A Unix socket at which somebody answers."""
    with unix_socket(path) as listener:
        yield listener


# -- TCP -----------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.5"])
def test_a_loopback_host_is_opened(host: str) -> None:
    """Only programs on this machine reach it."""
    try:
        listener = tcp_socket(host, 0)
    except StartError:
        pytest.skip(f"this machine has no {host}")
    with listener:
        assert listener.getsockname()[1] > 0


@pytest.mark.attack("A34")
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_another_host_is_refused_with_the_reason(host: str) -> None:
    """Keys would travel in clear."""
    with pytest.raises(RemoteRefused, match=r"plain HTTP.*--allow-remote"):
        tcp_socket(host, 0)


def test_another_host_is_opened_when_it_is_meant() -> None:
    """By an explicit word."""
    with tcp_socket("0.0.0.0", 0, allow_remote=True) as listener:
        assert listener.getsockname()[1] > 0


@pytest.mark.parametrize("host", ["example.com", "", "127.0.0.1.nip.io", "127.1"])
def test_a_name_is_no_host_to_listen_on(host: str) -> None:
    """What it means would be somebody else's to say."""
    with pytest.raises(StartError, match="neither an IP address nor localhost"):
        tcp_socket(host, 0)


def test_a_busy_port_is_named_with_what_to_do() -> None:
    """The whole sentence that a person reads."""
    with tcp_socket("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(AddressInUse) as refusal:
            tcp_socket("127.0.0.1", port)

    assert str(refusal.value) == (
        f"Port {port} on 127.0.0.1 is taken by another process. "
        f"See which by `lsof -i :{port}` and stop it, or choose another with --port."
    )


def test_a_port_that_cannot_be_is_refused() -> None:
    """A typing mistake."""
    with pytest.raises(StartError, match="port 70000"):
        tcp_socket("127.0.0.1", 70_000)


# -- the Unix socket -----------------------------------------------------------------------


@pytest.mark.attack("A26")
def test_a_unix_socket_is_made_for_its_owner_only(path: Path) -> None:
    """The directory 0700, the socket 0600, whatever the umask is."""
    before = os.umask(0)
    try:
        with unix_socket(path):
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert stat.S_ISSOCK(path.stat().st_mode)
    finally:
        os.umask(before)


@pytest.mark.attack("A26")
@pytest.mark.parametrize("mode", [0o755, 0o710, 0o701, 0o777])
def test_a_directory_that_others_can_enter_is_refused(path: Path, mode: int) -> None:
    """Who opens the socket needs no key, so who can enter matters."""
    path.parent.mkdir()
    path.parent.chmod(mode)

    with pytest.raises(SocketRefused, match=r"Other users can enter .*chmod 700"):
        unix_socket(path)

    assert not path.exists()


@pytest.mark.attack("A26")
def test_a_socket_that_a_dead_process_left_is_taken_away(path: Path) -> None:
    """Nobody answers there any more."""
    unix_socket(path).close()
    assert path.exists()

    with unix_socket(path), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


@pytest.mark.attack("A26")
@pytest.mark.usefixtures("listening")
def test_a_socket_at_which_somebody_answers_stays(path: Path) -> None:
    """Two servers never share a path, and the first one keeps it."""
    with pytest.raises(AddressInUse, match=rf"already listens on the Unix socket {path}.*lsof"):
        unix_socket(path)

    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


@pytest.mark.attack("A26")
def test_a_file_at_the_path_stays_as_it_is(path: Path) -> None:
    """It may be anything, also somebody's work."""
    path.parent.mkdir(mode=0o700)
    path.write_text("work")

    with pytest.raises(SocketRefused, match="not a socket; it stays as it is"):
        unix_socket(path)

    assert path.read_text() == "work"


@pytest.mark.attack("A26")
def test_a_symlink_at_the_path_is_not_followed(path: Path, tmp_path: Path) -> None:
    """Neither to a file nor to a living socket nor to nothing."""
    path.parent.mkdir(mode=0o700)
    path.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(SocketRefused, match="not a socket"):
        unix_socket(path)

    assert path.is_symlink()


def test_a_path_that_is_too_long_is_refused(tmp_path: Path) -> None:
    """The kernel would say `AF_UNIX path too long` and no more."""
    with pytest.raises(SocketRefused, match=r"longer than 107 bytes.*--socket"):
        unix_socket(tmp_path / ("x" * 120))


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """There is a file where a directory should be."""
    (tmp_path / "file").write_text("")

    with pytest.raises(SocketRefused, match="cannot be made"):
        unix_socket(tmp_path / "file" / "s.sock")


@pytest.mark.attack("A26")
def test_servers_that_start_at_once_get_one_socket(path: Path) -> None:
    """Looking, taking away and binding are one step; a stale socket stands there before."""
    unix_socket(path).close()
    outcomes: list[object] = []
    gate = threading.Barrier(8)

    def start() -> None:
        gate.wait()
        try:
            outcomes.append(unix_socket(path))
        except AddressInUse:
            outcomes.append(None)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    winners = [each for each in outcomes if isinstance(each, socket.socket)]
    assert len(winners) == 1
    with winners[0], socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


@pytest.mark.attack("A26")
def test_only_our_own_socket_is_taken_away_at_the_end(path: Path, listening: socket.socket) -> None:
    """Another server may have the name by now."""
    ours = path.stat().st_ino

    remove_unix_socket(path, ours + 1)
    assert path.exists()

    remove_unix_socket(path, ours)
    assert not path.exists()
    remove_unix_socket(path, ours)


# -- who is at the other end ---------------------------------------------------------------


@pytest.mark.attack("A26")
def test_the_peer_of_a_unix_socket_is_known() -> None:
    """By the kernel, not by what it says."""
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        assert peer_uid(one) == os.getuid()


@pytest.mark.attack("A26")
@pytest.mark.parametrize(
    ("uid", "own", "trusted"),
    [(1000, 1000, True), (0, 1000, True), (1001, 1000, False), (1000, 0, False), (None, 1, True)],
)
def test_the_owner_and_root_are_trusted(uid: int | None, own: int, *, trusted: bool) -> None:
    """Nobody else; where the system does not tell, the modes have already decided."""
    assert trusts(uid, own=own) is trusted


@pytest.mark.attack("A26")
@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_user_is_refused_at_the_unix_socket(tmp_path: Path) -> None:
    """First by the directory; and if that was opened to everybody, by who it is."""
    path = tmp_path / "private" / "toy.sock"
    with served(unix_path=path) as toy:
        assert as_nobody(path, tmp_path) == "PermissionError"

        open_up(path, tmp_path)
        answer = as_nobody(path, tmp_path)

        assert answer.startswith("HTTP/1.1 403 ")
        assert "permission_denied" in answer
        assert toy.notes.seen == []


def open_up(path: Path, tmp_path: Path) -> None:
    """Let everybody reach the socket, as a careless operator might."""
    path.chmod(0o777)
    for directory in path.parents:
        if directory.is_relative_to(tmp_path.parents[2]):
            directory.chmod(0o755)


def as_nobody(path: Path, tmp_path: Path) -> str:
    """What the user `nobody` gets who calls over the socket."""
    del tmp_path
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setuid(65534)
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(5)
                client.connect(str(path))
                client.sendall(post("Notes.get", key=None))
                os.write(writer, client.recv(65536))
        except OSError as error:
            os.write(writer, type(error).__name__.encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader, "rb") as pipe:
        return pipe.read().decode()
