"""The page about TypeScript: what it shows compiles, runs, and says what the page says it says."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.docs.pages import steps_of
from tests.docs.stage import Stage, fits
from tests.e2e.processes import ROOT
from tests.generate import node

pytestmark = pytest.mark.xdist_group("typescript")

PAGE = ROOT / "docs" / "how-to" / "call-from-typescript.md"
#: What npm would have fetched is there.
THERE = 'npm() { :; }; npx() { "$@"; }'
AROUND = """
import type { Notes } from "./clients/notes.js";
export function shown(notes: Notes, controller: AbortController): unknown[] {
%s
return [quick, ours, once, alices];
}
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path: a Unix socket's has 107 bytes."""
    path = Path(tempfile.mkdtemp(prefix="fh-"))
    yield path
    shutil.rmtree(path)


def test_the_page_does_what_it_says(folder: Path) -> None:
    """Its application is served, its script compiled and run; the rest fits the client."""
    steps = steps_of(PAGE)
    (script,) = (step.text for step in steps if step.verb == "not run")
    (shown,) = (step.text for step in steps if step.language == "text")
    pieces = [step.text for step in steps if step.language == "ts" and not step.mark]

    with closing(Stage(folder)) as stage:
        for step in steps:
            if step.verb in ("file", "start", "run"):
                stage.play(step)
        node.tsc()
        (folder / "node_modules").symlink_to(node.MODULES)
        said = subprocess.run(
            ["bash", "-euc", f"{THERE}\n{script}"],
            cwd=folder,
            env={"PATH": f"{node.MODULES / '.bin'}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )

    assert said.returncode == 0, said.stdout + said.stderr
    assert fits(shown, said.stdout), said.stdout
    (folder / "shown.ts").write_text(AROUND % "\n".join(pieces))
    assert "notes.withOptions" in (folder / "shown.ts").read_text()
    lenient = {**node.IN_NODE, "noPropertyAccessFromIndexSignature": False}
    assert node.compile_all(folder, lenient) == ""
