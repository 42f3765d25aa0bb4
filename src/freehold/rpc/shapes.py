"""
Annotations taken apart: the types that can travel, as small trees.

Everything that needs to know a type goes by its shape: the contract writes it down, the
arguments are renamed and explained by it, the numbers are checked by it. What cannot travel
is refused here, when the module is imported, with what to write instead.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Hashable
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Final, Literal, TypeAlias, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, UNSET, UnsetType

from freehold.db import Page
from freehold.errors import ContractError
from freehold.scalars import Hashed, Int64, Sealed
from freehold.schema import Input, Patch, Record, Stamp, wire_name

ShapeKind: TypeAlias = Literal[
    "str", "int", "int64", "float", "bool", "bytes", "none", "any", "epoch_seconds",
    "epoch_millis", "sealed", "hashed", "list", "dict", "optional", "literal", "struct", "union",
    "maybe", "page",
]  # fmt: skip
Role: TypeAlias = Literal["record", "input", "patch", "value"]


@dataclass(frozen=True)
class Shape:
    """
    One type.

    Args:
        kind: Which sort.
        of: The parts: a list's items, a dict's values, what is optional, a union's members.
        values: A Literal's values.
        struct: The class of a struct; its fields are asked for with `fields_of`.
    """

    kind: ShapeKind
    of: tuple[Shape, ...] = ()
    values: tuple[str | int, ...] = ()
    struct: type[msgspec.Struct] | None = None

    @property
    def item(self) -> Shape:
        """The only part of a list, a dict, a page, an optional or a maybe."""
        return self.of[0]


@dataclass(frozen=True)
class FieldShape:
    """One field of a struct, or one parameter of a method, in both spellings."""

    name: str
    wire: str
    shape: Shape
    #: It must be given: there is no default.
    required: bool
    #: The default, NODEFAULT when there is none to show.
    default: Any = NODEFAULT


_PLAIN: Final[dict[Any, ShapeKind]] = {
    str: "str",
    int: "int",
    float: "float",
    bool: "bool",
    bytes: "bytes",
    Int64: "int64",
    Hashed: "hashed",
    Sealed: "sealed",
    Any: "any",
    None: "none",
    type(None): "none",
}
_STAMPS: Final[dict[str, ShapeKind]] = {"s": "epoch_seconds", "ms": "epoch_millis"}
_INSTEAD: Final = {
    "datetime": "EpochSeconds or EpochMillis",
    "date": "str, as YYYY-MM-DD",
    "time": "str, as HH:MM",
    "timedelta": "int, with the unit in its name",
    "Decimal": "int in the smallest unit, or str",
    "UUID": "str",
    "Enum": "a Literal of its values",
    "IntEnum": "a Literal of its values",
    "StrEnum": "a Literal of its values",
    "tuple": "list[…], or a Struct with names",
    "set": "list[…]",
    "frozenset": "list[…]",
    "Sequence": "list[…]",
    "Iterable": "list[…]",
    "Mapping": "dict[str, …]",
    "object": "Any",
    "complex": "a Struct with two floats",
    "bytearray": "bytes",
}
_TRAVELLING: Final = (
    "str, int, Int64, float, bool, bytes, None, a Literal, list[…], dict[str, …], a Struct, "
    "EpochSeconds, EpochMillis, Page[…] or Any"
)


def shape_of(hint: Any, where: str) -> Shape:
    """
    The shape of an annotation.

    Args:
        hint: The resolved annotation, `Annotated` included.
        where: `DataLayer.create_user(data)`, for the message.

    Raises:
        ContractError: The type cannot travel; says what to write instead.
    """
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        stamp = next((mark for mark in args[1:] if isinstance(mark, Stamp)), None)
        return Shape(_STAMPS[stamp.unit]) if stamp else shape_of(args[0], where)
    if isinstance(hint, typing.NewType):
        return shape_of(hint.__supertype__, where)
    if origin in (Union, types.UnionType):
        return _union(args, where)
    if origin is Literal:
        return _literal(args, where)
    bare = origin or hint
    if bare in (list, dict, Page):
        return _container(bare, args, where)
    plain = _PLAIN.get(bare) if isinstance(bare, Hashable) else None
    if plain is not None:
        return Shape(plain)
    if isinstance(bare, type) and issubclass(bare, msgspec.Struct):
        return _struct(bare, args, where)
    raise ContractError(
        f"{where}: {_shown(hint)} cannot travel.", hint=f"Write {_instead(bare)} instead."
    )


def _union(args: tuple[Any, ...], where: str) -> Shape:
    rest = tuple(arg for arg in args if arg not in (type(None), UnsetType))
    if not rest:
        return Shape("none")
    if len(rest) == 1:
        shape = shape_of(rest[0], where)
    else:
        shape = Shape("union", tuple(shape_of(arg, where) for arg in rest))
    if type(None) in args:
        shape = Shape("optional", (shape,))
    return Shape("maybe", (shape,)) if UnsetType in args else shape


def _literal(args: tuple[Any, ...], where: str) -> Shape:
    values = tuple(value for value in args if value is not None)
    texts = all(isinstance(value, str) for value in values)
    whole = all(isinstance(value, int) and not isinstance(value, bool) for value in values)
    if not values or not (texts or whole):
        raise ContractError(
            f"{where}: a Literal holds only texts or only whole numbers.",
            hint="Use bool for True and False, and `| None` for a missing value.",
        )
    shape = Shape("literal", values=values)
    return shape if len(values) == len(args) else Shape("optional", (shape,))


def _container(bare: Any, args: tuple[Any, ...], where: str) -> Shape:
    if bare is Page:
        if len(args) != 1:
            raise ContractError(f"{where}: Page needs the type of its rows.", hint="Page[Idea].")
        return Shape("page", (shape_of(args[0], where),))
    if bare is list:
        return Shape("list", (shape_of(args[0] if args else Any, where),))
    if args and args[0] is not str:
        raise ContractError(
            f"{where}: the keys of a dict are texts on the wire.", hint="Write dict[str, …]."
        )
    return Shape("dict", (shape_of(args[1] if args else Any, where),))


def _struct(bare: type[msgspec.Struct], args: tuple[Any, ...], where: str) -> Shape:
    if args:
        raise ContractError(
            f"{where}: {bare.__name__}[…] is generic, and only Page may be.",
            hint="Write a Struct for each use.",
        )
    config = bare.__struct_config__
    if config.tag is not None or config.array_like:
        raise ContractError(
            f"{where}: {bare.__name__} has a tag or is array-like, which clients do not know.",
            hint="Use a plain Struct with a Literal field for its kind.",
        )
    return Shape("struct", struct=bare)


def _shown(hint: Any) -> str:
    return getattr(hint, "__name__", None) or str(hint).replace("typing.", "")


def _instead(bare: Any) -> str:
    if isinstance(bare, type):
        for parent in bare.__mro__[:-1] if bare is not object else (bare,):
            if parent.__name__ in _INSTEAD:
                return _INSTEAD[parent.__name__]
        if vars(bare).get("__annotations__"):
            return f"`class {bare.__name__}(freehold.Struct)`"
    return _TRAVELLING


def role_of(struct: type[msgspec.Struct]) -> Role:
    """What a struct is for."""
    if issubclass(struct, Record):
        return "record"
    if issubclass(struct, Patch):
        return "patch"
    return "input" if issubclass(struct, Input) else "value"


@cache
def fields_of(struct: type[msgspec.Struct]) -> tuple[FieldShape, ...]:
    """
    The fields of a struct in order.

    Raises:
        ContractError: A field's type cannot travel, or two names are two spellings of one.
    """
    where = struct.__name__
    try:
        infos = msgspec.structs.fields(struct)
    except (NameError, TypeError) as error:
        raise ContractError(f"{where}: its annotations cannot be read: {error}.") from None
    fields = tuple(_field(where, info, is_record=role_of(struct) == "record") for info in infos)
    refuse_collisions(where, [(field.name, field.wire) for field in fields], kind="field")
    return fields


def _field(where: str, info: Any, *, is_record: bool) -> FieldShape:
    shape = shape_of(info.type, f"{where}.{info.name}")
    default = info.default
    if default is NODEFAULT and info.default_factory is not NODEFAULT:
        default = info.default_factory()
    # A row always has its automatic fields: only an insert may leave them out.
    required = default is NODEFAULT or (is_record and default is UNSET)
    return FieldShape(
        info.name, info.encode_name, shape, required, NODEFAULT if default is UNSET else default
    )


def refuse_collisions(where: str, names: list[tuple[str, str]], *, kind: str) -> None:
    """
    Refuse names of which one, in one of its spellings, could mean another.

    Args:
        where: What they belong to.
        names: Each as Python and as the wire call it.
        kind: `field`, `parameter` or `method`, for the message.

    Raises:
        ContractError: Names the two, and the spelling they share.
    """
    owners: dict[str, int] = {}
    for place, (name, wire) in enumerate(names):
        for spelling in dict.fromkeys((name, wire, wire_name(name))):
            other = owners.setdefault(spelling, place)
            if other != place:
                raise ContractError(
                    f"{where}: the {kind}s {names[other][0]!r} and {name!r} "
                    f"are both called {spelling!r}.",
                    hint="snake_case and camelCase name the same thing; rename one of the two.",
                )


def document_of(thing: Any) -> str:
    """The docstring as a person wrote it, without its indentation; empty when there is none."""
    own = vars(thing).get("__doc__") if isinstance(thing, type) else thing.__doc__
    return inspect.cleandoc(own) if own else ""
