"""
The generated module as its users see it: imported, called, type-checked and formatted.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from freehold.client import UNSET, Int64
from freehold.errors import CallError, Conflict, problem
from freehold.generate import python_client
from tests.generate.contracts import contract, large, method, param, struct
from tests.golden.library import client as library

FORMAT = ["ruff", "format", "--isolated", "--line-length", "100", "--target-version", "py311"]


class Desk:
    """A dispatcher that notes what was asked, and answers what it was told."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.result: Any = None
        self.error: CallError | None = None

    def call(self, request: Any, /) -> None:
        """Answer at once."""
        self.asked.append((request["method"], msgspec.msgpack.decode(request["body"])))
        request["reply"](self)

    seq = 1

    @property
    def body(self) -> bytes:
        """The result in MessagePack."""
        return msgspec.msgpack.encode(self.result)


def load(path: Path, text: str) -> ModuleType:
    """The text as a module of its own."""
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def run_ruff(text: str) -> str:
    """The text as `ruff format` would have it."""
    command = [sys.executable, "-m", *FORMAT, "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    return done.stdout


def test_arguments_travel_by_their_names_on_the_wire() -> None:
    """By position, by keyword, and left out when they were not given."""

    async def story() -> None:
        desk = Desk()
        dal = library.Library.in_process(desk, request=dict)
        desk.result = {"items": [], "nextCursor": None}
        await dal.list_books()
        await dal.list_books("lent", since_days=3, author_id=None)
        desk.result = {"id": "b1", "title": "t", "createdAt": 1}
        await dal.lend_book("b1", reader_id="r1")

        assert desk.asked == [
            ("Library.listBooks", {}),
            ("Library.listBooks", {"status": "lent", "sinceDays": 3, "authorId": None}),
            ("Library.lendBook", {"id": "b1", "readerId": "r1"}),
        ]

    asyncio.run(story())


def test_inputs_leave_out_what_was_not_given() -> None:
    """So the server's default counts, and a patch touches nothing else."""

    async def story() -> None:
        desk = Desk()
        dal = library.Library.in_process(desk, request=dict)
        await dal.update_book("b1", library.BookPatch(shelf_mark=None))
        desk.result = 1
        new = library.NewBook(id="b1", title="t", copies_printed=Int64(2**60))
        await dal.add_books([new])

        assert new.bookmark is UNSET
        assert [args for _, args in desk.asked] == [
            {"id": "b1", "data": {"shelfMark": None}},
            {"items": [{"id": "b1", "title": "t", "copiesPrinted": str(2**60)}]},
        ]

    asyncio.run(story())


def test_errors_are_classes_with_attributes() -> None:
    """The parts by name; one that hides an attribute of all errors has an underscore."""

    class BookLent(Conflict):
        """The server's own."""

    async def story() -> None:
        desk = Desk()
        data = {"readerId": "r1", "status": "lent", "backAt": "9"}
        desk.error = BookLent("it is lent.", data=data)
        assert problem(desk.error)["error"] == "BookLent"
        with pytest.raises(library.BookLent) as refusal:
            await library.Library.in_process(desk, request=dict).lend_book("b1", reader_id="r2")

        error = refusal.value
        assert (error.reader_id, error.status_, error.back_at) == ("r1", "lent", 9)
        assert (error.status, error.code) == (409, "conflict")

    asyncio.run(story())


def test_the_two_classes_are_the_same_but_for_their_colour() -> None:
    """Same methods, same parameters, same words."""
    text = python_client(large(20))
    _, _, faces = text.partition("class Api(AsyncBinding):")
    waiting, _, blocking = faces.partition("class ApiSync(SyncBinding):")
    # Up to here they say what they enter.
    _, _, waiting = waiting.partition("return self._transaction(")
    _, _, blocking = blocking.partition("return self._transaction(")
    assert "async def" in waiting

    assert waiting.replace("async ", "").replace("await ", "").strip() == blocking.strip()


def test_the_header_says_where_it_comes_from() -> None:
    """And that nobody should edit it."""
    first, second, third, *_ = python_client(contract()).splitlines()

    assert first == "# Generated by `freehold generate` from the contract 0123abcd."
    assert "Do not edit" in second
    assert "Regenerate with" in third


def test_keyword_only_parameters_stay_so() -> None:
    """And a required one behind an optional one can only be one."""
    marked = method("a", param("x"), param("y", keyword=True))
    behind = method("b", param("x", required=False, default=1), param("y"))
    text = python_client(contract(methods={"a": marked, "b": behind}))

    assert "def a(self, x: str, *, y: str) -> None:" in text
    assert "def b(self, x: Maybe[str] = UNSET, *, y: str) -> None:" in text


def test_300_methods_generate_and_import(tmp_path: Path) -> None:
    """Without making a decoder before the first answer."""
    module = load(tmp_path / "large_client.py", python_client(large(300)))

    names = [name for name in vars(module.Api) if name.startswith("get_row_number")]
    assert len(names) == 300
    assert "unpack" not in vars(module._ApiMethods.get_row_number0)


NASTY = [
    'ends with a quote"',
    '"begins with one',
    '""',
    '"""',
    'a """ b \\""" c',
    "back\\slash",
    "ends with \\",
    "tab\tand\r\nreturn\x0c",
    "nul \x00 bell \x07 del \x7f",
    "\u2028line\u2029paragraph\x85next",
    "\ud800 lone",
    "ünï 漢字 🦄",
    "  indented\n    deeper\n  back  ",
    "\n\n  \nafter blank lines\n\n",
    "{format} %s $dollar #comment",
    "import os; os.system('x')",
    "x" * 150,
    "'''",
    "\\N{DASH} \\x41 \\",
]


def nasty_contract() -> dict[str, Any]:
    """Every text that can go wrong, wherever a text may stand."""
    methods = {
        f"m{n}": method(
            f"m{n}",
            param("value", {"t": "literal", "values": [text, "other"]}),
            param("given", required=False, default=text),
            doc=text,
        )
        for n, text in enumerate(NASTY)
    }
    types = {
        f"T{n}": struct(param("name", required=False, default=text), role="record", doc=text)
        for n, text in enumerate(NASTY)
    }
    errors = {f"E{n}": {"extends": "Conflict", "doc": t} for n, t in enumerate(NASTY)}
    return contract(methods=methods, types=types, errors=errors)


def test_texts_mean_themselves_whatever_they_hold(tmp_path: Path) -> None:
    """No docstring, default or literal closes its quotes."""
    module = load(tmp_path / "nasty_client.py", python_client(nasty_contract()))

    made = [getattr(module, f"T{n}")().name for n in range(len(NASTY))]
    assert made == NASTY


@pytest.mark.parametrize("case", ["nasty", "large", "library"])
def test_the_layout_is_ruffs(case: str) -> None:
    """So that a project which formats everything leaves the file as it is."""
    texts = {
        "nasty": python_client(nasty_contract()),
        "large": python_client(large(40)),
        "library": Path(library.__file__).read_text(),
    }
    text = texts[case]

    assert run_ruff(text) == text


USAGE = """
from typing import Literal, assert_type

from freehold.client import Int64, Page
from library_client import Book, BookLent, BookPatch, Library, LibrarySync, NewBook


async def waits(dal: Library) -> None:
    assert_type(await dal.get_book("b1"), Book | None)
    assert_type((await dal.list_books("in", since_days=3)).items, list[Book])
    assert_type(await dal.list(["a"]), list[str])
    await dal.update_book("b1", BookPatch(shelf_mark=None))
    await dal.add_books([NewBook(id="b1", title="t", copies_printed=Int64(1))])
    async with Library.connect("unix:/x", timeout_s=2) as other:
        assert_type(other, Library)
        assert_type(other.with_options(timeout_s=1), Library)


def blocks(dal: LibrarySync, error: BookLent) -> None:
    book = dal.lend_book("b1", reader_id="r1")
    assert_type(book.status, Literal["in", "lent", "lost"])
    assert_type(book.copies_printed, Int64)
    assert_type(error.back_at, Int64 | None)
    dal.lend_book("b1", "r1")  # E: positional
    dal.get_book(1)  # E: not a str
    dal.list_books("burnt")  # E: not a status
    dal.update_book("b1", BookPatch(name="x"))  # E: no such field
    NewBook(title="t")  # E: no id
    dal.steal_book("b1")  # E: no such method
    book.weight + 1  # E: may be None
"""


def test_type_checkers_understand_it(tmp_path: Path) -> None:
    """The module is clean under `mypy --strict`, and each mistake in its use is found."""
    (tmp_path / "library_client.py").write_text(Path(library.__file__).read_text())
    (tmp_path / "large_client.py").write_text(python_client(large(300)))
    (tmp_path / "usage.py").write_text(USAGE)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--config-file="]
    source = Path(__file__).parents[2] / "src"

    done = subprocess.run(
        [*command, "usage.py", "library_client.py", "large_client.py"],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(source)},
        capture_output=True,
        text=True,
        check=False,
    )

    found = [line for line in done.stdout.splitlines() if ": error:" in line]
    wrong = [n for n, line in enumerate(USAGE.splitlines(), 1) if "# E:" in line]
    assert sorted({tuple(line.split(":")[:2]) for line in found}) == sorted(
        ("usage.py", str(n)) for n in wrong
    ), done.stdout + done.stderr
