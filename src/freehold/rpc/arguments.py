"""
From the body of a call to the arguments of its function.

The fast way is one decode straight into a struct that was made for the method, by name or
by position. Only when that fails is the body looked at again: for snake_case names and old
names, and then for the sentence that says what is wrong (`refusals`).
"""

from __future__ import annotations

import copy
import sys
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT
from msgspec.structs import astuple

from freehold.errors import ContractError
from freehold.rpc.checks import Check, argument_check
from freehold.rpc.method import Method, Param
from freehold.rpc.refusals import refusal, refuse_number, respelled, unreadable
from freehold.rpc.shapes import Shape, fields_of
from freehold.scalars import INT_MAX
from freehold.wire.codec import JSON, MSGPACK, Codec, Decoder
from freehold.wire.inspect_body import inspect_json, inspect_msgpack

_FLOAT_MAX: Final = sys.float_info.max
_BY_NAME: Final = 1
_BY_POSITION: Final = 2
#: The byte without which a body holds no NUL character: in JSON it is escaped.
_BACKSLASH: Final = 0x5C
_ZERO: Final = 0x00


def _leads() -> bytes:
    """What the first byte of a body says, in either codec: the two do not overlap."""
    leads = bytearray(256)
    for byte in (ord("{"), *range(0x80, 0x90), 0xDE, 0xDF):
        leads[byte] = _BY_NAME
    for byte in (ord("["), *range(0x90, 0xA0), 0xDC, 0xDD):
        leads[byte] = _BY_POSITION
    return bytes(leads)


_LEADS: Final = _leads()


class Arguments:
    """
    The arguments of one method, as bodies bring them.

    Args:
        method: The method.
        depth_max: How deep lists and objects may stand in each other.
    """

    __slots__ = ("_can_nest", "_checks", "_decoders", "_depth_max", "_method")

    def __init__(self, method: Method, *, depth_max: int) -> None:
        by_name, by_position = argument_structs(method)
        self._method = method
        self._depth_max = depth_max
        # Types without Any and without a struct that holds itself end by themselves: a body
        # that goes deeper is of another type, and refused for that.
        self._can_nest = any(_can_nest(each.shape, ()) for each in method.params)
        self._decoders: tuple[_Decoders, _Decoders] = (
            (_BACKSLASH, inspect_json, JSON.decoder(by_name), JSON.decoder(by_position)),
            (_ZERO, inspect_msgpack, MSGPACK.decoder(by_name), MSGPACK.decoder(by_position)),
        )
        self._checks: tuple[_Checks, _Checks] = (
            _checks(method.params, only_any=True), _checks(method.params, only_any=False)
        )  # fmt: skip

    def decode(self, body: bytes, codec: Codec) -> tuple[Any, ...]:
        """
        The arguments in the order of the function's parameters.

        A body that is empty or null has no arguments. Each time anew: a function that is run
        again gets values that nobody has touched.

        Raises:
            InvalidArgument: `path` names the argument; the sentence names the rule.
        """
        nul_sign, inspect, by_name, by_position = self._decoders[codec.index]
        if nul_sign in body or self._can_nest:
            inspect(body, self._depth_max)
        lead = _LEADS[body[0]] if body else 0
        values: tuple[Any, ...] | None = None
        try:
            if lead == _BY_NAME:
                values = astuple(by_name.decode(body))
            elif lead == _BY_POSITION:
                values = astuple(by_position.decode(body))
        except Exception as error:
            values = self._decode_slowly(body, codec, error)
        if values is None:
            values = self._decode_slowly(body, codec, None)
        checks = self._checks[codec.index]
        if checks:
            _run_checks(checks, values)
        return values

    def _decode_slowly(self, body: bytes, codec: Codec, error: Exception | None) -> tuple[Any, ...]:
        """For bodies that the decoders refuse as they are: other spellings, or truly wrong."""
        _, inspect, by_name, by_position = self._decoders[codec.index]
        inspect(body, self._depth_max)
        value = _loosely(body, codec)
        if isinstance(value, dict):
            decoder, value_now = by_name, respelled(self._method, value)
        elif isinstance(value, list):
            decoder, value_now = by_position, respelled(self._method, value)
        else:
            raise unreadable("Arguments are an object by name, or a list by position.")
        if error is None or value_now is not value:
            try:
                return astuple(decoder.decode(codec.encode(value_now)))
            except Exception as second:
                error = second
        raise refusal(self._method, error, value=value) from None


def _loosely(body: bytes, codec: Codec) -> Any:
    if not body.strip(b" \t\r\n"):
        return {}
    try:
        value = codec.decode(body)
    except UnicodeDecodeError:
        raise unreadable("A text in the body is not valid UTF-8.") from None
    except Exception as error:
        raise unreadable(f"The body is not {codec.name}: {error}.") from None
    return {} if value is None else value


# -- the structs that bodies are decoded into ---------------------------------------------


def argument_structs(method: Method) -> tuple[type[msgspec.Struct], type[msgspec.Struct]]:
    """
    The two structs of a method: by name (camelCase, unknown names refused) and by position.

    Raises:
        ContractError: The parameters' types cannot be told apart in a body.
    """
    fields = [(each.name, bounded(each.hint), _field(each)) for each in method.params]
    config: dict[str, Any] = {
        "kw_only": True,
        "forbid_unknown_fields": True,
        "module": __name__,
        "rename": {each.name: each.wire for each in method.params},
    }
    try:
        by_name = msgspec.defstruct(method.wire, fields, **config)
        by_position = msgspec.defstruct(method.wire, fields, array_like=True, **config)
        for struct in (by_name, by_position):
            JSON.decoder(struct)
            MSGPACK.decoder(struct)
    except (TypeError, ValueError) as error:
        raise ContractError(
            f"{method.full_name}: its arguments cannot be read from a body: {error}.",
            hint="In a union, only one struct, and only one kind of list or text, can be told.",
        ) from None
    return by_name, by_position


def _field(param: Param) -> Any:
    value = param.value
    if value is NODEFAULT:
        return NODEFAULT
    if isinstance(value, list | dict | set | msgspec.Struct):
        return msgspec.field(default_factory=_copier(value))
    return value


def _copier(value: Any) -> Callable[[], Any]:
    return lambda: copy.deepcopy(value)


def bounded(hint: Any) -> Any:
    """The same type with its whole numbers and floats held to what both codecs can say."""
    if hint is int:
        return Annotated[int, msgspec.Meta(ge=-INT_MAX, le=INT_MAX)]
    if hint is float:
        # No comparison with NaN is true, so these bounds refuse it as well.
        return Annotated[float, msgspec.Meta(ge=-_FLOAT_MAX, le=_FLOAT_MAX)]
    if isinstance(hint, typing.NewType):
        return bounded(hint.__supertype__)
    origin, args = get_origin(hint), get_args(hint)
    if origin is None or origin is Literal:
        return hint
    if origin is Annotated:
        inner, *marks = args
        said = [mark for mark in marks if isinstance(mark, msgspec.Meta)]
        if inner in (int, float) and said:
            return _with_missing_bounds(inner, said)
        return Annotated[(bounded(inner), *marks)]
    mapped = tuple(bounded(arg) for arg in args)
    if origin in (Union, types.UnionType):
        return Union[mapped]  # noqa: UP007 - built from a tuple
    return hint if mapped == args else origin[mapped]


def _with_missing_bounds(number: Any, said: list[msgspec.Meta]) -> Any:
    """An author's bounds, and the house's where there is none."""
    limit = INT_MAX if number is int else _FLOAT_MAX
    bounds: dict[str, Any] = {}
    if all(mark.ge is None and mark.gt is None for mark in said):
        bounds["ge"] = -limit
    if all(mark.le is None and mark.lt is None for mark in said):
        bounds["le"] = limit
    return (
        Annotated[(number, *said, msgspec.Meta(**bounds))] if bounds else Annotated[(number, *said)]
    )


# -- what the structs cannot say ----------------------------------------------------------

_Decoders = tuple[int, Callable[[bytes, int], None], Decoder, Decoder]
_Checks = tuple[tuple[int, str, Check], ...]


def _checks(params: tuple[Param, ...], *, only_any: bool) -> _Checks:
    """The checks that arguments need: place, name, check."""
    return tuple(
        (place, each.wire, check)
        for place, each in enumerate(params)
        if (not only_any or _holds_any(each.shape, set()))
        and _is_open(each.shape)
        and (check := argument_check(each.shape)) is not None
    )


def _is_open(shape: Shape) -> bool:
    """Not held by `bounded` alone: it has a struct or an Any in it."""
    return shape.kind in ("any", "struct") or any(_is_open(part) for part in shape.of)


def _can_nest(shape: Shape, inside: tuple[Any, ...]) -> bool:
    if shape.kind == "any" or shape.struct in inside:
        return True
    parts = shape.of
    if shape.struct is not None:
        parts = tuple(each.shape for each in fields_of(shape.struct))
        inside = (*inside, shape.struct)
    return any(_can_nest(part, inside) for part in parts)


def _holds_any(shape: Shape, seen: set[Any]) -> bool:
    if shape.kind == "any":
        return True
    if shape.struct is not None and shape.struct not in seen:
        seen.add(shape.struct)
        return any(_holds_any(each.shape, seen) for each in fields_of(shape.struct))
    return any(_holds_any(part, seen) for part in shape.of)


def _run_checks(checks: _Checks, values: tuple[Any, ...]) -> None:
    for place, name, check in checks:
        wrong = check(values[place])
        if wrong is not None:
            raise refuse_number(name + wrong)
