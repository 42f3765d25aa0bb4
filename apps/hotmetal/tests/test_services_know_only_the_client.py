"""
What the three services and their stand-ins may import: the generated client, not the data.

The document's rule is that one service owns the database. Here it is held where it can be
broken: in the imports, those inside of functions and the ones that are spelled as text too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

HOTMETAL = Path(__file__).resolve().parents[1] / "hotmetal"
#: Of the application: what needs no database. Of the library: what a stranger gets.
MAY = ("hotmetal.clients", "hotmetal.schedule", "hotmetal.services", "hotmetal.stand_ins",
       "freehold.client", "freehold.errors")  # fmt: skip
#: The engines' own libraries; a service's local store is the one file that opens SQLite.
ENGINES = ("apsw", "asyncpg", "sqlalchemy", "alembic", "psycopg", "aiosqlite", "sqlite3")


def imported(source: str) -> Iterator[str]:
    """Every module that the source names in an import, whole: `from a import b` is `a.b`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where they go"
            yield from (f"{node.module}.{each.name}" for each in node.names)
        elif isinstance(node, ast.Call) and "import" in ast.unparse(node.func):
            yield from (str(a.value) for a in node.args if isinstance(a, ast.Constant))


def is_below(name: str, roots: tuple[str, ...]) -> bool:
    return any(name == root or name.startswith(f"{root}.") for root in roots)


def forbidden(source: str, *, is_store: bool = False) -> list[str]:
    """The imports that a service must not have."""
    found = []
    for name in imported(source):
        ours = is_below(name, ("hotmetal", "freehold"))
        engine = is_below(name, ENGINES) and not (is_store and is_below(name, ("sqlite3",)))
        if (ours and not is_below(name, MAY)) or engine:
            found.append(name)
    return found


def test_services_know_only_the_client() -> None:
    """No schema, no domain, no engine; SQLite only in `store.py`, for what is local."""
    files = [*(HOTMETAL / "services").rglob("*.py")]
    broken = {
        str(path.relative_to(HOTMETAL)): found
        for path in files
        if (found := forbidden(path.read_text(), is_store=path.name == "store.py"))
    }

    assert len(files) > 10
    assert broken == {}


def test_a_planted_import_is_found() -> None:
    """Each way to get at the data is seen; else the test above could not fail."""
    for planted in (
        "import hotmetal.schema",
        "from hotmetal import domains",
        "from hotmetal.domains.ideas import promote_idea",
        "def f():\n    from freehold.db import Database",
        "import freehold",
        "import importlib\nimportlib.import_module('hotmetal.schema')",
        "__import__('apsw')",
        "import sqlite3",
        "from sqlalchemy import text",
    ):
        assert forbidden(planted), planted
    assert forbidden("import sqlite3", is_store=True) == []
    assert forbidden("from hotmetal import schedule\nfrom hotmetal.clients.hotmetal import X") == []
