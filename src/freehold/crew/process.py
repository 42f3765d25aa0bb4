"""
Child processes that leave nothing behind: each leads a group of its own, which the warden knows.

A group of its own, so that Ctrl-C at the terminal reaches `dev` alone, which takes them down in
order; and so that what a child has started ends with it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from freehold.crew.log import PARTIAL_S, Pen

_CHUNK: Final = 64 * 1024
#: How long what a process has written before its end may take to be read.
_LAST_WORDS_S: Final = 1.0


class Warden:
    """The process that ends the others should this one be killed; see the program `warden`."""

    def __init__(self) -> None:
        self._pipe: int | None = None
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Have it watch."""
        theirs, ours = os.pipe()
        program = Path(__file__).with_name("warden.py")
        # Neither the environment's modules nor site-packages: it starts in a hundredth of a second.
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", str(program), stdin=theirs, start_new_session=True
        )
        os.close(theirs)
        self._pipe = ours

    def is_born(self) -> None:
        """Called in the child, before it becomes another program."""
        if self._pipe is not None:
            os.write(self._pipe, b"+%d\n" % os.getpid())

    def is_gone(self, group: int) -> None:
        """Nothing is left of the group."""
        if self._pipe is not None:
            with suppress(OSError):
                os.write(self._pipe, b"-%d\n" % group)

    async def stop(self) -> None:
        """Let it go; it ends what is still there."""
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None
        if self._process is not None:
            await self._process.wait()


class Child:
    """
    One run of a program; made by `start_child`.

    Args:
        process: It runs.
        pen: Takes what it writes.
        warden: Knows of it.
    """

    def __init__(self, process: asyncio.subprocess.Process, pen: Pen, warden: Warden) -> None:
        self._process = process
        self._pen = pen
        self._warden = warden
        self._reading = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        pipe = self._process.stdout
        while pipe is not None:
            try:
                async with asyncio.timeout(PARTIAL_S if self._pen.has_partial else None):
                    data = await pipe.read(_CHUNK)
            except TimeoutError:
                self._pen.flush()
                continue
            if not data:
                self._pen.flush()
                return
            self._pen.feed(data)
            # A flood of one does not keep the others from being heard.
            await asyncio.sleep(0)

    async def wait(self) -> int:
        """Its exit code, once it is gone with all of its group; negative for a signal."""
        code = await self._process.wait()
        # What it has started itself would hold its port and its pipe.
        self._signal(signal.SIGKILL)
        await asyncio.wait([self._reading], timeout=_LAST_WORDS_S)
        self._reading.cancel()
        self._pen.flush()
        self._warden.is_gone(self._process.pid)
        return code

    def ask_to_stop(self) -> None:
        """SIGTERM, to all of the group."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, to all of the group."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


async def start_child(
    command: Sequence[str], *, environ: Mapping[str, str], folder: Path, pen: Pen, warden: Warden
) -> Child:
    """
    Start a program.

    Args:
        command: The program and its arguments.
        environ: All of its environment.
        folder: Where it works.
        pen: Takes what it writes.
        warden: Is to know of it.

    Raises:
        OSError: There is no such program, or no more room for one.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        env=dict(environ),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=warden.is_born,
    )
    return Child(process, pen, warden)


def how_it_ended(code: int) -> str:
    """The exit code in words."""
    if code >= 0:
        return f"it ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"it was ended by {name}"
