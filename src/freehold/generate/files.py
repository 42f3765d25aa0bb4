"""
Generated files on the disk: compared, or written whole and only when they differ.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path


def check(path: Path, text: str | bytes) -> bool:
    """Whether the file says exactly this; a missing file says nothing."""
    try:
        return path.read_bytes() == _bytes(text)
    except FileNotFoundError:
        return False


def write(path: Path, text: str | bytes) -> bool:
    """
    Make the file say this; True when it said something else before.

    An unchanged file keeps its time, so that nothing is rebuilt for it. A changed one is
    replaced in one step: nobody reads half of it, and a crash leaves the old one.
    """
    if check(path, text):
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_bytes(text))
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes it for its owner alone; generated code is for everybody.
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise
    return True


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text
