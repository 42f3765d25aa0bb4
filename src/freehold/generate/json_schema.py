"""
The contract's types as JSON Schema (2020-12), and an example of each.

An example is made of the type alone, never of data, and is the same in every run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec import UNSET

from freehold.generate.model import Contract, Field, Shape, Type

#: What every client can represent; `int64` goes further, as text.
INT_MAX: Final = 2**53 - 1
_REF: Final = "#/components/schemas/"
_INTEGER: Final = {"type": "integer", "minimum": -INT_MAX, "maximum": INT_MAX}
_PLAIN: Final[dict[str, dict[str, Any]]] = {
    "str": {"type": "string"},
    "int": _INTEGER,
    "int64": {
        "type": "string",
        "pattern": "^-?(0|[1-9][0-9]{0,18})$",
        "description": "A 64-bit whole number as decimal text.",
    },
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "bytes": {"type": "string", "contentEncoding": "base64"},
    "none": {"type": "null"},
    "any": {},
    "epoch_seconds": {**_INTEGER, "description": "Seconds since 1970-01-01 UTC."},
    "epoch_millis": {**_INTEGER, "description": "Milliseconds since 1970-01-01 UTC."},
    "sealed": {"type": "string", "description": "Encrypted where it is stored."},
    "hashed": {
        "type": "string",
        "description": "A token; only its SHA-256 digest is stored, and that is what is answered.",
    },
}
_EXAMPLES: Final[dict[str, Any]] = {
    "str": "text",
    "int": 1,
    "int64": "9007199254740993",
    "float": 0.5,
    "bool": True,
    "bytes": "AAEC",
    "none": None,
    "any": None,
    "epoch_seconds": 1_800_000_000,
    "epoch_millis": 1_800_000_000_000,
    "sealed": "text",
    "hashed": "text",
}
_EXAMPLE_ID: Final = "0198c0de-0000-7000-8000-000000000001"


def schema_of(shape: Shape) -> dict[str, Any]:
    """The schema of a type; structs are referred to."""
    plain = _PLAIN.get(shape.t)
    return dict(plain) if plain is not None else _MAKERS[shape.t](shape)


def struct_schema(kind: Type) -> dict[str, Any]:
    """The schema of a struct."""
    schema = object_schema(kind.fields)
    if kind.doc:
        schema["description"] = kind.doc
    if kind.role in ("record", "value"):
        # An answer may grow a field; a reader passes over what it does not know.
        del schema["additionalProperties"]
    return schema


def object_schema(fields: list[Field]) -> dict[str, Any]:
    """The schema of an object with these fields and no others."""
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {each.wire: _field_schema(each) for each in fields},
        "additionalProperties": False,
    }
    required = [each.wire for each in fields if each.required and each.type.t != "maybe"]
    if required:
        schema["required"] = required
    return schema


def _field_schema(each: Field) -> dict[str, Any]:
    schema = schema_of(each.type)
    if each.required or each.default is UNSET or "$ref" in schema:
        return schema
    return {**schema, "default": each.default}


def _optional(shape: Shape) -> dict[str, Any]:
    inner = schema_of(shape.inner)
    if not inner or inner.get("type") == "null":
        return inner
    if isinstance(inner.get("type"), str) and "enum" not in inner:
        return {**inner, "type": [inner["type"], "null"]}
    return {"anyOf": [inner, {"type": "null"}]}


def _literal(shape: Shape) -> dict[str, Any]:
    return {"enum": list(shape.literals)}


def _page(shape: Shape) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "items": {"type": "array", "items": schema_of(shape.inner)},
            "nextCursor": {
                "type": ["string", "null"],
                "description": "Give it back to get the next page; null after the last.",
            },
        },
        "required": ["items", "nextCursor"],
    }


_MAKERS: Final[dict[str, Callable[[Shape], dict[str, Any]]]] = {
    "ref": lambda shape: {"$ref": _REF + shape.name},
    "list": lambda shape: {"type": "array", "items": schema_of(shape.inner)},
    "dict": lambda shape: {"type": "object", "additionalProperties": schema_of(shape.inner)},
    "maybe": lambda shape: schema_of(shape.inner),
    "union": lambda shape: {"anyOf": [schema_of(member) for member in shape.members]},
    "optional": _optional,
    "literal": _literal,
    "page": _page,
}


def example_fields(fields: list[Field], contract: Contract) -> dict[str, Any]:
    """An object that has what must be given."""
    return {
        each.wire: example_of(each.type, contract, name=each.wire)
        for each in fields
        if each.required and each.type.t != "maybe"
    }


def example_of(
    shape: Shape, contract: Contract, *, name: str = "", inside: tuple[str, ...] = ()
) -> Any:
    """
    A value of the type.

    Args:
        shape: The type.
        contract: Where structs are looked up.
        name: What the value is called; an `id` looks like one.
        inside: The structs around it: one that contains itself ends there.
    """
    if shape.t == "str" and (name == "id" or name.endswith("Id")):
        return _EXAMPLE_ID
    if shape.t in _EXAMPLES:
        return _EXAMPLES[shape.t]
    if shape.t == "literal":
        return shape.literals[0]
    if shape.t == "ref":
        return _example_struct(shape.name, contract, inside)
    inner = shape.members[0] if shape.t == "union" else shape.inner
    if shape.t in ("list", "page", "dict") and inner.t == "ref" and inner.name in inside:
        value = []
    else:
        value = [example_of(inner, contract, name=name, inside=inside)]
    if shape.t == "list":
        return value
    if shape.t == "page":
        return {"items": value, "nextCursor": None}
    if shape.t == "dict":
        return dict.fromkeys(("key",) if value else (), *value)
    return value[0]


def _example_struct(name: str, contract: Contract, inside: tuple[str, ...]) -> Any:
    if name in inside:
        return None
    within = (*inside, name)
    return {
        each.wire: example_of(each.type, contract, name=each.wire, inside=within)
        for each in contract.types[name].fields
        if each.required or contract.types[name].role == "record"
    }
