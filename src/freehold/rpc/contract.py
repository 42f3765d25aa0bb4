"""
The contract: all entrypoints and their types as JSON, from which clients are generated.

The same code gives the same bytes on every machine. The hash covers what a client depends
on and leaves the docstrings out, so a corrected sentence sends no client to the generator.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import msgspec
from msgspec import NODEFAULT

from freehold.errors import CallError, ContractError, call_errors
from freehold.rpc.entrypoint import Entrypoint
from freehold.rpc.failures import error_fields
from freehold.rpc.method import Method
from freehold.rpc.shapes import FieldShape, Shape, document_of, fields_of, role_of
from freehold.scalars import enc_hook

#: The version of the contract's own form.
FORM: Final = 1
_HASH_LENGTH: Final = 16
_write: Final = msgspec.json.Encoder(enc_hook=enc_hook, order="sorted").encode


@dataclass(frozen=True, eq=False)
class Contract:
    """
    What an application serves.

    Args:
        document: The contract as plain JSON values, without its hash.
    """

    document: dict[str, Any]

    @cached_property
    def hash(self) -> str:
        """16 hexadecimal characters that change with everything that a client depends on."""
        return hashlib.sha256(_write(_undocumented(self.document))).hexdigest()[:_HASH_LENGTH]

    def to_json(self) -> bytes:
        """The canonical bytes: sorted names, no spaces, the hash among them."""
        return _write({**self.document, "hash": self.hash})


def contract_of(app_name: str, entrypoints: Sequence[type[Entrypoint]]) -> Contract:
    """
    The contract of an application.

    Raises:
        ContractError: Two entrypoints, types or errors have one name.
    """
    found = _Found()
    document: dict[str, Any] = {"freehold": FORM, "app": app_name, "entrypoints": {}}
    for each in entrypoints:
        if each.__name__ in document["entrypoints"]:
            raise ContractError(
                f"two entrypoints are called {each.__name__!r}.", hint="Rename one of them."
            )
        document["entrypoints"][each.__name__] = {
            "doc": document_of(each),
            "methods": {wire: _method(found, one) for wire, one in each.__methods__.items()},
        }
    document["errors"] = {name: _error(found, kind) for name, kind in found.errors.items()}
    document["types"] = found.described()
    return Contract(document)


class _Found:
    """The structs and errors that methods mention, each name once."""

    def __init__(self) -> None:
        self.structs: dict[str, type[msgspec.Struct]] = {}
        self.errors: dict[str, type[CallError]] = {}

    def struct(self, struct: type[msgspec.Struct]) -> str:
        name = struct.__name__
        other = self.structs.get(name)
        if other is not None and other is not struct:
            raise _two("types", name, other, struct)
        if other is None:
            self.structs[name] = struct
            for each in fields_of(struct):
                self.type(each.shape)
        return name

    def error(self, kind: type[CallError]) -> str:
        name = kind.__name__
        if name not in call_errors():
            other = self.errors.setdefault(name, kind)
            if other is not kind:
                raise _two("errors", name, other, kind)
        return name

    def type(self, shape: Shape) -> dict[str, Any]:
        """A shape as the contract writes it."""
        match shape.kind:
            case "list" | "dict" | "optional" | "maybe" | "page":
                return {"t": shape.kind, "of": self.type(shape.item)}
            case "union":
                return {"t": "union", "of": [self.type(part) for part in shape.of]}
            case "literal":
                return {"t": "literal", "values": list(shape.values)}
            case "struct" if shape.struct is not None:
                return {"t": "ref", "name": self.struct(shape.struct)}
        return {"t": shape.kind}

    def field(self, field: FieldShape) -> dict[str, Any]:
        """A field or a parameter as the contract writes it."""
        written = {
            "name": field.name,
            "wire": field.wire,
            "type": self.type(field.shape),
            "required": field.required,
        }
        if field.default is not NODEFAULT:
            written["default"] = msgspec.to_builtins(field.default, enc_hook=enc_hook)
        return written

    def described(self) -> dict[str, Any]:
        """All structs; describing one can find more, which `struct` did already."""
        return {
            name: {
                "doc": document_of(struct),
                "kind": "struct",
                "role": role_of(struct),
                "fields": [self.field(each) for each in fields_of(struct)],
            }
            for name, struct in sorted(self.structs.items())
        }


def _method(found: _Found, method: Method) -> dict[str, Any]:
    return {
        "name": method.name,
        "kind": method.kind,
        "doc": method.doc,
        "scope": method.scope,
        **({"crossesUsers": method.crosses_users} if method.crosses_users else {}),
        "params": [found.field(each) for each in method.params],
        "returns": found.type(method.returns),
        "errors": sorted({found.error(each) for each in method.errors}),
    }


def _error(found: _Found, kind: type[CallError]) -> dict[str, Any]:
    """An application's error; clients know the library's own, so it says which one it extends."""
    known = call_errors()
    extends = next(parent.__name__ for parent in kind.__mro__ if parent in known.values())
    return {
        "extends": extends,
        "doc": document_of(kind),
        "fields": [
            {"name": each.name, "wire": each.wire, "type": found.type(each.shape)}
            for each in error_fields(kind)
        ],
    }


def _two(what: str, name: str, one: type, other: type) -> ContractError:
    return ContractError(
        f"two {what} are called {name!r}: {one.__module__} and {other.__module__} have one each.",
        hint="Clients know them by this name; rename one of them.",
    )


def _undocumented(value: Any) -> Any:
    """The document without its docstrings, wherever they are."""
    if isinstance(value, list):
        return [_undocumented(item) for item in value]
    if isinstance(value, dict):
        is_described = isinstance(value.get("doc"), str)
        return {
            key: _undocumented(item)
            for key, item in value.items()
            if not (is_described and key == "doc")
        }
    return value
