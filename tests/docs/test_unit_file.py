"""The unit file of the documentation keeps other processes of the machine out."""

from __future__ import annotations

import configparser

import pytest

from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "how-to" / "run-in-production.md"


@pytest.mark.attack("A46")
def test_the_unit_file_leaves_memory_to_nobody() -> None:
    """No dump, no swap, a user of its own who sees no other process and gains no right."""
    text = PAGE.read_text()
    block = "[Unit]" + text.partition("[Unit]")[2].partition("```")[0]
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.read_string(block)
    service = unit["Service"]

    assert service["LimitCORE"] == "0"
    assert service["MemorySwapMax"] == "0"
    assert service["ProtectProc"] == "invisible"
    assert service["NoNewPrivileges"] == "yes"
    assert service["CapabilityBoundingSet"] == ""
    assert service["User"] not in ("", "root")
