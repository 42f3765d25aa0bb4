"""
Which tests stand for which promise and which attack, read off their marks without running them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.docs.pages import ROOT

FOLDERS = ("tests", "apps")


@dataclass(frozen=True, order=True)
class Shown:
    """One test and what it stands for."""

    #: `P3` or `A28`.
    number: str
    file: Path
    #: The function; of a marked class, its name.
    test: str


@cache
def marked() -> tuple[Shown, ...]:
    """Every marked test."""
    files = [file for folder in FOLDERS for file in (ROOT / folder).rglob("test_*.py")]
    return tuple(sorted(shown for file in files for shown in _of(file)))


def showing(number: str) -> list[Shown]:
    """The tests that stand for a promise or an attack."""
    return [shown for shown in marked() if shown.number == number]


def _of(file: Path) -> Iterator[Shown]:
    tree = ast.parse(file.read_text())
    path = file.relative_to(ROOT)
    of_all: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.Assign) and _is_pytestmark(node.targets[0]):
            of_all = list(_numbers([node.value]))
    for node in _tests(tree):
        inner = {*of_all, *_numbers(node.decorator_list)}
        yield from (Shown(number, path, node.name) for number in inner)


def _tests(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if node.name.lower().startswith("test"):
            yield node


def _is_pytestmark(target: ast.expr) -> bool:
    return isinstance(target, ast.Name) and target.id == "pytestmark"


def _numbers(marks: list[ast.expr]) -> Iterator[str]:
    """What `mark.promise("P1")` and `mark.attack("A26", "A27")` name, wherever in there."""
    for mark in marks:
        for node in ast.walk(mark):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("promise", "attack")
            ):
                yield from (arg.value for arg in node.args if isinstance(arg, ast.Constant))  # type: ignore[misc]
