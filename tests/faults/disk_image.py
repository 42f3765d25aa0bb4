"""
A disk that loses its power for real: a file system of its own in a file, mounted and cut off.

    with disk_image("ext4") as disk:
        …                        # write into disk.folder, from any process
        disk.cut()               # what was not synced is gone; nothing more is written
        disk.mount_again()       # as after the power came back: the journal is played

The cut is the file systems' own order to stop at once without writing their journal out
(`EXT4_IOC_SHUTDOWN` with `NOLOGFLUSH`; XFS knows the same number). It does not reorder below the
file system: that is what the simulated disk in `power` is for. Needs Linux and root.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import pytest

FileSystem = Literal["ext4", "xfs"]
#: The smallest that XFS makes; both are sparse, so what is not written takes no room.
_BYTES: Final[dict[FileSystem, int]] = {"ext4": 256 << 20, "xfs": 320 << 20}
_MAKE: Final[dict[FileSystem, list[str]]] = {
    "ext4": ["mkfs.ext4", "-q", "-F"],
    "xfs": ["mkfs.xfs", "-q"],
}
_SHUTDOWN: Final = 0x8004587D
_WITHOUT_THE_JOURNAL: Final = struct.pack("I", 2)
_WAIT_S: Final = 10.0


class DiskImage:
    """
    A mounted image; made by `disk_image`.

    Args:
        image: The file.
        folder: Where it is mounted.
    """

    def __init__(self, image: Path, folder: Path) -> None:
        self.image = image
        self.folder = folder
        self.cuts = 0

    def mount(self) -> None:
        """Mount it; what a cut left is recovered by the file system."""
        _run("mount", "-o", "loop,noatime", str(self.image), str(self.folder))

    def sync(self) -> None:
        """What was written without care, as a new server's first files, is on the disk now."""
        _run("sync", "-f", str(self.folder))

    def cut(self) -> None:
        """Lose power: from now on whoever reads or writes gets EIO."""
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, _WITHOUT_THE_JOURNAL)
        finally:
            os.close(descriptor)
        self.cuts += 1

    def mount_again(self) -> None:
        """Have the power back. Whoever had a file open must be gone."""
        self.unmount()
        self.mount()

    def unmount(self) -> None:
        """Let go of it; a process that was just killed may hold it for a moment."""
        until = time.monotonic() + _WAIT_S
        while subprocess.run(["umount", str(self.folder)], capture_output=True).returncode:
            assert time.monotonic() < until, f"{self.folder} is still in use"
            time.sleep(0.02)


@contextmanager
def disk_image(kind: FileSystem) -> Iterator[DiskImage]:
    """
    A new, empty file system for the length of the block; skips the test where it cannot be had.
    """
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a disk of its own")
    if shutil.which(_MAKE[kind][0]) is None:
        pytest.skip(f"there is no {_MAKE[kind][0]}")
    # In memory where that is possible: the cut is the file system's, whatever lies under it.
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(
        prefix="fh-cut-", dir=shared if shared.is_dir() else None
    ) as made:
        image, folder = Path(made) / "image", Path(made) / "disk"
        # A server that is not root's reaches its own folder through it.
        Path(made).chmod(0o711)
        folder.mkdir(mode=0o700)
        with image.open("wb") as file:
            file.truncate(_BYTES[kind])
        _run(*_MAKE[kind], str(image))
        disk = DiskImage(image, folder)
        try:
            disk.mount()
        except subprocess.CalledProcessError as error:
            pytest.skip(f"{kind} cannot be mounted here: {error.stderr.strip()}")
        try:
            yield disk
        finally:
            disk.unmount()


def _run(*arguments: str) -> None:
    subprocess.run(arguments, check=True, capture_output=True, text=True)
