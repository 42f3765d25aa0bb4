"""Type checkers understand records, handles and clients, and find the mistakes in their use."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Each with how many mistakes it holds at the least.
CHECKED = {"api_schema.py": 25, "api_transaction.py": 12}


def mypy(path: Path) -> subprocess.CompletedProcess[str]:
    """mypy --strict, as `make check` runs it, over one file."""
    return subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(path)],
        capture_output=True, text=True, check=False, cwd=ROOT,
        env={**os.environ, "MYPYPATH": "src:."},
    )  # fmt: skip


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", CHECKED)
def test_mypy_understands_what_authors_write(name: str) -> None:
    """Every assert_type holds, and every `type: ignore` is needed."""
    done = mypy(Path(__file__).with_name(name))

    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", CHECKED)
def test_mypy_finds_every_mistake(tmp_path: Path, name: str) -> None:
    """Without the comments, one complaint stands at each of their lines and at no other."""
    text = Path(__file__).with_name(name).read_text()
    lines = {n for n, line in enumerate(text.splitlines(), 1) if "type: ignore[" in line}
    bare = tmp_path / "bare.py"
    bare.write_text(re.sub(r"  # type: ignore\[.*", "", text))

    done = mypy(bare)

    found = {int(each) for each in re.findall(r"bare\.py:(\d+): error", done.stdout)}
    assert len(lines) > CHECKED[name]
    assert found == lines
