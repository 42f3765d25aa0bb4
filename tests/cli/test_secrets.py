"""`freehold secrets`: a rotation as a person does it, beside a running server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.commands import Said, freehold
from tests.e2e.processes import HOTMETAL, serving

pytestmark = pytest.mark.promise("P8")


def secrets(*words: str, cwd: Path) -> Said:
    """One command about the keys of a HotMetal in that folder."""
    return freehold("secrets", *words, "--app", HOTMETAL, "--data-dir", "data", cwd=cwd)


def test_a_rotation_beside_a_running_server(tmp_path: Path) -> None:
    """The server takes the new key up without a restart; the old one goes when nothing needs it."""
    seeded = freehold("seed", "--app", HOTMETAL, "--data-dir", "data", cwd=tmp_path)
    assert seeded.code == 0
    with serving(tmp_path / "data", command="dev"):
        before = secrets("status", "--json", cwd=tmp_path).json()
        early = secrets("retire", "k1", cwd=tmp_path)
        rotated = secrets("rotate", "--json", cwd=tmp_path)
        retired = secrets("retire", "k1", cwd=tmp_path)
        after = secrets("status", "--json", cwd=tmp_path).json()

    assert before["values"]["k1"] > 0
    assert early.code == 78
    assert "is the key that seals" in early.err
    assert rotated.code == 0
    assert "secrets retire k1" in rotated.err
    assert rotated.json()["values"] == {"k2": before["values"]["k1"], "k1": 0}
    assert retired.code == 0
    assert after["values"] == {"k2": before["values"]["k1"]}
    kept = json.loads((tmp_path / "data" / "secrets.json").read_text())
    assert [key["id"] for key in kept["column_keys"]] == ["k2"]
    alone = secrets("status", cwd=tmp_path)
    assert alone.code == 0
    assert kept["column_keys"][0]["secret"] not in rotated.out + rotated.err + alone.out
