"""
A checksum on every page of a database file: what reads otherwise than it was written is refused.

SQLite alone follows a damaged page as long as it looks like one: of 400 single-bit flips its
own check saw 75 (reliability 4.17). A shim below it, `cksumvfs`, which comes with apsw's wheel,
keeps 8 bytes at the end of each page and looks at them whenever a page is read from the file.

Every opener must name the shim: who writes past it leaves pages whose checksums are wrong, and
those are refused later. A file without checksums passes through it as it is.

Whether a file has them is told by one byte of its header, and a flip in that very byte would
turn them off unseen. So the file also carries our mark, and the two must agree.
"""

from __future__ import annotations

import functools
import threading
from pathlib import Path
from typing import Final

import apsw
import apsw.sqlite_extra

from freehold.errors import StartError, StorageBroken

#: What the shim is called among SQLite's VFSs.
SHIM: Final = "cksmvfs"
_EXTENSION: Final = "cksumvfs"
#: What SQLite opens files through on the systems that the owner lock knows.
_SYSTEM: Final = "unix"
_ENTRY: Final = "sqlite3_cksumvfs_init"
#: The shim works on files whose pages keep exactly so many bytes at their end.
_RESERVED: Final = 8
#: `application_id` of a file of ours that has checksums: "FhCk".
MARK: Final = int.from_bytes(b"FhCk", "big")
_loading: Final = threading.Lock()


def shim() -> str | None:
    """
    The shim's name, loaded into this process at the first call.

    None where apsw has none, or where a test has put a disk of its own in the system's place.
    """
    if apsw.vfs_names()[0] != _SYSTEM:
        return None
    return SHIM if _is_loaded() else None


@functools.cache
def _is_loaded() -> bool:
    if apsw.sqlite_extra.has(_EXTENSION) is None:
        return False
    load_shim(Path(apsw.sqlite_extra.path(_EXTENSION)), over=_SYSTEM)
    return True


def load_shim(library: Path, *, over: str) -> None:
    """
    Load the shim; it stays for the life of the process.

    Args:
        library: Its file.
        over: The VFS below it.
    """
    with _loading:
        # It takes the default VFS of this moment for the one below, and then its place.
        default = apsw.vfs_names()[0]
        apsw.set_default_vfs(over)
        connection = apsw.Connection(":memory:", vfs=default)
        try:
            connection.enable_load_extension(True)
            connection.load_extension(str(library), _ENTRY)
        finally:
            connection.close()
            apsw.set_default_vfs(default)


def turn_on(connection: apsw.Connection) -> None:
    """Give a database its checksums; before its first page, and only where the shim is below."""
    if _is_shimmed(connection):
        connection.reserve_bytes(reserve=_RESERVED)


def is_on(connection: apsw.Connection) -> bool:
    """Whether every page that this connection reads from the file is looked at."""
    return str(connection.pragma("checksum_verification")) == "1"


def check_header(
    connection: apsw.Connection, path: Path | str, *, is_recovered: bool = True
) -> None:
    """
    See that the header's byte and our mark agree; the first connection asks, before it writes.

    Args:
        connection: It was not written through yet.
        path: What errors call it.
        is_recovered: The log was moved. Before that, a power cut may have torn the header in
            the file, and what counts is the one that the log has.

    Raises:
        StorageBroken: The file has checksums, and its header says otherwise.
        StartError: It has checksums, and nothing here can keep them.
    """
    if connection.pragma("application_id") != MARK:
        return
    if not _is_shimmed(connection):
        raise StartError(
            f"{path} has page checksums, and this build of apsw cannot keep them.",
            hint="Install apsw's wheel; it brings cksumvfs along.",
        )
    if not is_on(connection) and (is_recovered or connection.reserve_bytes() != _RESERVED):
        raise StorageBroken(
            f"{path} has page checksums, and its header denies it: its first page is damaged.",
            hint="Restore a backup.",
        )


def mark(connection: apsw.Connection) -> None:
    """Write down that the file has checksums, when it does and nobody else's mark is there."""
    if is_on(connection) and connection.pragma("application_id") == 0:
        connection.pragma("application_id", MARK)


def _is_shimmed(connection: apsw.Connection) -> bool:
    # Only the shim knows this pragma; without it there is no answer at all.
    return connection.pragma("checksum_verification") is not None


def is_fault(error: BaseException) -> bool:
    """Whether an error says that a page is not what was written."""
    return isinstance(error, (apsw.CorruptError, apsw.NotADBError)) or (
        isinstance(error, apsw.IOError)
        and getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_DATA
    )
