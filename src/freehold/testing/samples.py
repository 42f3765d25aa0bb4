"""
Arguments of a method, made from its types: enough to be taken, and where the ids stand.

What nobody can guess is given by name: `{"month": "2027-01"}`, or for one method alone,
`{"listPosts.month": "2027-01"}`. A name that was given is no id, whatever it ends with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import NODEFAULT, UNSET

from freehold.rpc.method import Method
from freehold.rpc.shapes import FieldShape, Shape, fields_of

#: 15 January 2027, in epoch seconds: where a time is asked for.
START_S = 1_800_000_000


@dataclass(frozen=True)
class Slot:
    """A place in the arguments that takes an id: a parameter, or a field of one."""

    param: str
    field: str | None = None

    def __str__(self) -> str:
        return self.param if self.field is None else f"{self.param}.{self.field}"


class Samples:
    """
    Args:
        given: What is not to be guessed, by name.
        owners: The names that hold the owner.
    """

    def __init__(self, given: Mapping[str, Any], owners: frozenset[str]) -> None:
        self._given = given
        self._owners = owners

    def slots(self, method: Method) -> list[Slot]:
        """Where the method takes ids of rows."""
        found = []
        for each in method.params:
            given = self._said(method, each)
            is_fixed = given is not NODEFAULT and not isinstance(given, msgspec.Struct)
            struct = None if is_fixed else struct_of(each.shape)
            if self._is_id(method, each):
                found.append(Slot(each.name))
            elif struct is not None:
                fields = fields_of(struct)
                found += [Slot(each.name, f.name) for f in fields if self._is_id(method, f)]
        return found

    def arguments(
        self, method: Method, owner: Any, *, id: Any = None, slot: Slot | None = None
    ) -> dict[str, Any]:
        """
        The arguments by name.

        Args:
            method: Of which method.
            owner: In whose name.
            id: What stands in the slot, and wherever else an id must be given.
            slot: Where it stands; None for ids that must be given alone.
        """
        found = {}
        for each in method.params:
            value = self._value(method, each, owner, id, slot)
            if value is not NODEFAULT:
                found[each.name] = value
        return found

    def _value(
        self, method: Method, each: FieldShape, owner: Any, id: Any, slot: Slot | None
    ) -> Any:
        here = slot is not None and slot.param == each.name
        given = self._said(method, each)
        if given is not NODEFAULT:
            struct = given if isinstance(given, msgspec.Struct) else None
            if struct is None:
                return given
            changes = {name: owner for name in self._owners if hasattr(struct, name)}
            if here and slot is not None and slot.field is not None:
                changes[slot.field] = id
            return msgspec.structs.replace(struct, **changes)
        if each.name in self._owners:
            return owner
        if self._is_id(method, each):
            return id if here or each.required else NODEFAULT
        struct_type = struct_of(each.shape)
        is_wanted = each.required or here
        if struct_type is not None and is_wanted:
            field = slot.field if here and slot is not None else None
            made = self._struct(method, struct_type, owner, id, field)
            return [made] if each.shape.kind == "list" else made
        return _simple(each.shape) if is_wanted else NODEFAULT

    def _said(self, method: Method, each: FieldShape) -> Any:
        """What was given for it, or NODEFAULT."""
        for_all = self._given.get(each.name, NODEFAULT)
        return self._given.get(f"{method.wire}.{each.name}", for_all)

    def _struct(
        self, method: Method, kind: type[msgspec.Struct], owner: Any, id: Any, field: str | None
    ) -> Any:
        parts = {}
        for each in fields_of(kind):
            slot = Slot(each.name) if each.name == field else None
            value = self._value(method, each, owner, id, slot)
            if value is not NODEFAULT:
                parts[each.name] = value
        return kind(**parts)

    def _is_id(self, method: Method, each: FieldShape) -> bool:
        if each.name in self._owners or self._said(method, each) is not NODEFAULT:
            return False
        return each.name == "id" or each.name.endswith("_id")


def struct_of(shape: Shape) -> type[msgspec.Struct] | None:
    """The struct that the shape is, or that it holds."""
    if shape.kind in ("optional", "maybe", "list"):
        return struct_of(shape.item)
    return shape.struct


def _simple(shape: Shape) -> Any:
    """A value of the shape."""
    plain: dict[str, Any] = {
        "str": "text", "sealed": "text", "hashed": "text", "int": 1, "int64": 1, "float": 1.0,
        "bool": False, "bytes": b"", "none": None, "any": None, "epoch_seconds": START_S,
        "epoch_millis": START_S * 1_000, "list": [], "dict": {}, "optional": None, "maybe": UNSET,
    }  # fmt: skip
    if shape.kind == "literal":
        return shape.values[0]
    return _simple(shape.of[0]) if shape.kind == "union" else plain[shape.kind]
