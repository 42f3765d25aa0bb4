"""A42 and A43: what is installed is pinned and hashed, few, and none of it runs what it reads."""

from __future__ import annotations

import ast
import re
import tomllib
from typing import Any

import pytest

from tests.tidy.test_house import APPS, ROOT, SOURCES, name_of

LOCK = (ROOT / "requirements.lock").read_text()
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
#: A new one is a decision: raise the number with its reason in the commit.
RUNTIME_MAX = {"consumer": 2, "server": 12, "postgres": 2}
#: Reading with these can run what was read.
BANNED_MODULES = {"pickle", "marshal", "shelve", "yaml", "dill", "cloudpickle", "jsonpickle"}
#: Where generated Python is made and run: its text comes from the schema's checked names alone.
GENERATES = {
    "src/freehold/rpc/checks.py", "src/freehold/db/rows.py", "src/freehold/db/plans.py",
}  # fmt: skip


@pytest.mark.attack("A42")
def test_everything_that_is_installed_is_pinned_and_hashed() -> None:
    """One version, and the digests of its files."""
    blocks = re.split(r"\n(?=[A-Za-z0-9])", LOCK.strip())

    assert len(blocks) > 50
    for block in blocks:
        first = block.splitlines()[0]
        assert re.match(r"[A-Za-z0-9._\[\],-]+==[^\s;]+", first), first
        hashes = re.findall(r"--hash=(\w+):([0-9a-f]+)", block)
        assert hashes, first
        assert all(kind == "sha256" and len(digest) == 64 for kind, digest in hashes), first


@pytest.mark.attack("A42")
def test_the_lock_names_no_place() -> None:
    """Neither a registry nor a file nor a repository: who installs says where from."""
    assert re.findall(r"https?:|git\+|file:|--index|--find-links|--extra-index|^-e", LOCK) == []
    assert "--require-hashes" in (ROOT / "Makefile").read_text()


@pytest.mark.attack("A42")
def test_what_runs_in_production_is_little() -> None:
    """Counted by who installs it."""
    project = PROJECT["project"]
    found = {
        "consumer": project["dependencies"],
        **{name: project["optional-dependencies"][name] for name in ("server", "postgres")},
    }

    assert {
        name: len(packages) for name, packages in found.items()
        if len(packages) > RUNTIME_MAX[name]
    } == {}  # fmt: skip


@pytest.mark.attack("A43")
def test_nothing_is_read_by_what_can_run_it() -> None:
    """No pickle, no YAML, no eval; exec of generated text in its named places only."""
    found = []
    for path in [*SOURCES, *(each for each in APPS if "tests" not in each.parts)]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [getattr(node, "module", None) or "", *(each.name for each in node.names)]
                banned = {name.partition(".")[0] for name in names} & BANNED_MODULES
                found += [f"{name_of(path)}:{node.lineno} {each}" for each in banned]
            called = node.func if isinstance(node, ast.Call) else None
            name = called.id if isinstance(called, ast.Name) else ""
            is_known = name == "exec" and name_of(path) in GENERATES
            if name in ("eval", "exec", "__import__") and not is_known:
                found.append(f"{name_of(path)} {name}")
            if any(getattr(each, "arg", "") == "shell" for each in getattr(node, "keywords", [])):
                found.append(f"{name_of(path)}: a shell")

    assert found == []


@pytest.mark.attack("A43")
def test_the_linter_looks_for_it_too() -> None:
    """Its security rules are on for everything that is shipped."""
    lint = PROJECT["tool"]["ruff"]["lint"]

    assert "S" in lint["select"]
    assert [rule for rule in lint["ignore"] if rule.startswith("S")] == ["S101"]
    assert not any(
        rules == ["S"] for glob, rules in lint["per-file-ignores"].items() if "src" in glob
    )
