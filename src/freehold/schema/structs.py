"""
The shapes that travel but are no table: values, inputs, patches.

They are `msgspec.Struct`s, keyword-only, camelCase on the wire, and refuse fields they do
not know. Every `int` in them is held to ±(2^53-1), which every client can represent.
"""

from __future__ import annotations

import sys
import types
import typing
from typing import (
    Annotated,
    Any,
    TypeAlias,
    TypeVar,
    Union,
    dataclass_transform,
    get_args,
    get_origin,
)

import msgspec
from msgspec import UNSET, UnsetType

from freehold.errors import SchemaError
from freehold.scalars import INT_MAX

T = TypeVar("T")

#: A field of a `Patch` that may be left out: then it stays as it is, and None means NULL.
Maybe: TypeAlias = Union[T, UnsetType]  # noqa: UP007 - a generic alias needs the long form

_SAFE_INT = Annotated[int, msgspec.Meta(ge=-INT_MAX, le=INT_MAX)]


def resolve_hints(name: str, namespace: dict[str, Any], depth: int) -> dict[str, Any]:
    """
    The class body's annotations as types, also under `from __future__ import annotations`.

    Args:
        name: The class, for the message.
        namespace: The class body.
        depth: How many frames up the class body stands; a class in a function sees its names.

    Raises:
        SchemaError: An annotation names something that does not exist yet.
    """
    raw = namespace.get("__annotations__", {})
    module = namespace.get("__module__", "")
    spare = type(name, (), {"__annotations__": raw, "__module__": module})
    try:
        return typing.get_type_hints(
            spare, localns=dict(sys._getframe(depth).f_locals), include_extras=True
        )
    except NameError as error:
        raise SchemaError(
            f"{name}: an annotation names {error.name!r}, which is not defined above it.",
            hint="Define or import it before the class.",
        ) from None
    except TypeError as error:
        raise SchemaError(f"{name}: an annotation is not a type: {error}.") from None


def with_safe_ints(hint: Any) -> Any:
    """The same type with every plain `int` held to what all clients can represent."""
    if hint is int:
        return _SAFE_INT
    origin, args = get_origin(hint), get_args(hint)
    if origin is None or origin is typing.Literal:
        return hint
    if origin is Annotated:
        inner, *marks = args
        if inner is int and any(isinstance(mark, msgspec.Meta) for mark in marks):
            return hint
        return Annotated[(with_safe_ints(inner), *marks)]
    mapped = tuple(with_safe_ints(arg) for arg in args)
    if origin in (Union, types.UnionType):
        return Union[mapped]  # noqa: UP007 - built from a tuple
    return origin[mapped] if mapped != args else hint


@dataclass_transform(kw_only_default=True, field_specifiers=(msgspec.field,))
class StructMeta(msgspec.StructMeta):
    """
    Resolves annotations early, so that a mistake is told where it stands.

    Fields are keywords in every subclass; msgspec itself does not inherit that.
    """

    def __new__(
        mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **config: Any
    ) -> Any:
        config.setdefault("kw_only", True)
        if namespace.get("__annotations__"):
            hints = resolve_hints(name, namespace, 2)
            namespace["__annotations__"] = {
                field: with_safe_ints(hint) for field, hint in hints.items()
            }
        return super().__new__(mcls, name, bases, namespace, **config)


class Struct(
    msgspec.Struct, metaclass=StructMeta, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """A value inside a column or an answer: a source, a schedule, a row of a report."""


class Input(Struct):
    """What a caller hands over to create something."""


class Patch(Struct):
    """What a caller hands over to change something; its fields are `Maybe[…] = UNSET`."""


def given(changes: msgspec.Struct | dict[str, Any]) -> dict[str, Any]:
    """The fields of a patch that were given, by field name."""
    if isinstance(changes, dict):
        return {name: value for name, value in changes.items() if value is not UNSET}
    fields = changes.__struct_fields__
    values = ((name, getattr(changes, name)) for name in fields)
    return {name: value for name, value in values if value is not UNSET}
