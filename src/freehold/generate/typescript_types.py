"""
The contract's types in TypeScript: as annotations, and as the shapes that are read at run time.

A type that travels both ways may need two interfaces: an answer has every field, and what is
sent may leave out those with a default. The second one is called `…Given`, and is there only
where the two differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from freehold.generate.model import Contract, Field, Shape
from freehold.generate.typescript_text import literal

_SCALARS: Final = {
    "str": "string",
    "int": "number",
    "int64": "bigint",
    "float": "number",
    "bool": "boolean",
    "bytes": "Uint8Array",
    "none": "null",
    "any": "unknown",
    "epoch_seconds": "EpochSeconds",
    "epoch_millis": "EpochMillis",
    "sealed": "Sealed",
    "hashed": "Hashed",
}
#: Kinds that are one and the same at run time.
_READ_AS: Final = {
    "epoch_seconds": "int",
    "epoch_millis": "int",
    "sealed": "str",
    "hashed": "str",
}
#: Words that no declaration and no parameter may have.
RESERVED: Final = frozenset(
    re.findall(
        r"\w+",
        """
    abstract any arguments as asserts async await bigint boolean break case catch class const
    constructor continue debugger declare default delete do else enum eval export extends false
    finally for from function get global globalThis if implements import in infer instanceof
    interface intrinsic is keyof let module namespace never new null number object of out override
    package private protected public readonly require return satisfies set static string super
    switch symbol this throw true try type typeof undefined unique unknown using var void while
        with yield Infinity NaN
        """,
    )
)
_STRINGS: Final = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:[^\"\\\n]|\\.)*\"", re.DOTALL)
_WORDS: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


def words_of(code: str) -> set[str]:
    """Every identifier of a piece of code; what comments and plain strings say is none."""
    return set(_WORDS.findall(_STRINGS.sub(" ", code)))


class Names:
    """
    Under which names the contract's types, errors and entrypoints are declared in the module.

    Whatever would hide a name that the module's own code needs is declared with an underscore
    before it, and exported under the name that the contract says.

    Args:
        contract: Gives the names.
        taken: The names that the module's own code uses.
    """

    def __init__(self, contract: Contract, taken: set[str]) -> None:
        self.exported = {*contract.types, *contract.errors, *contract.entrypoints}
        self._taken = taken | RESERVED

    def local(self, name: str) -> str:
        """The name inside the module."""
        while name in self._taken:
            name = f"_{name}"
        return name

    def fresh(self, name: str) -> str:
        """A name for something that the contract does not name itself; it is exported too."""
        while name in self.exported or name in self._taken:
            name += "Value"
        self.exported.add(name)
        return name


class Types:
    """
    Types as text.

    Args:
        contract: What refers to each other.
        names: How the types are declared.
    """

    def __init__(self, contract: Contract, names: Names) -> None:
        self._contract = contract
        self._names = names
        methods = [m for e in contract.entrypoints.values() for m in e.methods.values()]
        self.sent = self._reached(param.type for m in methods for param in m.params)
        parts = [part.type for error in contract.errors.values() for part in error.fields]
        self.answered = self._reached([*(m.returns for m in methods), *parts])
        #: Types with two interfaces → the name of the one that is sent.
        self.given = {name: names.fresh(f"{name}Given") for name in self._twofold()}

    def text(self, shape: Shape, *, sent: bool) -> str:
        """The type as an annotation says it."""
        match shape.t:
            case "ref":
                twin = self.given.get(shape.name) if sent else None
                return twin or self._names.local(shape.name)
            case "list":
                inner = self.text(shape.inner, sent=sent)
                items = f"({inner})[]" if " " in inner else f"{inner}[]"
                return f"readonly {items}" if sent else items
            case "dict":
                return f"Record<string, {self.text(shape.inner, sent=sent)}>"
            case "page":
                return f"Page<{self.text(shape.inner, sent=sent)}>"
            case "optional" | "maybe" | "literal" | "union":
                return " | ".join(self.members(shape, sent=sent))
        return _SCALARS[shape.t]

    def members(self, shape: Shape, *, sent: bool) -> list[str]:
        """The parts of a union, each once; `null` last."""
        found = dict.fromkeys(self._flat(shape, sent=sent))
        if "unknown" in found:
            return ["unknown"]
        nulls = [member for member in found if member == "null"]
        return [member for member in found if member != "null"] + nulls

    def _flat(self, shape: Shape, *, sent: bool) -> list[str]:
        match shape.t:
            case "optional":
                return [*self._flat(shape.inner, sent=sent), "null"]
            case "maybe":
                return self._flat(shape.inner, sent=sent)
            case "union":
                return [m for part in shape.members for m in self._flat(part, sent=sent)]
            case "literal":
                return [literal(value) for value in shape.literals]
        return [self.text(shape, sent=sent)]

    def shape(self, shape: Shape) -> str:
        """The type as the module's own code reads it."""
        match shape.t:
            case "ref":
                return f"{{ struct: {literal(shape.name)} }}"
            case "list" | "dict" | "page" | "optional" | "maybe":
                return f"{{ {shape.t}: {self.shape(shape.inner)} }}"
            case "literal":
                return f"{{ literal: [{', '.join(literal(value) for value in shape.literals)}] }}"
            case "union":
                # What takes everything is tried when nothing else fits.
                members = sorted(shape.members, key=lambda member: member.t == "any")
                return f"{{ union: [{', '.join(self.shape(member) for member in members)}] }}"
        return literal(_READ_AS.get(shape.t, shape.t))

    def is_left_out(self, each: Field, *, sent: bool) -> bool:
        """Whether the field may be absent, on its way to the server or back."""
        return each.type.t == "maybe" or (sent and not each.required)

    # -- which way a type travels ---------------------------------------------------------------

    def _reached(self, shapes: Iterable[Shape]) -> set[str]:
        found: set[str] = set()
        waiting = [name for shape in shapes for name in _refs(shape)]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                for each in self._contract.types[name].fields:
                    waiting += _refs(each.type)
        return found

    def _twofold(self) -> list[str]:
        """Types that travel both ways and are not the same there, themselves or inside."""
        types = self._contract.types
        differ = {
            name
            for name, kind in types.items()
            if any(not each.required and each.type.t != "maybe" for each in kind.fields)
        }
        while True:
            more = {
                name
                for name, kind in types.items()
                if name not in differ and any(differ & _refs(each.type) for each in kind.fields)
            }
            if not more:
                return sorted(differ & self.sent & self.answered)
            differ |= more


def _refs(shape: Shape) -> set[str]:
    if shape.t == "ref":
        return {shape.name}
    inner = shape.of if isinstance(shape.of, list) else [] if shape.of is None else [shape.of]
    return {name for part in inner for name in _refs(part)}
