"""What cannot be read is said, counts, and takes the proof away."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from freehold.guard import Settings, grammars, look
from freehold.guard.settings import Allowed
from tests.cli.commands import freehold
from tests.guard.planted import SETTINGS, looked_at, write_repository

UNREADABLE: dict[str, tuple[str, bytes, str]] = {
    "python": ("a.py", b"def f(:\n", "line 1 is no Python"),
    "typescript": ("a.ts", b"const a = 1\nconst = = 2\n", "line 2 is no TypeScript"),
    "javascript": ("a.js", b"function (\n", "is no JavaScript"),
    "worker": ("wrangler.jsonc", b'{"a": [1, 2', "is no settings of a worker"),
    "compose": ("compose.yaml", b"services:\n  a: [\n", "is no YAML"),
    "package": ("package.json", b'{"a": }', "is no JSON"),
    "encoding": ("a.ts", b"const a = '\xe4'\n", "not in UTF-8"),
    "cookie": ("a.py", b"# coding: nothing\nimport os\n", "not in UTF-8, or in no encoding"),
    "utf16": ("a.py", "import os\n".encode("utf-16"), "binary, or in UTF-16"),
    "binary": ("a.js", b"\x7fELF\0\0", "binary"),
    "huge": ("a.py", b"x = 1\n" * 400_000, "2,097,152 are read at most"),
    "deep": ("a.py", b"x = " + b"(" * 5_000 + b")" * 5_000 + b"\n", ""),
    "deep json": ("package.json", b"[" * 50_000 + b"]" * 50_000, ""),
    "deep yaml": ("compose.yaml", b"[" * 3_000 + b"]" * 3_000, ""),
    "laughs": (
        "compose.yaml",
        b"a0: &a0 [x]\n"
        + b"".join(b"a%d: &a%d [%s]\n" % (n, n, b",".join([b"*a%d" % (n - 1)] * 9))
                   for n in range(1, 9)),
        "is no YAML",
    ),
    "go": ("main.go", b"package main\n", "it is Go, which the guard does not read"),
    "ruby": ("bin/tool", b"#!/usr/bin/env ruby\nputs 1\n", "which the guard does not read"),
}  # fmt: skip


@pytest.mark.parametrize("what", UNREADABLE)
def test_it_is_named_with_its_reason(what: str, tmp_path: Path) -> None:
    """Exit code 2 and no proof, though nothing was found."""
    path, content, reason = UNREADABLE[what]

    report = looked_at(tmp_path, {path: content})

    assert [each.path for each in report.not_read] == [path]
    assert reason in report.not_read[0].reason
    assert report.not_read[0].next_step
    assert (report.exit_code, report.is_proof) == (2, False)


def test_what_can_be_read_of_a_broken_file_is_found(tmp_path: Path) -> None:
    """A place counts more than a file that is broken further down."""
    report = looked_at(tmp_path, {"a.ts": "import pg from 'pg'\nconst = = 2\n"})

    assert [found.rule for found in report.errors] == ["js-driver"]
    assert len(report.not_read) == 1
    assert report.exit_code == 1


def test_python_in_another_encoding_that_it_names_is_read(tmp_path: Path) -> None:
    """The language allows it."""
    report = looked_at(
        tmp_path, {"a.py": "# coding: latin-1\nä = 1; import apsw\n".encode("latin-1")}
    )

    assert [(f.rule, f.line, f.column) for f in report.errors] == [("python-driver", 2, 8)]
    assert report.not_read == []


def test_links(tmp_path: Path) -> None:
    """Within the repository they are counted; out of it a file is read and a folder is not."""
    outside = tmp_path / "outside"
    write_repository(outside, {"shared.py": "import sqlite3\n", "more/a.py": ""})
    root = write_repository(tmp_path / "in", {"a.py": "", "dal/schema.py": ""})
    (root / "same.py").symlink_to("a.py")
    (root / "shared.py").symlink_to(outside / "shared.py")
    (root / "more").symlink_to(outside / "more")
    (root / "loop").symlink_to("loop")
    (root / "gone.py").symlink_to("nowhere.py")
    (root / "up").symlink_to("..")

    report = look(root, SETTINGS)

    assert report.links == 1
    assert [f.path for f in report.errors] == ["shared.py"]
    assert [(each.path, each.reason.split(" leads ")[1]) for each in report.not_read] == [
        ("gone.py", "nowhere, or in a circle"),
        ("loop", "nowhere, or in a circle"),
        ("more", "to a folder outside"),
        ("up", "to a folder outside"),
    ]


@contextmanager
def not_root() -> Iterator[None]:
    """Root may read everything, so it is nobody for a while."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_a_file_that_this_user_may_not_read() -> None:
    """It may hold anything."""
    with TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        write_repository(root, {"a.py": "", "dal/schema.py": ""})
        (root / "a.py").chmod(0)

        with not_root():
            assert [each.path for each in look(root, SETTINGS).not_read] == ["a.py"]


def test_a_pipe_does_not_hold_it_up(tmp_path: Path) -> None:
    """Nobody ever writes into it; it is no file."""
    write_repository(tmp_path, {"dal/schema.py": ""})
    os.mkfifo(tmp_path / "a.py")

    assert look(tmp_path, SETTINGS).read.total() == 0


def test_git_says_what_belongs_to_the_repository(tmp_path: Path) -> None:
    """What is ignored does not; what is new and not added does; what is gone is no file."""
    files = {
        ".gitignore": "build/\n.env\n", "build/a.py": "import sqlite3\n",
        ".env": "DATABASE_URL=postgres://db/x\n", "new.py": "import sqlite3\n",
        "added.py": "import apsw\n", "gone.py": "import apsw\n", "dal/schema.py": "",
        "in ner/repo/b.py": "import asyncpg\n",
    }  # fmt: skip
    write_repository(tmp_path, dict(files))

    def git(*words: str, cwd: Path = tmp_path) -> None:
        subprocess.run(["git", *words], cwd=cwd, check=True, capture_output=True)

    git("init", "-q", ".")
    git("init", "-q", ".", cwd=tmp_path / "in ner/repo")
    git("add", "added.py", "gone.py")
    (tmp_path / "gone.py").unlink()

    report = look(tmp_path, SETTINGS)

    assert report.listed_by == "git"
    assert {f.path for f in report.errors} == {"added.py", "new.py", "in ner/repo/b.py"}


def test_without_git_folders_of_others_are_left_out(tmp_path: Path) -> None:
    """And it is said that nobody was asked what is ignored."""
    files = {
        "node_modules/pg/index.js": "require('pg')", ".venv/lib/a.py": "import apsw",
        "dal/schema.py": "", "own/a.py": "",
    }  # fmt: skip
    write_repository(tmp_path, dict(files))

    said = freehold("guard", "--json", cwd=write_repository(
        tmp_path, {"freehold-guard.toml": 'data_layer = ["dal"]'}))  # fmt: skip

    assert said.code == 0
    assert said.json()["listedBy"] == "walk"
    assert said.json()["files"]["read"] == {"python": 1, "toml": 1}


def test_without_the_extra_it_claims_nothing(tmp_path: Path) -> None:
    """Each file is named, with what to install; Python alone still gives proof."""
    files = {
        "freehold-guard.toml": 'data_layer = ["dal"]\n',
        "dal/schema.py": "", "a.py": "", "b.ts": "", "wrangler.jsonc": "{}",
    }  # fmt: skip
    write_repository(tmp_path, dict(files))
    hidden = "import sys; sys.modules['tree_sitter'] = None; from freehold.cli import main; "
    hidden += "sys.argv = ['freehold', 'guard']; main()"

    def run() -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-c", hidden], cwd=tmp_path, capture_output=True, text=True,
            check=False, timeout=60,
        )  # fmt: skip
        return done.returncode, done.stdout

    code, said = run()
    (tmp_path / "b.ts").unlink()
    (tmp_path / "wrangler.jsonc").unlink()

    assert code == 2
    for path in ("b.ts", "wrangler.jsonc"):
        assert f"? {path} was not read: the grammar of " in said
    assert "pip install 'freehold[guard]'" in said
    assert "no proof: 2 could not be read" in said
    assert run()[0] == 0


def test_an_exclusion_needs_a_reason_and_is_counted(tmp_path: Path) -> None:
    """What is left out is not hidden."""
    settings = Settings(
        data_layer=SETTINGS.data_layer, exclude=[Allowed("vendor/**/*.go", "checked by hand")]
    )

    report = looked_at(tmp_path, {"vendor/x/y/a.go": "", "vendor/b.go": ""}, settings)

    assert (report.excluded, report.not_read) == (2, [])
    assert grammars.first_error(grammars.parse("json", b"{}").root_node) is None
