"""
What importing the client loads, seen in an interpreter of its own.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

FORBIDDEN = ("freehold.db", "freehold.drivers", "freehold.server", "freehold.schema")


@pytest.mark.parametrize("module", ["freehold.client", "freehold.client.http"])
def test_the_client_loads_no_database_and_no_server(module: str) -> None:
    """Neither our own rooms that own data, nor any of the libraries that they stand on."""
    code = f"import {module}, sys; print(*sorted(sys.modules))"

    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()

    ours = [m for m in loaded if m.startswith((*FORBIDDEN, "freehold.rpc", "freehold.crypto"))]
    theirs = {"apsw", "sqlalchemy", "uvicorn", "starlette", "cryptography", "sqlite3"} & {*loaded}
    assert (ours, theirs) == ([], set())


def test_httpx_is_loaded_for_plain_http_only() -> None:
    """It takes longer to import than everything else together."""
    code = "import freehold.client, sys; print('httpx' in sys.modules)"

    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert said.stdout.strip() == "False"


def test_the_public_names_are_those_that_are_listed() -> None:
    """`__all__` is sorted, and every name in it is there."""
    code = "from freehold import client as c; assert [getattr(c, n) for n in c.__all__]"

    subprocess.run([sys.executable, "-c", code], check=True)
