"""
What the types of a generated client stand on.

Answers are read with tolerance: a field that a newer server sends is passed over. What is
sent is exact: a field that is UNSET is left out, None travels as null. Nothing is checked
here before it is sent; the server checks, and names the argument.
"""

from __future__ import annotations

from typing import Any, Generic, TypeAlias, TypeVar, Union, dataclass_transform

import msgspec
from msgspec import UNSET, UnsetType, field

from freehold.scalars import Int64

__all__ = ["UNSET", "Input", "Int64", "Maybe", "Page", "Patch", "Record", "Value", "field"]

T = TypeVar("T")

#: What may be left out.
Maybe: TypeAlias = Union[T, UnsetType]  # noqa: UP007 - a generic alias needs the long form


class StructMeta(msgspec.StructMeta):
    """Makes the fields of every subclass keyword-only, wherever its defaults stand."""

    def __new__(
        mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **config: Any
    ) -> Any:
        config.setdefault("kw_only", True)
        return super().__new__(mcls, name, bases, namespace, **config)


# The decorator says to type checkers what the metaclass does.
@dataclass_transform(kw_only_default=True, field_specifiers=(field,))
class Struct(msgspec.Struct, metaclass=StructMeta, rename="camel"):
    """Any type of a generated client."""


class Record(Struct):
    """A row as it was read."""


class Value(Struct):
    """A part of a row, of an input or of an answer."""


class Input(Struct):
    """What is handed over to create something; a field left UNSET takes the server's default."""


class Patch(Struct):
    """What is handed over to change something; UNSET stays as it is, None becomes null."""


class Page(msgspec.Struct, Generic[T], kw_only=True, rename="camel"):
    """Some rows of a list, and where the next ones begin; no cursor after the last."""

    items: list[T]
    next_cursor: str | None = None
