"""What the decoders and encoders let through and no client could represent."""

from __future__ import annotations

from typing import Any, Literal, cast

import msgspec
import pytest

from freehold.db import Page
from freehold.rpc.checks import argument_check, result_check
from freehold.rpc.shapes import shape_of
from freehold.scalars import Int64
from freehold.schema import EpochSeconds, Struct

INT_MAX = 2**53 - 1
NAN = float("nan")


class Leaf(Struct):
    """No numbers in it."""

    name: str


class Named(Leaf):
    """A leaf with a field that a leaf's readers may not see."""

    password: str = ""


class Weighed(Struct):
    """Numbers of each kind."""

    weight: float | None = None
    count: int = 0
    big: Int64 = Int64(0)
    seen_at: EpochSeconds = 0
    leaf: Leaf | None = None


class Tree(msgspec.Struct, forbid_unknown_fields=True):
    """Holds itself."""

    weight: float
    left: Tree | None = None
    more: list[Tree] = []


class Bush(msgspec.Struct, forbid_unknown_fields=True):
    """Holds itself and no numbers."""

    more: list[Bush] = []


def wrong(hint: Any, value: Any) -> str | None:
    """What is wrong with a result of that type."""
    check = result_check(shape_of(hint, "test"))
    return check(value) if check is not None else None


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (str, "x"),
        (bool, False),
        (int, INT_MAX),
        (float, 1),
        (float | None, None),
        (bytes, b""),
        (None, None),
        (Int64, Int64(2**62)),
        (EpochSeconds, 5),
        (Leaf, Leaf(name="x")),
        (Leaf | None, None),
        (list[Leaf], [Leaf(name="x")]),
        (list[Leaf], []),
        (list[Leaf | None], [None, Leaf(name="x")]),
        (list[str], ["x"]),
        (dict[str, Leaf], {"a": Leaf(name="x")}),
        (Page[Leaf], Page(items=[Leaf(name="x")], next_cursor=None)),
        (Weighed, Weighed(weight=0.5, count=-INT_MAX)),
        (list[Weighed], [Weighed(leaf=Leaf(name="x"))]),
        (Literal["a"], "a"),
        (Any, {"a": [1, 0.5, None, True, "x", b"", Leaf(name="x"), Int64(5)]}),
        (str | int, 5),
        (Tree, Tree(0.5, Tree(1.5), [Tree(2.5)])),
        (Bush, Bush([Bush(), Bush([Bush()])])),
    ],
)
def test_what_the_contract_promises_passes(hint: Any, value: Any) -> None:
    """A value of each type."""
    assert wrong(hint, value) is None


@pytest.mark.parametrize(
    ("hint", "value", "says"),
    [
        (str, None, " is None, not str"),
        (bool, 1, " is int, not bool"),
        (None, Leaf(name="x"), " is Leaf, not NoneType"),
        (int, INT_MAX + 1, " is past ±(2^53-1), what every client can represent"),
        (float, NAN, " is nan; JSON has no such number"),
        (float, float("-inf"), " is -inf; JSON has no such number"),
        (Int64, 5, " is int, not Int64"),
        (Leaf, Named(name="x", password="p"), " is Named, not Leaf"),
        (Leaf | None, Named(name="x"), " is Named, not Leaf"),
        (list[Leaf], [Leaf(name="x"), Named(name="x")], "[1] is Named, not Leaf"),
        (list[Leaf], (Leaf(name="x"),), " is tuple, not list"),
        (list[str], ["x", None], "[1] is None, not str"),
        (dict[str, Leaf], {"a": None}, ".a is None, not Leaf"),
        (Page[Leaf], [Leaf(name="x")], " is list, not Page"),
        (
            Page[Leaf],
            Page(items=[Named(name="x")], next_cursor=None),
            ".items[0] is Named, not Leaf",
        ),
        (Weighed, Weighed(weight=NAN), ".weight is nan; JSON has no such number"),
        (list[Weighed], [Weighed(), Weighed(count=2**60)], "[1].count is past ±(2^53-1)"),
        (Weighed, Weighed(big=cast("Int64", 5)), ".big is an int; write Int64(…)"),
        (Any, {"a": [{"b": NAN}]}, ".a[0].b is nan; JSON has no such number"),
        (Any, [2**53], "[0] is past ±(2^53-1)"),
        (Any, {1: 2}, " has a key that is no text"),
        (Any, [{1, 2}], "[0] is set, which cannot travel"),
        (str | float, NAN, " is nan; JSON has no such number"),
        (Tree, Tree(0.5, Tree(1.5, None, [Tree(NAN)])), ".left.more[0].weight is nan"),
    ],
)
def test_what_it_does_not_promise_is_named(hint: Any, value: Any, says: str) -> None:
    """With the path to it."""
    found = wrong(hint, value)

    assert found is not None
    assert found.startswith(says)


def test_most_types_cost_nothing_as_arguments() -> None:
    """The decoders hold them already; only numbers inside structs, and Any, are looked at."""
    checked = [
        argument_check(shape_of(hint, "test")) is not None
        for hint in (str, list[str], Leaf, dict[str, Leaf], Literal["a"], Weighed, list[Tree], Any)
    ]

    assert checked == [False, False, False, False, False, True, True, True]
