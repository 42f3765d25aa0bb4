"""
The parts of the crew that need no process: one log, variables, restarts, what a change means.
"""

from __future__ import annotations

import re
import stat
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from freehold import Service
from freehold.cli.crew import changes_looker
from freehold.crew import find_env_file, read_env_file
from freehold.crew.changes import Meaning, Sorter, mistake_in
from freehold.crew.environment import Words
from freehold.crew.log import LINE_BYTES_MAX, Log, Pen
from freehold.crew.restarts import CRASHES_MAX, WINDOW_S, Restarts
from freehold.errors import StartError


class Screen:
    """A log and what it has written."""

    def __init__(self, *, coloured: bool = False) -> None:
        self._written: list[bytes] = []
        self.log = Log(["dev", "writer", "cms"], self._written.append, coloured=coloured)

    @property
    def text(self) -> str:
        """All of it."""
        return b"".join(self._written).decode()

    @property
    def lines(self) -> list[str]:
        """Its lines; each was written whole."""
        assert all(piece.endswith(b"\n") for piece in self._written)
        return self.text.split("\n")[:-1]


def test_each_line_has_the_name_of_who_said_it() -> None:
    """Aligned, whatever comes together and in pieces."""
    screen = Screen()
    writer, cms = Pen(screen.log, "writer"), Pen(screen.log, "cms")
    writer.feed("grüße\r\n\nhel".encode())
    cms.feed(b"one\n")
    writer.feed(b"lo\n")
    screen.log.say("it ended", of="cms")

    assert screen.lines == [
        "writer │ grüße",
        "writer │ ",
        "cms    │ one",
        "writer │ hello",
        "dev    │ cms: it ended",
    ]


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"a\rcms    | forged", "a\\x0dcms    | forged"),
        (b"\x1b[2J\x1b[1;1Hgone", "\\x1b[2J\\x1b[1;1Hgone"),
        (b"\x1b[31mred\x1b[0m", "red"),
        (b"\x08\x08\x00\x7f", "\\x08\\x08\\x00\\x7f"),
        ("a\u2028cms │ b\x85c".encode(), "a\\x2028cms │ b\\x85c"),
        ("\u202etxet".encode(), "\\u202etxet"),
        (b"\xff\xfe", "\\xff\\xfe"),
        (b"a\tb", "a    b"),
    ],
)
def test_nothing_forges_another_line(raw: bytes, shown: str) -> None:
    """What would begin a line, move the cursor or turn the text is written out."""
    screen = Screen()
    Pen(screen.log, "writer").feed(raw + b"\n")

    assert screen.lines == [f"writer │ {shown}"]


def test_a_line_without_an_end_is_cut() -> None:
    """It is neither kept in memory nor lost; its pieces are marked."""
    screen = Screen()
    pen = Pen(screen.log, "writer")
    for _ in range(5):
        pen.feed(b"x" * LINE_BYTES_MAX)
    pen.feed(b"end\nnext\n")

    *pieces, last = screen.lines
    assert last == "writer │ next"
    assert len(pieces) == 6
    assert pieces[0] == f"writer │ {'x' * LINE_BYTES_MAX}"
    assert all(piece.startswith("writer │ … ") for piece in pieces[1:])
    assert sum(piece.count("x") for piece in pieces) == 5 * LINE_BYTES_MAX


def test_what_has_no_end_yet_is_shown_once() -> None:
    """A question without a line's end; what follows is marked as its rest."""
    screen = Screen()
    pen = Pen(screen.log, "writer")
    pen.feed(b"sure? ")
    assert pen.has_partial
    pen.flush()
    pen.flush()
    pen.feed(b"yes\nnext\n")
    pen.feed(b"bare")
    pen.flush()
    pen.feed(b"\nlast\n")

    assert screen.lines == [
        "writer │ sure? ",
        "writer │ … yes",
        "writer │ next",
        "writer │ bare",
        "writer │ last",
    ]


def test_each_name_has_its_colour_at_a_terminal() -> None:
    """Another for each; the text keeps the terminal's own."""
    screen = Screen(coloured=True)
    for name in ("writer", "cms", "dev"):
        screen.log.lines(name, ["x"])

    colours = re.findall(r"\x1b\[(\d+)m[a-z]+ +│\x1b\[0m x\n", screen.text)
    assert len(set(colours)) == 3


def test_crashes_are_counted_within_a_minute() -> None:
    """Waits double; the fifth crash of a minute is the last, an old one does not count."""
    restarts = Restarts()
    assert [restarts.crashed(float(n)) for n in range(CRASHES_MAX)] == [0.25, 0.5, 1, 2, None]
    restarts.forget()
    assert restarts.crashed(10.0) == 0.25
    assert [restarts.crashed(10.0 + WINDOW_S * n) for n in range(1, 20)] == [0.25] * 19


def test_an_env_file_is_read(tmp_path: Path) -> None:
    """Comments, quotes, escapes; nothing is expanded."""
    file = tmp_path / ".env"
    file.write_text(
        "# a comment\n\nA=1\nexport B = two words # said\nC='# no comment $A'\n"
        'D="a\\nb \\"q\\" \\\\"\nE=\nF=a#b\nG="x" # behind\n'
    )

    assert read_env_file(file) == {
        "A": "1",
        "B": "two words",
        "C": "# no comment $A",
        "D": 'a\nb "q" \\',
        "E": "",
        "F": "a#b",
        "G": "x",
    }
    assert read_env_file(tmp_path / "none") == {}


@pytest.mark.parametrize("line", ["SECRET", "1A=x", 'A="hunter2', "A='x' y"])
def test_a_line_that_is_none_is_named_by_its_number(tmp_path: Path, line: str) -> None:
    """It may hold a secret, so it is not shown."""
    (tmp_path / ".env").write_text(f"A=1\n{line}\n")

    with pytest.raises(StartError, match=r"line 2 of .*\.env") as refused:
        read_env_file(tmp_path / ".env")
    assert line not in f"{refused.value}"


def test_the_env_file_is_the_projects(tmp_path: Path) -> None:
    """Beside the next pyproject.toml above."""
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert find_env_file(inner).parent in (inner, *inner.parents)
    (tmp_path / "pyproject.toml").touch()

    assert find_env_file(inner) == tmp_path / ".env"


def test_shared_words_are_made_once(tmp_path: Path) -> None:
    """Kept for their owner alone; a damaged file is not silently replaced."""
    path = tmp_path / "services" / "secrets.json"
    first = Words(path).of(["A", "B"])
    again = Words(path).of(["B", "C"])

    assert again["B"] == first["B"]
    assert len({*first.values(), *again.values()}) == 3
    assert all(len(word) == 40 for word in first.values())
    for each in (path, path.parent):
        assert each.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO) == 0

    path.write_text("{")
    with pytest.raises(StartError, match="secrets"):
        Words(path).of(["A"])


@pytest.fixture
def sorter(tmp_path: Path) -> Sorter:
    """HotMetal's rooms, and a service that lives elsewhere."""
    root = tmp_path / "src"
    for folder in ("hot/services/writer", "hot/services/scout", "hot/stand_ins", "other"):
        (root / folder).mkdir(parents=True)
    (root / "hot" / "stand_ins" / "cms.py").touch()
    (root / "other" / "page.py").touch()
    services = [
        Service("writer", "hot.services.writer", port=1),
        Service("scout", "hot.services.scout", port=2),
        Service("cms", "hot.stand_ins.cms", port=3),
        Service("page", "other.page", port=4),
        Service("installed", "http.server", port=5),
    ]
    return Sorter(folder=root / "hot", root=root, services=services, data=root / "hot" / "data")


@pytest.mark.parametrize(
    ("changed", "meaning"),
    [
        ("hot/services/writer/routes/chat.py", Meaning(services={"writer"})),
        ("hot/services/writer/page/index.html", Meaning(services={"writer"})),
        ("hot/services/web.py", Meaning(services={"writer", "scout"})),
        ("hot/stand_ins/cms.py", Meaning(services={"cms"})),
        ("hot/stand_ins/store.py", Meaning(services={"cms"})),
        ("other/page.py", Meaning(services={"page"})),
        ("other/another.py", Meaning()),
        ("hot/schema.py", Meaning(everything=True)),
        ("hot/domains/ideas.py", Meaning(everything=True)),
        ("hot/migrations/0002.sqlite.sql", Meaning(everything=True)),
        ("hot/clients/hot.py", Meaning()),
        ("hot/tests/test_ideas.py", Meaning()),
        ("hot/__pycache__/schema.cpython-311.pyc", Meaning()),
        ("hot/.venv/lib/x.py", Meaning()),
        ("hot/data/services/writer/x.json", Meaning()),
        ("hot/README.md", Meaning()),
    ],
)
def test_what_a_change_means(
    sorter: Sorter, tmp_path: Path, changed: str, meaning: Meaning
) -> None:
    """Who is started again."""
    assert sorter.meaning([tmp_path / "src" / changed]) == meaning


def test_what_is_looked_at(sorter: Sorter, tmp_path: Path) -> None:
    """The application's folder, and what of its services is outside of it."""
    root = tmp_path / "src"

    assert sorter.watched == [root / "hot", root / "other"]


def test_a_mistake_is_found_before_anything_stops(tmp_path: Path) -> None:
    """The file and its line; what is gone, or is no Python, is none."""
    good, bad, nulls = (tmp_path / name for name in ("good.py", "bad.py", "nulls.py"))
    good.write_text("x = 1\n")
    bad.write_text("x = 1\ndef (\n")
    nulls.write_bytes(b"x = '\0'\n")

    assert mistake_in({good, tmp_path / "gone.py", tmp_path / "page.html"}) is None
    assert mistake_in({good, bad}) == f"{bad}:2: invalid syntax"
    assert mistake_in({nulls}) is not None


def test_without_the_library_nothing_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """And it is said how to have it; the crew runs all the same."""
    said: list[bytes] = []
    log = Log(["dev"], said.append, coloured=False)
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    monkeypatch.delitem(sys.modules, "freehold.crew.reload", raising=False)

    assert changes_looker(cast("Any", None), log, []) is None
    assert b"pip install 'freehold[dev]'" in b"".join(said)
