"""
A file that is there as a whole, under its name and for its owner alone, or not at all.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from freehold.app.moving.refusals import ExportRefused


@contextmanager
def whole_file(path: Path | None, *, may_replace: bool) -> Iterator[BinaryIO]:
    """
    A file to be written; it gets its name when the block has ended well.

    Args:
        path: Where it is to be; None is standard output, which has no such promise.
        may_replace: A file of that name is replaced, in one step.

    Raises:
        ExportRefused: There is such a file, or the disk refuses.
    """
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if path.exists() and not may_replace:
        raise ExportRefused(
            f"{path} is there already.", hint="Name another file, or say --overwrite."
        )
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        handle = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb", buffering=1024 * 1024) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise ExportRefused(
            f"{path} cannot be written: {error.strerror}.",
            hint="Make room, or choose another place. No file was left.",
        ) from None
    finally:
        partial.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
