"""
Golden folders: a contract, and what is generated from it. A case is added by adding a folder.

After an intended change, FREEHOLD_UPDATE_GOLDEN=1 makes this test write the files instead of
comparing them; the diff is then reviewed like any other code.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from freehold.generate import check, openapi, python_client, typescript_client, write

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = sorted(folder.name for folder in GOLDEN.iterdir() if (folder / "contract.json").exists())
UPDATE = "FREEHOLD_UPDATE_GOLDEN"


def contract_of(case: str) -> dict[str, Any]:
    """The folder's contract."""
    contract: dict[str, Any] = json.loads((GOLDEN / case / "contract.json").read_text())
    return contract


@pytest.mark.parametrize("case", CASES)
def test_what_is_generated_is_what_was_reviewed(case: str) -> None:
    """Clients and OpenAPI document, byte for byte."""
    contract = contract_of(case)
    files: dict[str, str | bytes] = {
        "client.py": python_client(contract),
        "client.ts": typescript_client(contract),
        "openapi.json": openapi(contract),
    }

    if os.environ.get(UPDATE):
        for name, text in files.items():
            write(GOLDEN / case / name, text)

    stale = [name for name, text in files.items() if not check(GOLDEN / case / name, text)]
    assert stale == [], f"look at the change; if it is meant, run again with {UPDATE}=1"


@pytest.mark.parametrize("case", CASES)
def test_the_order_in_the_contract_makes_no_difference(case: str) -> None:
    """What has names is written in the order of the names."""
    contract = contract_of(case)
    turned = {
        **contract,
        "entrypoints": {
            name: {**each, "methods": dict(reversed(each["methods"].items()))}
            for name, each in reversed(contract["entrypoints"].items())
        },
        "types": dict(reversed(contract["types"].items())),
        "errors": dict(reversed(contract["errors"].items())),
    }

    assert python_client(turned) == python_client(contract)
    assert typescript_client(turned) == typescript_client(contract)
    assert openapi(turned) == openapi(contract)


def test_there_are_cases() -> None:
    """A folder that was moved away would otherwise pass."""
    assert {"library", "smallest"} <= {*CASES}
