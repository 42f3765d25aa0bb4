"""
Values held to what every client can represent, where the decoders do not do it.

A check is made once per type. It is None for a type that needs none, so most methods pay
nothing. What arguments need beyond their decoder: floats inside structs (MessagePack can
say NaN) and `Any`. What results need: the type that the function promises (an answer is an
allow-list of fields, never whatever object came back) and numbers in range.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
from msgspec import UNSET

from freehold.db import Page
from freehold.errors import invariant
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
            return _struct(shape, {}, is_promise=True)
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
            return _struct(shape, seen, is_promise=False)
    return None


#: What has to be asked of a number before its check is called for the sentence.
_DOUBTS: Final = {
    "int": "v.__class__ is int and not -INT_MAX <= v <= INT_MAX",
    "float": "v.__class__ is float and not -FLOAT_MAX <= v <= FLOAT_MAX",
    "int64": "v.__class__ is int",
}


def _struct(shape: Shape, seen: dict[type, list[Check]], *, is_promise: bool) -> Check | None:
    """
    The check of a struct's numbers; a promised struct is of that very class as well.

    A function is written for each struct, as `db.rows` does it, because it runs for every row
    that leaves. What goes into its text are identifiers and the questions above.
    """
    struct = shape.struct
    if struct is None:
        return None
    if struct in seen:
        # It holds itself: its own parts are looked at by the check that is being made.
        return _later(seen[struct])
    box = seen[struct] = []
    scope: dict[str, Any] = {
        "struct": struct,
        "INT_MAX": INT_MAX,
        "FLOAT_MAX": sys.float_info.max,
        "other": lambda value: f" is {_named(value)}, not {struct.__name__}",
    }
    lines = []
    for number, each in enumerate(fields_of(struct)):
        check = _inner(each.shape, seen)
        if check is not None:
            invariant(each.name.isidentifier(), f"{each.name!r} is no identifier")
            scope |= {f"check{number}": check, f"wire{number}": f".{each.wire}"}
            doubt = _DOUBTS.get(_bare(each.shape).kind, "v is not None")
            lines += [
                f"    v = value.{each.name}",
                f"    if {doubt} and (wrong := check{number}(v)) is not None:",
                f"        return wire{number} + wrong",
            ]
    if not lines and not is_promise:
        return None
    head = f"    if value.__class__ is not struct: return {'other(value)' if is_promise else None}"
    source = "\n".join(["def check(value):", head, *lines])
    exec(compile(source, f"<freehold check of {struct.__name__}>", "exec"), scope)  # noqa: S102
    box.append(scope["check"])
    return box[0]


def _bare(shape: Shape) -> Shape:
    """The type without its None and its left-out."""
    return _bare(shape.item) if shape.kind in ("optional", "maybe") else shape


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
        for item in items:
            if inner(item) is not None:
                return _first_wrong(((f"[{n}]", each) for n, each in enumerate(items)), inner)
        return None

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
