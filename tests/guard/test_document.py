"""The document's own search (phase 6.1): what it finds, the guard finds; after it, a proof."""

from __future__ import annotations

from pathlib import Path

import pytest

from freehold.guard import load_settings, look
from tests.cli.commands import freehold
from tests.guard.document import after, before, searched
from tests.guard.planted import write_repository


def test_the_document_search_finds_something_before_and_nothing_after() -> None:
    """The fixture is worth something."""
    assert len(searched(before())) == 9
    assert searched(after()) == set()


def test_before_the_move_each_place_of_that_search_is_found(tmp_path: Path) -> None:
    """And more: the bindings themselves, the types, the agent's own SQL."""
    write_repository(tmp_path, dict(before()))

    said = freehold("guard", "--json", cwd=tmp_path)

    report = said.json()
    # A statement over several lines is found where it begins.
    found = {(f["path"], f["line"]) for f in report["findings"]}
    missed = {
        (path, line)
        for path, line in searched(before())
        if (path, line) not in found and (path, line - 1) not in found
    }
    assert missed == set()
    assert said.code == 1
    assert not report["proof"]
    rules = {f["rule"] for f in report["findings"]}
    assert rules >= {"worker-binding", "js-binding", "js-prepare", "js-database-type"}
    bound = [f["what"] for f in report["findings"] if f["rule"] == "worker-binding"]
    assert sorted(bound) == [
        "d1_databases PUBLISHER_DB", "d1_databases WRITER_DB", "d1_databases WRITER_DB",
    ]  # fmt: skip
    assert not any(f["path"].startswith("services/data-layer") for f in report["findings"])


def test_after_the_move_there_is_proof(tmp_path: Path) -> None:
    """Everything was read; the agent's own store is allowed with the document's reason."""
    write_repository(tmp_path, dict(after()))

    said = freehold("guard", "--json", cwd=tmp_path)

    report = said.json()
    assert (said.code, report["proof"]) == (0, True)
    assert [each["rule"] for each in report["allowed"]] == ["js-sql-template"]
    assert "by the document" in report["allowed"][0]["reason"]
    assert "✓ proof" in freehold("guard", cwd=tmp_path).out


@pytest.mark.parametrize("path", [p for p, t in before().items() if after().get(p) != t])
def test_each_file_that_is_left_behind_takes_the_proof_away(path: str, tmp_path: Path) -> None:
    """One file of before in the repository of after is found, and nothing else."""
    write_repository(tmp_path, {**after(), path: before()[path]})

    report = look(tmp_path, load_settings(tmp_path))

    assert report.exit_code == 1
    assert {found.path for found in report.errors} == {path}
