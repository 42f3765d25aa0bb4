"""
The shapes that travel but are no table: values, inputs, patches.

They are `msgspec.Struct`s, keyword-only, camelCase on the wire, and refuse fields they do
not know. Every `int` in them is held to ±(2^53-1), which every client can represent.
"""

from __future__ import annotations

import sys
import types
import typing
from typing import Annotated, Any, NewType, TypeAlias, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import UNSET, UnsetType

from freehold.errors import SchemaError
from freehold.scalars import INT_MAX

T = TypeVar("T")

#: A field of a `Patch` that may be left out: then it stays as it is, and None means NULL.
Maybe: TypeAlias = Union[T, UnsetType]  # noqa: UP007 - a generic alias needs the long form

_SAFE_INT = Annotated[int, msgspec.Meta(ge=-INT_MAX, le=INT_MAX)]
#: A field said with `field(default_factory=…)`; msgspec does not export the class.
FieldSpec = type(msgspec.field())


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
    module = namespace.get("__module__", "")
    seen = {**sys._getframe(depth).f_locals, **_plain(namespace)}
    hints: dict[str, Any] = {}
    # One by one, so that a refusal can name the field.
    for field, raw in namespace.get("__annotations__", {}).items():
        spare = type(name, (), {"__annotations__": {field: raw}, "__module__": module})
        try:
            hints |= typing.get_type_hints(spare, localns=seen, include_extras=True)
        except (NameError, AttributeError, SyntaxError, TypeError) as error:
            raise _no_type(name, field, error) from None
    return hints


def _no_type(name: str, field: str, error: Exception) -> SchemaError:
    if isinstance(error, NameError) and error.name == name:
        return SchemaError(
            f"{name}.{field}: {name} cannot hold itself.",
            hint="Such a tree is kept as dict[str, Any], or as rows that reference rows.",
        )
    if isinstance(error, NameError):
        return SchemaError(
            f"{name}.{field}: its type names {error.name!r}, which is not defined above it.",
            hint="Define or import it before the class, and not under `if TYPE_CHECKING:`.",
        )
    return SchemaError(
        f"{name}.{field}: what stands there is no type: {str(error).rstrip('.')}.",
        hint="Write str, int, list[str] or another type.",
    )


def _plain(namespace: dict[str, Any]) -> dict[str, Any]:
    """What a class body defines for its own annotations: nested classes and aliases."""
    fields = namespace.get("__annotations__", {})
    return {name: value for name, value in namespace.items() if name not in fields}


def with_safe_ints(hint: Any) -> Any:
    """The same type with every plain `int` held to what all clients can represent."""
    if hint is int:
        return _SAFE_INT
    if isinstance(hint, NewType):
        bare = hint.__supertype__
        safe = with_safe_ints(bare)
        return hint if safe is bare else safe
    origin, args = get_origin(hint), get_args(hint)
    if origin is None or origin in (typing.Literal, typing.ClassVar):
        return hint
    if origin is Annotated:
        inner, *marks = args
        bounds = [mark for mark in marks if isinstance(mark, msgspec.Meta)]
        if inner is int and bounds:
            return Annotated[(int, *marks, *_missing_bounds(bounds))]
        return Annotated[(with_safe_ints(inner), *marks)]
    mapped = tuple(with_safe_ints(arg) for arg in args)
    if origin in (Union, types.UnionType):
        return Union[mapped]  # noqa: UP007 - built from a tuple
    return origin[mapped] if mapped != args else hint


def _missing_bounds(said: list[msgspec.Meta]) -> list[msgspec.Meta]:
    """The house's bounds where the author has said none."""
    bounds: dict[str, Any] = {}
    if all(mark.ge is None and mark.gt is None for mark in said):
        bounds["ge"] = -INT_MAX
    if all(mark.le is None and mark.lt is None for mark in said):
        bounds["le"] = INT_MAX
    return [msgspec.Meta(**bounds)] if bounds else []


def build_struct(
    metaclass: type, name: str, *, bases: tuple[type, ...], namespace: dict[str, Any],
    config: dict[str, Any],
) -> Any:  # fmt: skip
    """
    The class itself, by msgspec.

    Raises:
        SchemaError: msgspec does not take it; its sentence, with the class in front.
    """
    _refuse_one_spelling(name, namespace)
    try:
        return msgspec.StructMeta.__new__(metaclass, name, bases, namespace, **config)
    except (TypeError, ValueError) as error:
        raise SchemaError(
            f"{name}: {str(error).rstrip('.')}.",
            hint="Its class line and its fields are those of a msgspec.Struct.",
        ) from None


def _refuse_one_spelling(name: str, namespace: dict[str, Any]) -> None:
    seen: dict[str, str] = {}
    for field in namespace.get("__annotations__", {}):
        other = seen.setdefault(wire_name(field), field)
        if other != field:
            raise SchemaError(
                f"{name}.{field} and {name}.{other} are both {wire_name(field)!r} on the wire.",
                hint="Call one of them otherwise.",
            )


def wire_name(name: str) -> str:
    """`user_id` as it is called on the wire: `userId`; letter for letter what msgspec makes."""
    bare = name.lstrip("_")
    head, *tail = bare.split("_")
    return name[: len(name) - len(bare)] + head + "".join(part.title() for part in tail)


@typing.dataclass_transform(kw_only_default=True, field_specifiers=(msgspec.field,))
class StructMeta(msgspec.StructMeta):
    """Resolves annotations early, so that a mistake is told where it stands."""

    def __new__(
        mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **config: Any
    ) -> Any:
        config.setdefault("kw_only", True)
        if namespace.get("__annotations__"):
            hints = resolve_hints(name, namespace, 2)
            namespace["__annotations__"] = {
                field: with_safe_ints(hint) for field, hint in hints.items()
            }
            if any(getattr(base, "__is_patch__", False) for base in bases):
                _check_patch(name, hints, namespace)
        return build_struct(mcls, name, bases=bases, namespace=namespace, config=config)


# Said again here: a type checker asks the nearest class, and msgspec says positional.
@typing.dataclass_transform(kw_only_default=True, field_specifiers=(msgspec.field,))
class Struct(
    msgspec.Struct, metaclass=StructMeta, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """A value inside a column or an answer: a source, a schedule, a row of a report."""


class Input(Struct, kw_only=True):
    """What a caller hands over to create something."""


class Patch(Struct, kw_only=True):
    """
    What a caller hands over to change something; its fields are `Maybe[…] = UNSET`.

    A field that must always be given has neither `Maybe` nor a default.
    """

    __is_patch__: typing.ClassVar[bool] = True


def _check_patch(name: str, hints: dict[str, Any], namespace: dict[str, Any]) -> None:
    """
    Refuse a field of a patch that would overwrite a column when it is left out.

    Raises:
        SchemaError: There is one.
    """
    for field, hint in hints.items():
        if get_origin(hint) is typing.ClassVar:
            continue
        default = namespace.get(field, msgspec.NODEFAULT)
        bare = get_args(hint)[0] if get_origin(hint) is Annotated else hint
        is_maybe = UnsetType in get_args(bare)
        if default is UNSET and is_maybe:
            continue
        if is_maybe or default is not msgspec.NODEFAULT:
            raise SchemaError(
                f"{name}.{field}: left out, it would not be left as it is.",
                hint=f"Write {field}: Maybe[…] = UNSET.",
            )


def given(changes: msgspec.Struct | dict[str, Any]) -> dict[str, Any]:
    """The fields of a patch that were given, by field name."""
    if isinstance(changes, dict):
        return {name: value for name, value in changes.items() if value is not UNSET}
    fields = changes.__struct_fields__
    values = ((name, getattr(changes, name)) for name in fields)
    return {name: value for name, value in values if value is not UNSET}
