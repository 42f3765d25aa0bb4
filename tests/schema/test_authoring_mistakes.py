"""
Every mistake in a record or a struct, and what its author reads at once.

The mistakes stand in `mistakes.txt`: a heading, the code, an arrow, the message. Adding one
is adding a block. Each is made at the top of a module and inside a function, with and without
`from __future__ import annotations`: where a class stands changes how its types are found.
"""

from __future__ import annotations

import sys
import textwrap
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from freehold.errors import SchemaError

#: What every block may use.
PREAMBLE = """
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, field

from freehold.scalars import Hashed, Int64, Sealed
from freehold.schema import *


class Color(Enum):
    RED = 1


class Plain:
    pass
"""


def blocks() -> dict[str, tuple[str, str]]:
    """(code, message) by heading."""
    text = Path(__file__).with_name("mistakes.txt").read_text()
    found = {}
    for block in text.split("\n\n"):
        heading, _, rest = block.strip().partition("\n")
        code, _, message = rest.partition("\n->\n")
        found[heading.removeprefix("# ")] = (code, message)
    return found


BLOCKS = blocks()


@pytest.fixture
def module() -> Iterator[types.ModuleType]:
    """An empty module that can be found by its name, as annotations must be."""
    made = types.ModuleType("mistaken")
    sys.modules["mistaken"] = made
    yield made
    del sys.modules["mistaken"]


def run(module: types.ModuleType, source: str) -> None:
    code = compile(source, "<mistaken>", "exec", dont_inherit=True)
    exec(code, module.__dict__)


def in_a_function(code: str) -> str:
    """The same code as a function's body; its preamble stays in the module."""
    return f"{PREAMBLE}\n\ndef declare():\n{textwrap.indent(code, '    ')}\n\n\ndeclare()\n"


@pytest.mark.parametrize("future", [False, True], ids=["types as they are", "types as text"])
@pytest.mark.parametrize("place", ["module", "function"])
@pytest.mark.parametrize("name", BLOCKS)
def test_a_mistake_is_told_where_it_stands(
    module: types.ModuleType, name: str, place: str, future: bool
) -> None:
    """At class creation, with the class, the field, and what to write instead."""
    code, message = BLOCKS[name]
    source = f"{PREAMBLE}\n{code}\n" if place == "module" else in_a_function(code)

    with pytest.raises(SchemaError) as refusal:
        run(module, ("from __future__ import annotations\n" if future else "") + source)

    told = str(refusal.value).replace("mistaken.", "").replace("declare.<locals>.", "")
    assert told == message
    assert refusal.value.hint


def test_a_message_begins_with_the_class_that_it_is_about() -> None:
    """The first word of each is a class of its block."""
    for code, message in BLOCKS.values():
        name = message.replace(":", ".").split(".")[0].split()[0]
        assert f"class {name}(" in code


GOOD = '''
class Source(Struct):
    url: str
    seen: Maybe[int] = UNSET


class Idea(Record, table="ideas", indexes=[Index("seen desc", name="latest")]):
    """One of everything that may stand in a class body."""

    class Part(Struct):
        text: str

    LIMIT: ClassVar[int] = 5
    id: Annotated[UserId, PrimaryKey()]
    sources: list[Source] | None = None
    parts: list[Part] = []
    seen: Annotated[EpochSeconds | None, Index()] = None
    score: float = 0
    created_at: CreatedAt = AUTO

    @property
    def is_seen(self) -> bool:
        return self.seen is not None

    @classmethod
    def named(cls, name: str) -> str:
        return name
'''


@pytest.mark.parametrize("future", [False, True], ids=["types as they are", "types as text"])
@pytest.mark.parametrize("place", ["module", "function"])
def test_what_is_right_is_right_everywhere(
    module: types.ModuleType, place: str, future: bool
) -> None:
    """In a module and in a function, with types and with their text."""
    more = "from typing import ClassVar, NewType\n\nUserId = NewType('UserId', str)\n"
    told = f"global made\nmade = {{}}\n{GOOD}\nmade['Idea'] = Idea\n"
    source = PREAMBLE + more + told.replace("global made\n", "")
    if place == "function":
        source = in_a_function(told).replace(PREAMBLE, PREAMBLE + more)

    run(module, ("from __future__ import annotations\n" if future else "") + source)

    idea: Any = module.__dict__["made"]["Idea"]
    assert [field.name for field in idea.__fields__] == [
        "id", "sources", "parts", "seen", "score", "created_at"
    ]  # fmt: skip
    assert idea(id="i1", seen=3).is_seen
