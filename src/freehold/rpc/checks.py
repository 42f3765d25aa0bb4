"""
Values held to what every client can represent, where the decoders do not do it.

A check is made once per type. It is None for a type that needs none, so most methods pay
nothing. What arguments need beyond their decoder: floats inside structs (MessagePack can
say NaN) and `Any`. What results need: the type that the function promises (an answer is an
allow-list of fields, never whatever object came back) and numbers in range.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
from msgspec import UNSET

from freehold.db import Page
from freehold.rpc.shapes import Shape, fields_of
from freehold.scalars import INT_MAX, Int64

#: None when the value is right, else what is wrong, beginning with the path to it.
Check = Callable[[Any], str | None]

_OUT_OF_RANGE: Final = " is past ±(2^53-1), what every client can represent"
_SCALARS: Final[dict[str, tuple[type, ...]]] = {
    "str": (str,),
    "bool": (bool,),
    "bytes": (bytes,),
    "int": (int,),
    "float": (float, int),
    "epoch_seconds": (int,),
    "epoch_millis": (int,),
    "int64": (Int64,),
    "none": (type(None),),
}


def argument_check(shape: Shape) -> Check | None:
    """What an argument needs after it was decoded, in either codec."""
    return _inner(shape, {})


def result_check(shape: Shape) -> Check | None:
    """What a function's result needs before it is encoded."""
    return _outer(shape)


def _outer(shape: Shape) -> Check | None:
    """The promised type itself, through lists and optionals, and the numbers inside it."""
    match shape.kind:
        case "struct":
            return _exactly(shape)
        case "optional":
            return _optional(_outer(shape.item))
        case "list":
            return _every(_outer(shape.item), classes=_classes(shape.item), is_promise=True)
        case "dict":
            return _each_value(_outer(shape.item))
        case "page":
            return _page(_every(_outer(shape.item), classes=_classes(shape.item)))
        case "union" | "literal" | "any" | "maybe" | "sealed" | "hashed":
            return _inner(shape, {})
    return _scalar(_SCALARS[shape.kind], _inner(shape, {}))


def _classes(shape: Shape) -> frozenset[type]:
    """The classes a list's items may have when nothing inside them needs a look, else none."""
    if shape.kind == "optional":
        inside = _classes(shape.item)
        return inside | {type(None)} if inside else inside
    if shape.kind in ("str", "bool", "bytes"):
        return frozenset(_SCALARS[shape.kind])
    if shape.struct is None or _inner(shape, {}) is not None:
        return frozenset()
    return frozenset({shape.struct})


def _inner(shape: Shape, seen: dict[type, list[Check]]) -> Check | None:
    """Only the numbers, wherever they are; anything of another type is passed by."""
    match shape.kind:
        case "int":
            return _whole
        case "int64":
            return _int64
        case "float":
            return _finite
        case "any":
            return _plain_value
        case "optional" | "maybe":
            return _inner(shape.item, seen)
        case "list":
            return _every(_inner(shape.item, seen))
        case "dict":
            return _each_value(_inner(shape.item, seen))
        case "page":
            return _page(_every(_inner(shape.item, seen)))
        case "union":
            return _all_of([check for part in shape.of if (check := _inner(part, seen))])
        case "struct":
            return _inside(shape, seen)
    return None


def _exactly(shape: Shape) -> Check:
    struct = shape.struct
    inside = _inner(shape, {})

    def check(value: Any) -> str | None:
        if type(value) is not struct:
            return f" is {_named(value)}, not {struct.__name__}"  # type: ignore[union-attr]
        return inside(value) if inside is not None else None

    return check


def _inside(shape: Shape, seen: dict[type, list[Check]]) -> Check | None:
    struct = shape.struct
    if struct is None:
        return None
    if struct in seen:
        # It holds itself: its own parts are looked at by the check that is being made.
        return _later(seen[struct])
    box = seen[struct] = []
    parts = [
        (each.name, each.wire, check)
        for each in fields_of(struct)
        if (check := _inner(each.shape, seen)) is not None
    ]
    if not parts:
        return None

    def inside(value: Any) -> str | None:
        if type(value) is struct:
            for name, wire, part in parts:
                wrong = part(getattr(value, name))
                if wrong is not None:
                    return f".{wire}{wrong}"
        return None

    box.append(inside)
    return inside


def _later(box: list[Check]) -> Check:
    def later(value: Any) -> str | None:
        return box[0](value) if box else None

    return later


def _optional(inner: Check | None) -> Check | None:
    if inner is None:
        return None

    def check(value: Any) -> str | None:
        return None if value is None else inner(value)

    return check


def _every(
    inner: Check | None, *, classes: frozenset[type] = frozenset(), is_promise: bool = False
) -> Check | None:
    if inner is None:
        return None

    def every(items: Any) -> str | None:
        if not isinstance(items, list):
            return f" is {_named(items)}, not list" if is_promise else None
        # All of the right class: asked at C speed, because lists of rows are what services read.
        if classes and classes.issuperset(map(type, items)):
            return None
        return _first_wrong(((f"[{n}]", item) for n, item in enumerate(items)), inner)

    return every


def _each_value(inner: Check | None) -> Check | None:
    if inner is None:
        return None

    def each_value(items: Any) -> str | None:
        if not isinstance(items, dict):
            return None
        return _first_wrong(((f".{key}", item) for key, item in items.items()), inner)

    return each_value


def _first_wrong(items: Iterable[tuple[str, Any]], inner: Check) -> str | None:
    for place, item in items:
        wrong = inner(item)
        if wrong is not None:
            return place + wrong
    return None


def _page(rows: Check | None) -> Check:
    def page(value: Any) -> str | None:
        if type(value) is not Page:
            return f" is {_named(value)}, not Page"
        wrong = rows(value.items) if rows is not None else None
        return None if wrong is None else f".items{wrong}"

    return page


def _all_of(checks: list[Check]) -> Check | None:
    if not checks:
        return None

    def all_of(value: Any) -> str | None:
        return next((wrong for each in checks if (wrong := each(value)) is not None), None)

    return all_of


def _scalar(kinds: tuple[type, ...], inner: Check | None) -> Check:
    def check(value: Any) -> str | None:
        if not isinstance(value, kinds):
            return f" is {_named(value)}, not {kinds[0].__name__}"
        return None if inner is None else inner(value)

    return check


def _whole(value: Any) -> str | None:
    if type(value) is int and not -INT_MAX <= value <= INT_MAX:
        return _OUT_OF_RANGE
    return None


def _int64(value: Any) -> str | None:
    return " is an int; write Int64(…)" if type(value) is int else None


def _finite(value: Any) -> str | None:
    if type(value) is float and not math.isfinite(value):
        return f" is {value}; JSON has no such number"
    return None


def _plain_value(value: Any) -> str | None:
    """A value that says its own type: nothing but what both codecs have."""
    kind = type(value)
    if kind is str or kind is bool or value is None or value is UNSET or kind is bytes:
        return None
    if kind is int:
        return _whole(value)
    if kind is float:
        return _finite(value)
    if kind is list:
        return _first_wrong(((f"[{n}]", item) for n, item in enumerate(value)), _plain_value)
    if kind is dict:
        if not all(isinstance(key, str) for key in value):
            return " has a key that is no text"
        return _first_wrong(((f".{key}", item) for key, item in value.items()), _plain_value)
    if isinstance(value, msgspec.Struct | Int64):
        return None
    return f" is {_named(value)}, which cannot travel"


def _named(value: Any) -> str:
    return "None" if value is None else type(value).__name__
