"""
Rules about the code that matter enough to be a test; each says what to write instead.

Budgets of files and functions, names, words, who may read time and draw randomness.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src" / "freehold"
SOURCES = sorted(SRC.rglob("*.py"))
APPS = sorted(p for p in (ROOT / "apps").rglob("*.py") if "clients" not in p.parts)
ALL = SOURCES + APPS + sorted((ROOT / "tests").rglob("*.py"))

FILE_LINES_MAX = 600
BODY_LINES_MAX = 60
POSITIONAL_MAX = 3
DRAWERS = {"utils", "helpers", "common", "misc", "base", "manager", "core", "util", "helper"}
BANNED_WORDS = re.compile(r"\b(session|endpoint|manager|helper|util)s?\b", re.IGNORECASE)
#: Other people's words, where their libraries or HTTP itself say so.
#: What a tool is told at the end of a line cannot be wrapped.
PRAGMA = re.compile(r"  # (type: ignore|noqa).*$")
WORDS_ALLOWED = re.compile(
    r"contextmanager|AbstractContextManager|importlib\.util|start_new_session"
)
#: In HotMetal's services and stand-ins a `store.py` is a local store, which is none of the data
#: layer's; the guard's configuration lists each one.
OWN_STORES = {"services", "stand_ins"}


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = function.body
    if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        body = body[1:]
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_no_file_is_a_drawer() -> None:
    """A file named utils only ever grows; name it by what it holds."""
    assert [name_of(path) for path in ALL if path.stem in DRAWERS] == []


@pytest.mark.parametrize("path", ALL, ids=name_of)
def test_files_are_short(path: Path) -> None:
    """A file past 600 lines holds more than one idea; split it by noun."""
    assert len(path.read_text().splitlines()) <= FILE_LINES_MAX


def test_functions_are_short() -> None:
    """A body past 60 lines branches and works at once; branch in the parent, leaves straight."""
    long = [
        f"{name_of(path)}:{function.name} {body_lines(function)}"
        for path in SOURCES + APPS
        for function in functions(path)
        if body_lines(function) > BODY_LINES_MAX
    ]

    assert long == []


def test_modules_say_what_they_hold() -> None:
    """Every file opens with what it holds."""
    silent = [name_of(p) for p in ALL if ast.get_docstring(ast.parse(p.read_text())) is None]

    assert [name for name in silent if not name.endswith("conftest.py")] == []


def test_public_functions_and_classes_have_docstrings() -> None:
    """What is exported says its promise; protocol methods and overrides inherit theirs."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    bare = [
        f"{name_of(path)}:{node.name}"
        for path in SOURCES
        for node in ast.parse(path.read_text()).body
        if isinstance(node, kinds)
        and not node.name.startswith("_")
        and ast.get_docstring(node) is None
        and not any(getattr(d, "id", "") == "overload" for d in node.decorator_list)
    ]

    assert bare == []


def test_arguments_that_can_be_mixed_up_are_keywords() -> None:
    """A handle and two more may stand by position; the rest is named by the caller."""
    wide = []
    # A command's parameters are options: the command line gives each by name.
    for path in (path for path in SOURCES if "cli" not in path.parts):
        for function in functions(path):
            arguments = [*function.args.posonlyargs, *function.args.args]
            names = [a.arg for a in arguments if a.arg not in ("self", "cls", "mcls")]
            is_own = not function.name.startswith("_")
            if is_own and len(names) > POSITIONAL_MAX:
                wide.append(f"{name_of(path)}:{function.name}({', '.join(names)})")

    assert wide == []


def test_only_two_files_read_time_and_draw_randomness() -> None:
    """Ask the clock and the ids that were handed in, so that a call can be run again."""
    reads = re.compile(
        r"\btime\.(time|monotonic|perf_counter|time_ns|monotonic_ns)\(|datetime\.(now|utcnow)\(|"
        r"\brandom\.|\bsecrets\.(token|choice|rand)|\buuid\.|os\.urandom"
    )
    allowed = {"src/freehold/clock.py", "src/freehold/ids.py", "src/freehold/crypto/seal.py"}
    found = [
        f"{name_of(path)}:{number}"
        for path in SOURCES
        if name_of(path) not in allowed
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if reads.search(line.split("#")[0])
    ]

    assert found == []


@pytest.mark.promise("P9")
@pytest.mark.attack("A13")
def test_no_digest_is_compared_but_in_constant_time() -> None:
    """`==`, `!=` and `in` stop at the first byte that differs; `compare_digest` does not."""
    word = re.compile(r"(\w+_)?(digest|hmac|secret|raw_key|token)", re.IGNORECASE)
    # There nothing is compared that a stranger shows: two of our own keys when they are read, and
    # what a call's arguments were with what they are now, under the caller's own key.
    fine = ("freehold/crypto/ring.py", "freehold/rpc/idempotency.py")
    found = []
    for path in SOURCES:
        if str(path).endswith(fine):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Compare):
                continue
            compared = [op for op in node.ops if not isinstance(op, ast.Is | ast.IsNot)]
            sides = [node.left, *node.comparators]
            named = [side for side in sides if not isinstance(side, ast.Constant)]
            if compared and any(word.fullmatch(_last_name(side)) for side in named):
                found.append(f"{name_of(path)}:{node.lineno}")

    assert found == []


def _last_name(node: ast.expr) -> str:
    """What a value is called: `row.digest` is a digest, `len(digest)` is not."""
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def test_the_library_never_prints_or_asserts() -> None:
    """Output goes through the command line's console, invariants through `invariant()`."""
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Assert):
                found.append(f"{name_of(path)}:{node.lineno} assert")
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print":
                found.append(f"{name_of(path)}:{node.lineno} print")

    assert found == []


def test_no_loose_ends() -> None:
    """What is not done is an issue, not a comment."""
    marks = re.compile(r"\b(FIX" + r"ME|X" + r"XX|TO" + r"DO)\b")
    found = [
        f"{name_of(path)}:{number}"
        for path in ALL
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if marks.search(line)
    ]

    assert found == []


def test_the_house_keeps_its_words() -> None:
    """`session`, `endpoint`, `manager` and their like mean nothing or four things; see design."""
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [getattr(node, "name", None), getattr(node, "arg", None)]
            names += [node.id] if isinstance(node, ast.Name) else []
            for name in names:
                words = re.sub(r"([a-z])([A-Z])", r"\1_\2", str(name or "")).replace("_", " ")
                if name and not WORDS_ALLOWED.search(str(name)) and BANNED_WORDS.search(words):
                    found.append(f"{name_of(path)}:{getattr(node, 'lineno', 0)} {name}")

    assert found == []


def test_lines_fit_two_side_by_side() -> None:
    """100 columns, code and prose alike."""
    prose = [p for p in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")] if p.is_file()]
    long = [
        f"{name_of(path)}:{number}"
        for path in [*ALL, *prose]
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(PRAGMA.sub("", line)) > 100 and "](" not in line and "|" not in line
    ]

    assert long == []


def test_only_drivers_and_migrations_speak_sql_to_an_engine() -> None:
    """Everybody else has a handle: `db.execute(statement)`, never a cursor."""
    speaks = re.compile(r"(?<!db)\.execute(many)?\(|import (apsw|sqlite3)\b")
    allowed = ("drivers", "migrate", "app", "testing")
    found = [
        f"{name_of(path)}:{number}"
        for path in SOURCES + APPS
        if not (path.is_relative_to(SRC) and path.relative_to(SRC).parts[0] in allowed)
        and "tests" not in path.parts
        and not (path.name == "store.py" and OWN_STORES & set(path.parts))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if speaks.search(line) and "cli" not in path.parts
    ]

    assert found == []


def test_applications_stand_on_what_is_public() -> None:
    """An application is a stranger: it imports the root, errors, testing and client."""
    public = {"freehold", "freehold.errors", "freehold.testing", "freehold.client"}
    found = []
    for path in APPS:
        if "tests" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            module = getattr(node, "module", None) or ""
            if module.startswith("freehold") and module not in public:
                found.append(f"{name_of(path)}: {module}")

    assert found == []


def test_tests_mirror_the_house() -> None:
    """Each folder of tests is a room of the house, or one of the named cross rooms."""
    rooms = {path.name for path in SRC.iterdir() if path.is_dir()}
    cross = {"contract", "golden", "e2e", "tidy", "typing", "docs", "__pycache__"}
    # What goes through real servers and their faults, and the one driver's tests of its own.
    cross |= {"faults", "hostile", "lockstep", "drivers_postgres"}
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()}

    assert folders - rooms - cross == set()
