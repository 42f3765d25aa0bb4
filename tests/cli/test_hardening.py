"""A serving process writes its memory nowhere, and its log one line for each thing."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from freehold.cli.serving import log_to_stderr
from tests.e2e.processes import serving

LOOK = """
import ctypes, resource
from freehold.cli.hardening import keep_memory_private
libc = ctypes.CDLL(None)
before = libc.prctl(3, 0, 0, 0, 0)
keep_memory_private()
print(before, libc.prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE))
"""
#: What a caller may try to write into the log.
FORGED = {
    "a line": "x\n2026-01-01 [info] key revoked",
    "a carriage return": "x\rall is well",
    "both": 'x\r\n{"event": "forged"}',
    "colour": "\x1b[2K\x1b[31mred",
    "eight bits": "\x9b31mred",
    "a bell": "\x07",
    "a line of unicode": "x\u2028y\u2029z\x85",
}


@pytest.mark.attack("A18")
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has prctl")
def test_a_process_gives_its_memory_to_nobody() -> None:
    """No core dump, not dumpable: the second also keeps debuggers of the same user out."""
    said = subprocess.run(
        [sys.executable, "-c", LOOK], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    assert said.split(" ", 1)[1].strip() == "0 (0, 0)"


@pytest.mark.attack("A18")
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
def test_serve_is_such_a_process(tmp_path: Path) -> None:
    """From its start; and what aborts it leaves no core."""
    with serving(tmp_path / "data") as server:
        assert server.process is not None
        limits = Path(f"/proc/{server.process.pid}/limits").read_text()
        (core,) = [line for line in limits.splitlines() if line.startswith("Max core file size")]
        assert core.split()[4:6] == ["0", "0"]
        server.process.send_signal(signal.SIGABRT)
        server.process.wait(20)
        assert server.process.returncode == -signal.SIGABRT
    assert list(Path.cwd().glob("core*")) == []


@pytest.mark.attack("A45")
@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("forged", FORGED)
def test_a_line_of_the_log_is_one_line(
    forged: str, as_json: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whatever is in a message, a value or an exception."""
    root = logging.getLogger()
    handlers, level, own = root.handlers[:], root.level, logging.getLogger("freehold").level
    try:
        log_to_stderr(as_json=as_json)
        log = logging.getLogger("freehold.test")
        log.warning("said: %s", FORGED[forged])
        try:
            raise ValueError(FORGED[forged])
        except ValueError:
            log.exception("raised")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.getLogger("freehold").setLevel(own)

    said = capfd.readouterr().err
    assert len(said.splitlines()) == 2
    assert said.count("\n") == 2
    assert not set("\x1b\x07\x9b\r\u2028\u2029\x85") & set(said)
