"""Living with what there is: allowances, local stores, levels, and a baseline that shrinks."""

from __future__ import annotations

from pathlib import Path

import pytest

from freehold.errors import StartError
from freehold.guard import (
    Report,
    Settings,
    apply_baseline,
    load_settings,
    read_baseline,
    write_baseline,
)
from freehold.guard.settings import Allowed
from tests.guard.planted import SETTINGS, looked_at, write_repository

A = "services/a.py"


def rules(report: Report) -> list[str]:
    """What was found, without the settings' own."""
    return [found.rule for found in report.findings if found.path != "(settings)"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (A, "import sqlite3  # freehold: allow-database — the old file\n"),
        (A, "# freehold: allow-database — the old file\nimport sqlite3\n"),
        (A, "# freehold: allow-database - the old file,\n# until May\nimport sqlite3\n"),
        ("a.ts", "import pg from 'pg' // freehold: allow-database — the old file\n"),
        ("a.ts", "/* freehold: allow-database — the old file */\nimport pg from 'pg'\n"),
        ("a.sh", "psql x # freehold: allow-database: the old file\n"),
        (".env.example", "# freehold: allow-database — the old file\nDATABASE_URL=x\n"),
        ("wrangler.jsonc", '{"hyperdrive": [\n// freehold: allow-database — the old file\n{}]}'),
    ],
)
def test_a_comment_with_a_reason_allows_its_line(path: str, text: str, tmp_path: Path) -> None:
    """On the line or above it; it is counted with its reason."""
    report = looked_at(tmp_path, {path: text})

    assert rules(report) == []
    assert [reason.startswith("the old file") for _, reason in report.allowed] == [True]
    assert report.is_proof


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import sqlite3  # freehold: allow-database\n", "allowance-without-reason"),
        ("# freehold: allow-database — x\n\nimport sqlite3\n", "unused-allowance"),
        ("X = '# freehold: allow-database — x'; import sqlite3\n", None),
        ("import sqlite3\nimport os  # freehold: allow-database — x\n", "unused-allowance"),
    ],
)
def test_one_that_is_not_good_allows_nothing(text: str, found: str | None, tmp_path: Path) -> None:
    """Without a reason, too far away, in a string, on another line."""
    report = looked_at(tmp_path, {A: text})

    assert sorted(rules(report)) == sorted(["python-driver", *([found] if found else [])])
    assert report.exit_code == 1


def test_a_local_store_is_allowed_by_its_path(tmp_path: Path) -> None:
    """That file and no other; an entry that nothing needs is told."""
    stores = [Allowed("services/a.py", "drafts"), Allowed("services/gone.py", "drafts")]
    settings = Settings(data_layer=SETTINGS.data_layer, local_stores=stores)

    report = looked_at(tmp_path, {A: "import sqlite3\n", "b.py": "import sqlite3\n"}, settings)

    assert [f.path for f in report.errors] == ["b.py"]
    assert [(f.path, reason) for f, reason in report.allowed] == [(A, "drafts")]
    assert "local_stores services/gone.py" in [f.what for f in report.notes]


def test_levels(tmp_path: Path) -> None:
    """A rule that is off takes the proof away; a note can be made an error."""
    text = "import sqlite3\nimport importlib\nimportlib.import_module(name)\n"
    levels = {"python-driver": "off", "python-unknown-import": "error"}
    quiet = Settings(data_layer=SETTINGS.data_layer, rules={"python-driver": "off"})

    report = looked_at(tmp_path, {A: text}, Settings(data_layer=["dal"], rules=levels))
    silent = looked_at(tmp_path, {A: "import sqlite3\n"}, quiet)

    assert "python-unknown-import" in [f.rule for f in report.errors]
    assert (silent.exit_code, silent.is_proof, silent.rules_off) == (0, False, ["python-driver"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("data_layers = []\n", "Did you mean 'data_layer'?"),
        ("data_layer = 'x'\n", "Expected `array`"),
        ("[[local_stores]]\npath = 'a'\n", "missing required field `reason`"),
        ("[[exclude]]\npath = 'a'\nreason = ' '\n", "has no reason"),
        ("[rules]\npython-drivers = 'off'\n", "Did you mean 'python-driver'?"),
        ("[rules]\npython-driver = 'silent'\n", "One of error, note, off."),
        ("data_layer = [\n", "is no TOML"),
    ],
)
def test_settings_that_are_wrong_are_refused(text: str, said: str, tmp_path: Path) -> None:
    """With the key and what may stand there; a misspelt one would guard nothing."""
    write_repository(tmp_path, {"freehold-guard.toml": text})

    with pytest.raises(StartError) as refused:
        load_settings(tmp_path)

    assert said in str(refused.value)


def test_a_baseline_knows_what_was_there_and_nothing_new(tmp_path: Path) -> None:
    """Lines may move; a second equal line is a new place; another text is one, too."""
    file, root = tmp_path / "baseline.json", tmp_path / "repository"
    first = looked_at(root, {A: "import sqlite3\n", "b.py": "import apsw\n"})
    assert write_baseline(file, first) == 2
    assert (first.exit_code, first.is_proof) == (0, False)

    moved = looked_at(root, {A: "\n\nimport os\n\nif os:\n    import sqlite3\n"})
    apply_baseline(moved, read_baseline(file))
    doubled = looked_at(root, {A: "import sqlite3\nimport sqlite3\n"})
    apply_baseline(doubled, read_baseline(file))
    changed = looked_at(root, {A: "from sqlite3 import connect\n"})
    apply_baseline(changed, read_baseline(file))

    assert (moved.exit_code, len(moved.known), moved.fixed) == (0, 2, 0)
    assert (doubled.exit_code, len(doubled.errors), len(doubled.known)) == (1, 1, 2)
    assert (changed.exit_code, len(changed.errors), changed.fixed) == (1, 1, 1)


def test_a_baseline_shrinks_and_never_grows(tmp_path: Path) -> None:
    """Written again it loses what is gone; what is new stays a finding."""
    file, root = tmp_path / "baseline.json", tmp_path / "repository"
    write_baseline(file, looked_at(root, {A: "import sqlite3\n", "b.py": "import apsw\n"}))

    now = looked_at(root, {"b.py": "import os\n", "c.py": "import asyncpg\n"})
    left = write_baseline(file, now)

    assert left == 1
    assert [each.path for each in read_baseline(file).places] == [A]
    assert ([f.path for f in now.errors], now.exit_code) == (["c.py"], 1)


def test_a_file_that_cannot_be_read_now_keeps_its_places(tmp_path: Path) -> None:
    """Otherwise one broken commit would empty the baseline."""
    file, root = tmp_path / "baseline.json", tmp_path / "repository"
    write_baseline(file, looked_at(root, {A: "import sqlite3\n"}))

    broken = looked_at(root, {A: "import sqlite3\ndef f(:\n"})

    assert write_baseline(file, broken) == 1
    assert broken.exit_code == 2


@pytest.mark.parametrize("content", ["[]", "{", '{"version": 2, "places": []}'])
def test_a_file_that_is_no_baseline_is_refused(content: str, tmp_path: Path) -> None:
    """And never written over."""
    file = tmp_path / "baseline.json"
    file.write_text(content)

    with pytest.raises(StartError):
        write_baseline(file, Report(""))

    assert file.read_text() == content
