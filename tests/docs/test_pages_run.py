"""Every page of the documentation does what it says, against real processes."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.docs.pages import MARKS, PAGES, ROOT, Step, name_of, steps_of
from tests.docs.stage import Stage, fits

APPLICATION_LINES_MAX = 40


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path: a Unix socket's has 107 bytes."""
    path = Path(tempfile.mkdtemp(prefix="fh-"))
    yield path
    shutil.rmtree(path)


def is_done(step: Step) -> bool:
    """The step is one that is run."""
    return step.verb not in ("", "not run") or step.language in ("python", "sh")


@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(map(is_done, steps_of(page)))], ids=name_of
)
def test_a_page_does_what_it_says(page: Path, folder: Path) -> None:
    """Files are written, commands and Python run in order, what is shown is what is said."""
    with closing(Stage(folder)) as stage:
        for step in steps_of(page):
            stage.play(step)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_marks_are_understood(page: Path) -> None:
    """A misspelt mark would silently leave its block out."""
    unknown = [
        f"{s.where} {s.mark}" for s in steps_of(page) if s.mark and not MARKS.fullmatch(s.mark)
    ]

    assert unknown == []


@pytest.mark.parametrize("name", ["README.md", "docs/tutorial/first-application.md"])
def test_no_python_of_a_first_reader_is_left_out(name: str) -> None:
    """Whoever is new types everything; so everything there runs."""
    steps = steps_of(ROOT / name)

    assert [s.where for s in steps if s.language == "python" and s.verb == "not run"] == []


def test_the_readme_shows_a_whole_application_in_under_forty_lines() -> None:
    """Schema, two functions, entrypoint and application, in one file."""
    [notes] = [s for s in steps_of(ROOT / "README.md") if s.mark == "file: notes.py"]

    assert len(notes.text.splitlines()) < APPLICATION_LINES_MAX
    for part in ("Record", "db: Reader", "db: Writer", "Entrypoint", "App("):
        assert part in notes.text


def test_what_is_shown_is_compared_letter_by_letter() -> None:
    """Only the ellipsis stands for something else."""
    assert fits("a … c\n", "a b c\n")
    assert fits("first\n…\nlast", "first\nand\nmore\nlast\n")
    assert fits("first\n…\nlast", "first\nlast")
    assert not fits("a … c", "a b d")
    assert not fits("a", "a\nb")
