"""
The slow way of a body: other spellings of its names, and the sentence that refuses it.

A refusal names the argument as the caller wrote it, the rule, the kind of value that came,
and what would have been right. The value itself is shown only when it is short and its
name does not sound like a secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from freehold.errors import CallError, InvalidArgument
from freehold.rpc.method import Method
from freehold.rpc.names import nearest
from freehold.rpc.shapes import FieldShape, Shape, fields_of
from freehold.scalars import INT_MAX
from freehold.schema import wire_name

_SHOWN_LENGTH_MAX: Final = 40
_SECRET: Final = re.compile(r"token|secret|pass|credential|auth|key|code|state|hash|cookie", re.I)
_AT: Final = re.compile(r" - at (?:`key` in )?`(\$[^`]*)`$")
_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_WORDS: Final = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "null",
    "array": "a list",
    "object": "an object",
    "bytes": "bytes",
}
_BOUNDS: Final = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}


# -- other spellings ----------------------------------------------------------------------


def respelled(method: Method, value: dict[Any, Any] | list[Any]) -> Any:
    """
    The arguments under the names of the wire; the very same object when nothing changed.

    snake_case is accepted for parameters and for the fields of what they hold; old names
    for parameters.

    Raises:
        InvalidArgument: One argument is there in two spellings.
    """
    if isinstance(value, dict):
        return _object(value, method.params, "", method.aliases)
    items = [
        _part(item, param.shape, param.wire)
        for item, param in zip(value, method.params, strict=False)
    ] + value[len(method.params) :]
    return items if any(new is not old for new, old in zip(items, value, strict=True)) else value


def _part(value: Any, shape: Shape, path: str) -> Any:
    match shape.kind:
        case "optional" | "maybe":
            return _part(value, shape.item, path)
        case "struct" if isinstance(value, dict) and shape.struct is not None:
            return _object(value, fields_of(shape.struct), path, {})
        case "list" if isinstance(value, list):
            items = [_part(item, shape.item, f"{path}[{n}]") for n, item in enumerate(value)]
            changed = any(new is not old for new, old in zip(items, value, strict=True))
            return items if changed else value
        case "dict" if isinstance(value, dict):
            parts = {key: _part(item, shape.item, f"{path}.{key}") for key, item in value.items()}
            return parts if any(parts[key] is not value[key] for key in value) else value
        case "union" if isinstance(value, dict):
            structs = [part for part in shape.of if part.kind == "struct"]
            return _part(value, structs[0], path) if len(structs) == 1 else value
    return value


def _object(
    value: dict[Any, Any], fields: Sequence[FieldShape], path: str, aliases: Mapping[str, str]
) -> dict[Any, Any]:
    by_wire = {each.wire: each for each in fields}
    spellings = {wire_name(each.name): each.wire for each in fields} | {
        each.name: each.wire for each in fields
    }
    found: dict[Any, Any] = {}
    written: dict[Any, Any] = {}
    changed = False
    for key, item in value.items():
        wire = key if key in by_wire else spellings.get(key, aliases.get(key, key))
        if wire in found:
            raise InvalidArgument(
                f"{_join(path, str(key))} and {_join(path, str(written[wire]))} are the same "
                "argument in two spellings.",
                hint=f"Send {wire!r} only.",
                path=_join(path, str(key)),
            )
        field = by_wire.get(wire)
        found[wire] = item if field is None else _part(item, field.shape, _join(path, str(key)))
        written[wire] = key
        changed = changed or wire != key or found[wire] is not item
    return found if changed else value


# -- the sentence -------------------------------------------------------------------------


def unreadable(detail: str) -> InvalidArgument:
    """The refusal of a body in which there are no arguments at all."""
    return InvalidArgument(
        detail, hint='Send {"name": value} or [value], as the content type says.'
    )


def refuse_number(text: str) -> InvalidArgument:
    """The refusal of a value that a check found; `text` begins with its path."""
    path = text.split(" ", 1)[0]
    return InvalidArgument(
        f"{text}.",
        hint="An Int64 travels as a text, and so does what is not a number.",
        path=path,
    )


def refusal(method: Method, error: Exception, *, value: Any) -> InvalidArgument:
    """
    The refusal that a decoder's error becomes.

    Args:
        method: The method that was called.
        error: What the decoder raised.
        value: The arguments as they were sent.
    """
    if isinstance(error, UnicodeDecodeError):
        return unreadable("A text in the body is not valid UTF-8.")
    if isinstance(error, RecursionError):
        return unreadable("The body is nested too deep.")
    if not isinstance(error, msgspec.ValidationError):
        return unreadable("The body cannot be read.")
    text = str(error)
    at = _AT.search(text)
    place = _walk(method, value, at.group(1) if at else "$")
    rule = text[: at.start()] if at else text
    return _missing_or_unknown(method, rule, place) or _wrong(method, rule, place)


def place_of(error: CallError, method: Method) -> None:
    """
    Say an error's path as the caller wrote it: `data.userId` for the column `userId`.

    A function and a database know the field, not the argument it came in. A path that is no
    argument at all is dropped: nobody sent it.
    """
    path = error.path
    if path is None or path[:1].isupper():
        return
    head = path.split(".", 1)[0].split("[", 1)[0]
    if any(each.wire == head for each in method.params):
        return
    inside = [
        param.wire
        for param in method.params
        for field in _fields_in(param.shape)
        if field.wire == head
    ]
    error.path = f"{inside[0]}.{path}" if len(inside) == 1 else None


def _fields_in(shape: Shape) -> Sequence[FieldShape]:
    while shape.kind in ("optional", "maybe"):
        shape = shape.item
    return fields_of(shape.struct) if shape.kind == "struct" and shape.struct is not None else ()


class _Place:
    """Where in the arguments the decoder stopped."""

    __slots__ = ("fields", "owner", "path", "shape", "value")

    def __init__(self, method: Method, value: Any) -> None:
        self.path = ""
        #: What stands there; None at the top, where the arguments themselves are.
        self.shape: Shape | None = None
        #: The names that may stand there.
        self.fields: Sequence[FieldShape] = method.params
        self.owner = method.full_name
        self.value = value


def _walk(method: Method, value: Any, path: str) -> _Place:
    """Follow the decoder's path (`$.data.k[0].eMail`), in the caller's own spelling."""
    place = _Place(method, value)
    for name, index in _STEP.findall(path):
        if place.shape is None and index.isdigit() and int(index) < len(method.params):
            _enter(place, method.params[int(index)], method.params[int(index)].wire)
            place.value = _item(place.value, int(index))
        elif name:
            field = next((each for each in place.fields if each.wire == name), None)
            key = _key(place.value, name, method.aliases if place.shape is None else {})
            value_there = place.value.get(key) if isinstance(place.value, dict) else None
            if field is not None:
                _enter(place, field, _join(place.path, key))
            else:
                place.path = _join(place.path, key)
            place.value = value_there
        else:
            _enter_item(place, index)
    return place


def _enter(place: _Place, field: FieldShape, path: str) -> None:
    place.path = path
    _settle(place, field.shape)


def _enter_item(place: _Place, index: str) -> None:
    place.path += f"[{index}]"
    place.value = _item(place.value, int(index)) if index.isdigit() else None
    if place.shape is not None and place.shape.kind in ("list", "dict"):
        _settle(place, place.shape.item)


def _settle(place: _Place, shape: Shape) -> None:
    """Go through optionals to the type itself, and to the only struct of a union."""
    while shape.kind in ("optional", "maybe"):
        shape = shape.item
    if shape.kind == "union":
        shape = next((part for part in shape.of if part.kind == "struct"), shape)
    place.shape = shape
    place.fields = ()
    if shape.struct is not None:
        place.fields = fields_of(shape.struct)
        place.owner = shape.struct.__name__


def _item(value: Any, index: int) -> Any:
    return value[index] if isinstance(value, list) and index < len(value) else None


def _key(value: Any, wire: str, aliases: Mapping[str, str]) -> str:
    """The name as the caller wrote it."""
    if not isinstance(value, dict) or wire in value:
        return wire
    for key in value:
        if isinstance(key, str) and (wire_name(key) == wire or aliases.get(key) == wire):
            return key
    return wire


def _missing_or_unknown(method: Method, rule: str, place: _Place) -> InvalidArgument | None:
    named = re.fullmatch(r"Object (missing required|contains unknown) field `(.*)`", rule, re.S)
    if named is not None:
        name = _key(place.value, named.group(2), {})
        path = _join(place.path, name)
        accepted = [each.wire for each in place.fields]
        if named.group(1) == "missing required":
            return InvalidArgument(
                f"{path} is missing.",
                hint=f"{place.owner} takes {', '.join(accepted)}.",
                path=path,
            )
        return InvalidArgument(
            f"{place.owner} has no {'field' if place.path else 'argument'} {_short(name)!r}.",
            hint=nearest(name, accepted),
            path=path,
        )
    counted = re.fullmatch(r"Expected `array` of at (most|least) length (\d+).*", rule)
    if counted is not None and place.shape is None:
        return _miscounted(method, len(place.value) if isinstance(place.value, list) else 0)
    return None


def _miscounted(method: Method, given: int) -> InvalidArgument:
    takes = len(method.params)
    names = ", ".join(each.wire for each in method.params)
    path = method.params[given].wire if given < takes else f"[{takes}]"
    return InvalidArgument(
        f"{method.full_name} takes {takes} argument{'' if takes == 1 else 's'}, not {given}.",
        hint=f"In this order: {names}." if names else "Send an empty list, or no body.",
        path=path,
    )


def _wrong(method: Method, rule: str, place: _Place) -> InvalidArgument:
    path = place.path or "The body"
    mismatch = re.fullmatch(r"Expected `([^`]*)`, got `([^`]*)`", rule)
    bound = re.fullmatch(r"Expected `\w+` (of length )?(>=|<=|>|<) (\S+)", rule)
    hint = ""
    if mismatch is not None:
        wanted = [_WORDS.get(each, each) for each in mismatch.group(1).split(" | ")]
        came = _WORDS.get(mismatch.group(2), mismatch.group(2))
        detail = f"{path} must be {' or '.join(wanted)}, not {came}{_value_shown(place)}."
        if place.fields:
            hint = f"{place.owner} takes {', '.join(each.wire for each in place.fields)}."
    elif bound is not None:
        what = " in length" if bound.group(1) else ""
        limit = bound.group(3)
        detail = f"{path} must be {_BOUNDS[bound.group(2)]} {limit}{what}{_value_shown(place)}."
        if limit.lstrip("-") == str(INT_MAX):
            hint = "±(2^53-1) is what every client can represent; an Int64 travels as a text."
    elif rule.startswith("Invalid enum value") and place.shape is not None and place.shape.values:
        allowed = ", ".join(repr(each) for each in place.shape.values)
        detail = f"{path} must be one of {allowed}{_value_shown(place)}."
    else:
        detail = f"{path}: {rule[:1].lower()}{rule[1:]}."
    return InvalidArgument(detail, hint=hint or _takes(method), path=place.path or None)


def _takes(method: Method) -> str:
    names = ", ".join(each.wire for each in method.params)
    return f"{method.full_name} takes {names}; /contract.json has their types."


def _value_shown(place: _Place) -> str:
    """` (it is 7)` for a short value that is no secret, else nothing."""
    value = place.value
    is_secret = place.shape is not None and place.shape.kind in ("sealed", "hashed")
    if is_secret or _SECRET.search(place.path) or value is None:
        return ""
    if not isinstance(value, str | int | float) or len(str(value)) > _SHOWN_LENGTH_MAX:
        return ""
    return f" (it is {msgspec.json.encode(value).decode()})"


def _short(name: str) -> str:
    return name if len(name) <= _SHOWN_LENGTH_MAX else name[: _SHOWN_LENGTH_MAX - 1] + "…"


def _join(path: str, name: str) -> str:
    return f"{path}.{_short(name)}" if path else _short(name)
