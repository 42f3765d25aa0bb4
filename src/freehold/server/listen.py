"""
Opening the sockets: the TCP port and the Unix socket, each with its precautions.

Who is let in over them is decided in `gate` and `door`; when they are closed, in `lifecycle`.
"""

from __future__ import annotations

import errno
import fcntl
import ipaddress
import os
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from freehold.errors import AddressInUse, StartError

#: All that wait here are accepted in one turn of the loop.
BACKLOG: Final = 512
#: Who finds a Unix socket's full is refused by the kernel at once, not made to try again.
UNIX_BACKLOG: Final = 2_048

#: What the kernel's address structure holds, less the closing zero byte.
_UNIX_PATH_BYTES_MAX: Final = 107
_PROBE_TIMEOUT_S: Final = 1.0
#: Linux's `struct ucred`: pid, uid, gid.
_UCRED: Final = struct.Struct("3i")


class RemoteRefused(StartError):
    """The host is not a loopback one, and nobody said that this is meant."""

    exit_code = 78


class SocketRefused(StartError):
    """The Unix socket cannot be made safely at this path."""

    exit_code = 73


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a server listens, as a client's address; None where it does not."""

    http: str | None = None
    unix: str | None = None


def tcp_socket(host: str, port: int, *, allow_remote: bool = False) -> socket.socket:
    """
    A listening TCP socket; port 0 takes a free one.

    Raises:
        RemoteRefused: Others could reach the host, and `allow_remote` is not set.
        AddressInUse: Another process listens there.
        StartError: The host is not an address of this machine.
    """
    address = "127.0.0.1" if host == "localhost" else host
    try:
        ip = ipaddress.ip_address(address.strip("[]"))
    except ValueError:
        raise StartError(
            f"The host {host!r} is neither an IP address nor localhost.",
            hint="Listen on 127.0.0.1, and name the host in --allow-host if callers use its name.",
        ) from None
    if not ip.is_loopback and not allow_remote:
        raise RemoteRefused(
            f"{host} can be reached from other machines, and this port speaks plain HTTP: "
            "service keys and data could be read on the way.",
            hint="Listen on 127.0.0.1 behind a proxy with TLS, or say --allow-remote.",
        )
    family = socket.AF_INET6 if ip.version == 6 else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((str(ip), port))
        listener.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        raise _bind_error(error, host, port) from error
    listener.setblocking(False)
    return listener


def _bind_error(error: Exception, host: str, port: int) -> StartError:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return AddressInUse(
            f"Port {port} on {host} is taken by another process.",
            hint=f"See which by `lsof -i :{port}` and stop it, or choose another with --port.",
        )
    if isinstance(error, OSError) and error.errno == errno.EACCES:
        return StartError(
            f"Port {port} may not be opened by this user.",
            hint="Choose one above 1023 with --port.",
        )
    return StartError(
        f"Cannot listen on {host} port {port}: {error}.", hint="Choose another host or port."
    )


def unix_socket(path: Path) -> socket.socket:
    """
    A listening Unix socket that only its owner can open.

    Its directory is made, 0700, if it is not there. A socket that a dead process left is taken
    away; one that answers is not. Looking, taking away and binding happen under a lock on the
    directory, so two servers that start at once cannot take each other's socket away.

    Raises:
        AddressInUse: A server answers at the path.
        SocketRefused: Others can enter the directory, or something else is at the path.
    """
    path = Path(os.path.abspath(path))
    if len(os.fsencode(path)) > _UNIX_PATH_BYTES_MAX:
        raise SocketRefused(
            f"The path of the Unix socket is longer than {_UNIX_PATH_BYTES_MAX} bytes: {path}.",
            hint="Choose a shorter one with --socket.",
        )
    _make_private(path.parent)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _locked(path.parent):
            _clear(path)
            listener.bind(str(path))
            # Between the two lines the directory protects it: nobody else can enter.
            path.chmod(0o600)
            listener.listen(UNIX_BACKLOG)
    except BaseException:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def _make_private(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = directory.stat()
    except OSError as error:
        raise SocketRefused(
            f"The directory of the Unix socket cannot be made: {directory}: {error.strerror}.",
            hint="Choose another path with --socket.",
        ) from error
    if found.st_uid not in (os.geteuid(), 0) or stat.S_IMODE(found.st_mode) & 0o077:
        raise SocketRefused(
            f"Other users can enter {directory}, and who opens the Unix socket needs no key.",
            hint=f"chmod 700 {directory}, or choose a directory of your own with --socket.",
        )


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _clear(path: Path) -> None:
    """Make the path free, if what is there is a socket at which nobody answers."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise SocketRefused(
            f"There is something at {path}, and it is not a socket; it stays as it is.",
            hint="Move it away, or choose another path with --socket.",
        )
    if _somebody_answers(path):
        raise AddressInUse(
            f"A server already listens on the Unix socket {path}.",
            hint=f"See which by `lsof {path}` and stop it, or choose another with --socket.",
        )
    path.unlink()


def _somebody_answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_TIMEOUT_S)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            # Full backlog, no permission: somebody is there, or we cannot know that nobody is.
            return True
        return True


def remove_unix_socket(path: Path, inode: int) -> None:
    """Take our socket's name away, unless another one has it by now."""
    try:
        if path.lstat().st_ino == inode:
            path.unlink()
    except FileNotFoundError:
        pass


def peer_uid(connection: socket.socket) -> int | None:
    """The user at the other end of a Unix socket; None where the system does not tell."""
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    return int(_UCRED.unpack(raw)[1])
