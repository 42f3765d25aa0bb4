"""
The contract as objects: what the generators read instead of nested dicts.

Reading checks the form, `names` checks the words. Keys that a newer contract has are passed
over.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType, field

from freehold.errors import ContractError

#: Shapes that say everything by their name.
PLAIN: Final = frozenset(
    {
        "str",
        "int",
        "int64",
        "float",
        "bool",
        "bytes",
        "none",
        "any",
        "epoch_seconds",
        "epoch_millis",
        "sealed",
        "hashed",
    }
)
#: Shapes around one other shape.
AROUND_ONE: Final = frozenset(("list", "dict", "optional", "maybe", "page"))


class Shape(msgspec.Struct):
    """A type in the contract: `{"t": "list", "of": {"t": "ref", "name": "Idea"}}`."""

    t: str
    of: Shape | list[Shape] | None = None
    values: list[str | int | bool | None] | None = None
    name: str = ""

    @property
    def inner(self) -> Shape:
        """What a list, an optional, a page and the like hold."""
        if isinstance(self.of, Shape):
            return self.of
        raise ContractError(f"the contract has a {self.t!r} without the type it holds.")

    @property
    def members(self) -> list[Shape]:
        """What a union is made of."""
        if isinstance(self.of, list) and self.of:
            return self.of
        raise ContractError("the contract has a union without members.")

    @property
    def literals(self) -> list[str | int | bool | None]:
        """The values of a literal."""
        if self.values:
            return self.values
        raise ContractError("the contract has a literal without values.")


class Field(msgspec.Struct):
    """A field of a type, a part of an error, or a parameter."""

    name: str
    wire: str
    type: Shape
    required: bool = True
    default: Any | UnsetType = UNSET
    #: A parameter that can be given by name only.
    keyword: bool = False


class Method(msgspec.Struct):
    """A method of an entrypoint."""

    name: str
    kind: Literal["query", "mutation"]
    returns: Shape
    params: list[Field] = field(default_factory=list)
    doc: str | None = None
    scope: str | None = None
    errors: list[str] = field(default_factory=list)


class Entrypoint(msgspec.Struct):
    """A class of methods; the keys are their names on the wire."""

    methods: dict[str, Method]
    doc: str | None = None


class Type(msgspec.Struct):
    """A struct that travels."""

    fields: list[Field]
    kind: Literal["struct"] = "struct"
    role: Literal["record", "input", "patch", "value"] = "value"
    doc: str | None = None


class Error(msgspec.Struct):
    """An error of the application's own."""

    extends: str
    doc: str | None = None
    fields: list[Field] = field(default_factory=list)


class Contract(msgspec.Struct):
    """Everything that a consumer may know."""

    app: str
    hash: str
    entrypoints: dict[str, Entrypoint]
    types: dict[str, Type] = field(default_factory=dict)
    errors: dict[str, Error] = field(default_factory=dict)
    freehold: Literal[1] = 1


def read_contract(contract: dict[str, Any]) -> Contract:
    """
    The contract, its form checked.

    Raises:
        ContractError: It is not a contract that this version knows; the place is named.
    """
    try:
        return msgspec.convert(contract, Contract)
    except msgspec.ValidationError as error:
        raise ContractError(
            f"this is not a contract: {error}.",
            hint="Take it from /contract.json of a data layer of this version.",
        ) from error


def shapes_of(contract: Contract) -> list[tuple[str, Shape]]:
    """Every type that is said anywhere, outermost only, with the place where it is said."""
    found: list[tuple[str, Shape]] = []
    for name, entrypoint in contract.entrypoints.items():
        for wire, method in entrypoint.methods.items():
            found += [(f"{name}.{wire}({p.wire})", p.type) for p in method.params]
            found.append((f"the answer of {name}.{wire}", method.returns))
    for name, kind in contract.types.items():
        found += [(f"{name}.{f.wire}", f.type) for f in kind.fields]
    for name, error in contract.errors.items():
        found += [(f"{name}.{f.wire}", f.type) for f in error.fields]
    return found


def parents_first(contract: Contract) -> list[str]:
    """The errors by name, but each after the one it extends."""
    ordered: dict[str, None] = {}

    def add(name: str) -> None:
        if name in contract.errors:
            add(contract.errors[name].extends)
            ordered[name] = None

    for name in sorted(contract.errors):
        add(name)
    return list(ordered)
