"""Each rule finds what it says it finds, where it is; and not what is nearly that."""

from __future__ import annotations

from pathlib import Path

import pytest

from freehold.guard import RULES
from tests.guard.planted import PLANTED, SETTINGS, Planted, looked_at


@pytest.mark.parametrize("planted", PLANTED, ids=lambda each: each.name)
def test_what_is_planted_is_found_where_it_is(planted: Planted, tmp_path: Path) -> None:
    """By its rule, at its line and column, counted in characters."""
    report = looked_at(tmp_path, {planted.path: planted.text, **planted.more}, planted.settings)

    found = [(f.rule, f.path, f.line, f.column) for f in report.findings]
    assert (planted.rule, planted.path, *planted.at) in found
    assert report.not_read == []


@pytest.mark.parametrize("planted", PLANTED, ids=lambda each: each.name)
def test_what_is_nearly_that_is_not_found(planted: Planted, tmp_path: Path) -> None:
    """Nothing at all is found, and the file was read."""
    report = looked_at(tmp_path, {planted.path: planted.near, **planted.more}, planted.settings)

    found = [f for f in report.findings if f.path != "(settings)"]
    assert [(f.rule, f.line, f.text) for f in found] == []
    assert report.not_read == []
    assert report.read.total() == 1


def test_every_rule_is_planted() -> None:
    """A rule without a violation may find nothing and nobody would know."""
    assert {planted.rule for planted in PLANTED} == set(RULES)


def test_the_data_layer_may(tmp_path: Path) -> None:
    """The same violations within it are none; it is counted and not read."""
    report = looked_at(tmp_path, {"dal/more.py": "import sqlite3\n"})

    assert report.findings == []
    assert report.data_layer == 6
    assert report.is_proof


def test_a_module_of_the_repository_is_no_orm(tmp_path: Path) -> None:
    """Some ORMs have names that others have modules of."""
    files = {"app/databases.py": "", "app/main.py": "import databases\n"}

    assert looked_at(tmp_path, dict(files)).errors == []


def test_a_name_that_a_worker_binds_is_found_everywhere(tmp_path: Path) -> None:
    """The document's own search: the binding's name, whatever it hangs on."""
    files = {
        "services/scout/wrangler.jsonc": '{"d1_databases": [{"binding": "STORE"}]}',
        "services/scout/src/run.ts": "export const f = (given) => load(given.STORE)\n",
    }

    found = [(f.path, f.rule) for f in looked_at(tmp_path, dict(files), SETTINGS).errors]
    assert ("services/scout/src/run.ts", "js-binding") in found
