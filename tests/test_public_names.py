"""The public surface: listed, sorted, real, and free to import."""

from __future__ import annotations

import subprocess
import sys

import freehold


def test_the_list_is_sorted_and_true() -> None:
    """Every name in `__all__` is there, and stands where a reader looks for it."""
    names = freehold.__all__

    assert len(names) == len(set(names))
    assert names == sorted(names, key=lambda n: (not n.isupper(), not n[0].isupper(), n))
    assert [name for name in names if getattr(freehold, name, None) is None] == []


def test_importing_the_root_loads_no_driver_and_no_server() -> None:
    """Names are loaded when they are first used."""
    heavy = "{'apsw', 'sqlalchemy', 'uvloop', 'starlette', 'httptools', 'alembic', 'httpx'}"
    code = f"import freehold, sys; print(sorted({heavy} & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    """As of any module."""
    assert not hasattr(freehold, "nonsense")
